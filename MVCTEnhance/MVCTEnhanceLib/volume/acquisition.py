"""Acquisition of a scan, as its headers tell it: modality, peak voltage, scanner."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

KEY = "MVCTEnhance.acquisition"  # of the text among the fields of a NRRD or MetaImage header
KILOVOLTAGE_KV = (40.0, 200.0)  # of X-ray tubes; accelerators have 1000 and more, also where they say it in MV
MEGAVOLTAGE_KV = 1000.0
MEGAVOLTS = (1.0, 25.0)  # where a header has MV in the place of kV


@dataclass(frozen=True)
class Acquisition:
    """What the headers of a scan say, nothing of the patient; empty or None where they do not.

    Args:
        modality: as DICOM names it.
        kvp: peak voltage in kV.
        manufacturer, model, station: of the scanner.
    """

    modality: str = ""
    kvp: float | None = None
    manufacturer: str = ""
    model: str = ""
    station: str = ""

    @property
    def scanner(self) -> str:
        """Manufacturer and model."""
        return f"{self.manufacturer} {self.model}".strip()

    @property
    def is_kilovoltage(self) -> bool:
        """Whether the peak voltage is that of an X-ray tube, 40 to 200 kV."""
        return self.kvp is not None and KILOVOLTAGE_KV[0] <= self.kvp <= KILOVOLTAGE_KV[1]

    @property
    def is_megavoltage(self) -> bool:
        """Whether the peak voltage is that of an accelerator, however its unit was written."""
        return self.kvp is not None and (self.kvp >= MEGAVOLTAGE_KV or MEGAVOLTS[0] <= self.kvp <= MEGAVOLTS[1])

    @property
    def text(self) -> str:
        """By which a file hands it on."""
        return json.dumps(asdict(self))


UNKNOWN = Acquisition()


def acquisition_in(text: str) -> Acquisition:
    """The acquisition of an `Acquisition.text`; unknown where the text is another one."""
    try:
        found = json.loads(text)
        kvp = None if found["kvp"] is None else float(found["kvp"])
        return Acquisition(
            str(found["modality"]), kvp, *(str(found[key]) for key in ("manufacturer", "model", "station"))
        )
    except (ValueError, TypeError, KeyError):
        return UNKNOWN
