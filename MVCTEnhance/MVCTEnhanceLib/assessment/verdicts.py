"""Assessments of the metrics: a verdict in plain words, with the reason."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..quality.catalogue import GROUPS, METRICS
from .ranges import Finding, expectation, in_range, is_field
from .rules import (
    above_planning_ct,
    against_mvct,
    against_planning_ct,
    distance_to_planning_ct,
    outlier_slices,
)
from .tables import DISTANCE, leaves, slice_names

_SHOWN = 3
NOT_APPLICABLE = "not applicable"
AS_EXPECTED = "as expected"
LOOK_CLOSER = "look closer"
DO_NOT_TRUST = "do not trust"
VERDICTS = (NOT_APPLICABLE, AS_EXPECTED, LOOK_CLOSER, DO_NOT_TRUST)
_BY_LEVEL = (AS_EXPECTED, LOOK_CLOSER, DO_NOT_TRUST)  # of a finding

Verdicts = dict[str, dict[str, dict[str, str]]]


def judge(readouts: Mapping[str, Any], card: Mapping[str, Any]) -> Verdicts:
    """Verdicts on the readouts of one enhancement, JSON-serialisable.

    A tissue or an edge that no slice contains is not applicable, which is no doubt. A value that a body should have,
    but that could not be measured, or that the card has no range for, is to be looked at.

    Args:
        readouts: what `Readouts.to_dict` gives.
        card: of the model. `card["expected"]` holds for each group and readout the ranges "expected" and "trusted",
            each [lowest, highest] with null for an open side; its groups "enhanced_to_mvct" and
            "enhanced_to_planning_ct" hold those of the enhanced scan's values as a part of the other's.

    Returns:
        for each group (mvct, enhanced, planning_ct, comparison) and readout (those of HU bias by tissue):
        {"verdict": one of VERDICTS, "reason": a sentence or more}.
    """
    verdicts = {
        group: {name: _judged(readouts, card, group, name) for name in leaves(readouts[group])}
        for group in GROUPS
        if group in readouts
    }
    distance = readouts["comparison"].get(DISTANCE)
    if distance:
        finding = distance_to_planning_ct(distance, expectation(card, "comparison", DISTANCE))
        verdicts["comparison"][DISTANCE] = _verdict([finding])
    return verdicts


def not_as_expected(verdicts: Mapping[str, Any]) -> list[tuple[str, str, str, str]]:
    """(group, readout, verdict, reason) of all that is to be looked at, the gravest first."""
    rows = [
        (group, name, entry["verdict"], entry["reason"])
        for group, entries in verdicts.items()
        for name, entry in entries.items()
        if entry["verdict"] in (LOOK_CLOSER, DO_NOT_TRUST)
    ]
    return sorted(rows, key=lambda row: -VERDICTS.index(row[2]))


def _judged(readouts: Mapping[str, Any], card: Mapping[str, Any], group: str, name: str) -> dict[str, str]:
    if leaves(readouts[group])[name]["mean"] is not None:
        return _verdict(_findings(readouts, card, group, name))
    doubt = _why_missing(readouts, group, name)
    return _verdict([doubt]) if doubt else {"verdict": NOT_APPLICABLE, "reason": _not_applicable(name)}


def _not_applicable(name: str) -> str:
    """Why a metric has no value, where that is no doubt."""
    return f"Not applicable: no slice contains enough {METRICS[name].measured_in}."


def _why_missing(readouts: Mapping[str, Any], group: str, name: str) -> Finding | None:
    """The doubt in a readout without any value; None where the scan just does not contain what it measures."""
    scan = readouts["mvct" if group == "comparison" else group]
    if scan["nselfssim"]["mean"] is None:
        return Finding(1, "It could not be measured: no slice shows a body.")
    if group == "enhanced" and readouts["mvct"][name]["mean"] is not None:
        return Finding(1, "It could not be measured in the enhanced scan, but in the MVCT.")
    return None


def _findings(readouts: Mapping[str, Any], card: Mapping[str, Any], group: str, name: str) -> list[Finding]:
    readout, slices = leaves(readouts[group])[name], slice_names(readouts, group)
    wanted, obstacle = expectation(card, group, name), _obstacle(readouts["parameters"], card, name)
    if wanted is None or obstacle:
        in_itself = Finding(1, obstacle or "The model's card does not say what value to expect.")
    else:
        in_itself = in_range(readout, name, wanted, slices)
    if group == "comparison":
        return [in_itself, outlier_slices(name, readout["per_slice"], slices)]
    if group != "enhanced":
        return [in_itself]
    against = against_mvct(name, readouts["mvct"][name], readout, expectation(card, "enhanced_to_mvct", name))
    aim = _against_aim(readouts, card, name)
    if aim and not aim.level and in_itself.level:
        # The planning CT shows what this patient's anatomy gives, which is nearer than what others gave.
        in_itself = Finding(in_itself.level - 1, in_itself.text)
    return [in_itself, against, *([aim] if aim else [])]


def _obstacle(parameters: Mapping[str, Any], card: Mapping[str, Any], name: str) -> str:
    """Why the card's range does not hold for this readout."""
    if METRICS[name].pixels != "body" and "region" in parameters:
        return "The model's card knows whole slices only, so what to expect in a region is not known."
    field, trained = parameters.get("field_of_view_mm"), (card.get("trained_on") or {}).get("field_of_view_mm")
    if METRICS[name].pixels == "slice" and field and trained and not is_field(field, trained):
        return (
            "It is a mean over the whole slice, and the model's card knows it for another field of view: look in the "
            "difference map for structure that was invented or lost."
        )
    return ""


def _against_aim(readouts: Mapping[str, Any], card: Mapping[str, Any], name: str) -> Finding | None:
    """The enhanced scan's value against the planning CT's; None where there is no such reference."""
    if name == "nselfssim" and DISTANCE in readouts["comparison"]:
        wanted = expectation(card, "comparison", DISTANCE)
        return distance_to_planning_ct(readouts["comparison"][DISTANCE], wanted)
    aim = readouts.get("planning_ct", {}).get(name)
    if most := METRICS[name].max_above_planning_ct:
        return above_planning_ct(readouts["enhanced"][name], aim, most) if aim else None
    wanted = expectation(card, "enhanced_to_planning_ct", name)
    return against_planning_ct(readouts["enhanced"][name], aim, wanted) if aim and wanted else None


def _verdict(findings: Iterable[Finding]) -> dict[str, str]:
    """The gravest of the findings; only findings of doubt are told where there are any, the gravest first."""
    ordered = sorted(findings, key=lambda finding: -finding.level)
    worst = ordered[0].level
    told = [finding.text for finding in ordered if finding.text and (finding.level or not worst)]
    return {"verdict": _BY_LEVEL[worst], "reason": " ".join(told)}


def distrusted_metrics(readouts: Mapping[str, Any]) -> list[str]:
    """The readouts that are assessed as 'do not trust', in words."""
    return [
        f"{GROUPS[group]}, {METRICS[name].label}" if name in METRICS else name
        for group, verdicts in (readouts.get("verdicts") or {}).items()
        for name, entry in verdicts.items()
        if entry["verdict"] == DO_NOT_TRUST
    ]


def withholding_reason(readouts: Mapping[str, Any]) -> str:
    """The sentence by which a DICOM series is refused; empty where nothing is assessed as 'do not trust'."""
    names = distrusted_metrics(readouts)
    if not names:
        return ""
    more = [f"{len(names) - _SHOWN} more"] * (len(names) > _SHOWN)
    listed = "; ".join([*names[:_SHOWN], *more])
    return (
        f"The assessment of {listed} is 'do not trust', so no DICOM series was written: look at the difference map and "
        "the report, and add --force to write it all the same."
    )
