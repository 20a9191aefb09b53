"""A cohort: every scan below a folder enhanced into another folder, with a summary of all."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..assessment.verdicts import DO_NOT_TRUST, LOOK_CLOSER
from ..errors import InputError
from ..jobs.requests import BatchRequest
from ..model.card import installed_models, model_sha256, read_card
from ..runtime.events import EventHandler, ignore_event
from ..site.profile import read_site
from ..storage.digest import file_sha256
from ..volume.product import Product
from .cases import Case, find_cases
from .cluster import connected, require_safe
from .folder import SUMMARY, batch_lock, earlier_results, require_usable
from .run import BatchRun
from .search import require_folder
from .settings import OUTPUTS, Settings, require_alike


@dataclass(frozen=True)
class BatchResult:
    """Numbers of cases, the seconds it took, and the table.

    Args:
        done: finished; `kept` of them or of those withheld were so before.
        withheld: all but their DICOM series was written, since a metric is assessed as 'do not trust'.
        look_closer, do_not_trust: by the gravest assessment of a case, of those done or withheld.
        own_outputs: files and series passed over since they are outputs of this program.
    """

    cases: int
    done: int
    kept: int
    failed: int
    withheld: int
    look_closer: int
    do_not_trust: int
    seconds: float
    summary: Path
    own_outputs: int = 0

    @property
    def failure(self) -> str:
        """What was not done, in one sentence; empty where all was."""
        parts = [f"{self.failed} of {self.cases} cases failed"] * bool(self.failed)
        if self.withheld:
            parts.append(f"the DICOM series of {self.withheld} of {self.cases} cases were withheld")
        return f"{', and '.join(parts)}: the reasons are in {self.summary.name}." if parts else ""


def enhance_folder(
    request: BatchRequest,
    *,
    on_event: EventHandler = ignore_event,
    cancelled: Callable[[], bool] = lambda: False,
) -> BatchResult:
    """Enhance every scan below a folder; a case that fails does not stop the others.

    The output folder mirrors the input: a folder for each case, which appears when the case is finished, and
    summary.csv, where each case has its row from the start.

    Args:
        on_event: called with an event's name and its fields; a case only by its number. "progress" of the stage
            "batch" counts cases; "case" has case, cases, status (running, done, kept, failed), and what a running one
            does (stage, and done and total of its slices).
        cancelled: asked several times a second; the scans being worked on are then given up.

    Raises:
        MVCTEnhanceError: nothing could be started, or the summary could not be written.
        Cancelled: `cancelled` said so; finished cases stay.
    """
    start = time.monotonic()
    source, output = request.input.absolute(), request.output.absolute()
    require_folder(source)
    require_usable(output, source, resume=request.may_go_on)
    settings = settings_of(request)
    on_event("stage", stage="search")
    own_outputs: list[Product] = []
    cases = find_cases(source, on_event=on_event, own_outputs=own_outputs)
    with batch_lock(output):
        run = enhance_cases(request, cases, settings, on_event=on_event, cancelled=cancelled)
    return BatchResult(
        cases=len(cases),
        done=run.count("done"),
        kept=run.kept,
        failed=run.count("failed"),
        withheld=run.count("withheld"),
        look_closer=run.count_assessed(LOOK_CLOSER),
        do_not_trust=run.count_assessed(DO_NOT_TRUST),
        seconds=time.monotonic() - start,
        summary=request.output / SUMMARY,
        own_outputs=len(own_outputs),
    )


def enhance_cases(
    request: BatchRequest,
    cases: Sequence[Case],
    settings: Settings,
    *,
    on_event: EventHandler = ignore_event,
    cancelled: Callable[[], bool] = lambda: False,
) -> BatchRun:
    """Enhance the cases that were found below the input folder, in an output folder that is locked; see
    `enhance_folder`."""
    source, output = request.input.absolute(), request.output.absolute()
    require_usable(output, source, resume=request.may_go_on)  # another batch may have come and gone
    earlier = earlier_results(output, cases)
    if not request.overwrite:
        require_alike(settings, cases, earlier, output)
    with connected(request.scheduler) as client:
        run = BatchRun(cases, source, output, settings, on_event)
        run.take_over(earlier, keep=request.resume)
        run.run(request.workers, cancelled, client)
    return run


def settings_of(request: BatchRequest) -> Settings:
    """What all cases are done with.

    Raises:
        MVCTEnhanceError: of model, site profile or device, once, and not as the reason of each case.
    """
    site = read_site(request.site)
    model, _ = site.model_file(request.model)  # its warning comes with each case
    read_card(model)
    if request.scheduler is not None:
        require_safe(request.scheduler)
        if request.workers != 1:
            raise InputError("workers: they are those of the scheduler, give either --scheduler or --workers.")
    elif request.device not in ("auto", "cpu"):  # which are always right, and torch takes its time
        from ..model.device import choose_device

        choose_device(request.device)
    names = {path: name for name, path in installed_models().items()}  # other computers may have them elsewhere
    return Settings(
        model=names.get(model, model.absolute()),
        model_digest=model_sha256(model),
        device=request.device,
        outputs=frozenset(name for name in OUTPUTS if getattr(request, name)),
        format=request.format,
        force=request.force,
        strength=request.strength,
        site=Path(request.site).absolute() if request.site else None,
        site_digest=site.sha256,
        structures=request.structures and request.structures.absolute(),
        structures_digest=file_sha256(request.structures, "structures") if request.structures else "",
    )
