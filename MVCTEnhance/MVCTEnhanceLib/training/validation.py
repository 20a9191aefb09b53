"""Validation of a translator without ground truth."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

import torch

from ..model.intensities import Intensities
from ..model.translator import Translator
from ..quality.air import air_agreement
from ..quality.body import body_mask
from ..quality.dig import dig
from ..quality.noise import noise_of_pair
from ..quality.nselfssim import nselfssim

MIN_AIR_AGREEMENT = 99.0
NSELFSSIM_STEP = 0.005
RULE = (
    "of the second half of the run: air agreement at least 99 %, then the smallest distance of NSelfSSIM to the kVCT "
    "slices' in steps of 0.005, then the smallest DIG"
)


@dataclass(frozen=True)
class Validation:
    """Means over the validation slices; None where no slice has a value.

    Args:
        nselfssim: of the output.
        nselfssim_distance: from the mean of the kVCT slices.
        dig: HU²/px².
        air_agreement: percent.
        noise_hu: SD in the soft tissue of the output.
    """

    nselfssim: float | None
    nselfssim_distance: float | None
    dig: float
    air_agreement: float | None
    noise_hu: float | None

    def rank(self) -> tuple[bool, float, float]:
        """The smaller, the better, by :data:`RULE`."""
        agrees = self.air_agreement is not None and self.air_agreement >= MIN_AIR_AGREEMENT
        distance = math.inf if self.nselfssim_distance is None else int(self.nselfssim_distance / NSELFSSIM_STEP)
        return not agrees, distance, self.dig


def validate(
    translator: Translator,
    intensities: Intensities,
    mvct: list[torch.Tensor],
    *,
    target: float | None,
    spacing_mm: float,
) -> Validation:
    """Judge a translator on whole MVCT slices of HU (j, i); `target` is the mean NSelfSSIM of kVCT slices."""
    device = next(translator.parameters()).device
    pixel_size = (spacing_mm, spacing_mm)
    rows = []
    for hu in mvct:
        enhanced = enhance_slice(translator, intensities, hu.to(device))
        x, g = hu.float().numpy(), enhanced.cpu().numpy()
        body = body_mask(x, pixel_size=pixel_size)
        agreement = air_agreement(x, g, body, pixel_size=pixel_size)
        rows.append((nselfssim(g, body), dig(x, g), agreement, noise_of_pair(x, g, body, pixel_size=pixel_size)[1]))
    made, dig_mean, air, noise = (_mean(values) for values in zip(*rows, strict=True))
    distance = None if made is None or target is None else abs(made - target)
    return Validation(made, distance, dig_mean, air, noise)


def mean_nselfssim(slices: list[torch.Tensor], *, spacing_mm: float) -> float | None:
    """Mean NSelfSSIM of whole slices of HU (j, i); None where no slice has a value."""
    images = [hu.float().numpy() for hu in slices]
    return _mean([nselfssim(image, body_mask(image, pixel_size=(spacing_mm, spacing_mm))) for image in images])


def _mean(values: Sequence[float]) -> float | None:
    """Mean of the values that are numbers."""
    numbers = [value for value in values if not math.isnan(value)]
    return fmean(numbers) if numbers else None


@torch.inference_mode()
def enhance_slice(translator: Translator, intensities: Intensities, hu: torch.Tensor) -> torch.Tensor:
    """One MVCT slice (j, i) -> kVCT-like HU, float32."""
    values = intensities.to_network(hu.float(), "mv")[None, None]
    return intensities.to_hu(translator.to_kv(values), "kv")[0, 0]
