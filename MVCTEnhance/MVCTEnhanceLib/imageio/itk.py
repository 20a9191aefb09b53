"""A volume as SimpleITK sees it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from .volume import Volume


def itk_name(path: Path) -> str | None:
    """A path as ITK takes it; None where it is no valid text (names from old disks), for which ITK ends the process."""
    try:
        str(path).encode("utf-8")
    except UnicodeEncodeError:
        return None
    return str(path)


def to_itk(volume: Volume) -> sitk.Image:
    """An image with the values and the exact geometry of a volume; ITK's world is LPS in mm, as ours.

    The voxels may be :class:`SlicesOnDemand`.
    """
    first = sitk.GetImageFromArray(volume.array[0])
    image = sitk.Image([*first.GetSize(), len(volume.array)], first.GetPixelID())
    for k, values in enumerate(volume.array):
        image[:, :, k] = sitk.GetImageFromArray(values)
    image.SetSpacing([float(step) for step in volume.spacing])
    image.SetOrigin([float(place) for place in volume.origin])
    image.SetDirection(np.asarray(volume.direction, float).ravel().tolist())
    return image
