"""Work that goes on while the application does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import slicer
import slicer.util
from slicer.i18n import tr as _

from ...errors import MVCTEnhanceError
from . import files
from .process import Outcome, Worker, waiting_child
from .steps import OnProgress, Step, Steps, Work, tell_progress

_RETRY_MS = 100


class Job:
    """Work that goes on while the application does; needs the Qt event loop.

    Args:
        work: what is to be done.
        on_progress: called with the stage in words, slices done, slices in all (0 where it cannot be counted) and the
            seconds left (None where they cannot be told).
        on_done: called with what came of it.
        on_error: called with one sentence, also where it cannot be started or what it works on was deleted.
    """

    def __init__(
        self,
        work: Work,
        *,
        on_progress: OnProgress | None = None,
        on_done: Callable[[Any], None] | None = None,
        on_error: Callable[[str], None] | None = None,
    ):
        self._work = work
        self._on_progress = on_progress
        self._on_done = on_done or (lambda result: None)
        self._on_error = on_error or (lambda message: None)
        self._scene = slicer.util.VTKObservationMixin()
        self._folder: Path | None = None
        self._steps: Steps | None = None
        self._step: Step | None = None
        self._worker: Worker | None = None
        self.device = ""
        """Name of the device that the worker computes on, once it has said so."""

    @property
    def running(self) -> bool:
        """Whether the work has been started and has not ended."""
        return self._steps is not None

    def start(self) -> None:
        """Write the inputs and start the worker; at once nothing but on_error is called."""
        if self.running:
            return
        self.device = ""
        try:
            problem = self._work.problem()
            if problem:
                raise MVCTEnhanceError(problem)
            self._folder = files.new_folder()
        except MVCTEnhanceError as error:
            self._on_error(str(error))
            return
        self._steps = self._work.steps(self._folder)
        if self._work.needs_scene:
            scene = slicer.mrmlScene
            self._scene.addObserver(scene, scene.StartCloseEvent, self._on_scene_closed)
            self._scene.addObserver(scene, scene.NodeRemovedEvent, self._on_node_removed)
        self._go_on(lambda: next(self._steps))

    def cancel(self) -> None:
        """End the worker with all its processes; the scene stays as it is, and nothing is called any more."""
        self._tidy_up()

    def _go_on(self, advance: Callable[[], Step]) -> None:
        try:
            self._step = advance()
            worker = self._worker = self._worker or Worker(patience_s=self._work.patience_s)
            worker.run(self._step.request, lambda outcome: self._on_end(worker, outcome), on_event=self._on_event)
        except StopIteration as end:
            self._tidy_up()
            self._on_done(end.value)
        except MVCTEnhanceError as error:
            self._fail(str(error))
        except MemoryError:
            self._fail(_("Out of memory: close other programs."))
        except Exception as error:
            self._fail(_("Unexpected {type}: see Slicer's Python console.").format(type=type(error).__name__))
            raise

    def _on_event(self, event: str, **fields: Any) -> None:
        if event == "device":
            self.device = fields["name"]
        tell_progress(self._on_progress, event, fields, self._step.title)

    def _on_end(self, worker: Worker, outcome: Outcome) -> None:
        if self._worker is not worker:  # cancelled, or started again, while it waited for the scene
            return
        if slicer.mrmlScene.IsBatchProcessing():  # a scene being loaded or closed takes no new nodes
            import qt

            qt.QTimer.singleShot(_RETRY_MS, lambda: self._on_end(worker, outcome))
            return
        reason = self._work.invalidation_reason()
        if reason:
            self._fail(reason)
        elif isinstance(outcome, MVCTEnhanceError):
            sentence = MVCTEnhanceError(self._step.in_user_words(str(outcome)))
            self._go_on(lambda: self._steps.throw(sentence))
        else:
            self._go_on(lambda: self._steps.send(outcome))

    def _on_scene_closed(self, caller: Any, event: str) -> None:
        self._fail(_("The scene was closed, which ended the work."))

    def _on_node_removed(self, caller: Any, event: str) -> None:
        reason = self._work.invalidation_reason()
        if reason:
            self._fail(reason)

    def _fail(self, message: str) -> None:
        self.cancel()
        self._on_error(message)

    def _tidy_up(self) -> None:
        worker, self._worker = self._worker, None
        if worker:
            worker.end()
        self._scene.removeObservers()
        steps, self._steps = self._steps, None
        if steps:
            steps.close()
        folder, self._folder = self._folder, None
        if folder:
            files.remove_folder(folder)


def do_now(work: Work, on_progress: OnProgress | None = None) -> Any:
    """Do work and wait for it; needs no event loop, and the application does nothing else meanwhile.

    Raises:
        MVCTEnhanceError: with one sentence on the fault and what to do.
    """
    problem = work.problem()
    if problem:
        raise MVCTEnhanceError(problem)

    def on_event(event: str, **fields: Any) -> None:
        tell_progress(on_progress, event, fields, step.title)

    with waiting_child() as child, files.temporary_folder() as folder:
        steps = work.steps(folder)
        try:
            step = next(steps)
            while True:
                try:
                    result = child.run(step.request.to_argv(), on_event=on_event)
                except MVCTEnhanceError as error:
                    step = steps.throw(MVCTEnhanceError(step.in_user_words(str(error))))
                else:
                    step = steps.send(result)
        except StopIteration as end:
            return end.value
        finally:
            steps.close()
