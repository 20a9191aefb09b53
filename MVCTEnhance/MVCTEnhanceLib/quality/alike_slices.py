"""Slices of two scans that show about the same part of a body; nothing is registered."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import ndimage

from .body import body_mask
from .field_of_view import cutting_field
from .slices import places_of

SMOOTHING_MM = 2.0  # SD, more than either scan's own blur, so that bone is as thick in both
THUMB_MM, THUMB_REACH_MM = 5.0, 200.0
THUMB_HU = (-1000.0, 300.0)
MAX_UNLIKE_HU = 40.0  # above it slices show other parts of a body
BODY_PART = 0.5  # of a thumb, about: what differs in the rest of it is nothing
SHIFTS = range(-4, 5, 2)  # in steps of a thumb, since the centre of a body that is cut lies elsewhere


@dataclass(frozen=True, eq=False)
class SmoothSlice:
    """Args: hu, smoothed, shape (j, i); body, bool, the same shape; pixel_size (row, column) in mm."""

    hu: np.ndarray
    body: np.ndarray
    pixel_size: tuple[float, float]

    @cached_property
    def thumb(self) -> np.ndarray:
        """The body alone, coarse and about its centre, to tell how much alike slices are."""
        low, high = THUMB_HU
        coarse = ndimage.gaussian_filter(
            np.where(self.body, self.hu, low).clip(low, high), [THUMB_MM / 2 / size for size in self.pixel_size]
        )
        return ndimage.map_coordinates(coarse, self._places, order=1, cval=low)

    @cached_property
    def seen(self) -> np.ndarray | None:
        """Of `thumb`, bool, what the field of view shows; None where it does not cut the body."""
        field = cutting_field(self.body, self.pixel_size)
        return field and field.inside_mm(self._places) > field.rim_mm

    def unlike_hu(self, other: SmoothSlice) -> float:
        """Mean difference of two slices, of a body that is cut within its field of view alone.

        Neighbouring slices of a patient differ by 5 to 10 HU.
        """
        cut, whole = (self, other) if self.seen is not None else (other, self)
        if cut.seen is None:
            return float(np.abs(self.thumb - other.thumb).mean())
        shifted = (np.roll(whole.thumb, shift, (0, 1)) for shift in itertools.product(SHIFTS, SHIFTS))
        return BODY_PART * min(float(np.abs(cut.thumb - thumb)[cut.seen].mean()) for thumb in shifted)

    @cached_property
    def _places(self) -> np.ndarray:
        """Rows and columns of the pixels of `thumb` in the image."""
        steps = np.arange(-THUMB_REACH_MM, THUMB_REACH_MM + 1, THUMB_MM)
        centre = [places.mean() for places in np.nonzero(self.body)]
        places = [middle + steps / size for middle, size in zip(centre, self.pixel_size, strict=True)]
        return np.stack(np.meshgrid(*places, indexing="ij"))


def smooth_slice(
    hu: np.ndarray, pixel_size: tuple[float, float], *, body: np.ndarray | None = None
) -> SmoothSlice | None:
    """An axial slice, shape (j, i), smoothed; None where it shows no body.

    Args:
        hu: of kVCT, or of an MVCT of any scanner.
        pixel_size: (row j, column i) in mm.
        body: bool, shape (j, i), where it is known already.
    """
    body = body_mask(hu, pixel_size=pixel_size) if body is None else body
    if not body.any():
        return None
    return SmoothSlice(ndimage.gaussian_filter(hu, [SMOOTHING_MM / size for size in pixel_size]), body, pixel_size)


def some_slices(
    array: np.ndarray,
    pixel_size: tuple[float, float],
    most: int,
    scale: Callable[[np.ndarray], np.ndarray] = lambda hu: hu,
) -> list[SmoothSlice]:
    """Slices of a scan, shape (k, j, i), evenly placed, those without a body left out.

    Args:
        pixel_size: (row j, column i) in mm.
        most: how many.
        scale: what changes their HU before they are smoothed.
    """
    found = (smooth_slice(scale(array[k].astype(np.float32)), pixel_size) for k in places_of(len(array), most))
    return [image for image in found if image]


def most_alike(image: SmoothSlice, others: Sequence[SmoothSlice], max_unlike_hu: float) -> SmoothSlice | None:
    """The one of the other slices that is most like this one; None where none is."""
    unlike = [image.unlike_hu(other) for other in others]
    return others[int(np.argmin(unlike))] if unlike and min(unlike) <= max_unlike_hu else None
