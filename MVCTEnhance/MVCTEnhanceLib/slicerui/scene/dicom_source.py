"""DICOM files of a volume, and new ones into Slicer's DICOM database."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

import slicer
import slicer.util
from slicer.i18n import tr as _

from ...errors import InputError, OutputError
from .volumes import INSTANCE_UIDS


def files_of(node: slicer.vtkMRMLVolumeNode) -> list[Path]:
    """The DICOM files that a volume was loaded from, none where it did not come from DICOM.

    Raises:
        InputError: the database does not have them any more.
    """
    uids = (node.GetAttribute(INSTANCE_UIDS) or "").split()
    if not uids:
        return []
    database = require_database()
    names = [database.fileForInstance(uid) for uid in uids]
    files = [Path(slicer.util.longPath(name)) for name in names if name]
    if len(files) < len(uids) or not all(file.is_file() for file in files):
        raise InputError(
            _(
                "The DICOM files of the MVCT are no longer in the DICOM database or were moved: import them again, so "
                "that patient, study and position can be taken from them."
            )
        )
    return files


def stage_files(files: Iterable[Path], folder: Path) -> Path:
    """Links to files in a new folder, or copies where no link can be made; returns the folder."""
    folder.mkdir()
    for number, file in enumerate(files):
        target = folder / f"{number:05}.dcm"
        try:
            os.link(file, target)
        except OSError:  # on another disk, or a file system without links
            try:
                shutil.copyfile(file, target)
            except OSError as error:
                raise InputError(
                    _("The DICOM files of the MVCT cannot be read or copied ({reason}): check the disk.").format(
                        reason=error.strerror
                    )
                ) from error
    return folder


def require_database():
    """Slicer's DICOM database.

    Raises:
        InputError: there is none, or it is not open.
    """
    database = getattr(slicer, "dicomDatabase", None)
    if database is None or not database.isOpen:
        raise InputError(_("The DICOM database is not open: open the DICOM module once, which sets it up."))
    return database


def import_series(folder: Path, series_uid: str) -> None:
    """Copy the files of one new series into the DICOM database.

    Raises:
        OutputError: not all of them arrived.
    """
    from DICOMLib import DICOMUtils

    database = require_database()
    wanted = sum(1 for path in folder.iterdir() if path.is_file())
    # The files are copied, since their folder is a temporary one.
    done = DICOMUtils.importDicom(str(folder), database, True)
    if not done or len(database.filesForSeries(series_uid)) < wanted:
        raise OutputError(
            _("The DICOM database did not take all slices: check the free space of its disk, or export to a folder.")
        )
