"""One way in: a volume in HU from any format that is read here."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..volume import Volume
from ..volume.product import product_of_file
from ..volume.values import PADDING_HU, compact, require_finite
from .dicom.header import DamagedDicom, read_header
from .dicom.series import read_dicom_folder
from .files.reader import read_volume_file
from .formats import READABLE, has_suffix

OUTSIDE_FIELD_HU = -1500  # below the noise of air: only the padding around the scanner's field lies there
OFFSET_SOFT_TISSUE = (900, 1200)  # where fat, water and muscle lie when 1024 was added to the HU
OFFSET_AIR_HU = -300  # below the noise of air that lies near 24 HU
UNLOWERED_TISSUE = (-200, 100)
LOWERED_AIR, LOWERED_TISSUE = (-2150, -1900), (-1150, -850)  # where they lie when 1024 was taken from the HU
OFFSET_SHARE = 0.05
STRAY_SHARE = 0.001


def read_volume(path: str | Path, *, series_uid: str | None = None, slices_only: bool = False) -> Volume:
    """Read a scan: NRRD, NIfTI, MetaImage, a folder with a DICOM CT series, or one DICOM file of such a series.

    Args:
        path: file or folder (searched with its subfolders; for a DICOM file only its own folder is).
        series_uid: the DICOM series to take, needed where a folder has several CT series; where several scans have one
            UID, one file of the scan, relative to the folder.
        slices_only: for what needs the slices and not how they lie to each other: a tilted gantry, uneven steps and
            missing slices of a DICOM series are warnings.

    Returns:
        HU as int16 where all values are whole numbers that fit, else float32, shape (k, j, i), with the geometry
        of the file. Padding is -1024 HU. `warnings` is for the user.

    Raises:
        InputError: there is nothing to read, or it is no regular 3-D scan; one sentence says what and where.
    """
    return _checked(_readable(path, series_uid, slices_only), Path(path))


def read_map(path: str | Path) -> Volume:
    """Read values on a scan's grid that are no scan, such as a difference in HU or a region: as they are in the file.

    Args:
        path: as for `read_volume`.

    Raises:
        InputError: as `read_volume`.
    """
    volume = _readable(path)
    array = compact(volume.array)
    require_finite(array, Path(path))
    return replace(volume, array=array)


def _readable(path: str | Path, series_uid: str | None = None, slices_only: bool = False) -> Volume:
    """What `_read` gives, with one sentence for what the system refuses."""
    path = Path(path)
    try:
        return _read(path, series_uid, slices_only)
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}): check its permissions and the disk.") from error
    except MemoryError as error:
        raise InputError(f"{path} is larger than the memory of this computer: close other programs.") from error


def _read(path: Path, series_uid: str | None, slices_only: bool) -> Volume:
    if not path.exists():
        raise InputError(f"{path} does not exist: check the path.")
    if path.is_dir():
        return read_dicom_folder(path, series_uid=series_uid, slices_only=slices_only)
    if not path.is_file():
        raise InputError(f"{path} is not a regular file: choose a scan.")
    if has_suffix(path, READABLE):
        return replace(read_volume_file(path), product=product_of_file(path))
    if has_suffix(path, (".hdr", ".img", ".img.gz")):
        raise InputError(f"{path} is one of a pair of files (.hdr, .img): convert them to one .nii file.")
    try:
        header = read_header(path)
    except DamagedDicom as error:
        raise InputError(str(error)) from error
    if header is None:
        raise InputError(f"{path} is no scan that can be read: choose {', '.join(READABLE)} or a DICOM folder.")
    return read_dicom_folder(path, series_uid=series_uid, slices_only=slices_only)


def _checked(volume: Volume, path: Path) -> Volume:
    """The volume with compact, finite values, padding as air, and warnings on values that look wrong."""
    array, warnings = compact(volume.array), list(volume.warnings)
    if array.dtype == np.float32:
        require_finite(array, path)
    outside = array < OUTSIDE_FIELD_HU
    if _looks_lowered(array):
        warnings.append(
            f"{path} has most of its values near -2000 and -1000, so that its HU appear shifted by -1024: check that "
            "air is about -1000 HU, the values were not changed."
        )
    elif outside.any():
        array[outside] = PADDING_HU
        warnings.append(
            f"{path} has {np.count_nonzero(outside)} voxels below {OUTSIDE_FIELD_HU} HU, outside the scanner's field: "
            f"they were set to {PADDING_HU} HU."
        )
    if array.max() > np.iinfo(np.int16).max:
        warnings.append(f"{path} has values above {np.iinfo(np.int16).max} HU: results are clipped there.")
    if _looks_offset(array):
        warnings.append(
            f"{path} has hardly a value below -300 and many near 1024, so that its HU appear shifted by +1024: check "
            "that air is about -1000 HU, the values were not changed."
        )
    return replace(volume, array=array, warnings=tuple(warnings))


def _looks_offset(array: np.ndarray) -> bool:
    below_noise_of_air = np.count_nonzero(array < OFFSET_AIR_HU)
    return below_noise_of_air <= STRAY_SHARE * array.size and _share(array, OFFSET_SOFT_TISSUE) > OFFSET_SHARE


def _looks_lowered(array: np.ndarray) -> bool:
    lowered = min(_share(array, LOWERED_AIR), _share(array, LOWERED_TISSUE)) > OFFSET_SHARE
    return lowered and _share(array, UNLOWERED_TISSUE) < OFFSET_SHARE


def _share(array: np.ndarray, limits: tuple[int, int]) -> float:
    """Of the voxels, how many lie within."""
    return np.count_nonzero((array >= limits[0]) & (array <= limits[1])) / array.size
