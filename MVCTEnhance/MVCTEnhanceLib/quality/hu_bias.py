"""HU change: by how much a scan is shifted against a reference, tissue by tissue."""

from __future__ import annotations

import numpy as np

from .slices import Slice, require_same_shape
from .tissues import MIN_LUNG_MM2, TISSUE_RANGES_HU, TissueParameters, tissue_mask


def hu_bias(
    image: np.ndarray | Slice,
    reference: np.ndarray | Slice,
    body: np.ndarray,
    *,
    pixel_size: tuple[float, float],
    parameters: TissueParameters | None = None,
) -> dict[str, float]:
    """Mean of image - reference, in HU, over the lung, fat, soft tissue and bone of the reference.

    Args:
        image: HU, shape (j, i).
        reference: HU, shape (j, i); it decides which pixel is which tissue.
        body: bool, shape (j, i), of the reference.
        pixel_size: (row j, column i) in mm.

    Returns:
        a value for each of lung, fat, soft_tissue, bone; NaN for a tissue of which the slice does not contain enough.

    Raises:
        InputError: the shapes differ.
    """
    image, reference = Slice.of(image), Slice.of(reference)
    require_same_shape(image.hu, reference.hu, names=("scan", "reference"))
    difference = image.hu - reference.hu
    biases = {}
    for tissue, range_hu in TISSUE_RANGES_HU.items():
        mask = tissue_mask(reference, range_hu, body, pixel_size=pixel_size, parameters=parameters)
        if tissue == "lung" and mask.sum() * pixel_size[0] * pixel_size[1] < MIN_LUNG_MM2:
            mask = np.zeros_like(mask)
        biases[tissue] = float(difference[mask].mean()) if mask.any() else float("nan")
    return biases
