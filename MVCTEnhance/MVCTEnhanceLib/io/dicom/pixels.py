"""The HU values of one DICOM slice."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pydicom
from pydicom.uid import RLELossless

from ...errors import InputError
from ...runtime.quiet import quiet_pydicom
from ...volume.values import PADDING_HU
from .codecs import checked_frame, decode_with_gdcm, require_known_syntax
from .file import open_dicom
from .header import SliceHeader, text_of

_EXACT = 2**30  # with stored values of 32 bits, smaller slopes and intercepts cannot overflow 64
TISSUE_HU = (-950, 3071)  # a padding value in this range cannot be told from the patient
_PIXEL_ELEMENTS = {
    "PixelData": "Pixel Data",
    "SamplesPerPixel": "Samples per Pixel",
    "PhotometricInterpretation": "Photometric Interpretation",
    "BitsAllocated": "Bits Allocated",
    "BitsStored": "Bits Stored",
    "PixelRepresentation": "Pixel Representation",
}
_OTHER_UNITS = ("OD", "Z_EFF", "ED", "EDW", "MGML", "PCT")  # of Rescale Type (PS3.3 C.11.1.1.2)
_FLOAT_PIXELS = ("FloatPixelData", "DoubleFloatPixelData")


@dataclass(frozen=True)
class _Rescale:
    slope: float
    intercept: float

    @property
    def is_whole(self) -> bool:
        return all(number.is_integer() and abs(number) < _EXACT for number in (self.slope, self.intercept))

    def to_hu(self, stored: np.ndarray) -> np.ndarray:
        if self.is_whole and stored.dtype.kind in "iu" and stored.dtype.itemsize <= 4:
            return stored.astype(np.int64) * int(self.slope) + int(self.intercept)
        return stored * self.slope + self.intercept


def read_slice(header: SliceHeader) -> tuple[np.ndarray, list[str]]:
    """HU values of a slice, shape (j, i), whole-number or floating type, with padding set to air.

    Returns:
        the values, and warnings for the user, each text the same for all slices of a series.

    Raises:
        InputError: the file is cut, or nothing here can decode its pixel data.
    """
    try:
        with quiet_pydicom():
            return _read_slice(header)
    except (InputError, MemoryError):
        raise
    except Exception as error:  # a broken file makes pydicom raise nearly anything
        raise InputError(f"{header.label} is a damaged or cut DICOM file: copy or export it again.") from error


def _read_slice(header: SliceHeader) -> tuple[np.ndarray, list[str]]:
    ds = open_dicom(header.path)
    if not ds.file_meta.get("TransferSyntaxUID"):  # old files without a file meta header
        ds.file_meta.TransferSyntaxUID = pydicom.uid.ImplicitVRLittleEndian
    require_known_syntax(ds, header)
    _require_pixel_elements(ds, header)
    rescale, notes = _rescale(ds, header)
    stored, more = _stored_values(ds, header)
    if stored.shape != header.size:
        raise InputError(f"The pixel data of {header.label} do not fit its header: copy or export it again.")
    hu = rescale.to_hu(stored)
    return hu, [*notes, *more, *_clear_padding(hu, stored, ds, rescale, header)]


def _require_pixel_elements(ds: pydicom.Dataset, header: SliceHeader) -> None:
    lacking = [name for keyword, name in _PIXEL_ELEMENTS.items() if ds.get(keyword) in (None, "")]
    if lacking and not any(keyword in ds for keyword in _FLOAT_PIXELS):
        raise InputError(
            f"{header.label} has no valid {' and no valid '.join(lacking)} (the file may be cut): copy or export it "
            "again."
        )


def _stored_values(ds: pydicom.Dataset, header: SliceHeader) -> tuple[np.ndarray, list[str]]:
    """The values that lie below High Bit in their words, and what there is to say."""
    shift = _shift(ds)
    if shift is None:
        name = header.series_name
        return _decoded(ds, header), [f"Series {name} has a High Bit that contradicts its Bits Stored: check the HU."]
    if shift:
        ds.BitsStored += shift  # so that the bits below are not cut off, and the sign is that of High Bit
        return _decoded(ds, header) >> shift, []
    return _decoded(ds, header), []


def _shift(ds: pydicom.Dataset) -> int | None:
    """By how many bits the values lie above the lowest bit of their words; None where the header contradicts itself."""
    high, stored, allocated = (_number(ds, keyword) for keyword in ("HighBit", "BitsStored", "BitsAllocated"))
    if None in (high, stored, allocated) or high == stored - 1:
        return 0
    syntax = ds.file_meta.TransferSyntaxUID
    is_plain = not syntax.is_encapsulated or syntax == RLELossless  # other pictures have no bits below their values
    return int(high - stored + 1) if is_plain and 0 < stored <= high < allocated else None


def _decoded(ds: pydicom.Dataset, header: SliceHeader) -> np.ndarray:
    if not ds.file_meta.TransferSyntaxUID.is_encapsulated:
        return ds.pixel_array
    frame = checked_frame(ds, header)
    try:
        return ds.pixel_array
    except MemoryError:
        raise
    except Exception:
        return decode_with_gdcm(ds, frame, header)


def _rescale(ds: pydicom.Dataset, header: SliceHeader) -> tuple[_Rescale, list[str]]:
    values = _number(ds, "RescaleSlope"), _number(ds, "RescaleIntercept")
    slope = 1.0 if values[0] is None else values[0]
    intercept = 0.0 if values[1] is None else values[1]
    if slope == 0 or not np.isfinite([slope, intercept]).all():
        raise InputError(
            f"{header.label} has a Rescale Slope of {slope:g} and Intercept of {intercept:g}, which give no HU: "
            "export the series again."
        )
    notes = _unit_notes(ds, header)
    if None not in values:
        return _Rescale(slope, intercept), notes
    return _Rescale(slope, intercept), [
        *notes,
        f"Series {header.series_name} has no Rescale Slope or Intercept: its stored values were taken as HU; check "
        "them.",
    ]


def _unit_notes(ds: pydicom.Dataset, header: SliceHeader) -> list[str]:
    """What there is to say of values that may be no HU.

    Raises:
        InputError: they are none.
    """
    unit = text_of(ds, "RescaleType")
    if unit.upper() in _OTHER_UNITS:
        raise InputError(f"{header.label} has values of Rescale Type {unit}, which are no HU: choose a series in HU.")
    if unit.upper() in ("", "HU"):
        return []
    return [f"Series {header.series_name} has the Rescale Type {unit}: its values were taken as HU; check them."]


def _number(ds: pydicom.Dataset, keyword: str) -> float | None:
    """A value as a number, NaN where it is none; None where there is no value."""
    try:
        value = ds.get(keyword)
        return None if value is None else float(value)
    except Exception:  # what pydicom makes of a value that is no number
        return float("nan")


def _clear_padding(
    hu: np.ndarray, stored: np.ndarray, ds: pydicom.Dataset, rescale: _Rescale, header: SliceHeader
) -> list[str]:
    """Set the padding pixels of `hu` to air, in place."""
    low, high = _padding(ds) or (1, 0)
    is_padding = (stored >= low) & (stored <= high)
    if not is_padding.any():
        return []
    hu_low, hu_high = sorted(rescale.to_hu(np.array([low, high])).tolist())
    if hu_low <= TISSUE_HU[1] and hu_high >= TISSUE_HU[0]:
        return [
            f"The padding value of series {header.series_name} ({hu_low:g} HU) is one that tissue has too: it was not "
            "taken as padding; check the corners of the images."
        ]
    hu[is_padding] = PADDING_HU
    return []


def _padding(ds: pydicom.Dataset) -> tuple[int, int] | None:
    """The lowest and highest stored value that stand for 'no measurement' (PS3.3 C.7.5.1.1.2)."""
    try:
        value = int(ds.PixelPaddingValue)
        limit = int(ds.get("PixelPaddingRangeLimit", value))
    except (AttributeError, TypeError, ValueError):
        return None
    if ds.get("PixelRepresentation") == 1:  # some writers give the sign only in the bits
        half = 1 << (ds.BitsAllocated - 1)
        value, limit = ((number + half) % (2 * half) - half for number in (value, limit))
    return min(value, limit), max(value, limit)
