"""The phantoms of quality assurance: what is known of each, and what of it a scan must show.

Only the standard library is needed, so that --help answers at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class Phantom:
    """A phantom that can be analysed.

    Args:
        name: of `--phantom`.
        label: as texts call it.
        pylinac: the class of pylinac that analyses it; empty where this program does.
        min_slices: slices that must show it.
        diameter_mm: of its cylinder; None for any.
    """

    name: str
    label: str
    pylinac: str
    min_slices: int
    diameter_mm: float | None


SCANS = ("mvct", "enhanced")  # both of which are measured
TOMO_CHEESE, WATER = "tomo-cheese", "water"
_CATPHAN_SLICES = 39
_CATPHAN_DIAMETERS_MM = {"503": 194.0, "504": 202.0, "600": 202.0, "604": 202.0}  # as pylinac has them
#: Electron densities relative to water of the Catphan's materials, by pylinac's names (Catphan manuals).
CATPHAN_DENSITIES: Mapping[str, float] = MappingProxyType(
    {
        "Air": 0.001,
        "PMP": 0.853,
        "LDPE": 0.944,
        "Poly": 1.017,
        "Vial": 1.0,
        "20% Bone": 1.084,
        "Acrylic": 1.147,
        "50% Bone": 1.312,
        "Delrin": 1.363,
        "Teflon": 1.868,
    }
)
_ALL = (
    Phantom(TOMO_CHEESE, "TomoTherapy cheese phantom", "TomoCheese", 10, 300.0),
    *(
        Phantom(f"catphan{model}", f"Catphan {model}", f"CatPhan{model}", _CATPHAN_SLICES, diameter)
        for model, diameter in _CATPHAN_DIAMETERS_MM.items()
    ),
    Phantom(WATER, "water cylinder", "", 3, None),
)
#: By the names of `--phantom`; the numbers of slices are those that pylinac asks for.
PHANTOMS: Mapping[str, Phantom] = MappingProxyType({phantom.name: phantom for phantom in _ALL})
