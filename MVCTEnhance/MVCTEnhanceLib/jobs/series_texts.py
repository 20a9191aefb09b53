"""Texts by which a DICOM series of this program says what it is and how far it may be trusted, in any archive."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

from ..assessment.provenance import PROGRAM, provenance_rows
from ..assessment.verdicts import DO_NOT_TRUST, LOOK_CLOSER, NOT_APPLICABLE, not_as_expected, verdict_counts
from ..quality.record import EnhancementRecord
from ..volume.product import Product

INTENDED_USE = "Research only: not for dose calculation or diagnosis."
NOT_ASSESSED = "The image quality of this result was not assessed."
# kind of output: Series Description, how its values were made, what they are where they are no HU of tissue
_KINDS = MappingProxyType(
    {
        "enhanced": ("MVCT enhanced, research only", "MVCT enhanced to kVCT-like quality", ""),
        "difference": (
            "MVCT enhanced - MVCT, difference in HU, research only",
            "Difference enhanced - MVCT",
            "Values are changes in HU, not HU of tissue.",
        ),
        "correction": (
            "MVCT correction beyond HU conversion, research only",
            "Correction: change beyond the conversion of MVCT to kVCT numbers",
            "Values are changes in HU, not HU of tissue.",
        ),
        "cycle error": (
            "MVCT cycle-consistency error in HU, research only",
            "Absolute difference of the MVCT and of what the enhanced scan turns back into",
            "Values are errors in HU, not HU of tissue.",
        ),
    }
)


@dataclass(frozen=True)
class SeriesTexts:
    """Args: Series Description, Derivation Description and Image Comments."""

    description: str
    derivation: str
    comments: str = ""


def series_texts(product: Product, record: EnhancementRecord | None) -> SeriesTexts:
    """The texts of an output; record: of the enhancement, None where there is none."""
    description, derivation, values = _KINDS[product.kind]
    if product.at_strength:
        description = description.replace(", research", f",{product.at_strength}, research")
    told = provenance_rows(record or EnhancementRecord({}))
    program = told["program"] or PROGRAM
    sha256 = f" (SHA-256 {told['model_sha256']})" if told["model_sha256"] else ""
    model = f"model {told['model']}" if told["model"] else "a model that is not known"
    site = f", site profile of {told['site']}" if told["site"] else ""
    made_with = site + (f", strength {product.strength} %" if product.at_strength else "")
    site_sha256 = f" The site profile has the SHA-256 {told['site_sha256']}." if told["site_sha256"] else ""
    comments = (
        INTENDED_USE,
        values,
        f"Made from an MVCT by {program} with {model}{sha256}{made_with}.{site_sha256}",
        assessment(record) if record and record.assessments else NOT_ASSESSED,
    )
    return SeriesTexts(description, f"{derivation}, by {program}, {model}{made_with}", " ".join(filter(None, comments)))


def assessment(record: EnhancementRecord) -> str:
    """How many metrics are not as expected, and which of them say that the result is not to be trusted."""
    counts = verdict_counts(record.assessments)
    applicable = sum(counts.values()) - counts[NOT_APPLICABLE]
    rows = not_as_expected(record.assessments)
    distrusted = [f"{name} of {group}" for group, name, found in rows if found.verdict == DO_NOT_TRUST]
    gravest = f"DO NOT TRUST this result: {', '.join(distrusted)}. " if distrusted else ""
    return (
        f"{gravest}Assessment of {applicable} image-quality metrics: {counts[DO_NOT_TRUST]} 'do not trust', "
        f"{counts[LOOK_CLOSER]} 'look closer', the others as expected."
    )
