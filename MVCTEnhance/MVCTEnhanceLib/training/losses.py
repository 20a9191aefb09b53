"""The loss terms of Ozaki, Kaji et al., Med Phys 49(6), 2022, on network values of shape (n, 1, j, i)."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import torch
import torch.nn.functional as F

from ..physics.gaussian import gaussian_blur
from .perceptual import VGGFeatures

CELL_PX = 8
TISSUE = -0.8  # -400 HU on the density scale
SMOOTHED_BY_PX = (0.5, 0.7, 1.0, 1.4, 2.0, 2.8, 4.0)
QUANTILES = (0.02, 0.98, 25)
MIN_ENERGY = 1e-7


def adversarial(score: torch.Tensor) -> torch.Tensor:
    """LSGAN, generator: mean (D(G(x)) - 1)²."""
    return (score - 1).square().mean()


def discriminator(real: torch.Tensor, fake: torch.Tensor, jitter: tuple[float, float] = (0.0, 0.0)) -> torch.Tensor:
    """LSGAN, discriminator: mean (D(y) - 1)² + mean D(G(x))², halved, each target moved by a jitter."""
    return ((real - 1 - jitter[0]).square().mean() + (fake - jitter[1]).square().mean()) / 2


def l1(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Mean |a - b|: the cycle, autoencoder, domain identity and paired terms."""
    return (a - b).abs().mean()


def blurred_l1(a: torch.Tensor, b: torch.Tensor, sigma_px: float) -> torch.Tensor:
    """Mean |blur(a - b)|: a cycle term that does not see noise; sigma 0 is :func:`l1`."""
    return _blurred(a - b, sigma_px).abs().mean()


def perceptual(features: VGGFeatures, translated: torch.Tensor, original: torch.Tensor) -> torch.Tensor:
    """1/(w·h·n_cl) ‖φ(G(x)) - φ(x)‖², averaged over the batch; the gradient goes through φ(G(x))."""
    with torch.no_grad():
        target = features(original)
    return (features(translated) - target).float().square().mean()


def air_region(translated: torch.Tensor, original: torch.Tensor, threshold: float) -> torch.Tensor:
    """Mean |ψ(G(x)) - ψ(x)| with ψ(v) = v where v < threshold, else 0."""
    zero = torch.zeros((), device=original.device)
    psi = [torch.where(values < threshold, values, zero) for values in (translated, original)]
    return (psi[0] - psi[1]).abs().mean()


def texture(fake: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
    """Distance of the distributions of local detail: how strong it is in each band of fineness.

    In each band the log energies of cells of 8 x 8 pixels are compared quantile by quantile, so that the two batches
    need not show the same anatomy: the low quantiles are those of flat tissue, where noise is all there is, the high
    ones those of edges.
    """
    in_fake, in_real = _tissue_cells(fake), _tissue_cells(real)
    if not (in_fake.any() and in_real.any()):
        return 0 * fake.sum()
    with torch.autocast(fake.device.type, enabled=False):  # fine detail is below the steps of half precision
        pairs = zip(_details(fake.float(), in_fake), _details(real.float(), in_real), strict=True)
        return sum((a - b).abs().mean() for a, b in pairs) / len(SMOOTHED_BY_PX)


def _tissue_cells(crops: torch.Tensor) -> torch.Tensor:
    """Shape (cell,)."""
    return F.avg_pool2d(crops, CELL_PX).flatten() > TISSUE


def _details(crops: torch.Tensor, tissue: torch.Tensor) -> Iterator[torch.Tensor]:
    """The quantiles of each band's log energies, shape (quantile,)."""
    levels = torch.linspace(*QUANTILES, device=crops.device)
    smoothed = [crops, *(_blurred(crops, sigma) for sigma in SMOOTHED_BY_PX)]
    for finer, coarser in itertools.pairwise(smoothed):
        energy = F.avg_pool2d((finer - coarser).square(), CELL_PX).flatten()[tissue]
        yield (energy + MIN_ENERGY).log().quantile(levels)


def _blurred(image: torch.Tensor, sigma_px: float) -> torch.Tensor:
    if not sigma_px:
        return image
    return gaussian_blur(image, sigma_px, int(3 * sigma_px + 0.5), padding="reflect")
