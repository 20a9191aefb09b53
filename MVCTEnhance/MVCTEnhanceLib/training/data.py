"""Unpaired slices of two folders of scans, cut into crops that show the patient."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from ..errors import InputError, MVCTEnhanceError
from ..io import read_volume
from ..runtime.events import EventHandler, ignore_event
from ..volume import Volume
from ..volume.grid import axial
from ..volume.resample import resample_slices, shape_at
from ..volume.values import AIR_HU
from .config import DataConfig
from .patients import Scan, scan_of

CELL_PX = 16
TISSUE_HU = -400.0
PIXEL_FACTOR = 10  # to the pixels trained on, either way: beyond lie headers with a wrong unit


@dataclass(frozen=True)
class Slices:
    """Slices of one domain.

    Args:
        hu: one int16 tensor (j, i) a slice, all at the same pixel size.
        truth: the slices that belong to them, on the same grid; empty where there are none.
        cells: for each slice the (j, i) centres, shape (n, 2), of the cells in which crops are centred.
        scans: what they were read from.
    """

    hu: list[torch.Tensor]
    truth: list[torch.Tensor]
    cells: list[np.ndarray]
    scans: tuple[Scan, ...] = ()

    def __len__(self) -> int:
        return len(self.hu)

    def digests(self) -> list[str]:
        """What tells these slices from others, in their order."""
        return [digest for scan in self.scans for digest in scan.slices]


def load_slices(
    folder: Path,
    spacing_mm: float,
    *,
    truth_folder: Path | None = None,
    on_scan: Callable[[Volume], None] = lambda scan: None,
    on_event: EventHandler = ignore_event,
) -> Slices:
    """All axial slices with tissue of all scans below a folder, resampled in plane to one pixel size.

    A scan that cannot be used, or whose truth cannot be read, is left out; a "warning" told to `on_event` names it and
    says why. `on_scan` is called with each of the others.

    Raises:
        InputError: there is no usable scan, or a truth is missing or on another grid.
    """
    hu, truth, cells, scans = [], [], [], []
    for path in scan_paths(folder):
        if truth_folder and not (truth_folder / path.name).exists():
            raise InputError(f"The MVCT '{path}' has no truth: put one of the same name into '{truth_folder}'.")
        try:
            scan = _usable(path, spacing_mm)
            truth_scan = axial(read_volume(truth_folder / path.name)) if truth_folder else None
        except MVCTEnhanceError as error:
            on_event("warning", message=f"A scan is left out of training: {error}")
            continue
        on_scan(scan)
        slices, first = at_spacing(scan, spacing_mm), len(hu)
        true_slices = [None] * len(slices)
        if truth_scan:
            _require_same_grid(path, scan, truth_folder, truth_scan)
            true_slices = at_spacing(truth_scan, spacing_mm)
        for one, true in zip(slices, true_slices, strict=True):
            where = _tissue_cells(one)
            if len(where):
                hu.append(one)
                cells.append(where)
                if true is not None:
                    truth.append(true)
        scans.append(scan_of(path, scan, hu[first:]))
    if not hu:
        raise InputError(f"No CT slice that shows a patient was found in '{folder}': name a folder of CT scans.")
    return Slices(hu, truth, cells, tuple(scans))


def scan_paths(folder: Path) -> list[Path]:
    """The scans in a folder, sorted: volume files, and subfolders as DICOM series."""
    if not Path(folder).is_dir():
        raise InputError(f"The folder '{folder}' does not exist: name a folder of CT scans.")
    return sorted(path for path in Path(folder).iterdir() if not path.name.startswith("."))


def at_spacing(scan: Volume, spacing_mm: float) -> list[torch.Tensor]:
    """A scan's slices as int16 tensors (j, i) at another pixel size."""
    pixel_mm = (scan.spacing[1], scan.spacing[0])
    shape = shape_at(scan.array.shape[1:], pixel_mm, spacing_mm)
    same_grid = math.isclose(pixel_mm[0], spacing_mm) and math.isclose(pixel_mm[1], spacing_mm)
    slices = []
    for hu in scan.array:
        one = torch.from_numpy(np.ascontiguousarray(hu, dtype=np.float32))
        if not same_grid:
            one = resample_slices(one[None], pixel_mm, (spacing_mm, spacing_mm), shape)[0]
        slices.append(one.round().clamp(-1024, 32767).to(torch.int16))
    return slices


def _usable(path: Path, spacing_mm: float) -> Volume:
    scan = axial(read_volume(path))
    if any(not 1 / PIXEL_FACTOR < mm / spacing_mm < PIXEL_FACTOR for mm in scan.spacing[:2]):
        size = f"{scan.spacing[1]:.3g} x {scan.spacing[0]:.3g} mm"
        raise InputError(f"'{path}' has pixels of {size}, which no scanner makes: export it again.")
    return scan


def _require_same_grid(path: Path, scan: Volume, truth_folder: Path, truth: Volume) -> None:
    same_place = truth.array.shape == scan.array.shape and all(
        np.allclose(getattr(truth, part), getattr(scan, part), atol=0.01) for part in ("spacing", "origin", "direction")
    )
    if not same_place:
        raise InputError(
            f"The truth '{truth_folder / path.name}' and its MVCT '{path}' differ in their grids: "
            "resample the truth onto the MVCT's."
        )


def _tissue_cells(hu: torch.Tensor) -> np.ndarray:
    """Centres of the cells of 16 x 16 pixels that are mostly tissue."""
    means = F.avg_pool2d(hu[None, None].float(), CELL_PX, ceil_mode=True)[0, 0]
    return np.argwhere(means.numpy() > TISSUE_HU) * CELL_PX + CELL_PX // 2


class CropSampler:
    """Random crops; those of a step depend on the seed and the step only, so that a resumed run sees the same.

    Args:
        slices: of one domain.
        config: how crops are cut.
        seed: of this domain.
    """

    def __init__(self, slices: Slices, config: DataConfig, seed: int):
        self.slices = slices
        self.config = config
        self.seed = seed

    def crops(self, step: int, batch: int) -> tuple[torch.Tensor, torch.Tensor | None]:
        """HU (batch, 1, crop, crop) and, where there is one, the truth at the same places."""
        rng = np.random.default_rng((self.seed, step))
        pairs = [self._crop(rng) for _ in range(batch)]
        hu = torch.stack([hu for hu, _ in pairs])[:, None]
        return hu, torch.stack([truth for _, truth in pairs])[:, None] if self.slices.truth else None

    def _crop(self, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor | None]:
        index = rng.integers(len(self.slices))
        cells = self.slices.cells[index]
        shift = rng.integers(-self.config.translation_px, self.config.translation_px, size=2, endpoint=True)
        centre = cells[rng.integers(len(cells))] + shift
        angle = 0.0
        if rng.random() < self.config.rotated:
            angle = math.radians(rng.uniform(-self.config.rotation_deg, self.config.rotation_deg))
        crop = self.config.crop_px
        turns, flipped = (int(rng.integers(4)), bool(rng.integers(2))) if self.config.turned else (0, False)
        slices = (self.slices.hu[index], self.slices.truth[index] if self.slices.truth else None)
        return tuple(None if hu is None else _turned(_cut(hu, centre, crop, angle), turns, flipped) for hu in slices)


def _cut(hu: torch.Tensor, centre: np.ndarray, size: int, angle: float) -> torch.Tensor:
    """A rotated square of a slice in float32 HU, air outside the slice; angle 0 interpolates nothing."""
    reach = size // 2 if angle == 0 else math.ceil(size / 2 * (abs(math.cos(angle)) + abs(math.sin(angle)))) + 2
    window = _window(hu, centre, reach)
    if angle == 0:
        return window
    offsets = (torch.arange(size) - (size - 1) / 2) / reach
    j, i = torch.meshgrid(offsets, offsets, indexing="ij")
    cos, sin = math.cos(angle), math.sin(angle)
    grid = torch.stack((i * cos - j * sin, i * sin + j * cos), dim=-1)
    above_air = (window - AIR_HU)[None, None]
    return F.grid_sample(above_air, grid[None], mode="bicubic", align_corners=False)[0, 0] + AIR_HU


def _turned(crop: torch.Tensor, turns: int, flipped: bool) -> torch.Tensor:
    return torch.rot90(crop.flip(0) if flipped else crop, turns)


def _window(hu: torch.Tensor, centre: np.ndarray, reach: int) -> torch.Tensor:
    """The square from centre - reach to centre + reach."""
    (top, left), (bottom, right) = (int(c) - reach for c in centre), (int(c) + reach for c in centre)
    inside = hu[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)].float()
    outside = (-left, right - hu.shape[1], -top, bottom - hu.shape[0])
    return F.pad(inside, [min(max(pixels, 0), 2 * reach) for pixels in outside], value=AIR_HU)
