"""Volumes to NRRD, NIfTI and MetaImage files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ...errors import OutputError, is_out_of_memory
from ...runtime.quiet import quiet_itk
from ...storage.atomic import atomic_file
from ...volume import Volume
from ...volume.itk import itk_name, to_itk
from ...volume.values import rounded_int16
from ..formats import WRITABLE, has_suffix

NIFTI_DESCRIPTION = 79  # letters


def write_volume(volume: Volume, path: str | Path, *, compress: bool = True, overwrite: bool = True) -> None:
    """Write a volume as int16 HU, rounded and clipped, with its exact geometry; of a product the header says so.

    Args:
        volume: HU values, shape (k, j, i).
        path: ends in .nrrd, .nii, .nii.gz or .mha.
        compress: where the format leaves the choice (.nrrd, .mha): a half of the size, many times the time.
        overwrite: whether an existing file is replaced, or refused.

    Raises:
        OutputError: another suffix, non-finite values, or a place that cannot be written to; nothing of
            the new file is left.
    """
    path = Path(path)
    if not has_suffix(path, WRITABLE):
        raise OutputError(f"{path} has no suffix of a volume file: end the name with {', '.join(WRITABLE)}.")
    if itk_name(path.absolute()) is None:
        raise OutputError(f"{path} has letters in its path that are no valid text: choose another name or folder.")
    values = rounded_int16(volume.array)
    with atomic_file(path, overwrite=overwrite) as partial:
        _write(replace(volume, array=values), partial, path, compress=compress)


def _write(volume: Volume, partial: Path, path: Path, *, compress: bool) -> None:
    """Write to `partial` and read back: on a full disk ITK leaves a cut NIfTI file without an error."""
    partial.touch()  # a place without permission says so here, which ITK does not
    try:
        with quiet_itk():
            sitk.WriteImage(_image(volume, path), str(partial), useCompression=compress)
            written = sitk.ReadImage(str(partial))
    except RuntimeError as error:
        raise MemoryError if is_out_of_memory(error) else _incomplete(path) from error
    slices = sitk.GetArrayViewFromImage(written)
    if slices.shape != volume.array.shape or not all(map(np.array_equal, slices, volume.array)):
        raise _incomplete(path)


def _image(volume: Volume, path: Path) -> sitk.Image:
    """NIfTI has no fields of one's own, but a line of description."""
    image = to_itk(volume)
    if volume.product and has_suffix(path, (".nii", ".nii.gz")):
        image.SetMetaData("ITK_FileNotes", volume.product.marker[:NIFTI_DESCRIPTION])
    return image


def _incomplete(path: Path) -> OutputError:
    return OutputError(
        f"{path} could not be written completely: free some space on the disk or some memory, or choose another place."
    )
