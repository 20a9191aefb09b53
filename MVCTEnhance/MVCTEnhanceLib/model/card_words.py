"""The keys and values of a model's card and of the metrics' parameters, in words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..quality.catalogue import GROUPS, METRICS

_KEYS = {
    "adapted_from": "Adapted from",
    "adversarial": "Adversarial loss",
    "air": "Air region loss",
    "autoencoder": "Autoencoder loss",
    "average": "Weight averaging",
    "batch": "Slices per batch",
    "beta_1": "Adam's first decay rate",
    "bone": "Bone",
    "buffer": "Slices kept for the discriminators",
    "calibrate_hu": "HU calibrated",
    "cycle": "Cycle-consistency loss",
    "edge_sd": "Least height of an edge (noise SD)",
    "enhanced_to_mvct": "Enhanced as a multiple of MVCT",
    "enhanced_to_planning_ct": "Enhanced as a multiple of the planning CT",
    "fat": "Fat",
    "identity": "Identity loss",
    "lung": "Lung",
    "paired": "Paired loss",
    "paired_truth_used": "Simulated pairs used",
    "perceptual": "Perceptual loss",
    "soft_tissue": "Soft tissue",
    "step": "Steps trained",
    "texture": "Texture loss",
    "trusted": "Do not trust outside",
}
_WORDS = {
    "cnr": "CNR",
    "dig": "DIG",
    "hu": "HU",
    "kvct": "kVCT",
    "mae": "MAE",
    "mvct": "MVCT",
    "nselfssim": "NSelfSSIM",
    "psnr": "PSNR",
    "sd": "SD",
    "sha256": "SHA-256",
    "ssim": "SSIM",
}
_UNITS = {"hu_per_mm": "HU/mm", "hu": "HU", "mm": "mm", "mm2": "mm²", "px": "pixels"}


def key_in_words(key: str) -> str:
    """A key as a reader knows it: 'cycle_blur_px' is 'Cycle blur (pixels)'."""
    if key in _KEYS:
        return _KEYS[key]
    if key in METRICS:
        return METRICS[key].label
    if key in GROUPS:
        return GROUPS[key]
    unit = next((unit for unit in _UNITS if key.endswith(f"_{unit}")), "")
    words = [_WORDS.get(word, word) for word in key.removesuffix(f"_{unit}").split("_")]
    text = " ".join(words) + (f" ({_UNITS[unit]})" if unit else "")
    return text if words[0] in _WORDS.values() else text[:1].upper() + text[1:]


def value_in_words(value: Any, _: Callable[[str], str] = str) -> str:
    """A value that holds no others, or a list of numbers: two of them are the ends of a range, None is an open one.

    Args:
        _: translates texts.
    """
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, (list, tuple)):
        return _range(*value, _) if len(value) == 2 else ", ".join(value_in_words(item, _) for item in value)
    return "-" if value is None else str(value)


def _range(low: float | None, high: float | None, _: Callable[[str], str]) -> str:
    if low == high:
        return value_in_words(low, _)
    if low is None:
        return _("at most {high}").format(high=value_in_words(high, _))
    if high is None:
        return _("at least {low}").format(low=value_in_words(low, _))
    return _("{low} to {high}").format(low=value_in_words(low, _), high=value_in_words(high, _))
