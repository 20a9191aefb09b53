"""One run over the cases of a batch."""

from __future__ import annotations

import os
import queue
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..assessment.provenance import PROGRAM
from ..errors import Cancelled, MVCTEnhanceError, OutputError
from ..quality.record import EnhancementRecord
from ..runtime.child import Children, JobFailed
from ..runtime.events import EventHandler
from .cases import Case
from .cluster import ATTEMPTS, Cluster, WorkerLost
from .folder import SUMMARY, assign_places, commit_case, load_completed, require_exists, staging
from .settings import Note, Settings
from .summary import CaseRow, Status, values_of, worst_verdict, write_summary

if TYPE_CHECKING:
    from distributed import Client

POLL_S = 0.2
LOST = (
    f"{ATTEMPTS} workers were lost while they did this case, most often because memory ran out: give them more memory, "
    "then use --resume."
)
CANCELLED = "The batch was cancelled; finished cases stay."


class ThisComputer:
    """Child processes that do cases while the block lasts; `Cluster` does the same on other computers."""

    def __init__(self, workers: int):
        self._workers, self._children = workers, Children(workers)

    def __enter__(self) -> ThisComputer:
        return self

    def __exit__(self, *error: object) -> None:
        self._children.__exit__(*error)

    def capacity(self) -> int:
        """How many cases can be done at a time."""
        return self._workers

    def run(self, arguments: Sequence[str], *, folder: Path, number: int, on_event: EventHandler) -> dict[str, Any]:
        """As `Cluster.run`."""
        return self._children.run(arguments, on_event=on_event)


class BatchRun:
    """Threads wait for the cases and send messages; tables, reports and decisions are of one thread.

    Args:
        cases: all of them, which are numbered from 1 in this order.
        source: the input folder, which reasons leave out of their paths.
        output: the folder that holds a folder for each case and the summary.

    Attributes:
        kept: how many cases an earlier run has finished.
    """

    def __init__(self, cases: Sequence[Case], source: Path, output: Path, settings: Settings, on_event: EventHandler):
        self._cases, self._source, self._output, self._settings = cases, source, output, settings
        self._on_event = on_event
        self._places = assign_places(output, cases)
        self._rows = [CaseRow(case.name) for case in cases]
        self._each = [settings] * len(cases)
        self._waiting: deque[int] = deque()
        self._running = 0
        self._lost: Counter[int] = Counter()  # workers by case
        self._messages: queue.SimpleQueue[tuple[int, CaseRow | tuple[str, dict[str, Any]]]] = queue.SimpleQueue()
        self._devices: list[dict[str, Any]] = []
        self._unwritten: OutputError | None = None
        self.kept = 0

    def take_over(self, earlier: Mapping[str, Note], *, keep: bool) -> None:
        """Start from what an earlier run has left: no case will have fewer outputs than it has.

        Args:
            earlier: its results by the cases' keys.
            keep: whether those that fit the settings are finished; else all are done anew.
        """
        for number, case in enumerate(self._cases):
            note = earlier.get(case.key)
            if note:
                self._each[number] = self._settings.extended(case, note)
            if keep and note and self._settings.is_finished(case, note):
                self._rows[number] = self._row(case, note)
                self.kept += 1

    @property
    def cases(self) -> list[tuple[Case, CaseRow, Path]]:
        """Each case with what became of it and the folder of its outputs."""
        return [(case, row, self._places[case.key]) for case, row in zip(self._cases, self._rows, strict=True)]

    def count(self, status: Status) -> int:
        """Number of cases of this status."""
        return sum(row.status == status for row in self._rows)

    def count_assessed(self, verdict: str) -> int:
        """How many cases have this as their gravest assessment."""
        return sum(worst_verdict(row.values) == verdict for row in self._rows)

    def run(self, workers: int, cancelled: Callable[[], bool], client: Client | None = None) -> None:
        """Do every case that is not finished yet.

        Args:
            workers: how many cases this computer does at a time.
            client: of a Dask scheduler whose workers do the cases in its stead.

        Raises:
            Cancelled: `cancelled` said so.
            OutputError: the summary could not be written, or the output folder was removed.
            DeviceError: the scheduler is gone, or no worker can be used.
        """
        self._waiting.extend(number for number, row in enumerate(self._rows) if row.status == "waiting")
        self._write_summary()
        try:
            # Left in the reverse order: the workers end, whose ends the threads wait for.
            with ThreadPoolExecutor(max(1, len(self._waiting))) as threads, self._place(workers, client) as place:
                running = {"cases": len(self._rows), "kept": self.kept, "workers": place.capacity()}
                self._on_event("stage", stage="batch", **running)
                for number, row in enumerate(self._rows):
                    if row.status in ("done", "withheld"):
                        self._tell(number, "kept")
                self._send_progress()

                def start_waiting() -> None:
                    capacity = place.capacity()  # asked for also where nothing waits, to learn of workers that are lost
                    while self._waiting and self._running < capacity:
                        self._running += 1
                        threads.submit(self._work, self._waiting.popleft(), place)

                while self.count("waiting"):
                    start_waiting()
                    self._follow(cancelled, start_waiting)
        except BaseException:
            self._keep_what_is_done()
            raise
        if self._unwritten:
            raise self._unwritten

    def _place(self, workers: int, client: Client | None) -> ThisComputer | Cluster:
        """Where the cases are done."""
        if client and self._waiting:
            sample = self._cases[self._waiting[0]].source
            return Cluster(client, self._settings, self._output, sample, self._on_event)
        return ThisComputer(max(1, min(workers, len(self._waiting))))

    def _row(self, case: Case, note: Note) -> CaseRow:
        """Of a case that is finished."""
        place, why = self._places[case.key].relative_to(self._output).as_posix(), note.get("withheld", "")
        status = "withheld" if why else "done"
        return CaseRow(case.name, status, why, seconds=note["seconds"], output=place, values=values_of(note["record"]))

    def _work(self, number: int, workers: ThisComputer | Cluster) -> None:
        """Do one case, in a thread, and send its row, which is waiting again where the worker was lost."""
        case, start = self._cases[number], time.monotonic()
        try:
            row = self._enhance(number, workers)
        except Cancelled:
            return
        except WorkerLost:
            self._lost[number] += 1
            gone = self._lost[number] == ATTEMPTS
            row = CaseRow(case.name, "failed", LOST, seconds=time.monotonic() - start) if gone else CaseRow(case.name)
        except Exception as error:
            row = CaseRow(case.name, "failed", self._in_words(error), seconds=time.monotonic() - start)
        self._messages.put((number, row))

    def _enhance(self, number: int, workers: ThisComputer | Cluster) -> CaseRow:
        case, start = self._cases[number], time.monotonic()
        place, settings = self._places[case.key], self._each[number]
        with staging(self._output) as folder:
            try:
                self._messages.put((number, ("stage", {"stage": "start"})))
                readouts = workers.run(
                    settings.request(case, folder).to_argv(),
                    folder=folder,
                    number=number + 1,
                    on_event=lambda event, **fields: self._messages.put((number, (event, fields))),
                )
                note = {"made_of": settings.input_signature(case), "seconds": round(time.monotonic() - start, 1)}
                if readouts.pop("withheld", False):
                    note |= {"withheld": readouts.pop("failure")}
                self._require_exists()
                commit_case(folder, place, note | {"made_by": PROGRAM}, readouts)
            except JobFailed as error:
                raise JobFailed(str(error).replace(str(folder), str(place))) from error
        return self._row(case, note | {"record": EnhancementRecord.from_dict(readouts)})

    def _in_words(self, error: Exception) -> str:
        """The reason, with paths relative to the input and output folders."""
        if isinstance(error, MVCTEnhanceError):
            text = str(error)
            for folder in (self._source, self._output):
                text = text.replace(f"{folder}{os.sep}", "")
            return text
        if isinstance(error, OSError):
            return f"The operating system says '{error.strerror}': check the disk and its permissions."
        return f"Unexpected {type(error).__name__}: run the batch again with --resume, and report it if it comes again."

    def _follow(self, cancelled: Callable[[], bool], start_waiting: Callable[[], None]) -> None:
        """Deal with the next message, if one comes soon; before the row of a case, the next case is started."""
        if cancelled():
            raise Cancelled(CANCELLED)
        self._require_exists()
        with suppress(queue.Empty):
            number, message = self._messages.get(timeout=POLL_S)
            if isinstance(message, CaseRow):
                self._running -= 1
                start_waiting()
            if isinstance(message, CaseRow) and message.status == "waiting":
                self._waiting.append(number)
                self._on_event("warning", message=f"The worker of case {number + 1} was lost: the case is done again.")
            elif isinstance(message, CaseRow):
                self._rows[number] = message
                self._tell(number, message.status, seconds=round(message.seconds or 0, 1))
                self._write_summary()
                self._send_progress()
            else:
                self._pass_on(number, *message)

    def _pass_on(self, number: int, event: str, fields: dict[str, Any]) -> None:
        """What a child tells, without its texts, which may give a patient away."""
        if event in ("stage", "progress"):
            known = {name: fields[name] for name in ("stage", "done", "total") if name in fields}
            self._tell(number, "running", **known)
        elif event == "device" and fields not in self._devices:
            self._devices.append(fields)
            self._on_event("device", **fields)

    def _require_exists(self) -> None:
        require_exists(self._output, self._places)

    def _tell(self, number: int, status: str, **fields: Any) -> None:
        self._on_event("case", case=number + 1, cases=len(self._cases), status=status, **fields)

    def _send_progress(self) -> None:
        total = len(self._rows)
        self._on_event("progress", stage="batch", done=total - self.count("waiting"), total=total)

    def _write_summary(self) -> None:
        """A table that cannot be written now (another program has it open) stops no case: it is tried again later."""
        self._require_exists()  # which it would make again
        try:
            write_summary(self._output / SUMMARY, self._rows)
        except OutputError as error:
            if not self._unwritten:
                what_to_do = "close the program that has it open, or free some space on the disk"
                self._on_event("warning", message=f"{SUMMARY} cannot be written: {what_to_do}.")
            self._unwritten = error
        else:
            self._unwritten = None

    def _keep_what_is_done(self) -> None:
        """After a cancel: the rows of cases that were finished last, whose messages may be lost with it."""
        for number, row in enumerate(self._rows):
            case = self._cases[number]
            note = load_completed(self._places[case.key]) if row.status == "waiting" else None
            if note and self._settings.is_finished(case, note):
                self._rows[number] = self._row(case, note)
        with suppress(OutputError):
            self._require_exists()
            write_summary(self._output / SUMMARY, self._rows)
