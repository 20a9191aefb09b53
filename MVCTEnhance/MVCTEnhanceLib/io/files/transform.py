"""Transforms to ITK's text files, which Slicer and other programs read."""

from __future__ import annotations

from pathlib import Path

import SimpleITK as sitk

from ...errors import InputError, OutputError
from ...runtime.quiet import quiet_itk
from ...storage.atomic import atomic_file
from ...volume.itk import itk_name
from ..formats import has_suffix

SUFFIX = ".tfm"


def require_transform_name(path: Path) -> None:
    """Refuse a path that no transform can be written to.

    Raises:
        OutputError: it has another suffix, or letters that are no valid text.
    """
    if not has_suffix(path, (SUFFIX,)):
        raise OutputError(f"'{path.name}' has another suffix than {SUFFIX}: end the transform's name in it.")
    if itk_name(path.absolute()) is None:
        raise OutputError(f"'{path}' has letters in its path that are no valid text: choose another name or folder.")


def read_transform(path: Path) -> sitk.Transform:
    """A rigid or other linear transform as `write_transform` wrote it.

    Raises:
        InputError: it cannot be read, or is not linear.
    """
    name = itk_name(path)
    if not path.is_file() or name is None:
        raise InputError(f"The transform '{path}' is no file that can be read: name one that 'register' wrote.")
    try:
        with quiet_itk():
            transform = sitk.ReadTransform(name).Downcast()
    except RuntimeError as error:
        raise InputError(f"'{path}' is no transform: name one that 'register' wrote.") from error
    if not transform.IsLinear():
        raise InputError(f"The transform '{path}' is not linear: name a rigid one, as 'register' writes it.")
    return transform


def write_transform(transform: sitk.Transform, path: Path, *, overwrite: bool = False) -> None:
    """Write a transform as ITK has it: of points of the grid that is resampled to, to those of the scan.

    Raises:
        OutputError: a path that cannot be written; nothing of the new file is left.
    """
    require_transform_name(path)
    with atomic_file(path, overwrite=overwrite) as partial:
        partial.touch()  # a place without permission says so here, which ITK does not
        try:
            with quiet_itk():
                sitk.WriteTransform(transform, str(partial))
                sitk.ReadTransform(str(partial))
        except RuntimeError as error:
            raise OutputError(f"{path} could not be written completely: free some space on the disk.") from error
