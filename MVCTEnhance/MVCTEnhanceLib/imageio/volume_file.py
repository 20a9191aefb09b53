"""NRRD, NIfTI and MetaImage files to volumes."""

from __future__ import annotations

import math
import os
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..errors import InputError, lacks_memory
from .formats import has_suffix
from .itk import itk_name
from .nifti import count_nonfinite, is_header_sound
from .quiet import quiet_itk
from .text_header import require_sound_header
from .values import compact, require_no_bad
from .volume import Volume

VOXELS_A_BYTE = 1100  # more than any of the formats' compressions makes of a byte


def read_volume_file(path: Path) -> Volume:
    """The volume of a file, with its values as they are there.

    Raises:
        InputError: it is no regular 3-D scan, is damaged or cut; OSError: it cannot be opened; MemoryError: it is
            larger than the memory.
    """
    elsewhere = require_sound_header(path)  # and opens it: ITK does not say why it cannot open a file
    is_nifti = has_suffix(path, (".nii", ".nii.gz"))
    if is_nifti and not is_header_sound(path):
        raise _not_a_volume(path)
    name = itk_name(path)
    if name is None:
        raise InputError(f"{path} has letters in its name that are no valid text: rename it and its folders.")
    reader = sitk.ImageFileReader()
    reader.SetFileName(name)
    try:
        with quiet_itk():
            reader.ReadImageInformation()
            _require_scalar_volume(reader, path)
            _require_room(reader, path, None if elsewhere else path.stat().st_size)
            image = reader.Execute()
    except RuntimeError as error:
        raise MemoryError if lacks_memory(error) else _not_a_volume(path) from error
    if is_nifti:
        bad = count_nonfinite(path)
        if bad is None:
            raise _not_a_volume(path)
        require_no_bad(bad, image.GetNumberOfPixels(), path)
    return _from_image(image, path)


def _not_a_volume(path: Path) -> InputError:
    return InputError(f"{path} is not a valid volume file, is cut or lacks its data file: export or copy it again.")


def _require_scalar_volume(reader: sitk.ImageFileReader, path: Path) -> None:
    if reader.GetNumberOfComponents() != 1 or "complex" in sitk.GetPixelIDValueAsString(reader.GetPixelID()):
        raise InputError(f"{path} has several values in each voxel (colour or vectors): choose a scan in HU.")
    if reader.GetDimension() not in (2, 3):
        raise InputError(f"{path} has {reader.GetDimension()} dimensions: choose a single 3-D scan.")


def _require_room(reader: sitk.ImageFileReader, path: Path, file_bytes: int | None) -> None:
    """Refuse what a file of so many bytes cannot hold, or the memory not: it would be filled before ITK notices."""
    voxels = math.prod(reader.GetSize())
    if not voxels or (file_bytes is not None and voxels > VOXELS_A_BYTE * file_bytes):
        raise _not_a_volume(path)
    if hasattr(os, "sysconf") and 2 * voxels > os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"):
        raise MemoryError


def _from_image(image: sitk.Image, path: Path) -> Volume:
    warnings = ()
    if image.GetDimension() == 2:
        image = sitk.JoinSeries(image)
        warnings = (f"{path} is a single slice without a thickness: 1 mm was taken.",)
    direction = np.array(image.GetDirection()).reshape(3, 3)
    if not np.isfinite([*image.GetOrigin(), *image.GetSpacing(), *image.GetDirection()]).all():
        raise InputError(f"{path} has a place or a voxel size that is no number: export it again.")
    if np.abs(direction.T @ direction - np.eye(3)).max() > 1e-3:
        raise InputError(f"{path} has axes that are not perpendicular (a tilted gantry): resample it first.")
    voxels = sitk.GetArrayViewFromImage(image)
    array = compact(voxels)
    return Volume(
        array=array.copy() if array is voxels else array,  # the view ends with the image
        spacing=image.GetSpacing(),
        origin=image.GetOrigin(),
        direction=direction,
        warnings=warnings,
    )
