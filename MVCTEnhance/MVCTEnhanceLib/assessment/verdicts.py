"""Assessments of the metrics: a verdict in plain words, with the reason."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from ..quality.catalogue import GROUPS, METRICS
from ..quality.record import FULL_STRENGTH, NSELFSSIM_DISTANCE, Assessment, Assessments, EnhancementRecord
from .ranges import ON_THIS_SCANNER, Expectation, Finding, chosen_offset, expectation, in_range, is_field
from .rules import (
    above_planning_ct,
    against_mvct,
    against_planning_ct,
    distance_to_planning_ct,
    offset_from_planning_ct,
    outlier_slices,
)

_SHOWN = 3
NOT_APPLICABLE = "not applicable"
AS_EXPECTED = "as expected"
AS_EXPECTED_HERE = f"{AS_EXPECTED}{ON_THIS_SCANNER}"  # by the ranges of a site profile
LOOK_CLOSER = "look closer"
DO_NOT_TRUST = "do not trust"
VERDICTS = (NOT_APPLICABLE, AS_EXPECTED, LOOK_CLOSER, DO_NOT_TRUST)
_OF_FULL_STRENGTH = Assessment(NOT_APPLICABLE, "Not applicable: the expected range holds at a strength of 100 % only.")
_BY_LEVEL = (AS_EXPECTED, LOOK_CLOSER, DO_NOT_TRUST)  # of a finding


def judge(record: EnhancementRecord, card: Mapping[str, Any]) -> Assessments:
    """Assessments of the metrics of one enhancement.

    A tissue or an edge that no slice contains is not applicable, which is no warning. A value that a body should have,
    but that could not be measured, or that the card has no range for, is to be looked at.

    Args:
        record: of the enhancement, as it was measured.
        card: of the model. `card["expected"]` holds for each group and metric the ranges "expected" and "trusted",
            each [lowest, highest] with null for an open side; its groups "enhanced_to_mvct" and
            "enhanced_to_planning_ct" hold those of the enhanced scan's values as a part of the other's. Ranges of a
            site profile have "on_this_scanner".

    Returns:
        by group (mvct, enhanced, planning_ct, comparison) and metric.
    """
    found = {
        group: {name: _here(_judged(record, card, group, name), card, group, name) for name in record.groups[group]}
        for group in GROUPS
        if group in record.groups
    }
    for name in record.distances:
        found["comparison"][name] = _here(_judged_distance(record, card, name), card, "comparison", name)
    return found


def _judged_distance(record: EnhancementRecord, card: Mapping[str, Any], name: str) -> Assessment:
    """Of a distance from the planning CT."""
    distance, wanted = record.distances[name], expectation(card, "comparison", name)
    if name == NSELFSSIM_DISTANCE:
        finding = distance_to_planning_ct(distance, wanted)
        return _assessment([finding]) if _is_full(record) else _OF_FULL_STRENGTH
    if not math.isfinite(distance.enhanced):
        return Assessment(NOT_APPLICABLE, _not_applicable(name))
    return _assessment([offset_from_planning_ct(distance, wanted or chosen_offset(name))])


def _here(assessment: Assessment, card: Mapping[str, Any], group: str, name: str) -> Assessment:
    """The assessment, which says so where a value is as expected by the range of its scanner."""
    wanted = expectation(card, group, name)
    if assessment.verdict != AS_EXPECTED or wanted is None or not wanted.on_this_scanner:
        return assessment
    return Assessment(AS_EXPECTED_HERE, assessment.reason)


def gravity(verdict: str) -> int:
    """How bad a verdict is: its place in VERDICTS."""
    return VERDICTS.index(AS_EXPECTED if verdict == AS_EXPECTED_HERE else verdict)


def not_as_expected(assessments: Assessments) -> list[tuple[str, str, Assessment]]:
    """(group, metric, assessment) of all that is to be looked at, the gravest first."""
    rows = [
        (group, name, assessment)
        for group, entries in assessments.items()
        for name, assessment in entries.items()
        if assessment.verdict in (LOOK_CLOSER, DO_NOT_TRUST)
    ]
    return sorted(rows, key=lambda row: -gravity(row[2].verdict))


def verdict_counts(assessments: Assessments) -> dict[str, int]:
    """How often each of VERDICTS was given, from good to bad; on this scanner or not."""
    given = Counter(gravity(assessment.verdict) for entries in assessments.values() for assessment in entries.values())
    return {verdict: given[gravity(verdict)] for verdict in VERDICTS}


def _judged(record: EnhancementRecord, card: Mapping[str, Any], group: str, name: str) -> Assessment:
    if record.groups[group][name].has_value:
        of_result = group in ("enhanced", "comparison")
        if of_result and METRICS[name].of_full_strength and not _is_full(record):
            return _judged_at_part(record, group, name)
        return _assessment(_findings(record, card, group, name))
    finding = _why_missing(record, group, name)
    return _assessment([finding]) if finding else Assessment(NOT_APPLICABLE, _not_applicable(name))


def _is_full(record: EnhancementRecord) -> bool:
    """Whether the ranges of full strength hold, as they do where the strength is not known."""
    return record.strength in (None, FULL_STRENGTH)


def _judged_at_part(record: EnhancementRecord, group: str, name: str) -> Assessment:
    """Of a metric whose range holds for full strength only: whether a slice stands out can still be told."""
    finding = outlier_slices(record.groups[group][name], record.slice_names(group))
    return _assessment([finding]) if group == "comparison" and finding.level else _OF_FULL_STRENGTH


def _not_applicable(name: str) -> str:
    """Why a metric has no value, where that is no finding."""
    return f"Not applicable: no slice contains enough {METRICS[name].measured_in}."


def _why_missing(record: EnhancementRecord, group: str, name: str) -> Finding | None:
    """The finding on a metric without any value; None where the scan just does not contain what it measures."""
    scan = record.groups["mvct" if group == "comparison" else group]
    if not scan["nselfssim"].has_value:
        return Finding(1, "It could not be measured: no slice shows a body.")
    if group == "enhanced" and record.groups["mvct"][name].has_value:
        return Finding(1, "It could not be measured in the enhanced scan, but in the MVCT.")
    return None


def _findings(record: EnhancementRecord, card: Mapping[str, Any], group: str, name: str) -> list[Finding]:
    metric, slices = record.groups[group][name], record.slice_names(group)
    wanted = expectation(card, group, name)
    obstacle = _obstacle(record.parameters, card, name, wanted)
    if wanted is None or obstacle:
        in_itself = Finding(1, obstacle or "The model's card does not say what value to expect.")
    else:
        in_itself = in_range(metric, wanted, slices)
    if group == "comparison":
        return [in_itself, outlier_slices(metric, slices)]
    if group != "enhanced":
        return [in_itself]
    against = against_mvct(record.groups["mvct"][name], metric, expectation(card, "enhanced_to_mvct", name))
    to_reference = _against_reference(record, card, name)
    if to_reference and not to_reference.level and in_itself.level:
        # The planning CT shows what this patient's anatomy gives, which is nearer than what others gave.
        in_itself = Finding(in_itself.level - 1, in_itself.text)
    return [in_itself, against, *([to_reference] if to_reference else [])]


def _obstacle(parameters: Mapping[str, Any], card: Mapping[str, Any], name: str, wanted: Expectation | None) -> str:
    """Why the card's range does not hold for this metric."""
    if METRICS[name].pixels != "body" and "region" in parameters:
        return "The model's card knows whole slices only, so what to expect in a region is not known."
    field, trained = parameters.get("field_of_view_mm"), (card.get("trained_on") or {}).get("field_of_view_mm")
    if wanted and wanted.on_this_scanner:  # measured with this scanner's own field
        return ""
    if METRICS[name].pixels == "slice" and field and trained and not is_field(field, trained):
        return (
            "It is a mean over the whole slice, and the model's card knows it for another field of view: look in the "
            "difference map for structure that was invented or lost."
        )
    return ""


def _against_reference(record: EnhancementRecord, card: Mapping[str, Any], name: str) -> Finding | None:
    """The enhanced scan's value against the planning CT's; None where there is no such reference."""
    if name == "nselfssim" and (distance := record.distances.get(NSELFSSIM_DISTANCE)):
        return distance_to_planning_ct(distance, expectation(card, "comparison", NSELFSSIM_DISTANCE))
    reference = record.group("planning_ct").get(name)
    if reference is None:
        return None
    if most := METRICS[name].max_above_planning_ct:
        return above_planning_ct(record.groups["enhanced"][name], reference, most)
    wanted = expectation(card, "enhanced_to_planning_ct", name)
    return against_planning_ct(record.groups["enhanced"][name], reference, wanted) if wanted else None


def _assessment(findings: Iterable[Finding]) -> Assessment:
    """The gravest verdict, with the texts of the findings that are not as expected, or of all where every one is."""
    ordered = sorted(findings, key=lambda finding: -finding.level)
    worst = ordered[0].level
    told = [finding.text for finding in ordered if finding.text and (finding.level or not worst)]
    return Assessment(_BY_LEVEL[worst], " ".join(told))


def distrusted_metrics(record: EnhancementRecord) -> list[str]:
    """The metrics that are assessed as 'do not trust', in words."""
    return [
        f"{GROUPS[group]}, {METRICS[name].label}" if name in METRICS else name
        for group, entries in record.assessments.items()
        for name, entry in entries.items()
        if entry.verdict == DO_NOT_TRUST
    ]


def withholding_reason(record: EnhancementRecord) -> str:
    """The sentence by which a DICOM series is refused; empty where nothing is assessed as 'do not trust'."""
    names = distrusted_metrics(record)
    if not names:
        return ""
    more = [f"{len(names) - _SHOWN} more"] * (len(names) > _SHOWN)
    listed = "; ".join([*names[:_SHOWN], *more])
    return (
        f"The assessment of {listed} is 'do not trust', so no DICOM series was written: look at the difference map and "
        "the report, and add --force to write it all the same."
    )
