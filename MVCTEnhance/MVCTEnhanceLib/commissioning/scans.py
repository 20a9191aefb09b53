"""The scans that a scanner is commissioned with: read and checked, with what is remembered of them."""

from __future__ import annotations

import getpass
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path, PurePosixPath

from ..assessment.origin import mvct_warnings
from ..assessment.provenance import PROGRAM
from ..batch.cases import Case
from ..errors import InputError
from ..io.formats import READABLE, has_suffix
from ..jobs.scans import read_scan
from ..runtime.events import EventHandler
from ..site.profile import KEYS, Made, Scanner
from ..volume import Volume
from ..volume.acquisition import Acquisition
from ..volume.grid import digest


@dataclass
class Scans:
    """What was read: the scanners of the MVCTs, and digests of all scans.

    Args:
        warnings_of: of a patient's MVCT, besides those of its file.
    """

    warnings_of: Callable[[Volume], Iterable[str]] = mvct_warnings
    scanners: list[Acquisition] = field(default_factory=list)
    mvcts: set[str] = field(default_factory=set)
    kvcts: set[str] = field(default_factory=set)

    def take_mvct(self, mvct: Volume) -> None:
        """Remember an MVCT.

        Raises:
            InputError: it is among the planning CTs, too.
        """
        self.scanners.append(mvct.acquisition)
        self.mvcts.add(digest(mvct))
        self._require_apart()

    def read_mvct(self, case: Case, on_event: EventHandler) -> Volume:
        """An MVCT of a patient.

        Raises:
            InputError: it cannot be read, is a kilovoltage CT by its header, or is among the planning CTs, too.
        """
        mvct = _read(case, "MVCT")
        if mvct.acquisition.is_kilovoltage:
            raise InputError(f"'{case.name}' is a kilovoltage CT by its header: give it among the planning CTs.")
        for message in (*mvct.warnings, *self.warnings_of(mvct)):
            on_event("warning", message=message)
        self.take_mvct(mvct)
        return mvct

    def read_kvct(self, case: Case) -> Volume:
        """A planning CT of a patient.

        Raises:
            InputError: it cannot be read, is a megavoltage CT by its header, or is among the MVCTs, too.
        """
        kvct = _read(case, "planning CT", slices_only=True)
        if kvct.acquisition.is_megavoltage:
            raise InputError(f"'{case.name}' is a megavoltage CT by its header: give planning CTs by --kvct.")
        self.kvcts.add(digest(kvct))
        self._require_apart()
        return kvct

    def scanner(self, name: str, on_event: EventHandler) -> Scanner:
        """What all the MVCTs say of their scanner; a warning where they say nothing.

        Raises:
            InputError: they are of several.
        """
        known = {}
        for key in KEYS:
            values = sorted(set(filter(None, (getattr(one, key) for one in self.scanners))))
            if len(values) > 1:
                raise InputError(
                    f"The MVCTs are of several scanners, whose headers name another {key}: give those of one scanner."
                )
            known[key] = next(iter(values), "")
        if not any(known.values()):
            on_event(
                "warning",
                message="The scans name no scanner, so that the site profile names none: it will be used for any scan.",
            )
        return Scanner(name, **known)

    def made(self, by: str) -> Made:
        """When a profile of these scans is made, by whom and by what; the account where nobody is named."""
        now = datetime.now().astimezone().isoformat(timespec="seconds")
        return Made(now, by or _account(), PROGRAM, tuple(sorted(self.mvcts | self.kvcts)))

    def _require_apart(self) -> None:
        if self.mvcts & self.kvcts:
            raise InputError(
                "A scan is among the MVCTs and among the planning CTs: give each scan in one of the folders only."
            )


def paired(mvcts: Sequence[Case], kvcts: Sequence[Case], on_event: EventHandler) -> list[tuple[list[Case], list[Case]]]:
    """The scans of each patient of whom there are both."""
    ids = [[patient_id(case) for case in cases] for cases in (mvcts, kvcts)]
    common = set(ids[0]) & set(ids[1]) - {""}
    sides: list[dict[str, list[Case]]] = [{}, {}]
    for side, cases, of_cases in zip(sides, (mvcts, kvcts), ids, strict=True):
        for case, known in zip(cases, of_cases, strict=True):
            side.setdefault(f"ID {known}" if known in common else f"name {patient_name(case)}", []).append(case)
    left = len(sides[0].keys() ^ sides[1].keys())
    if left:
        on_event("warning", message=f"Of {left} patients there is no MVCT or no planning CT: passed over.")
    return [(cases, sides[1][key]) for key, cases in sides[0].items() if key in sides[1]]


def patient_id(case: Case) -> str:
    """Empty for files, and for series without one."""
    return case.header.patient.id if case.header else ""


def patient_name(case: Case) -> str:
    """The first folder below the one that was given or, of a file in that, the file, without suffix."""
    first = PurePosixPath(case.name.partition("#")[0]).parts[0]
    suffix = next((suffix for suffix in READABLE if has_suffix(Path(first), (suffix,))), "")
    return first[: len(first) - len(suffix)].casefold()


def _read(case: Case, role: str, *, slices_only: bool = False) -> Volume:
    return read_scan(case.source, role, series_uid=case.series_uid, slices_only=slices_only)


def _account() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # an account without a name
        return ""
