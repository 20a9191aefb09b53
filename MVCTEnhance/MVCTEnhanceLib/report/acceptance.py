"""The acceptance report of a scanner: an HTML page that needs nothing else, to print and sign."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any

from .. import __version__
from ..assessment.distribution import Distribution, distributions
from ..assessment.expected import AIR_AGREEMENT
from ..assessment.ranges import Expectation, expectation
from ..assessment.verdicts import DO_NOT_TRUST, LOOK_CLOSER, judge, verdict_counts
from ..physics.resolution import Resolution
from ..qa.phantoms import PHANTOMS
from ..qa.result import values_of
from ..quality.catalogue import GROUPS, INTENDED_USE, METRICS, SCANS
from ..quality.record import EnhancementRecord
from ..site.profile import FittedCalibration, SiteProfile
from .page import page
from .pictures import curves_png, fit_png, spread_png
from .qa import WORDS

JUDGED_BY = MappingProxyType(
    {
        "error_hu": "error on planning CTs scanned by the twin, HU",
        "nselfssim_distance": "NSelfSSIM, distance to the planning CTs",
        "air_agreement": "air agreement, %",
        "soft_tissue": "HU change of soft tissue, HU",
        "fat": "HU change of fat, HU",
        "edge_width_mm": "edge width of the skin, mm",
    }
)
PASSED, FAILED, NOT_TESTED = "passed", "failed", "not tested"
SOFT_TISSUE_HU, MAX_APART_HU = 40.0, 6.0  # of the calibrations: what one with patients is good for


@dataclass(frozen=True)
class Criterion:
    """Args: name; outcome, one of passed, failed, look closer, not tested; text, a sentence or more."""

    name: str
    outcome: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Acceptance:
    """All of one commissioning.

    Args:
        site: the profile that came of it.
        calibrated_sha256: of the profile that the patients were enhanced with, which has no ranges yet.
        card: of the model, with its own ranges.
        patients: how many there were.
        records: of those that could be enhanced, by their numbers from 0.
        qa: what qa.json says of the phantom; None without one.
        check: calibration from the patients, where the phantom gave the profile's; None where there is none.
        matching: what matching.json says; None where scans keep the scanner's resolution.
        adaptation: what adaptation.json says; None where the model was not adapted.
        warnings: of the scans.
        made: versions and digests of what was used.
    """

    site: SiteProfile
    calibrated_sha256: str
    card: Mapping[str, Any]
    patients: int
    records: Mapping[int, EnhancementRecord]
    qa: Mapping[str, Any] | None
    check: FittedCalibration | None
    matching: Mapping[str, Any] | None
    adaptation: Mapping[str, Any] | None
    warnings: Sequence[str]
    made: Mapping[str, str]

    @property
    def phantom(self) -> str:
        """What it is called; empty where there is none."""
        label = PHANTOMS[self.qa["phantom"]].label if self.qa else ""
        return label[:1].upper() + label[1:]

    @property
    def passed(self) -> bool:
        """Whether no criterion failed."""
        return all(criterion.outcome != FAILED for criterion in self.criteria)

    @cached_property
    def criteria(self) -> list[Criterion]:
        """What is tested, with its outcome."""
        checked = [self._calibration_check()] if self.check else []
        matched = [self._matching()] if self.matching else []
        adapted = [self._adapting()] if self.adaptation else []
        patients = [self._enhancement(), self._metrics(), self._ranges()]
        return [self._calibration(), *checked, *matched, *adapted, self._phantom(), *patients]

    @cached_property
    def slices(self) -> int:
        """Of all patients."""
        return sum(len(record.slice_names()) for record in self.records.values())

    @cached_property
    def distributions(self) -> list[Distribution]:
        """Of every metric, beside the model's own ranges."""
        return distributions(list(self.records.values()), self.card)

    @cached_property
    def verdicts(self) -> list[tuple[int, dict[str, int], dict[str, int]]]:
        """Number of each patient from 1, and its counts of verdicts by the model's own ranges and by the scanner's."""
        card = self.site.card(self.card, self.site.model.sha256)
        return [
            (number + 1, verdict_counts(record.assessments), verdict_counts(judge(record, card)))
            for number, record in self.records.items()
        ]

    def of_scanner(self, found: Distribution) -> Expectation | None:
        """The scanner's own ranges of a metric; None where it has none."""
        return expectation({"expected": self.site.expected}, found.group, found.name)

    def to_dict(self) -> dict[str, Any]:
        """JSON-serialisable, for acceptance.json; without the station, which outputs do not name."""
        return {
            "passed": self.passed,
            "criteria": [asdict(criterion) for criterion in self.criteria],
            "scanner": self.site.name,
            "calibration": asdict(self.site.calibration),
            "calibration_from_patients": self.check and asdict(self.check),
            "matching": self.matching and {**self.matching, "qa": None},
            "adaptation": self.adaptation and {**self.adaptation, "qa": None},
            "qa": self.qa,
            "patients": {"found": self.patients, "enhanced": len(self.records), "slices": self.slices},
            "metrics": [{"group": found.group, "name": found.name, **found.to_dict()} for found in self.distributions],
            "warnings": list(self.warnings),
            "made": self.provenance,
        }

    @property
    def provenance(self) -> dict[str, Any]:
        """When, by whom, with what."""
        made = self.site.made
        of_profiles = {
            "site_profile_sha256": self.site.sha256,
            "calibrated_profile_sha256": self.calibrated_sha256,
            "model_sha256": self.site.model.sha256,
        }
        return {"time": made.time, "by": made.by, **self.made, **of_profiles, "scans_sha256": list(made.inputs)}

    def _calibration(self) -> Criterion:
        line = self.site.calibration
        count = f"{line.count} {'inserts' if line.source == 'phantom' else 'patients'}"
        return Criterion(
            "Calibration of the HU",
            PASSED,
            f"From {count}: water at {line.offset_hu:.1f} ± {line.offset_hu_se:.1f} HU, slope {line.slope:.4f} ± "
            f"{line.slope_se:.4f}, slope of bone {line.bone_slope:.3f} ± {line.bone_slope_se:.3f}. A line beyond the "
            "limits is refused.",
        )

    def _calibration_check(self) -> Criterion:
        shown = [float(found.line.shown_hu(SOFT_TISSUE_HU)) for found in (self.site.calibration, self.check)]
        apart = abs(shown[1] - shown[0])
        return Criterion(
            "Calibration, checked with patients",
            PASSED if apart <= MAX_APART_HU else LOOK_CLOSER,
            f"Soft tissue of {SOFT_TISSUE_HU:g} HU has {shown[0]:.1f} HU by the phantom and {shown[1]:.1f} HU by "
            f"{self.check.count} patients: {apart:.1f} HU apart, at most {MAX_APART_HU:g} HU are expected.",
        )

    def _matching(self) -> Criterion:
        own, standard = (found.half_per_cm for found in (self.site.resolution, Resolution()))
        return Criterion(
            "Resolution of the MVCT",
            PASSED,
            f"The scanner's twin shows half of the contrast at {own:.1f} line pairs per cm, the standard scanner that "
            f"the models were trained with at {standard:.1f}. The MVCT get the latter before the network. A twin "
            "beyond the limits is refused.",
        )

    def _adapting(self) -> Criterion:
        errors = {name: judged["error_hu"] for name, judged in self.adaptation["judged"].items()}
        found = (
            f"Mean error on planning CTs scanned by the scanner's twin: {errors['adapted']:.1f} HU by the adapted "
            f"model, {errors['given']:.1f} HU by the given one."
        )
        against = ", ".join(JUDGED_BY[name] for name in self.adaptation["against"])
        if against:
            found += f" The adapted one is worse on real MVCT by more than is tolerated: {against}."
        kept, lost = sorted(errors, key=lambda name: name != self.adaptation["kept"])
        return Criterion("Adapting the model", PASSED, f"{found} The {kept} model is kept, the {lost} one has lost.")

    def _phantom(self) -> Criterion:
        name = "Quality assurance with a phantom"
        if self.qa is None:
            return Criterion(name, NOT_TESTED, "No scan of a phantom was given.")
        judged = [value.passed for pair in values_of(self.qa) for value in pair if value.passed is not None]
        return Criterion(
            name,
            PASSED if self.qa["passed"] else FAILED,
            f"{self.phantom}: {sum(judged)} of {len(judged)} values of both scans are within tolerance.",
        )

    def _enhancement(self) -> Criterion:
        done = len(self.records)
        return Criterion(
            "Enhancement of the patients",
            PASSED if done == self.patients else FAILED,
            f"{done} of {self.patients} patients were enhanced, {self.slices} slices.",
        )

    def _metrics(self) -> Criterion:
        name = "Metrics against the model's own ranges"
        if not self.card.get("expected"):
            return Criterion(name, NOT_TESTED, "The adapted model has no ranges of its own.")
        own = [counts for _, counts, _ in self.verdicts]
        distrusted = sum(counts[DO_NOT_TRUST] > 0 for counts in own)
        closer = sum(counts[LOOK_CLOSER] > 0 and not counts[DO_NOT_TRUST] for counts in own)
        return Criterion(
            name,
            LOOK_CLOSER if distrusted else PASSED,
            f"A metric is assessed as 'do not trust' in {distrusted} of {len(own)} patients, as 'look closer' at most "
            f"in {closer}. These ranges come from simulated MVCT: look at the reports of such patients before you "
            "accept.",
        )

    def _ranges(self) -> Criterion:
        count = sum(self.of_scanner(found) is not None for found in self.distributions)
        return Criterion(
            "Expected ranges of this scanner",
            PASSED,
            f"{count} of {len(self.distributions)} metrics have a range, from {len(self.records)} patients.",
        )


def acceptance_page(acceptance: Acceptance) -> str:
    """The page of a commissioning; it names patients by their numbers only."""
    line = acceptance.site.calibration
    pairs = values_of(acceptance.qa) if acceptance.qa else []
    twin = next((step["twin"] for step in (acceptance.matching, acceptance.adaptation) if step), None)
    content = {
        "version": __version__,
        "intended_use": INTENDED_USE,
        "acceptance": acceptance,
        "site": acceptance.site,
        "scans": SCANS,
        "line": line,
        "fit": fit_png([(point.exact_hu, point.shown_hu) for point in line.points], line.line),
        "adaptation": acceptance.adaptation,
        "twin": twin,
        "twin_curves": curves_png(twin["curves"]) if twin else b"",
        "judged_by": JUDGED_BY,
        "phantom": acceptance.phantom,
        "qa_tables": (
            ("Image quality", [pair for pair in pairs if not pair[0].is_insert]),
            ("HU of the inserts", [pair for pair in pairs if pair[0].is_insert]),
        ),
        "rows": [_row(acceptance, found) for found in acceptance.distributions],
        "plots": [
            (_label(found), _plot(acceptance, found))
            for found in acceptance.distributions
            if METRICS[found.name].plotted
        ],
        "own_range": [_label(found) for found in acceptance.distributions if _keeps_own_range(acceptance, found)],
        "verdicts": [
            (number, *([counts[verdict] for verdict in (LOOK_CLOSER, DO_NOT_TRUST)] for counts in both))
            for number, *both in acceptance.verdicts
        ],
        "words": WORDS,
        "colours": {PASSED: "good", FAILED: "bad", LOOK_CLOSER: "doubt"},
    }
    return page("acceptance.html.j2", content)


def _label(found: Distribution) -> str:
    return f"{GROUPS[found.group]}: {METRICS[found.name].label}"


def _row(acceptance: Acceptance, found: Distribution) -> list[str]:
    """Label, patients, percentiles, the model's range, the part of the slices outside of it, the scanner's range."""
    metric, outside = METRICS[found.name], found.outside
    low, median, high = (f"{value:.{metric.digits}f}" for value in found.percentiles)
    unit = "" if metric.unit == "1" else f" {metric.unit}"

    def words(wanted: Expectation | None) -> str:
        return wanted.expected.in_words(metric.digits) if wanted else "-"

    return [
        _label(found) + (f",{unit}" if unit else ""),
        f"{found.scans}",
        f"{median} ({low} to {high})",
        words(found.wanted),
        "-" if outside is None else f"{100 * outside[0]:.0f} % ({100 * outside[1]:.0f} %)",
        words(acceptance.of_scanner(found)),
    ]


def _plot(acceptance: Acceptance, found: Distribution) -> bytes:
    own, here = found.wanted, acceptance.of_scanner(found)
    numbers = [number + 1 for number in acceptance.records]
    return spread_png(
        dict(zip(numbers, found.per_scan, strict=True)),
        metric=METRICS[found.name],
        own=(own.expected.low, own.expected.high) if own else (None, None),
        here=(here.expected.low, here.expected.high) if here else (None, None),
    )


def _keeps_own_range(acceptance: Acceptance, found: Distribution) -> bool:
    return found.name != AIR_AGREEMENT and acceptance.of_scanner(found) is None
