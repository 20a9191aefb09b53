"""Size of the body by axial slices, and how it has changed between two scans."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..quality.body import BodyParameters, body_mask
from ..volume import Volume
from ..volume.grid import axial, listed_z_mm

#: Half way from air to tissue, so that blur and the size of the pixels do not move the skin.
BODY = BodyParameters(threshold_hu=-500.0)
MIN_FIELD = 0.9  # radius of a field of view, as a part of half the image: a smaller circle is the body itself
ALIKE = 0.98  # part of the pixels of one value that lie outside of the circle
EDGE_PX = 2.0


@dataclass(frozen=True, eq=False)
class BodySize:
    """The body in the slices of a scan.

    Args:
        z_mm: patient z of the slices, from the feet to the head, shape (k,).
        area_mm2: area of the body in each, NaN where there is none.
        truncated: where the body reaches the edge of the field of view, so that not all of it is seen; bool.
    """

    z_mm: np.ndarray
    area_mm2: np.ndarray
    truncated: np.ndarray

    @property
    def diameter_mm(self) -> np.ndarray:
        """Effective diameter: that of a circle of the same area."""
        return 2 * np.sqrt(self.area_mm2 / np.pi)

    @property
    def has_body(self) -> bool:
        """Whether any slice shows it."""
        return bool(np.isfinite(self.area_mm2).any())

    def moved(self, z_mm: float) -> BodySize:
        """The same slices farther to the head."""
        return BodySize(self.z_mm + z_mm, self.area_mm2, self.truncated)

    def to_dict(self) -> dict[str, Any]:
        """JSON-serialisable; null for no body."""
        rounded = {name: [float(f"{value:.6g}") for value in values] for name, values in self._known().items()}
        return {
            "z_mm": self.z_mm.round(3).tolist(),
            **{name: [None if value != value else value for value in values] for name, values in rounded.items()},
            "truncated": self.truncated.tolist(),
        }

    def _known(self) -> dict[str, np.ndarray]:
        return {"area_mm2": self.area_mm2, "effective_diameter_mm": self.diameter_mm}

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> BodySize:
        """What `to_dict` gave."""
        area = [np.nan if value is None else value for value in found["area_mm2"]]
        return cls(np.array(found["z_mm"], float), np.array(area, float), np.array(found["truncated"], bool))


@dataclass(frozen=True)
class BodyChange:
    """By how much a body is larger than in another scan, at the levels that both show whole.

    Args:
        area_percent: of the areas together, which is that of the volume between the levels.
        diameter_mm: of the effective diameter, mean over the levels.
        levels: how many there are.
        truncated: further levels that are left out, since the field of view cuts the body.
        most_mm, most_z_mm: change of the effective diameter at the level where it is largest, and z of that.
    """

    area_percent: float
    diameter_mm: float
    levels: int
    truncated: int
    most_mm: float
    most_z_mm: float


def body_size(scan: Volume) -> BodySize:
    """Area of the body, as `body_mask` finds it, in each slice, and whether the field of view cuts it.

    Args:
        scan: MVCT or planning CT, HU (k, j, i), in any order of its axes.
    """
    slices = axial(scan)
    pixel_mm = (slices.spacing[1], slices.spacing[0])
    edge = ~_inside_field(slices.array, pixel_mm)
    area, truncated = [], []
    for image in slices.array:
        body = body_mask(image.astype(np.float32), pixel_size=pixel_mm, parameters=BODY)
        area.append(body.sum() * pixel_mm[0] * pixel_mm[1] if body.any() else np.nan)
        truncated.append(bool((body & edge).any()))
    return BodySize(np.array(listed_z_mm(slices)), np.array(area), np.array(truncated))


def change(now: BodySize, reference: BodySize) -> BodyChange | None:
    """The change of a body since a reference; None where no level shows it whole in both.

    Levels are the slices of `now` within the reference, whose areas are interpolated linearly between its slices.
    """
    order = (reference.z_mm, reference.area_mm2, reference.truncated.astype(float))
    before, cut = (np.interp(now.z_mm, order[0], values, left=np.nan, right=np.nan) for values in order[1:])
    shown = np.isfinite(before) & np.isfinite(now.area_mm2)
    whole = shown & ~now.truncated & (cut == 0)
    if not whole.any():
        return None
    area, before, z_mm = now.area_mm2[whole], before[whole], now.z_mm[whole]
    wider = 2 * (np.sqrt(area / np.pi) - np.sqrt(before / np.pi))
    most = int(np.abs(wider).argmax())
    return BodyChange(
        area_percent=float(100 * (area.sum() / before.sum() - 1)),
        diameter_mm=float(wider.mean()),
        levels=int(whole.sum()),
        truncated=int(shown.sum() - whole.sum()),
        most_mm=float(wider[most]),
        most_z_mm=float(z_mm[most]),
    )


def _inside_field(slices: np.ndarray, pixel_mm: tuple[float, float]) -> np.ndarray:
    """Pixels away from the edge of the image and of the circle that the scanner reconstructs, bool (j, i).

    Beyond the circle all slices have one and the same value; where there is no such circle, the image is the field.
    """
    rows, columns = slices.shape[1:]
    inside = np.zeros((rows, columns), bool)
    inside[1:-1, 1:-1] = True
    padding = np.ones((rows, columns), bool)
    for image in slices:
        padding &= image == slices[0, 0, 0]
    y, x = ((np.arange(count) - (count - 1) / 2) * mm for count, mm in zip(slices.shape[1:], pixel_mm, strict=True))
    distance = np.hypot(y[:, None], x)
    count = int(padding.sum())
    if not count:
        return inside
    radius = np.sort(distance, axis=None)[-count]
    is_circle = padding[distance >= radius].mean() >= ALIKE
    if not is_circle or radius < MIN_FIELD * min(rows * pixel_mm[0], columns * pixel_mm[1]) / 2:
        return inside
    return inside & (distance < radius - EDGE_PX * max(pixel_mm))
