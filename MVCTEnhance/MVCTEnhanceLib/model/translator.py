"""Four networks with one latent space between them: MVCT to kVCT, back, and each domain onto itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import nn

from ..errors import ModelError
from . import density_residual, ozaki2022
from .intensities import DENSITY, PAPER_WINDOW, Domain, Intensities
from .physical_backward import PhysicalBackward


@dataclass(frozen=True)
class Preset:
    """Networks and the intensities that they work on.

    Args:
        encoder, decoder, discriminator: make the networks.
        reach_px: see :meth:`Translator.reach_px`; where it is not None, encoder and decoder are those of
            `density_residual`, and `correction_limit` is set.
        intensities: the mapping from HU.
        multiple: the networks need a number of rows and columns that this divides.
        correction_limit: where set, the decoder's output is a correction to its input, held within this limit
            (in network values) by a tanh; where None, it is the slice itself.
        noisy_backward: the way from kVCT to MVCT takes noise.
        backward: what stands for G_kV→MV in place of Dec_MV(Enc_kV); None for that.
    """

    encoder: Callable[[], nn.Module]
    decoder: Callable[[], nn.Module]
    discriminator: Callable[[], nn.Module]
    reach_px: int | None
    intensities: Intensities
    multiple: int
    correction_limit: float | None
    noisy_backward: bool
    backward: type[nn.Module] | None = None


def _density(channels: int, dilations: Sequence[int], backward: type[nn.Module] | None = None) -> Preset:
    return Preset(
        partial(density_residual.Encoder, channels, dilations),
        partial(density_residual.Decoder, channels, dilations),
        density_residual.Discriminator,
        density_residual.reach_px(dilations),
        DENSITY,
        1,
        correction_limit=0.6,
        noisy_backward=True,
        backward=backward,
    )


PRESETS = {
    "density-residual": _density(16, (1, 2, 4)),
    "density-physics": _density(16, (1, 2, 4), PhysicalBackward),
    "density-fast": _density(8, (1, 2, 4, 1)),
    "ozaki2022": Preset(
        ozaki2022.Encoder,
        ozaki2022.Decoder,
        ozaki2022.Discriminator,
        None,  # instance normalisation sees the whole slice
        PAPER_WINDOW,
        4,
        correction_limit=None,
        noisy_backward=False,
    ),
}
DEFAULT_PRESET = "density-residual"


def preset_named(name: str) -> Preset:
    """The preset of this name; ModelError where there is none."""
    if name not in PRESETS:
        raise ModelError(f"There is no preset '{name}': use one of {', '.join(PRESETS)}.")
    return PRESETS[name]


class Translator(nn.Module):
    """G_MV→kV, G_kV→MV and the two autoencoders, composed of Enc_MV, Enc_kV, Dec_MV and Dec_kV.

    All slices are float32 network values of shape (n, 1, j, i), of any size.
    """

    MIN_SIDE_PX = 16  # rows and columns below which reflect padding inside the networks would have nothing to reflect

    def __init__(self, preset: str = DEFAULT_PRESET):
        super().__init__()
        self.preset = preset_named(preset)
        self.encoders = nn.ModuleDict({domain: self.preset.encoder() for domain in ("mv", "kv")})
        self.decoders = nn.ModuleDict({domain: self.preset.decoder() for domain in ("mv", "kv")})
        self.backward_generator = self.preset.backward() if self.preset.backward else None

    def forward(
        self, slices: torch.Tensor, source: Domain, target: Domain, noise: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Dec_target(Enc_source(slices)); with the same domain twice, the autoencoder."""
        if self.backward_generator is not None and (source, target) == ("kv", "mv"):
            return self.backward_generator(slices, noise)
        rows, columns = slices.shape[-2:]
        padded = self._pad(slices)
        latent = self.encoders[source](padded)
        decoded = self.decoders[target](latent, None if noise is None else self._pad(noise))
        decoded = decoded[..., :rows, :columns]
        limit = self.preset.correction_limit
        # float32 from here on: under mixed precision the correction may be coarse, the scan it is added to must not.
        return decoded.float() if limit is None else slices + limit * torch.tanh(decoded.float())

    def translate_rows(
        self, slices: torch.Tensor, source: Domain, target: Domain, top: int, bottom: int, *, fused: bool
    ) -> torch.Tensor:
        """`forward` for the rows from `top` to before `bottom` only, where :meth:`reach_px` is not None.

        Args:
            slices: (n, 1, j, i), at least MIN_SIDE_PX pixels along both axes.
            fused: see `density_residual.correction_of_rows`.

        Returns:
            (n, 1, bottom - top, i); for inference, it has no gradient.
        """
        parts = self.encoders[source], self.decoders[target]
        correction = density_residual.correction_of_rows(*parts, slices, top, bottom, fused=fused)
        return slices[..., top:bottom, :] + self.preset.correction_limit * torch.tanh_(correction)

    def reach_px(self, source: Domain, target: Domain) -> int | None:
        """How many pixels away the result of a pixel depends on; None for the whole slice."""
        physical = self.backward_generator is not None and (source, target) == ("kv", "mv")
        return None if physical else self.preset.reach_px

    def to_kv(self, mvct: torch.Tensor) -> torch.Tensor:
        """G_MV→kV."""
        return self(mvct, "mv", "kv")

    def to_mv(self, kvct: torch.Tensor, noise: torch.Tensor | None = None) -> torch.Tensor:
        """G_kV→MV; `noise` (n, 1, j, i) of unit variance where the preset takes it."""
        return self(kvct, "kv", "mv", noise)

    def _pad(self, slices: torch.Tensor) -> torch.Tensor:
        multiple = self.preset.multiple
        missing = [
            -size % multiple if size >= self.MIN_SIDE_PX else self.MIN_SIDE_PX - size for size in slices.shape[-2:]
        ]
        return F.pad(slices, (0, missing[1], 0, missing[0]), mode="replicate") if any(missing) else slices
