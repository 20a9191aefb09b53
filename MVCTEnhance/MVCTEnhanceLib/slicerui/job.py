"""An enhancement that runs while the application goes on, and one that is waited for."""

from __future__ import annotations

from collections.abc import Callable

from .enhancement import Enhancement
from .options import EnhanceOptions
from .outputs import EnhanceResult
from .stages import OnProgress
from .waiting import do_now
from .work import Job


class EnhanceJob(Job):
    """Enhance one volume; see `Job` for the callbacks.

    Args:
        options: what to do with which nodes.
        on_done: called with the `EnhanceResult`, whose nodes are in the scene.
    """

    work: type[Enhancement] = Enhancement

    def __init__(
        self,
        options: EnhanceOptions,
        *,
        on_progress: OnProgress | None = None,
        on_done: Callable[[EnhanceResult], None] | None = None,
        on_error: Callable[[str], None] | None = None,
    ):
        super().__init__(self.work(options), on_progress=on_progress, on_done=on_done, on_error=on_error)


def enhance_and_wait(options: EnhanceOptions, on_progress: OnProgress | None = None) -> EnhanceResult:
    """Enhance one volume; needs no event loop, and the application does nothing else meanwhile.

    Raises:
        MVCTEnhanceError: with one sentence on what is wrong; the scene is as it was.
    """
    return do_now(Enhancement(options), on_progress)
