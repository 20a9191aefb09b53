"""Checks that volume files of all formats go through: room in the memory, and perpendicular axes."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ...errors import InputError
from ...volume import Volume

VOXELS_A_BYTE = 1100  # more than any of the formats' compressions makes of a byte
PERPENDICULAR = 1e-4  # cosine between two axes, above which they are not perpendicular
SHEARED = 1e-2  # above which it is a tilt and not a rounded number
SHEARED_MM = 1.0  # by which a voxel may move when the axes are made perpendicular
ABSURD = 1e12  # in whatever unit of length


def require_room(size: Sequence[int], path: Path, file_bytes: float | None) -> None:
    """Refuse what a file of so many bytes cannot hold, or the memory not: it would be filled before anybody notices.

    Raises:
        InputError: the former; MemoryError: the latter.
    """
    voxels = math.prod(size)
    if not voxels or (file_bytes is not None and voxels > VOXELS_A_BYTE * file_bytes):
        raise InputError(
            f"{path} is not a valid volume file or is cut, since its header has {' x '.join(map(str, size))} voxels: "
            "export or copy it again."
        )
    if hasattr(os, "sysconf") and 2 * voxels > os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"):
        raise MemoryError


def is_upright(axes: np.ndarray) -> bool:
    """Whether axes, the first three columns of any length, are perpendicular as far as rounded numbers can be."""
    lengths = np.linalg.norm(axes[:, :3], axis=0)
    return bool(lengths.all()) and _shear(axes[:, :3] / lengths) <= PERPENDICULAR


def _shear(direction: np.ndarray) -> float:
    return float(np.abs(direction.T @ direction - np.eye(3)).max())


def with_upright_axes(volume: Volume, path: Path) -> Volume:
    """A volume whose axes are perpendicular: the nearest ones, where those of the file are slightly sheared.

    The centre of the volume stays where it is. Numbers that were rounded shear the axes a little, which moves no voxel
    by more than 1 mm.

    Raises:
        InputError: they are sheared by more, or are not finite.
    """
    direction = np.asarray(volume.direction, float)
    place = np.array([*volume.origin, *volume.spacing, *direction.ravel()])
    if not np.isfinite(place).all() or np.abs(place).max() > ABSURD:
        raise InputError(f"{path} has a place or a voxel size that is no number: export it again.")
    sheared = _shear(direction)
    if sheared <= PERPENDICULAR:
        return volume
    left, _, right = np.linalg.svd(direction)
    upright = left @ right
    half = (np.array(volume.array.shape[::-1]) - 1) / 2 * volume.spacing
    signs = np.stack(np.meshgrid(*[(-1, 1)] * 3), -1).reshape(-1, 3)
    moved = np.linalg.norm((signs * half) @ (upright - direction).T, axis=1).max()
    if sheared > SHEARED or moved > SHEARED_MM:
        raise InputError(f"{path} has axes that are not perpendicular (a tilted gantry): resample it first.")
    origin = np.asarray(volume.origin) + (direction - upright) @ half
    warning = (
        f"{path} has axes that are not quite perpendicular (rounded numbers): the nearest perpendicular ones were "
        f"taken, which moves no voxel by more than {max(moved, 0.01):.2f} mm."
    )
    return replace(volume, direction=upright, origin=tuple(origin.tolist()), warnings=(*volume.warnings, warning))
