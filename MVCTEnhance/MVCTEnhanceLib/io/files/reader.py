"""NRRD, NIfTI and MetaImage files to volumes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ...errors import InputError, is_out_of_memory
from ...runtime.quiet import quiet_itk
from ...volume import Volume
from ...volume.acquisition import KEY, UNKNOWN, acquisition_in
from ...volume.itk import itk_name
from ...volume.values import compact
from ..formats import has_suffix
from .checks import require_room, with_upright_axes
from .nifti import is_nifti, read_nifti
from .text_header import TextHeader, is_of_another_format, read_text_header


def read_volume_file(path: Path) -> Volume:
    """The volume of a file, with its values as they are there; by its content, where that is of another format.

    Raises:
        InputError: it is no regular 3-D scan, is damaged or cut, or of a kind that is not read; OSError: it cannot be
            opened; MemoryError: it is larger than the memory.
    """
    if is_nifti(path) or (has_suffix(path, (".nii", ".nii.gz")) and not is_of_another_format(path)):
        return read_nifti(path)
    header = read_text_header(path)
    name = itk_name(path)
    if name is None:
        raise InputError(f"{path} has letters in its name that are no valid text: rename it and its folders.")
    reader = sitk.ImageFileReader()
    reader.SetImageIO("NrrdImageIO" if header.is_nrrd else "MetaImageIO")  # ITK would go by the name, in small letters
    reader.SetFileName(name)
    image = _read(reader, header, path)
    return with_upright_axes(_from_image(image, header, path), path)


def _read(reader: sitk.ImageFileReader, header: TextHeader, path: Path) -> sitk.Image:
    what = "is not a valid volume file or of a kind that is not read, by its header: export or copy it again"
    try:
        with quiet_itk():
            reader.ReadImageInformation()
            _require_scalar_volume(reader, path)
            require_room(reader.GetSize(), path, None if header.is_elsewhere else path.stat().st_size)
            what = "is cut, or its voxels are damaged: export or copy it again"
            return reader.Execute()
    except RuntimeError as error:
        raise MemoryError if is_out_of_memory(error) else InputError(f"{path} {what}.") from error


def _require_scalar_volume(reader: sitk.ImageFileReader, path: Path) -> None:
    """And leave out a fourth axis with a single time."""
    if reader.GetNumberOfComponents() != 1 or "complex" in sitk.GetPixelIDValueAsString(reader.GetPixelID()):
        raise InputError(f"{path} has several values in each voxel (colour or vectors): choose a scan in HU.")
    size = reader.GetSize()
    if len(size) > 3 and max(size[3:]) == 1:
        reader.SetExtractSize([*size[:3], *[0] * (len(size) - 3)])
    elif len(size) not in (2, 3):
        raise InputError(f"{path} has {len(size)} dimensions: choose a single 3-D scan.")


def _from_image(image: sitk.Image, header: TextHeader, path: Path) -> Volume:
    warnings = header.warnings
    acquisition = acquisition_in(image.GetMetaData(KEY)) if image.HasMetaDataKey(KEY) else UNKNOWN
    if "vector" in sitk.GetPixelIDValueAsString(image.GetPixelID()):  # of one component
        image = sitk.VectorIndexSelectionCast(image, 0)
    if image.GetDimension() == 2:
        image = sitk.JoinSeries(image)
        warnings = (f"{path} is a single slice without a thickness: 1 mm was taken.",)
    voxels = sitk.GetArrayViewFromImage(image)
    array = compact(voxels)
    return Volume(
        array=array.copy() if array is voxels else array,  # the view ends with the image
        spacing=tuple(header.mm * step for step in image.GetSpacing()),
        origin=tuple(header.mm * place for place in image.GetOrigin()),
        direction=np.array(image.GetDirection()).reshape(3, 3),
        warnings=warnings,
        acquisition=acquisition,
    )
