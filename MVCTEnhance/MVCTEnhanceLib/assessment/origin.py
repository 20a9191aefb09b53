"""Input warnings that follow from the headers of a scan: another modality, another voltage, an output."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..volume.acquisition import MEGAVOLTAGE_KV
from ..volume.grid import axial, digest
from ..volume.product import PLANNING_CT

if TYPE_CHECKING:
    from ..volume import Volume
    from ..volume.acquisition import Acquisition
    from ..volume.product import Product

_NAMES = {
    "enhanced": "an enhanced scan",
    "difference": "a difference map",
    "correction": "a correction map",
    "cycle error": "a map of the cycle-consistency error",
    PLANNING_CT: "the planning CT of a phantom",
}


def mvct_warnings(volume: Volume) -> list[str]:
    """Why a scan given as the MVCT is none, one sentence each."""
    product, taken, found = volume.product, volume.acquisition, []
    if product:
        right = "the MVCT of the phantom" if product.kind == PLANNING_CT else "the MVCT that it was made of"
        found.append(
            f"The scan given as MVCT {_is(product)}: choose {right}, since what the model makes of this one "
            "means nothing."
        )
    if taken.modality not in ("", "CT"):
        found.append(
            f"The scan is of modality {taken.modality}, but the model was trained on CT: what it makes of it means "
            "nothing."
        )
    if taken.is_kilovoltage:
        found.append(
            f"The scan was taken at {taken.kvp:.4g} kV{_by(taken)}, so it is a kilovoltage CT such as a planning CT "
            "and not an MVCT: what the model makes of it means nothing."
        )
    return found


def planning_ct_warnings(volume: Volume, mvct: Volume) -> list[str]:
    """Why a scan given as the planning CT of an MVCT is none, one sentence each."""
    product, taken, found = volume.product, volume.acquisition, []
    if product and product.kind != PLANNING_CT:
        found.append(f"The planning CT {_is(product)}, so its metrics are no reference: choose a planning CT.")
    if np.array_equal(axial(volume).array, axial(mvct).array):
        found.append("The planning CT is the MVCT itself, so its metrics are no reference: choose a planning CT.")
    if taken.modality not in ("", "CT"):
        found.append(f"The planning CT is of modality {taken.modality}, so its metrics are no reference.")
    if taken.is_megavoltage:
        unit = "kV" if taken.kvp >= MEGAVOLTAGE_KV else "MV"
        found.append(
            f"The planning CT was taken at {taken.kvp:.4g} {unit}{_by(taken)}, so it is a megavoltage CT: its "
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


def _by(acquisition: Acquisition) -> str:
    """The scanner in brackets, where it is known."""
    return f" ({acquisition.scanner})" if acquisition.scanner else ""
