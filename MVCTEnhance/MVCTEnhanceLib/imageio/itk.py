"""A volume as SimpleITK sees it."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from .volume import Volume


def to_itk(volume: Volume) -> sitk.Image:
    """An image with the values and the exact geometry of a volume; ITK's world is LPS in mm, as ours."""
    image = sitk.GetImageFromArray(volume.array)
    image.SetSpacing([float(step) for step in volume.spacing])
    image.SetOrigin([float(place) for place in volume.origin])
    image.SetDirection(np.asarray(volume.direction, float).ravel().tolist())
    return image
