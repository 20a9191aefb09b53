"""Record of one enhancement's metrics: values slice by slice, their means, and the parameters behind them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np

from .air import AirParameters
from .body import BodyParameters
from .dig import NETWORK_WINDOW_HU
from .edges import BONE, BONE_FROM_HU, SKIN
from .noise import NoiseParameters
from .nselfssim import NSelfSSIMParameters
from .overshoot import OvershootParameters
from .ssim import SSIMParameters
from .tissues import MIN_LUNG_MM2, TISSUE_RANGES_HU, TissueParameters


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


# A group of readouts by name; hu_bias and edge_error are groups in a group, by tissue.
Group = Mapping[str, "Readout | Group"]


@dataclass(frozen=True)
class Readouts:
    """Everything measured on one enhancement.

    Args:
        mvct, enhanced: nselfssim, noise_hu, cnr_muscle_fat, edge_width_mm (skin), bone_edge_width_mm,
            edge_overshoot_hu and edge_undershoot_hu of each scan, both inside the body of the MVCT.
        comparison: enhanced against MVCT: dig, dig_scaled, air_agreement and hu_bias (enhanced - MVCT by tissue of the
            MVCT). Part of the bias is wanted: the same bone has lower HU in MVCT than in kVCT.
        planning_ct: as mvct, of a planning CT on its own grid.
        truth: "mvct" and "enhanced", each against a paired truth: mae_hu, psnr_db, ssim, hu_bias, edge_error.
        region: of which region the others are, see `evaluate`; None for the whole scan.
    """

    mvct: Group
    enhanced: Group
    comparison: Group
    planning_ct: Group | None = None
    truth: Group | None = None
    region: Mapping[str, int | str] | None = None

    def to_dict(self) -> dict:
        """One JSON-serialisable object; planning_ct, truth, nselfssim_distance and parameters' region only where given.

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
        region = {"region": dict(self.region)} if self.region else {}
        return tables | {"parameters": readout_parameters() | region}


def readout_parameters() -> dict:
    """What the values depend on, JSON-serialisable, by readout."""
    parameters = {
        "body": asdict(BodyParameters()),
        "nselfssim": asdict(NSelfSSIMParameters()),
        "noise_hu": asdict(NoiseParameters()),
        "tissues": {"range_hu": dict(TISSUE_RANGES_HU), "least_lung_mm2": MIN_LUNG_MM2, **asdict(TissueParameters())},
        "cnr_muscle_fat": {"muscle": "soft_tissue", "fat": "fat", "noise": "noise_hu"},
        "edge_width_mm": asdict(SKIN),
        "bone_edge_width_mm": {"bone_from_hu": BONE_FROM_HU, **asdict(BONE)},
        "edge_overshoot_hu": asdict(OvershootParameters()),
        "edge_undershoot_hu": {"as": "edge_overshoot_hu"},
        "edge_error": {"as": "edge_overshoot_hu", "truth": "scan - truth"},
        "dig": {"gradient": "forward differences", "scaled_window_hu": NETWORK_WINDOW_HU, "scaled_to": (-1.0, 1.0)},
        "air_agreement": asdict(AirParameters()),
        "hu_bias": {"comparison": "enhanced - MVCT", "truth": "scan - truth"},
        "ssim": asdict(SSIMParameters()),
        "psnr_db": {"clip_hu": SSIMParameters().clip_hu, "peak_hu": SSIMParameters().data_range},
    }
    return _plain(parameters)


def _group_to_dict(group: Group) -> dict:
    return {name: item.to_dict() if isinstance(item, Readout) else _group_to_dict(item) for name, item in group.items()}


def _number(value: float) -> float | None:
    """JSON knows neither NaN nor infinity."""
    return float(value) if math.isfinite(value) else None


def _plain(value):
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (tuple, list)) else value
