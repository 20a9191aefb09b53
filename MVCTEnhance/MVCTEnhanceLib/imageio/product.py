"""Outputs of this program, known again by what their files say, and the digest that ties them to their input."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    import pydicom

    from .volume import Volume

PROGRAM = "MVCTEnhance"
Kind = Literal["enhanced", "difference", "correction", "cycle error"]
_KINDS: dict[str, Kind] = {  # how a Contribution Description or, before there was one, a Derivation Description begins
    "enhanced": "enhanced",
    "difference": "difference",
    "correction": "correction",
    "cycle error": "cycle error",
    "mvct enhanced to kvct-like quality by mvctenhance": "enhanced",
    "difference enhanced - mvct, by mvctenhance": "difference",
    "absolute difference of the mvct and of what": "cycle error",
    "made from an mvct by mvctenhance": "enhanced",
}
_DIGEST = re.compile(r"SHA-256 ([0-9a-f]{64})")


@dataclass(frozen=True)
class Product:
    """What an output of this program is.

    Args:
        kind: which of the outputs.
        input_digest: `digest` of the scan that it was made of; empty where the file does not say.
    """

    kind: Kind | str
    input_digest: str = ""


def digest(volume: Volume) -> str:
    """SHA-256, in hexadecimal digits, of the voxels in their order and of the grid rounded to 0.001 mm.

    The same scan gives the same digest from whatever format it was read.
    """
    grid = (*volume.spacing, *volume.origin, *np.asarray(volume.direction, float).ravel())
    rounded = ",".join(f"{round(float(number), 3) + 0.0:.3f}" for number in grid)
    content = hashlib.sha256(f"{volume.array.shape}{volume.array.dtype}{rounded}".encode())
    for part in volume.array:
        content.update(np.ascontiguousarray(part).tobytes())
    return content.hexdigest()


def contribution(product: Product) -> str:
    """What a Contribution Description (0018,A003) of this program's equipment says, as `product_of_dicom` reads it."""
    return product.kind + (f", made of the scan with SHA-256 {product.input_digest}" if product.input_digest else "")


def product_of_dicom(ds: pydicom.Dataset) -> Product | None:
    """Which output of this program a DICOM image is, by what its Contributing Equipment Sequence says; None if none."""
    try:
        equipment = [
            item for item in ds.get("ContributingEquipmentSequence") or () if item.get("Manufacturer") == PROGRAM
        ]
        texts = [str(item.get("ContributionDescription") or "") for item in reversed(equipment)]
        texts += [str(ds.get("DerivationDescription") or "")] * bool(equipment)
    except Exception:  # what pydicom makes of a broken sequence
        return None
    for text in texts:
        kind = next((kind for begin, kind in _KINDS.items() if text.casefold().startswith(begin)), None)
        if kind:
            return Product(kind, match[1] if (match := _DIGEST.search(text)) else "")
    return None
