"""Work that is waited for."""

from __future__ import annotations

from typing import Any

from ..errors import MVCTEnhanceError
from . import files
from .process import run_and_wait
from .stages import OnProgress, progress_of
from .steps import Work


def do_now(work: Work, on_progress: OnProgress | None = None) -> Any:
    """Do work and wait for it; needs no event loop, and the application does nothing else meanwhile.

    Raises:
        MVCTEnhanceError: with one sentence on what is wrong.
    """
    problem = work.problem()
    if problem:
        raise MVCTEnhanceError(problem)

    def on_event(event: dict[str, Any]) -> None:
        progress = progress_of(event)
        if progress and on_progress:
            text, *counts = progress
            on_progress(step.titled(text), *counts)

    with files.temporary_folder() as folder:
        steps = work.steps(folder)
        try:
            step = next(steps)
            while True:
                try:
                    payload = run_and_wait(step.arguments, on_event)
                except MVCTEnhanceError as error:
                    step = steps.throw(MVCTEnhanceError(step.in_user_words(str(error))))
                else:
                    step = steps.send(payload)
        except StopIteration as end:
            return end.value
        finally:
            steps.close()
