"""Origin of a scan by its headers, and the input warnings that follow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..volume.grid import axial, digest
from ..volume.product import PLANNING_CT

if TYPE_CHECKING:
    from ..volume import Volume
    from ..volume.product import Product

KILOVOLTAGE_KV = (40.0, 200.0)  # of X-ray tubes; accelerators have 1000 and more, also where they say it in MV
MEGAVOLTAGE_KV = 1000.0
MEGAVOLTS = (1.0, 25.0)  # where a header has MV in the place of kV
_NAMES = {
    "enhanced": "an enhanced scan",
    "difference": "a difference map",
    "correction": "a correction map",
    "cycle error": "a map of the cycle-consistency error",
    PLANNING_CT: "the planning CT of a phantom",
}


@dataclass(frozen=True)
class Origin:
    """What the headers of a scan say; empty or None where they do not.

    Args:
        modality: as DICOM names it.
        kvp: peak voltage in kV.
        scanner: manufacturer and model.
        description: of the series; the library leaves it out, since it may name the patient and warnings are stored.
        product: which output of this program the scan is.
    """

    modality: str = ""
    kvp: float | None = None
    scanner: str = ""
    description: str = ""
    product: Product | None = None

    @property
    def is_kilovoltage(self) -> bool:
        """Whether the peak voltage is that of an X-ray tube, 40 to 200 kV."""
        return self.kvp is not None and KILOVOLTAGE_KV[0] <= self.kvp <= KILOVOLTAGE_KV[1]

    @property
    def is_megavoltage(self) -> bool:
        """Whether the peak voltage is that of an accelerator, however its unit was written."""
        return self.kvp is not None and (self.kvp >= MEGAVOLTAGE_KV or MEGAVOLTS[0] <= self.kvp <= MEGAVOLTS[1])


def origin_of(volume: Volume) -> Origin:
    """What the headers say that a volume was read with."""
    source = volume.source
    if source is None:
        return Origin(product=volume.product)
    scanner = f"{source.manufacturer} {source.model_name}".strip()
    return Origin("CT", source.kvp, scanner, product=volume.product)  # the reader takes no other modality


def mvct_warnings(origin: Origin) -> list[str]:
    """Why a scan given as the MVCT is none, one sentence each."""
    found = []
    if origin.product:
        right = "the MVCT of the phantom" if origin.product.kind == PLANNING_CT else "the MVCT that it was made of"
        found.append(
            f"The scan given as MVCT {_is(origin.product)}: choose {right}, since what the model makes of this one "
            "means nothing."
        )
    if origin.modality not in ("", "CT"):
        found.append(
            f"The scan is of modality {origin.modality}, but the model was trained on CT: what it makes of it means "
            "nothing."
        )
    if origin.is_kilovoltage:
        found.append(
            f"The scan was taken at {origin.kvp:.4g} kV{_by(origin)}, so it is a kilovoltage CT such as a planning CT "
            "and not an MVCT: what the model makes of it means nothing."
        )
    return found


def planning_ct_warnings(volume: Volume, mvct: Volume, origin: Origin | None = None) -> list[str]:
    """Why a scan given as the planning CT of an MVCT is none, one sentence each; `origin` as in `input_warnings`."""
    origin, found = origin or origin_of(volume), []
    if origin.product and origin.product.kind != PLANNING_CT:
        found.append(f"The planning CT {_is(origin.product)}, so its metrics are no reference: choose a planning CT.")
    if np.array_equal(axial(volume).array, axial(mvct).array):
        found.append("The planning CT is the MVCT itself, so its metrics are no reference: choose a planning CT.")
    if origin.modality not in ("", "CT"):
        found.append(f"The planning CT is of modality {origin.modality}, so its metrics are no reference.")
    if origin.is_megavoltage:
        unit = "kV" if origin.kvp >= MEGAVOLTAGE_KV else "MV"
        found.append(
            f"The planning CT was taken at {origin.kvp:.4g} {unit}{_by(origin)}, so it is a megavoltage CT: its "
            "metrics are no reference."
        )
    return found


def enhanced_warnings(enhanced: Volume, mvct: Volume) -> list[str]:
    """Why a scan given as the enhanced one of an MVCT may be none, one sentence each."""
    product = enhanced.product
    if product is None:
        return []
    if product.kind not in ("enhanced", "output"):
        return [f"The enhanced scan {_is(product)}, so its metrics mean nothing: choose the enhanced scan."]
    if product.input_digest and not product.is_made_of(digest(mvct)):
        return [
            "The enhanced scan was made of another scan than the MVCT, or of a changed copy: check that they match."
        ]
    return []


def _is(product: Product) -> str:
    return f"is {_NAMES.get(product.kind, 'an output')} that this program made"


def _by(origin: Origin) -> str:
    """Scanner and description in brackets, where they are known."""
    parts = [origin.scanner, f"'{origin.description}'" if origin.description else ""]
    return f" ({', '.join(filter(None, parts))})" if any(parts) else ""
