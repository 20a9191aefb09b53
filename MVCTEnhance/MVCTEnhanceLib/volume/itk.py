"""A volume as SimpleITK sees it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from . import acquisition
from .product import KEY, PROGRAM
from .volume import SlicesOnDemand, Volume

NOTE_KEY = f"{PROGRAM}.note"


def itk_name(path: Path) -> str | None:
    """A path as ITK takes it; None where it is no valid text (names from old disks), for which ITK ends the process."""
    try:
        str(path).encode("utf-8")
    except UnicodeEncodeError:
        return None
    return str(path)


def to_itk(volume: Volume) -> sitk.Image:
    """An image with a volume's values, exact geometry (LPS in mm), note, and marks as product and by acquisition."""
    slices = volume.array
    image = _filled(slices) if isinstance(slices, SlicesOnDemand) else sitk.GetImageFromArray(slices)
    image.SetSpacing([float(step) for step in volume.spacing])
    image.SetOrigin([float(place) for place in volume.origin])
    image.SetDirection(np.asarray(volume.direction, float).ravel().tolist())
    if volume.product:
        image.SetMetaData(KEY, volume.product.marker)
    if volume.acquisition != acquisition.UNKNOWN:
        image.SetMetaData(acquisition.KEY, volume.acquisition.text)
    if volume.note:
        image.SetMetaData(NOTE_KEY, volume.note)
    return image


def _filled(slices: SlicesOnDemand) -> sitk.Image:
    image = sitk.Image(slices.shape[::-1], sitk.sitkInt16)
    for k, values in enumerate(slices):
        image[:, :, k] = sitk.GetImageFromArray(values)
    return image
