"""Scans between the application and its worker: files in a folder that is there only while the worker is."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import slicer
from slicer.i18n import tr as _

from ...errors import OutputError

if TYPE_CHECKING:
    from ...volume import Volume

_TRIES = 10  # on Windows a file of a process that was just ended stays locked for a moment
_BETWEEN_TRIES_S = 0.05


def new_folder() -> Path:
    """A new folder among Slicer's temporary files, that only this user can read.

    Raises:
        OutputError: it cannot be made.
    """
    application = getattr(slicer, "app", None)
    place = application.temporaryPath if application else None
    try:
        return Path(tempfile.mkdtemp(prefix="MVCTEnhance-", dir=place))
    except OSError as error:
        raise OutputError(
            _(
                "No temporary folder could be made in '{place}' ({reason}): free some space, or choose another one in "
                "Slicer's application settings."
            ).format(place=place or tempfile.gettempdir(), reason=error.strerror)
        ) from error


def remove_folder(folder: Path) -> None:
    """Remove a folder with all that is in it."""
    for _try in range(_TRIES):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(_BETWEEN_TRIES_S)


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """A folder for the time of a block."""
    folder = new_folder()
    try:
        yield folder
    finally:
        remove_folder(folder)


def write_nrrd(volume: Volume, path: Path) -> None:
    """Write a volume with its own type, uncompressed: unlike the library's writer, which rounds to int16 HU.

    Raises:
        OutputError: it cannot be written.
    """
    import SimpleITK as sitk

    from ...runtime.quiet import quiet_itk
    from ...volume.itk import to_itk

    try:
        with quiet_itk():
            sitk.WriteImage(to_itk(volume), str(path), useCompression=False)
    except RuntimeError as error:
        raise OutputError(
            _(
                "The temporary folder '{folder}' cannot be written to: free some space, or choose another one in "
                "Slicer's application settings."
            ).format(folder=path.parent)
        ) from error


def read_voxels(path: Path) -> np.ndarray:
    """The voxels of a result as they were written, shape (k, j, i).

    Raises:
        OutputError: the file is not there or cannot be read.
    """
    import SimpleITK as sitk

    from ...runtime.quiet import quiet_itk

    try:
        with quiet_itk():
            return sitk.GetArrayFromImage(sitk.ReadImage(str(path)))
    except RuntimeError as error:
        raise OutputError(
            _("The result cannot be read back from the temporary folder: free some space on the disk and try again.")
        ) from error
