"""The node at work: it receives, enhances and delivers until it is ended."""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from ..assessment.provenance import PROGRAM
from ..batch.cases import Case
from ..batch.cohort import settings_of
from ..batch.folder import commit_case, staging
from ..batch.settings import Settings
from ..errors import Cancelled, MVCTEnhanceError, OutputError
from ..io.dicom.geometry import lacks_slices
from ..jobs.requests import BatchRequest, PdfRequest, ServeRequest
from ..report.pdf import require_weasyprint
from ..runtime.child import Child
from ..runtime.events import EventHandler
from ..storage.atomic import settle_folder
from .config import NodeConfig, read_node
from .receiver import receiving, require_pynetdicom, tls_context
from .sender import Sender
from .spool import Series, Spool, Status
from .watch import Watcher

POLL_S = 0.1
TRIES = 2  # for a scan whose worker ends without a result
_ASK_S = 60.0  # between looks for what need not be kept any more
_HOUR_S = 3600.0
_UID = re.compile(r"\d+(?:\.\d+){5,}")


def serve(request: ServeRequest, *, on_event: EventHandler) -> None:
    """Run a node until it is ended by a signal.

    Args:
        on_event: called with "stage", "warning", and "series" with series (its number) and status; from any thread.

    Raises:
        InputError, OutputError, ModelError, DeviceError: it cannot be started.
    """
    require_pynetdicom()
    config = read_node(request.config)
    if config.node.report:
        require_weasyprint()
    settings = _settings(config, request.device)
    spool = Spool(config.storage, config.limits)
    ended = threading.Event()
    with spool.owned(), Child() as child, ExitStack() as stack:
        node = Service(config, spool, on_event)
        tls = tls_context(config, is_server=False)
        work: list[Callable[[], None]] = [lambda: node.enhance_all(settings, child, ended)]
        for place in config.send_to:
            sender = Sender(
                place,
                spool,
                title=config.node.ae_title,
                attempts=config.limits.attempts,
                tls=tls,
                on_event=on_event,
            )
            work.append(lambda sender=sender: sender.run(lambda: node.of_status("sending", "given up"), ended))
        if config.watch:
            most = config.limits.megabytes << 20
            watcher = Watcher(Path(config.watch.folder), spool, config.node.quiet_s, most, on_event)
            work.append(lambda: watcher.run(ended))
        stack.callback(ended.set)
        for target in work:
            threading.Thread(target=_lasting, args=(target, ended, on_event), daemon=True).start()
        stack.enter_context(receiving(config, spool, on_event))
        on_event("stage", stage="serve", ae_title=config.node.ae_title, host=config.node.host, port=config.node.port)
        _lasting(lambda: node.watch_over(ended), ended, on_event)


def _settings(config: NodeConfig, device: str) -> Settings:
    """As a batch has them, whose cases are enhanced the same way."""
    return settings_of(
        BatchRequest(
            config.storage,
            config.storage,
            model=config.node.model or None,
            site=config.node.site or None,
            difference=config.node.difference,
            report=bool(config.node.report),
            format="dicom",
            device=device,
            force=config.node.send_untrusted,
        )
    )


def _lasting(work: Callable[[], None], ended: threading.Event, on_event: EventHandler) -> None:
    """Work that goes on after an error of any kind, such as a full disk."""
    while not ended.is_set():
        try:
            work()
        except Exception as error:
            on_event("warning", message=f"{_in_words(error)} The node goes on in {_ASK_S:.0f} s.")
            ended.wait(_ASK_S)


def _in_words(error: Exception) -> str:
    """Without the texts of libraries, in which they quote header values."""
    if isinstance(error, MVCTEnhanceError):
        return str(error)
    if isinstance(error, OSError):
        return f"The operating system says '{error.strerror}': check the disk of the spool and its permissions."
    return f"Unexpected {type(error).__name__}."


@dataclass
class _Seen:
    """Args: slices of a series that arrives; since when there are no more; whether some are missing between them."""

    files: list[Path]
    since: float
    has_gaps: bool | None = None


class Service:
    """What is to be done with which series, by the spool alone; what is kept here is for how long nothing happened."""

    def __init__(self, config: NodeConfig, spool: Spool, on_event: EventHandler):
        self._config, self._spool, self._on_event = config, spool, on_event
        self._states: list[tuple[Series, Status]] = []
        self._seen: dict[Series, _Seen] = {}
        self._told_late: set[Series] = set()
        self._enhancing: Series | None = None
        self._tries: dict[Series, int] = {}
        self._purged = time.monotonic()

    def of_status(self, *statuses: Status) -> list[Series]:
        """The series of these statuses, as they were a moment ago."""
        return [series for series, status in self._states if status in statuses]

    def watch_over(self, ended: threading.Event) -> None:
        """Close what is complete, end what is delivered, remove what need not be kept."""
        while not ended.is_set():
            for series, _ in self._states:
                try:
                    self._look_at(series)
                except (OutputError, OSError):  # of the disk
                    raise
                except Exception as error:  # of this series, which must not stop the others
                    self._spool.close(series)  # an outcome counts where nothing arrives
                    self._end(series, "failed", reason=_in_words(error))
            self._states = [(series, series.status) for series in self._spool.series()]
            if time.monotonic() - self._purged > _ASK_S:
                self._purge()
            ended.wait(POLL_S)

    def _look_at(self, series: Series) -> None:
        with self._spool.lock:
            if series == self._enhancing:
                return
            if self._spool.asked_retry(series):
                self._spool.retry(series)
                self._told_late.discard(series)
                self._on_event("series", series=series.number, status="retry")
            status = series.status
            if status == "arriving":
                self._close_when_complete(series)
            elif status == "sending" and all(series.has("sent", place.key) for place in self._config.send_to):
                self._spool.end(series, "delivered")
                self._on_event("series", series=series.number, status="delivered")
            elif (late := series.late) and series not in self._told_late:
                self._told_late.add(series)
                self._on_event("series", series=series.number, status="late", slices=late)

    def _close_when_complete(self, series: Series) -> None:
        """When it is quiet; a series with gaps is waited for once more."""
        now, files = time.monotonic(), series.files
        if series not in self._seen:
            self._on_event("series", series=series.number, status="arriving")
        seen = self._seen.get(series)
        if seen is None or files != seen.files:
            self._seen[series] = _Seen(files, now)
            return
        quiet_s, quiet = self._config.node.quiet_s, now - seen.since
        if quiet < quiet_s or not files:
            return
        if seen.has_gaps is None:
            seen.has_gaps = lacks_slices(series.headers)
        if quiet >= (2 if seen.has_gaps else 1) * quiet_s:
            self._spool.close(series)
            del self._seen[series]
            self._on_event("series", series=series.number, status="complete", slices=len(series.files))

    def _purge(self) -> None:
        self._purged = time.monotonic()
        for series, _ in self._states:
            if self._spool.purge(series, self._config.node.keep_h * _HOUR_S):
                self._on_event("series", series=series.number, status="removed")

    def enhance_all(self, settings: Settings, child: Child, ended: threading.Event) -> None:
        """Enhance one scan after another, in one process, until it is over."""
        while not ended.wait(POLL_S):
            for series in self.of_status("waiting"):
                with self._spool.lock:
                    if series.status != "waiting":
                        continue
                    self._enhancing = series
                try:
                    self._enhance(series, settings, child)
                except Cancelled:
                    return
                except Exception as error:
                    self._failed(series, _in_words(error))
                finally:
                    self._enhancing = None
                if ended.is_set():
                    return

    def _enhance(self, series: Series, settings: Settings, child: Child) -> None:
        headers = series.headers
        if not self._config.takes(headers):
            self._end(series, "other", slices=len(headers))
            return
        self._on_event("series", series=series.number, status="enhancing", slices=len(headers))
        case, start = _case(series), time.monotonic()
        with staging(self._spool.incoming) as folder:
            readouts = child.run(settings.request(case, folder).to_argv())
            seconds = round(time.monotonic() - start, 1)
            note = {"made_of": settings.input_signature(case), "made_by": PROGRAM, "seconds": seconds}
            withheld = readouts.pop("withheld", False)
            if withheld:
                note |= {"withheld": readouts.pop("failure")}
            elif self._config.node.report:
                child.run(PdfRequest(folder / "report", series.scan, folder / series.pdf.name).to_argv())
            with self._spool.lock:
                if series.status == "arriving":
                    self._on_event("series", series=series.number, status="again", reason="more slices came")
                    return
                commit_case(folder, series.result, note, readouts)
                settle_folder(series.folder)
        self._tries.pop(series, None)
        self._on_event("series", series=series.number, status="withheld" if withheld else "enhanced", seconds=seconds)

    def _failed(self, series: Series, reason: str) -> None:
        """Once more, since the process may have been ended from outside; then not until somebody asks for it."""
        tries = self._tries[series] = self._tries.get(series, 0) + 1
        if tries < TRIES:
            self._on_event("series", series=series.number, status="again", reason="no result")
            return
        del self._tries[series]
        self._end(series, "failed", reason=_without_places(reason, series, self._spool))

    def _end(self, series: Series, status: Status, *, reason: str = "", **told: Any) -> None:
        self._spool.end(series, status, reason)
        self._on_event("series", series=series.number, status=status, **told)


def _case(series: Series) -> Case:
    name = f"series {series.number}"
    return Case(
        name=name,
        key=name,
        place=PurePosixPath(),
        source=series.scan,
        series_uid=None,
        is_dicom=True,
        fingerprint=series.folder.name,
    )


def _without_places(reason: str, series: Series, spool: Spool) -> str:
    """A reason that names the series by its number."""
    reason = _UID.sub(str(series.number), reason)
    return reason.replace(f"{series.folder}{os.sep}", "").replace(f"{spool.folder}{os.sep}", "")


def states(config: NodeConfig) -> list[dict[str, Any]]:
    """What a node has in its spool, whether it runs or not: series, status, slices, late slices, reason, and waiting,
    the AE titles of destinations that have not acknowledged it.
    """
    found = []
    for series in Spool(config.storage, config.limits).series():
        status = series.status
        is_made = status in ("sending", "given up")
        waiting = [place.ae_title for place in config.send_to if is_made and not series.has("sent", place.key)]
        found.append(
            {
                "series": series.number,
                "status": status,
                "slices": len(series.files) - series.late,
                "late": series.late,
                "waiting": waiting,
                "reason": series.reason,
            }
        )
    return found


def retry(config: NodeConfig) -> int:
    """Ask the node, or the next one that is started, to try again whatever is not delivered and not on its way.

    Returns:
        the number of series.
    """
    spool = Spool(config.storage, config.limits)
    stuck: Sequence[Status] = ("failed", "given up", "withheld", "other")
    asked = [series for series in spool.series() if series.late or series.status in stuck]
    for series in asked:
        spool.ask_retry(series)
    return len(asked)
