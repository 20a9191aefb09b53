"""NIfTI-1 and NIfTI-2 files to volumes.

ITK is not asked: it reads a file cut in half, turns NaN into 0 HU, hangs at an absurd place, knows no NIfTI-2, and
refuses axes that rounding has sheared. Source: https://nifti.nimh.nih.gov/pub/dist/src/niftilib/nifti1.h and nifti2.h.
"""

from __future__ import annotations

import math
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...errors import InputError
from ...volume import Volume
from ...volume.values import compact, require_no_bad
from .checks import ABSURD, VOXELS_A_BYTE, is_upright, require_room, with_upright_axes
from .unpack import Unpacked

SAME_PLACE_MM = 0.1  # within which the two places that a header gives agree
SAME_SIZE = 1e-3  # of a voxel's longest edge, within which its two sizes agree
_TYPES = {2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", 256: "i1", 512: "u2", 768: "u4", 1024: "i8", 1280: "u8"}
_OF_SEVERAL_VALUES = (32, 128, 1792, 2048, 2304)  # complex numbers and colours
_MM = {1: 1000.0, 3: 0.001}  # by the code of the unit of length
_SCANNER = 1  # the code of coordinates as the scanner gave them
_RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0])
# Of NIfTI-1 and NIfTI-2: length, mark and its place, and the place and form of each field.
_VERSIONS = (
    (348, 344, (b"n+1\0",), {
        "sizes": (40, "8h"), "type": (70, "2h"), "voxel": (76, "8f"), "begin": (108, "f"), "scale": (112, "2f"),
        "units": (123, "B"), "codes": (252, "2h"), "quaternion": (256, "6f"), "matrix": (280, "12f"),
    }),
    (540, 4, (b"n+2\0",), {
        "sizes": (16, "8q"), "type": (12, "2h"), "voxel": (104, "8d"), "begin": (168, "q"), "scale": (176, "2d"),
        "units": (500, "i"), "codes": (344, "2i"), "quaternion": (352, "6d"), "matrix": (400, "12d"),
    }),
)  # fmt: skip
_PAIR = (b"ni1\0", b"ni2\0")


@dataclass(frozen=True)
class _Header:
    """Of a single scan, by the names of `_VERSIONS`; `size` is (i, j, k)."""

    size: tuple[int, int, int]
    is_2d: bool
    dtype: np.dtype
    begin: int
    slope: float
    offset: float
    mm: float
    voxel: tuple[float, ...]
    codes: tuple[int, int]
    quaternion: tuple[float, ...]
    matrix: tuple[float, ...]


def read_nifti(path: Path) -> Volume:
    """The volume of a .nii or .nii.gz file, plain or packed whatever its name says, in mm and with its values scaled.

    Raises:
        InputError: it is no regular 3-D scan, is damaged or cut; OSError: it cannot be opened; MemoryError: it is
            larger than the memory.
    """
    with path.open("rb") as file:
        try:
            stream = Unpacked(file)
            start = stream.read(_VERSIONS[1][0])
            header = _parse(start, path)
            require_room(header.size, path, path.stat().st_size * VOXELS_A_BYTE ** (stream.levels - 1))
            array = _voxels(stream, start, header, path)
        except (EOFError, zlib.error) as error:
            raise InputError(f"{path} is cut or damaged in its packed part: export or copy it again.") from error
    return with_upright_axes(_placed(array, header, path), path)


def is_nifti(path: Path) -> bool:
    """Whether the content, plain or packed, is a NIfTI file, whatever its name says.

    Raises:
        OSError: it cannot be opened.
    """
    with path.open("rb") as file:
        try:
            start = Unpacked(file).read(_VERSIONS[1][0])
        except (EOFError, zlib.error):
            return False
    return any(start[at : at + 4] in marks for _, at, marks, _ in _VERSIONS)


def _parse(start: bytes, path: Path) -> _Header:
    fields = _fields(start, path)
    rank, *sizes = fields["sizes"]
    code, bits = fields["type"]
    if code in _OF_SEVERAL_VALUES or (rank >= 5 and sizes[4] > 1 and rank <= 7):
        raise InputError(f"{path} has several values in each voxel (colour or vectors): choose a scan in HU.")
    if not 2 <= rank <= 7 or min(sizes[:rank]) < 1:
        raise _impossible(path, "number of voxels")
    if math.prod(sizes[3:rank]) > 1:
        raise InputError(f"{path} has {rank} dimensions: choose a single 3-D scan.")
    if code not in _TYPES:
        raise InputError(f"{path} has voxels of a type (NIfTI code {code}) that is not read: export it as integers.")
    dtype = np.dtype(_TYPES[code]).newbyteorder(fields["order"])
    if bits != 8 * dtype.itemsize:
        raise _impossible(path, "size of a voxel")
    _, *voxel = fields["voxel"]
    by_quaternion, by_matrix = fields["codes"]
    place = [*voxel[:3], fields["voxel"][0], *fields["begin"]]
    place += [*fields["quaternion"] * (by_quaternion > 0), *fields["matrix"] * (by_matrix > 0)]
    if not all(abs(value) < ABSURD for value in place):
        raise _impossible(path, "place or voxel size")
    slope, offset = (value if math.isfinite(value) else 0.0 for value in fields["scale"])
    return _Header(
        size=tuple((*sizes[:rank], 1)[:3]),
        is_2d=rank == 2,
        dtype=dtype,
        begin=max(int(fields["begin"][0]), fields["length"]),
        slope=slope or 1.0,
        offset=offset if slope else 0.0,
        mm=_MM.get(fields["units"][0] & 7, 1.0),
        voxel=(fields["voxel"][0], *(abs(mm) for mm in voxel[:3])),
        codes=fields["codes"],
        quaternion=fields["quaternion"],
        matrix=fields["matrix"],
    )


def _fields(start: bytes, path: Path) -> dict:
    """Each field as it is, with the length of the header and its byte order."""
    for length, mark_at, marks, places in _VERSIONS:
        for order in "<>":
            if len(start) < length or start[:4] != struct.pack(f"{order}i", length):
                continue
            mark = start[mark_at : mark_at + 4]
            if mark in _PAIR:
                raise InputError(f"{path} is the header of a pair of files (.hdr, .img): convert it to one .nii file.")
            if mark not in marks:
                raise InputError(
                    f"{path} is no NIfTI but an Analyze file by its header, which does not say what is left and right: "
                    "export the scan again."
                )
            found = {name: struct.unpack_from(order + form, start, at) for name, (at, form) in places.items()}
            return found | {"order": order, "length": length}
    raise InputError(f"{path} is not a valid volume file, since it has no NIfTI header: export or copy it again.")


def _impossible(path: Path, what: str) -> InputError:
    return InputError(
        f"{path} is not a valid volume file, since its header has a {what} that cannot be: export it again."
    )


def _voxels(stream: Unpacked, start: bytes, header: _Header, path: Path) -> np.ndarray:
    """Values of shape (k, j, i), read slice by slice, so that little more than the result is in memory."""
    columns, rows, slices = header.size
    is_scaled = (header.slope, header.offset) != (1.0, 0.0)
    result = np.empty((slices, rows, columns), np.float32 if is_scaled else header.dtype.newbyteorder("="))
    rest, count, bad = start[header.begin :], rows * columns * header.dtype.itemsize, 0
    _skip(stream, header.begin - len(start))
    for k in range(slices):
        content = rest[:count] + stream.read(count - len(rest[:count]))
        rest = rest[count:]
        if len(content) < count:
            raise InputError(f"{path} is cut, since it ends in slice {k + 1} of {slices}: export or copy it again.")
        values = np.frombuffer(content, header.dtype).reshape(rows, columns)
        if header.dtype.kind == "f":
            bad += values.size - int(np.count_nonzero(np.isfinite(values)))
        with np.errstate(all="ignore"):  # beyond float32 becomes infinite, which the reader refuses
            result[k] = values * np.float64(header.slope) + header.offset if is_scaled else values
    stream.check_end()
    require_no_bad(bad, result.size, path)
    return compact(result)


def _skip(stream: Unpacked, count: int) -> None:
    while count > 0 and (passed := len(stream.read(min(count, 1 << 20)))):
        count -= passed


def _placed(array: np.ndarray, header: _Header, path: Path) -> Volume:
    """The array at the place that the header gives, in LPS and mm."""
    place, warnings = _place(header, path)
    if header.is_2d:
        normal = np.cross(place[:, 0], place[:, 1])
        place[:, 2] = normal / (np.linalg.norm(normal) or 1.0)
        warnings.append(f"{path} is a single slice without a thickness: 1 mm was taken.")
    spacing = np.linalg.norm(place[:, :3], axis=0)
    if not spacing.all():
        raise _impossible(path, "voxel size of 0 mm")
    stated = header.mm * np.array(header.voxel[1:])
    if not header.is_2d and np.abs(spacing - stated).max() > SAME_SIZE * spacing.max():
        sizes = (" x ".join(f"{mm:.4g}" for mm in size) for size in (spacing, stated))
        warnings.append("{} gives two voxel sizes: {} mm were taken (sform), not {} mm (pixdim).".format(path, *sizes))
    return Volume(
        array=array,
        spacing=tuple(spacing.tolist()),
        origin=tuple(place[:, 3].tolist()),
        direction=place[:, :3] / spacing,
        warnings=tuple(warnings),
    )


def _place(header: _Header, path: Path) -> tuple[np.ndarray, list[str]]:
    """Voxel indices to LPS in mm, shape (3, 4), and warnings; of two places, the one that ITK and so Slicer take."""
    by_quaternion, by_matrix = header.codes
    quaternion = _by_quaternion(header) if by_quaternion > 0 else None
    matrix = np.reshape(header.matrix, (3, 4)) if by_matrix > 0 else None
    if quaternion is None and matrix is None:
        warning = (
            f"{path} does not say how the scan lies in the patient (no qform and no sform): it was taken as head first "
            "supine, check left and right."
        )
        return header.mm * np.hstack([np.diag(header.voxel[1:]), np.zeros((3, 1))]), [warning]
    is_trusted = matrix is not None and (quaternion is None or (by_matrix == _SCANNER and is_upright(matrix)))
    place, name = (matrix, "sform") if is_trusted else (quaternion, "qform")
    warnings = []
    if quaternion is not None and matrix is not None and (apart := _apart(quaternion, matrix, header)) > SAME_PLACE_MM:
        warnings.append(
            f"{path} gives two places that differ by {apart:.1f} mm (qform and sform): the {name} was taken, check "
            "where the scan lies."
        )
    return header.mm * (_RAS_TO_LPS @ place), warnings


def _by_quaternion(header: _Header) -> np.ndarray:
    """Voxel indices to RAS, shape (3, 4)."""
    b, c, d = header.quaternion[:3]
    a = math.sqrt(max(0.0, 1.0 - (b * b + c * c + d * d)))
    length = math.sqrt(a * a + b * b + c * c + d * d)
    a, b, c, d = a / length, b / length, c / length, d / length
    rotation = np.array(
        [
            [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
            [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
            [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
        ]
    )
    handed = -1.0 if header.voxel[0] < 0 else 1.0
    columns = rotation * header.voxel[1:] * (1.0, 1.0, handed)
    return np.hstack([columns, np.reshape(header.quaternion[3:], (3, 1))])


def _apart(one: np.ndarray, other: np.ndarray, header: _Header) -> float:
    """The farthest that two places put a corner of the scan apart, in mm."""
    corners = np.stack(np.meshgrid(*[(0, count - 1) for count in header.size]), -1).reshape(-1, 3)
    difference = (one - other)[:, :3] @ corners.T + (one - other)[:, 3:]
    return header.mm * float(np.linalg.norm(difference, axis=0).max())
