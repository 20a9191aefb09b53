"""Outputs of this program, known again by what their files say."""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from pydicom import Dataset

PLANNING_CT = "planning CT"  # of a phantom
Kind = Literal["enhanced", "difference", "correction", "cycle error", "planning CT", "registration", "report"]

PROGRAM = "MVCTEnhance"
KEY = f"{PROGRAM}.product"  # of the marker among the fields of a header, and among the attributes of a node
_MARKER = re.compile(
    rf"{PROGRAM} (enhanced|difference|correction|cycle error|planning CT|registration|report)(?: at (\d+) %)?"
    "(?: with site ([0-9a-f]+))? of ([0-9a-f]+|unknown)"
)
SITE_DIGITS = 8  # of the SHA-256 of a site profile
_HEADER_BYTES = 1 << 16
_GZIP, _WITH_GZIP_HEADER = b"\x1f\x8b", 31
_WORDS: dict[str, Kind] = {
    "cycle error": "cycle error",
    "what the enhanced scan turns back into": "cycle error",
    "correction": "correction",
    "difference": "difference",
}  # of descriptions by files without a marker
_SIMULATED = "MVCT simulated"  # how the Derivation Description of an MVCT made by `simulate` begins


@dataclass(frozen=True)
class Product:
    """What an output of this program is.

    Args:
        kind: which of the outputs.
        input_digest: `grid.digest` of the scan that it was made of, or its first digits where a file has no room for
            all; empty where the file does not say.
        strength: of the enhancement, in %.
        site: the first SITE_DIGITS digits of the SHA-256 of the site profile that it was made with; empty for none.
    """

    kind: Kind | str
    input_digest: str = ""
    strength: int = 100
    site: str = ""

    @property
    def at_strength(self) -> str:
        """Such as " at 50 %"; empty for full strength."""
        return "" if self.strength == 100 else f" at {self.strength} %"

    @property
    def marker(self) -> str:
        """The text that a file says it by, without time, place or anything of the patient."""
        site = f" with site {self.site}" if self.site else ""
        return f"{PROGRAM} {self.kind}{self.at_strength}{site} of {self.input_digest or 'unknown'}"

    def is_made_of(self, digest: str) -> bool:
        """Whether it was made of the scan that has this digest."""
        return bool(self.input_digest) and digest.startswith(self.input_digest)


def product_in(text: str) -> Product | None:
    """The product whose marker stands in a text, such as a file's header; None where there is none."""
    found = _MARKER.search(text)
    if found is None:
        return None
    kind, strength, site, input_digest = found.groups()
    return Product(kind, input_digest.replace("unknown", ""), int(strength or 100), site or "")


def product_of_file(path: Path) -> Product | None:
    """The product that a volume file is by its header, of which nothing else is read; None for any other file.

    Raises:
        OSError: it cannot be opened.
    """
    with path.open("rb") as file:
        start = file.read(_HEADER_BYTES)
    if start.startswith(_GZIP):
        try:
            start = zlib.decompressobj(_WITH_GZIP_HEADER).decompress(start, _HEADER_BYTES)
        except zlib.error:
            return None
    return product_in(start.decode("latin-1"))


def product_of_dicom(ds: Dataset) -> Product | None:
    """The product that a DICOM image is by its Contributing Equipment Sequence; None for any other image.

    Simulated MVCTs, which this program makes too, are no products: they are there to be enhanced. Where other programs
    dropped the marker, descriptions tell the kind.
    """
    try:
        items = ds.get("ContributingEquipmentSequence") or ()
        equipment = [item for item in items if item.get("Manufacturer") == PROGRAM]
        marked = [product_in(str(item.get("ContributionDescription") or "")) for item in reversed(equipment)]
        description, derivation = (str(ds.get(key) or "") for key in ("SeriesDescription", "DerivationDescription"))
    except Exception:  # what pydicom makes of a broken sequence
        return None
    if any(marked) or not equipment or not derivation or derivation.startswith(_SIMULATED):
        return next(filter(None, marked), None)
    texts = f"{description} {derivation}".casefold()
    return Product(next((kind for words, kind in _WORDS.items() if words in texts), "enhanced"))
