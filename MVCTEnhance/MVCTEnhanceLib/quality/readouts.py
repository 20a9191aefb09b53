"""All readouts of one enhancement, slice by slice and for the volume."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import chain

import numpy as np

from ..errors import InputError
from .air import AirParameters, air_agreement
from .body import BodyParameters, body_mask
from .checks import require_same_shape
from .contrast import cnr_muscle_fat
from .dig import NETWORK_WINDOW_HU, dig, dig_scaled
from .edges import BONE, BONE_FROM_HU, SKIN, bone_edge_width, skin_edge_width
from .hu_bias import hu_bias
from .noise import NoiseParameters, noise_sd
from .nselfssim import NSelfSSIMParameters, nselfssim
from .paired import mae, psnr, ssim
from .ssim import SSIMParameters
from .tissues import TISSUE_RANGES_HU, TissueParameters

UNITS = {
    "nselfssim": "1",
    "noise_hu": "HU",
    "cnr_muscle_fat": "1",
    "edge_width_mm": "mm",
    "bone_edge_width_mm": "mm",
    "dig": "HU²/px²",
    "dig_scaled": "1/px²",
    "air_agreement": "%",
    "hu_bias": "HU",
    "mae_hu": "HU",
    "psnr_db": "dB",
    "ssim": "1",
}


@dataclass(frozen=True)
class Readout:
    """One readout over a volume.

    Args:
        unit: of all values; "1" where there is none.
        per_slice: one value for each slice k; not finite where the slice does not show what is measured.
    """

    unit: str
    per_slice: tuple[float, ...]

    @property
    def finite(self) -> np.ndarray:
        """The values of the slices that have one."""
        values = np.array(self.per_slice, dtype=float)
        return values[np.isfinite(values)]

    @property
    def mean(self) -> float:
        """Mean over the slices that have a value; NaN when none has."""
        return float(self.finite.mean()) if self.finite.size else math.nan

    @property
    def sd(self) -> float:
        """Sample SD over the slices that have a value; NaN for fewer than two."""
        return float(self.finite.std(ddof=1)) if self.finite.size > 1 else math.nan

    def to_dict(self) -> dict:
        """JSON-serialisable: mean, sd, slices (how many have a value), unit, per_slice; null for no value."""
        return {
            "mean": _number(self.mean),
            "sd": _number(self.sd),
            "slices": int(self.finite.size),
            "unit": self.unit,
            "per_slice": [_number(value) for value in self.per_slice],
        }


# A group of readouts by name; hu_bias is a group in a group, by tissue.
Group = Mapping[str, "Readout | Group"]


@dataclass(frozen=True)
class Readouts:
    """Everything measured on one enhancement.

    Args:
        mvct, enhanced: nselfssim, noise_hu, cnr_muscle_fat, edge_width_mm (skin), bone_edge_width_mm of each scan, both
            inside the body of the MVCT.
        comparison: enhanced against MVCT: dig, dig_scaled, air_agreement and hu_bias (enhanced - MVCT by tissue of the
            MVCT). Part of the bias is wanted: the same bone has lower HU in MVCT than in kVCT.
        planning_ct: as mvct, of a planning CT on its own grid.
        truth: "mvct" and "enhanced", each against a paired truth: mae_hu, psnr_db, ssim, hu_bias.
    """

    mvct: Group
    enhanced: Group
    comparison: Group
    planning_ct: Group | None = None
    truth: Group | None = None

    def to_dict(self) -> dict:
        """One JSON-serialisable object; planning_ct, truth and nselfssim_distance only where they exist.

        nselfssim_distance is |mean NSelfSSIM - that of the planning CT|, of the MVCT and of the enhanced scan.
        """
        groups = {"mvct": self.mvct, "enhanced": self.enhanced, "comparison": self.comparison}
        groups |= {"planning_ct": self.planning_ct} if self.planning_ct else {}
        groups |= {"truth": self.truth} if self.truth else {}
        tables = {name: _group_to_dict(group) for name, group in groups.items()}
        if self.planning_ct:
            aim = self.planning_ct["nselfssim"].mean
            tables["comparison"]["nselfssim_distance"] = {
                "mvct": _number(abs(self.mvct["nselfssim"].mean - aim)),
                "enhanced": _number(abs(self.enhanced["nselfssim"].mean - aim)),
                "unit": "1",
            }
        return tables | {"parameters": readout_parameters()}


def evaluate(
    mvct: np.ndarray,
    enhanced: np.ndarray,
    *,
    spacing: tuple[float, float, float],
    kvct: np.ndarray | None = None,
    kvct_spacing: tuple[float, float, float] | None = None,
    truth: np.ndarray | None = None,
    progress: Callable[..., None] | None = None,
) -> Readouts:
    """Measure an enhancement, one slice at a time.

    Args:
        mvct, enhanced: HU, shape (k, j, i), the same grid.
        spacing: of that grid, in mm along (i, j, k), as in Volume.
        kvct: planning CT of any shape (k, j, i), for the values to aim at; it needs no registration.
        kvct_spacing: of the planning CT, in mm along (i, j, k); needed with it.
        truth: kVCT of the same anatomy on the same grid, where there is one (simulated MVCT).
        progress: called as progress("evaluate", done=slices, total=slices) after each slice.

    Raises:
        InputError: the shapes do not fit, or a scan has values that are not finite.
    """
    _require_volumes({"MVCT": mvct, "enhanced scan": enhanced, "planning CT": kvct, "truth": truth})
    require_same_shape(mvct, enhanced, names=("MVCT", "enhanced scan"))
    if truth is not None:
        require_same_shape(enhanced, truth, names=("enhanced scan", "truth"))
    if kvct is not None and kvct_spacing is None:
        raise ValueError("kvct needs kvct_spacing")

    total = len(mvct) + (len(kvct) if kvct is not None else 0)
    rows: dict[str, list[dict]] = {"mvct": [], "enhanced": [], "comparison": [], "planning_ct": [], "truth": []}
    pairs = _measure_pairs(mvct, enhanced, truth, spacing)
    singles = _measure_planning_ct(kvct, kvct_spacing) if kvct is not None else ()
    for done, measured in enumerate(chain(pairs, singles), start=1):
        for name, values in measured.items():
            rows[name].append(values)
        if progress:
            progress("evaluate", done=done, total=total)
    return Readouts(**{name: _columns(values) for name, values in rows.items() if values})


def readout_parameters() -> dict:
    """What the values depend on, JSON-serialisable, by readout."""
    parameters = {
        "body": asdict(BodyParameters()),
        "nselfssim": asdict(NSelfSSIMParameters()),
        "noise_hu": asdict(NoiseParameters()),
        "tissues": {"range_hu": dict(TISSUE_RANGES_HU), **asdict(TissueParameters())},
        "cnr_muscle_fat": {"muscle": "soft_tissue", "fat": "fat", "noise": "noise_hu"},
        "edge_width_mm": asdict(SKIN),
        "bone_edge_width_mm": {"bone_from_hu": BONE_FROM_HU, **asdict(BONE)},
        "dig": {"gradient": "forward differences", "scaled_window_hu": NETWORK_WINDOW_HU, "scaled_to": (-1.0, 1.0)},
        "air_agreement": asdict(AirParameters()),
        "hu_bias": {"comparison": "enhanced - MVCT", "truth": "scan - truth"},
        "ssim": asdict(SSIMParameters()),
        "psnr_db": {"clip_hu": SSIMParameters().clip_hu, "peak_hu": SSIMParameters().data_range},
    }
    return _plain(parameters)


def _require_volumes(volumes: Mapping[str, np.ndarray | None]) -> None:
    for name, array in volumes.items():
        if array is None:
            continue
        if array.ndim != 3 or not array.size:
            raise InputError(f"The {name} has shape {array.shape}, but slices, rows and columns are needed.")
        for k, image in enumerate(array):
            if not np.isfinite(image).all():
                raise InputError(
                    f"The {name} has values that are not numbers (NaN or infinite) in slice {k}: "
                    "export or resample it again with a number, such as -1000 HU, outside of the scan."
                )


def _measure_pairs(
    mvct: np.ndarray, enhanced: np.ndarray, truth: np.ndarray | None, spacing: tuple[float, float, float]
) -> Iterator[dict[str, dict]]:
    for k in range(len(mvct)):
        yield _measure_pair(mvct[k], enhanced[k], None if truth is None else truth[k], (spacing[1], spacing[0]))


def _measure_planning_ct(kvct: np.ndarray, spacing: tuple[float, float, float]) -> Iterator[dict[str, dict]]:
    pixel_size = (spacing[1], spacing[0])
    for image in kvct:
        yield {"planning_ct": _measure_image(image, body_mask(image, pixel_size=pixel_size), pixel_size)}


def _measure_pair(
    mvct: np.ndarray, enhanced: np.ndarray, truth: np.ndarray | None, pixel_size: tuple[float, float]
) -> dict[str, dict]:
    body = body_mask(mvct, pixel_size=pixel_size)
    measured = {
        "mvct": _measure_image(mvct, body, pixel_size),
        "enhanced": _measure_image(enhanced, body, pixel_size),
        "comparison": {
            "dig": dig(mvct, enhanced),
            "dig_scaled": dig_scaled(mvct, enhanced),
            "air_agreement": air_agreement(mvct, enhanced, body, pixel_size=pixel_size),
            "hu_bias": hu_bias(enhanced, mvct, body, pixel_size=pixel_size),
        },
    }
    if truth is not None:
        body = body_mask(truth, pixel_size=pixel_size)
        measured["truth"] = {
            "mvct": _measure_against_truth(mvct, truth, body, pixel_size),
            "enhanced": _measure_against_truth(enhanced, truth, body, pixel_size),
        }
    return measured


def _measure_image(image: np.ndarray, body: np.ndarray, pixel_size: tuple[float, float]) -> dict[str, float]:
    noise = noise_sd(image, body, pixel_size=pixel_size)
    return {
        "nselfssim": nselfssim(image, body),
        "noise_hu": noise,
        "cnr_muscle_fat": cnr_muscle_fat(image, body, pixel_size=pixel_size, noise_hu=noise),
        "edge_width_mm": skin_edge_width(image, body, pixel_size=pixel_size),
        "bone_edge_width_mm": bone_edge_width(image, body, pixel_size=pixel_size),
    }


def _measure_against_truth(
    image: np.ndarray, truth: np.ndarray, body: np.ndarray, pixel_size: tuple[float, float]
) -> dict[str, float | dict[str, float]]:
    return {
        "mae_hu": mae(image, truth, body),
        "psnr_db": psnr(image, truth, body),
        "ssim": ssim(image, truth, body),
        "hu_bias": hu_bias(image, truth, body, pixel_size=pixel_size),
    }


def _columns(rows: Sequence[dict], unit: str = "1") -> Group:
    """Rows of (nested) values, one row a slice, turned into readouts."""
    group = {}
    for name, first in rows[0].items():
        values, unit_here = [row[name] for row in rows], UNITS.get(name, unit)
        nested = isinstance(first, dict)
        group[name] = _columns(values, unit_here) if nested else Readout(unit_here, tuple(values))
    return group


def _group_to_dict(group: Group) -> dict:
    return {name: item.to_dict() if isinstance(item, Readout) else _group_to_dict(item) for name, item in group.items()}


def _number(value: float) -> float | None:
    """JSON knows neither NaN nor infinity."""
    return float(value) if math.isfinite(value) else None


def _plain(value):
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (tuple, list)) else value
