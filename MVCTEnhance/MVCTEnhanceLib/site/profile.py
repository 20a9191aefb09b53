"""The site profile: one TOML file of a scanner with its calibration, its model and what to expect on it."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..model.card import DEFAULT_MODEL, find_model, model_sha256
from ..model.card_checks import is_version, require_expected
from ..physics.calibration import Calibration
from ..physics.resolution import Resolution
from ..storage.atomic import atomic_file
from ..storage.toml import build, read_toml
from ..volume import Volume
from ..volume.acquisition import Acquisition

FORMAT = 1
ROLE = "site profile"
_TITLE = "# Site profile of MVCTEnhance. Made by 'mvct-enhance calibrate' or 'commission'; see docs/commissioning.md.\n"


@dataclass(frozen=True)
class Scanner:
    """Args: name, what people call it; manufacturer, model and station as its DICOM headers have them, empty where
    they do not say.
    """

    name: str = ""
    manufacturer: str = ""
    model: str = ""
    station: str = ""


KEYS = ("manufacturer", "model", "station")
"""By which a scan's header tells whether it is of this scanner."""


@dataclass(frozen=True)
class Point:
    """One value that a calibration was fitted to.

    Args:
        name: of the insert or tissue.
        exact_hu: HU that an exact scanner shows.
        shown_hu: HU that this one shows.
        residual_hu: shown_hu less the fit.
    """

    name: str
    exact_hu: float
    shown_hu: float
    residual_hu: float


@dataclass(frozen=True)
class FittedCalibration:
    """A `physics.calibration.Calibration` with the standard errors of its values, and what it was fitted to.

    Args:
        source: "phantom" or "patients".
        count: inserts or patients.
        points: that it was fitted to.
    """

    offset_hu: float
    slope: float
    bone_slope: float
    offset_hu_se: float
    slope_se: float
    bone_slope_se: float
    source: str
    count: int
    points: tuple[Point, ...] = ()

    @property
    def line(self) -> Calibration:
        """Without what it was fitted to."""
        return Calibration(self.offset_hu, self.slope, self.bone_slope)


@dataclass(frozen=True)
class SiteModel:
    """Args: name, of an installed model, or its file relative to the profile's folder; sha256 of its content."""

    name: str
    sha256: str


@dataclass(frozen=True)
class AcceptedQA:
    """Quality assurance with a phantom when the scanner was commissioned, with which that of later days is compared.

    Args:
        phantom: as --phantom of 'qa' calls it.
        date: of its scan, YYYY-MM-DD.
        passed: whether all values were within tolerance.
        mvct, enhanced: the values of both scans by their names in qa.json; those that a scan did not show are left out.
    """

    phantom: str
    date: str
    passed: bool
    mvct: Mapping[str, float]
    enhanced: Mapping[str, float]


@dataclass(frozen=True)
class Made:
    """Args: time, ISO 8601; by, whose login name it is or who it says; program; inputs, digests of the scans."""

    time: str
    by: str
    program: str
    inputs: tuple[str, ...] = ()


@dataclass(frozen=True)
class SiteProfile:
    """Everything that a profile says.

    Args:
        scanner: of which its scans are.
        made: when, by whom and from what.
        calibration: of its HU; None where it has none.
        model: that its scans are enhanced with; None for the default one.
        expected: ranges on this scanner, as a model's card has them in "expected"; empty where it has none.
        qa: of a phantom at the commissioning; None where there was none.
        resolution: of its twin, by which scans get the standard scanner's; None where they keep theirs.
        sha256: digest of its file; empty for one that was not read.
        folder: of its file.
    """

    scanner: Scanner
    made: Made
    calibration: FittedCalibration | None = None
    model: SiteModel | None = None
    expected: Mapping[str, Any] = field(default_factory=dict)
    qa: AcceptedQA | None = None
    resolution: Resolution | None = None
    sha256: str = ""
    folder: Path = Path()

    @property
    def name(self) -> str:
        """What the scanner is called; never by its station, which outputs do not name."""
        made = f"{self.scanner.manufacturer} {self.scanner.model}".strip()
        return self.scanner.name or made or "a scanner without a name"

    @property
    def line(self) -> Calibration:
        """Of its HU; that of an exact scanner where the profile has none."""
        return self.calibration.line if self.calibration else Calibration()

    @property
    def identity(self) -> dict[str, Any]:
        """What outputs say of it: name, digest, time, calibration and resolution; empty for none."""
        if self is NO_SITE:
            return {}
        line = {"calibration": asdict(self.line)} if self.calibration else {}
        resolution = {"resolution": asdict(self.resolution)} if self.resolution else {}
        return {"name": self.name, "sha256": self.sha256, "time": self.made.time} | line | resolution

    def calibrated(self, mvct: Volume) -> Volume:
        """A scan with the HU of an exact scanner; itself where the profile has no calibration."""
        return self.line.calibrated(mvct) if self.calibration else mvct

    def matched(self, calibrated: Volume) -> Volume:
        """A calibrated scan as a model sees it: with the standard scanner's resolution where the profile has one."""
        return self.resolution.matched(calibrated) if self.resolution else calibrated

    def scanner_warnings(self, taken: Acquisition) -> tuple[str, ...]:
        """What a scan's header does not say of its scanner, and that its quality assurance failed, one sentence each.

        Raises:
            InputError: it says another scanner.
        """
        if self is NO_SITE:
            return ()
        not_passed = [
            f"The quality assurance with a phantom did not pass when {self.name} was commissioned, so look at the "
            "acceptance report before you use its site profile."
        ] * (self.qa is not None and not self.qa.passed)
        return (*not_passed, *self._differences(taken))

    def _differences(self, taken: Acquisition) -> tuple[str, ...]:
        own, theirs = asdict(self.scanner), asdict(taken)
        for key in KEYS:
            if own[key] and theirs[key] and _alike(own[key]) != _alike(theirs[key]):
                raise InputError(
                    f"The site profile is of another scanner, {self.name}: its {key} is not the one in the scan's "
                    "header, so choose the profile of the scan's scanner, or none."
                )
        if not any(own[key] for key in KEYS):
            return ("The site profile names no scanner, so it is not known whether the scan is of the same one.",)
        missing = [key for key in KEYS if own[key] and not theirs[key]]
        if not missing:
            return ()
        what = "scanner" if not any(theirs[key] for key in KEYS) else " and no ".join(missing)
        return (
            f"The scan's header names no {what}: the site profile of {self.name} was used all the same, so check that "
            "the scan is of this scanner.",
        )

    def model_file(self, chosen: str | Path | None) -> tuple[Path, tuple[str, ...]]:
        """The model's file: the one chosen or, with None, the profile's; and a warning where they differ.

        Raises:
            ModelError: there is no such model.
            InputError: the profile's model is another file now.
        """
        if chosen:
            file = find_model(chosen)
            if self.model is None or model_sha256(file) == self.model.sha256:
                return file, ()
            return file, (
                f"The site profile is for the model {self.model.name}, not for the one chosen: its expected ranges are "
                "not used.",
            )
        if self.model is None:
            return find_model(DEFAULT_MODEL), ()
        beside = self.folder / self.model.name
        file = beside if beside.is_file() else find_model(self.model.name)
        if model_sha256(file) != self.model.sha256:
            raise InputError(
                f"The model {self.model.name} is another file than the site profile was made with: get that file "
                "again, or make the profile again."
            )
        return file, ()

    def card(self, card: Mapping[str, Any], sha256: str) -> Mapping[str, Any]:
        """The card of the model with this digest, with the ranges of this scanner in the place of its own."""
        if not self.expected or (self.model and self.model.sha256 != sha256):
            return card
        expected = dict(card.get("expected") or {})
        for group, entries in self.expected.items():
            if isinstance(entries, Mapping):  # not what somebody has noted there
                here = {name: {**entry, "on_this_scanner": True} for name, entry in entries.items()}
                expected[group] = {**expected.get(group, {}), **here}
        return {**card, "expected": expected}


NO_SITE = SiteProfile(Scanner(), Made("", "", ""))
"""In the place of a profile where there is none."""


def read_site(path: str | Path | None) -> SiteProfile:
    """Read a site profile; `NO_SITE` for None.

    Raises:
        InputError: the file cannot be read, is of a newer version, or holds something that cannot be.
    """
    if not path:
        return NO_SITE
    path = Path(path)
    entries, where = read_toml(path, ROLE), f"the {ROLE} '{path}'"
    version = entries.pop("format", None)
    if not is_version(version):
        raise InputError(f"'{path}' is no {ROLE}: choose a file made by 'mvct-enhance calibrate'.")
    if version > FORMAT:
        raise InputError(f"The {ROLE} '{path}' is of a newer version of MVCTEnhance: update the program.")
    fitted = entries.get("calibration")
    if isinstance(fitted, dict) and isinstance(fitted.get("points"), list):
        fitted["points"] = [build(Point, point, f"a point of {where}") for point in fitted["points"]]
    parts = {
        name: build(kind, entries.pop(name), f"[{name}] of {where}") for name, kind in _PARTS.items() if name in entries
    }
    profile = build(SiteProfile, entries | parts, where)
    try:
        profile = replace(profile, expected=_with_sides(profile.expected, lambda _, side: _none_of_open(side)))
        require_expected(profile.expected)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"[expected] of {where} holds a range that is none: make the profile again.") from error
    if profile.qa and not all(map(_is_values, (profile.qa.mvct, profile.qa.enhanced))):
        raise InputError(f"[qa] of {where} holds a value that is no number: make the profile again.")
    profile.line  # noqa: B018 (refuses what is not plausible)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    return replace(profile, sha256=sha256, folder=path.absolute().parent)


def write_site(profile: SiteProfile, path: Path, *, overwrite: bool = False) -> None:
    """Write a site profile.

    Raises:
        OutputError: the file is there and stays, or cannot be written.
    """
    text = "\n".join([_TITLE, f"format = {FORMAT}", *_toml(_entries(profile)), ""])
    with atomic_file(path, overwrite=overwrite) as partial:
        partial.write_text(text, encoding="utf-8", newline="")


def _entries(profile: SiteProfile) -> dict[str, Any]:
    parts = {name: asdict(part) for name in _PARTS if (part := getattr(profile, name))}
    return parts | ({"expected": _with_sides(profile.expected, _open_of_none)} if profile.expected else {})


def _is_values(found: Any) -> bool:
    return isinstance(found, Mapping) and all(type(value) in (int, float) for value in found.values())


def _with_sides(expected: Mapping[str, Any], changed: Callable[[int, Any], Any]) -> dict[str, Any]:
    """The ranges with each side changed by a function of its place, 0 or 1, and its value."""
    return {
        group: {
            name: {kind: [changed(*side) for side in enumerate(pair)] for kind, pair in entry.items()}
            for name, entry in entries.items()
        }
        if isinstance(entries, Mapping)
        else entries
        for group, entries in expected.items()
    }


def _none_of_open(side: Any) -> Any:
    return None if isinstance(side, float) and math.isinf(side) else side


def _open_of_none(place: int, side: Any) -> Any:
    """TOML has no null, but infinity."""
    return (-math.inf, math.inf)[place] if side is None else side


def _toml(entries: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[str]:
    """Nested tables as lines of TOML: their values, then lists of tables, then tables."""
    tables = {name: value for name, value in entries.items() if isinstance(value, Mapping)}
    lists = {name: value for name, value in entries.items() if _is_list_of_tables(value)}
    for name, value in entries.items():
        if name not in tables and name not in lists:
            yield f"{_key(name)} = {_value(value)}"
    for name, items in lists.items():
        for item in items:
            yield f"\n[[{'.'.join(map(_key, (*path, name)))}]]"
            yield from _toml(item)
    for name, table in tables.items():
        yield f"\n[{'.'.join(map(_key, (*path, name)))}]"
        yield from _toml(table, (*path, name))


def _is_list_of_tables(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and bool(value) and all(isinstance(item, Mapping) for item in value)


def _key(name: str) -> str:
    return name if name.replace("_", "").isalnum() and name.isascii() else _value(name)


def _value(value: Any) -> str:
    """A text, number or list as TOML, which writes them as JSON does."""
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, float) and math.isinf(value):
        return f"{value}"
    if isinstance(value, str):
        return json.dumps("".join(letter for letter in value if letter.isprintable()), ensure_ascii=False)
    return json.dumps(value, allow_nan=False)


def _alike(text: str) -> str:
    """Without what DICOM lets be padded, in either case."""
    return " ".join(text.split()).casefold()


_PARTS = {
    "scanner": Scanner,
    "made": Made,
    "calibration": FittedCalibration,
    "resolution": Resolution,
    "model": SiteModel,
    "qa": AcceptedQA,
}
