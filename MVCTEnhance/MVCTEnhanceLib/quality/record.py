"""The record of one enhancement: every metric with its assessment, how it was measured, and what it was made of.

Made once, by `quality.metrics.evaluate`, and read by report, tables, CSV, summary and JSON (readouts.json). Only the
standard library is needed, so that results can be shown where nothing else is installed.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

NSELFSSIM_DISTANCE = "nselfssim_distance"
OFFSETS = ("fat_offset", "soft_tissue_offset")
DISTANCES = (NSELFSSIM_DISTANCE, *OFFSETS)  # from the planning CT, of a whole scan
FULL_STRENGTH = 100  # of an enhancement, in %
TRUTH = ("truth.mvct", "truth.enhanced")
_GROUPS = ("mvct", "enhanced", "comparison", "planning_ct")


@dataclass(frozen=True)
class MetricValues:
    """One metric of a scan.

    Args:
        name: in the catalogue.
        unit: of all values; "1" where there is none.
        per_slice: one value for each slice k; NaN where the slice does not contain what is measured.
        mean, sd: over the slices that have a value; NaN where none, or for the sample SD fewer than two, have one.
        part_of: the group that holds it in JSON, for a value by tissue.
    """

    name: str
    unit: str
    per_slice: tuple[float, ...]
    mean: float
    sd: float
    part_of: str = ""

    @property
    def path(self) -> str:
        """Its name after that of the group that holds it, such as hu_bias.lung."""
        return f"{self.part_of}.{self.name}" if self.part_of else self.name

    @property
    def has_value(self) -> bool:
        """Whether any slice contains what is measured."""
        return math.isfinite(self.mean)

    def to_dict(self) -> dict[str, Any]:
        """JSON-serialisable; null for no value."""
        return {
            "mean": _null(self.mean),
            "sd": _null(self.sd),
            "slices": sum(map(math.isfinite, self.per_slice)),
            "unit": self.unit,
            "per_slice": [_null(value) for value in self.per_slice],
        }

    @classmethod
    def from_dict(cls, name: str, entry: Mapping[str, Any], part_of: str = "") -> MetricValues:
        """What `to_dict` gave."""
        values = tuple(_nan(value) for value in entry["per_slice"])
        return cls(name, entry["unit"], values, _nan(entry["mean"]), _nan(entry["sd"]), part_of)


Group = Mapping[str, MetricValues]


@dataclass(frozen=True)
class Distance:
    """How far the MVCT and the enhanced scan are from the planning CT; NaN where that cannot be measured."""

    mvct: float
    enhanced: float
    unit: str = "1"

    def to_dict(self) -> dict[str, Any]:
        """JSON-serialisable; null for no value."""
        return {"mvct": _null(self.mvct), "enhanced": _null(self.enhanced), "unit": self.unit}

    @classmethod
    def from_dict(cls, entry: Mapping[str, Any]) -> Distance:
        """What `to_dict` gave."""
        return cls(_nan(entry["mvct"]), _nan(entry["enhanced"]), entry["unit"])


@dataclass(frozen=True)
class Assessment:
    """Args: verdict on a value, one of `assessment.verdicts.VERDICTS`; reason, a sentence or more."""

    verdict: str = ""
    reason: str = ""


NOT_ASSESSED = Assessment()
Assessments = Mapping[str, Mapping[str, Assessment]]  # by group and metric


@dataclass(frozen=True)
class Provenance:
    """What a record is of; empty where it does not say.

    Args:
        program: name and version.
        input_sha256: digest of the MVCT as it was read, see `volume.grid.digest`.
        time: ISO 8601.
        model: which made the enhanced scan, see `assessment.provenance.model_provenance`.
        site: profile of the scanner, with the calibration of its HU, see `site.profile.SiteProfile.identity`.
        card: of which model the expected ranges are, where it is not known which one made the scan.
        device: that the model ran on.
        scan: description and date of the MVCT's series, where a user wants them.
    """

    program: str = ""
    input_sha256: str = ""
    time: str = ""
    model: Mapping[str, Any] = field(default_factory=dict)
    site: Mapping[str, Any] = field(default_factory=dict)
    card: Mapping[str, Any] = field(default_factory=dict)
    device: str = ""
    scan: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class EnhancementRecord:
    """Everything that is known of one enhancement.

    Args:
        groups: metrics by name: of the scans "mvct", "enhanced" (both inside the body of the MVCT) and "planning_ct"
            (on its own grid), of the "comparison" of enhanced scan and MVCT, and of each scan against a paired truth,
            "truth.mvct" and "truth.enhanced"; which metric is in which group, the catalogue says.
        parameters: what the values depend on, by metric.
        distances: from the planning CT, by metric: |mean NSelfSSIM - its mean|, and HU less its HU of fat and of soft
            tissue; empty without a planning CT.
        structures: what both scans show in each structure, see `structures.metrics`; empty without any.
        z_mm, planning_ct_z_mm: patient z of the slices of the lists; empty where older records do not tell.
        assessments: by group and metric; empty where nothing was assessed.
        provenance: program, model, input and time.
        warnings: one sentence each; None where they were not collected.
        other: entries of a newer program's JSON, kept as they are.
    """

    groups: Mapping[str, Group]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    distances: Mapping[str, Distance] = field(default_factory=dict)
    structures: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    z_mm: tuple[float, ...] = ()
    planning_ct_z_mm: tuple[float, ...] = ()
    assessments: Assessments = field(default_factory=dict)
    provenance: Provenance = field(default_factory=Provenance)
    warnings: tuple[str, ...] | None = None
    other: Mapping[str, Any] = field(default_factory=dict)

    @property
    def strength(self) -> int | None:
        """Of the enhancement, in %; None where the scan does not say it."""
        return self.parameters.get("strength")

    def group(self, name: str) -> Group:
        """The metrics of a group; none where it was not measured."""
        return self.groups.get(name, {})

    def assessment(self, group: str, name: str) -> Assessment:
        """The assessment of a value; an empty one where it has none."""
        return self.assessments.get(group, {}).get(name, NOT_ASSESSED)

    def slice_names(self, group: str = "mvct") -> list[str]:
        """What the slices of a group's lists are called, such as "slice 23 of 24, z = -37.0 mm"."""
        count = max((len(values.per_slice) for values in self.groups[group].values()), default=0)
        z_mm = self.planning_ct_z_mm if group == "planning_ct" else self.z_mm
        places = [f", z = {z:.1f} mm" for z in z_mm] if z_mm else [""] * count
        return [f"slice {number} of {count}{place}" for number, place in enumerate(places, start=1)]

    def to_dict(self) -> dict[str, Any]:
        """The JSON-serialisable form of readouts.json; entries that are empty are left out."""
        tables = {name: _nested(self.groups[name].values()) for name in _GROUPS if name in self.groups}
        for name, distance in self.distances.items():
            tables["comparison"][name] = distance.to_dict()
        truth = {name.partition(".")[2]: _nested(self.groups[name].values()) for name in TRUTH if name in self.groups}
        places = {"z_mm": list(self.z_mm), "planning_ct_z_mm": list(self.planning_ct_z_mm)}
        given, made = self.provenance.input_sha256, self.provenance
        entries = {
            "truth": truth,
            "structures": {name: dict(values) for name, values in self.structures.items()},
            "parameters": dict(self.parameters),
            "slices": {name: z_mm for name, z_mm in places.items() if z_mm},
            "verdicts": {
                group: {name: vars(assessment).copy() for name, assessment in of.items()}
                for group, of in self.assessments.items()
            },
            "program": made.program,
            "input": {"sha256": given} if given else {},
            "time": made.time,
            "model": dict(made.model),
            "site": dict(made.site),
            "card": dict(made.card),
            "device": made.device,
        }
        tables |= {name: entry for name, entry in entries.items() if entry}
        tables |= {} if self.warnings is None else {"warnings": list(self.warnings)}
        return tables | ({"scan": dict(made.scan)} if made.scan else {}) | dict(self.other)

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> EnhancementRecord:
        """What `to_dict` gave, or that of an older program.

        Raises:
            ValueError: it is something else.
        """
        try:
            return cls._read(dict(found))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ValueError("no metrics of an enhancement") from error

    @classmethod
    def _read(cls, entries: dict[str, Any]) -> EnhancementRecord:
        compared = entries["comparison"].items()
        distances = {name: Distance.from_dict(entry) for name, entry in compared if _is_distance(entry)}
        groups = {name: _flat(entries.pop(name)) for name in ("mvct", "enhanced", "comparison")}
        groups |= {"planning_ct": _flat(entries.pop("planning_ct"))} if "planning_ct" in entries else {}
        groups |= {f"truth.{scan}": _flat(group) for scan, group in entries.pop("truth", {}).items()}
        places, verdicts = entries.pop("slices", {}), entries.pop("verdicts", {})
        warnings = entries.pop("warnings", None)
        return cls(
            groups=groups,
            parameters=entries.pop("parameters", {}),
            structures=entries.pop("structures", {}),
            distances=distances,
            z_mm=tuple(places.get("z_mm", ())),
            planning_ct_z_mm=tuple(places.get("planning_ct_z_mm", ())),
            assessments={
                group: {name: Assessment(entry["verdict"], entry["reason"]) for name, entry in of.items()}
                for group, of in verdicts.items()
            },
            provenance=Provenance(
                program=entries.pop("program", ""),
                input_sha256=(entries.pop("input", None) or {}).get("sha256", ""),
                time=entries.pop("time", ""),
                model=entries.pop("model", None) or {},
                site=entries.pop("site", None) or {},
                card=entries.pop("card", None) or {},
                device=entries.pop("device", ""),
                scan=entries.pop("scan", None) or {},
            ),
            warnings=None if warnings is None else tuple(warnings),
            other=entries,
        )


def _nested(group: Iterable[MetricValues]) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for values in group:
        place = nested.setdefault(values.part_of, {}) if values.part_of else nested
        place[values.name] = values.to_dict()
    return nested


def _flat(group: Mapping[str, Any]) -> dict[str, MetricValues]:
    flat = {}
    for name, entry in group.items():
        if "per_slice" in entry:
            flat[name] = MetricValues.from_dict(name, entry)
        elif not _is_distance(entry):
            flat |= {part: MetricValues.from_dict(part, inner, name) for part, inner in entry.items()}
    return flat


def _is_distance(entry: Mapping[str, Any]) -> bool:
    return {"mvct", "enhanced"} <= entry.keys()


def _null(value: float) -> float | None:
    """JSON knows neither NaN nor infinity."""
    return value if math.isfinite(value) else None


def _nan(value: float | None) -> float:
    return math.nan if value is None else value
