"""The loss terms of Ozaki, Kaji et al., Med Phys 49(6), 2022, on network values of shape (n, 1, j, i)."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from .perceptual import VGGFeatures


def adversarial(score: torch.Tensor) -> torch.Tensor:
    """LSGAN, generator: mean (D(G(x)) - 1)²."""
    return (score - 1).square().mean()


def discriminator(real: torch.Tensor, made: torch.Tensor, jitter: tuple[float, float] = (0.0, 0.0)) -> torch.Tensor:
    """LSGAN, discriminator: mean (D(y) - 1)² + mean D(G(x))², halved, each target moved by a jitter."""
    return ((real - 1 - jitter[0]).square().mean() + (made - jitter[1]).square().mean()) / 2


def l1(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Mean |a - b|: the cycle, autoencoder, domain identity and paired terms."""
    return (a - b).abs().mean()


def blurred_l1(a: torch.Tensor, b: torch.Tensor, sigma_px: float) -> torch.Tensor:
    """Mean |blur(a - b)|: a cycle term that does not see noise; sigma 0 is :func:`l1`."""
    difference = a - b
    if sigma_px:
        radius = int(3 * sigma_px + 0.5)
        offsets = torch.arange(-radius, radius + 1, device=a.device, dtype=a.dtype)
        kernel = torch.exp(-0.5 * (offsets / sigma_px) ** 2)
        kernel = kernel / kernel.sum()
        difference = F.pad(difference, (radius,) * 4, mode="reflect")
        difference = F.conv2d(F.conv2d(difference, kernel[None, None, None, :]), kernel[None, None, :, None])
    return difference.abs().mean()


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
