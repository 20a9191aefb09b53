"""The one mapping between HU and the numbers that networks see."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import torch

Domain = Literal["mv", "kv"]
Kind = Literal["window", "density"]


@dataclass(frozen=True)
class Intensities:
    """HU -> (HU - centre_hu) / half_width_hu, after what `kind` says.

    Args:
        kind: "window" clips HU to centre ± half width, the same for MVCT and kVCT (the paper's recipe: [-600, 400] HU
            to [-1, 1]). "density" clips nothing, and first puts kVCT on the electron density scale on which MVCT HU
            lie already, so that a tissue has the same value in both domains.
        centre_hu: HU that become 0.
        half_width_hu: HU for a step of 1.
    """

    kind: Kind
    centre_hu: float
    half_width_hu: float

    def to_network(self, hu: torch.Tensor, domain: Domain) -> torch.Tensor:
        """HU of any shape -> network values."""
        if self.kind == "window":
            hu = hu.clamp(self.centre_hu - self.half_width_hu, self.centre_hu + self.half_width_hu)
        elif domain == "kv":
            from ..physics.density import density_hu_from_kv  # here, since a card is read where torch is missing

            hu = density_hu_from_kv(hu)
        return (hu - self.centre_hu) / self.half_width_hu

    def to_hu(self, values: torch.Tensor, domain: Domain) -> torch.Tensor:
        """Network values of any shape -> HU."""
        hu = values * self.half_width_hu + self.centre_hu
        if self.kind == "window" or domain == "mv":
            return hu
        from ..physics.density import kv_hu_from_density

        return kv_hu_from_density(hu)


PAPER_WINDOW = Intensities("window", centre_hu=-100.0, half_width_hu=500.0)
DENSITY = Intensities("density", centre_hu=0.0, half_width_hu=500.0)
