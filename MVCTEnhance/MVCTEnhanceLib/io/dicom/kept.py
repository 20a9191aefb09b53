"""Header elements of a derived DICOM series: those kept from its source, and those made up for it."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from pydicom import config
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence as DicomSequence
from pydicom.tag import BaseTag
from pydicom.uid import UID, generate_uid
from pydicom.valuerep import CUSTOMIZABLE_CHARSET_VR, format_number_as_ds, validate_value

from ...volume.product import PROGRAM
from .iod import has_allowed_number, has_allowed_values, is_kept, is_shared, remove_incomplete, required_of_items
from .series import DicomSeries

Element = DataElement | RawDataElement

_IDENTITY = ("PatientName", "PatientID")
_ONE_FOR_ALL = {"StudyInstanceUID": "Study Instance UID", "FrameOfReferenceUID": "Frame of Reference UID"}
_UID = re.compile(r"[0-9.]{1,64}")
_MAX_NAMED = 8  # elements in one sentence


@dataclass(frozen=True, eq=False)
class Kept:
    """The headers of a source as a series derived from it takes them over.

    Args:
        source: the series.
        shared: the elements that all slices of a series have in common.
        key: texts that tell the source from any other.
        warnings: what was made up or left out, one sentence each.
    """

    source: DicomSeries
    shared: Dataset
    key: tuple[str, ...]
    warnings: tuple[str, ...]

    def header(self, k: int) -> Dataset:
        """The elements of slice k that still hold; texts byte by byte, whatever their character set."""
        own = kept_elements(self.source.header(k), set())
        ds = Dataset({tag: own.get_item(tag) for tag in own.keys() if not is_shared(tag)})  # noqa: SIM118
        ds.update(self.shared)
        return ds


def keep(source: DicomSeries) -> Kept:
    """What there is to keep of a source, whose slices become those of one study and one frame of reference.

    Raises:
        InputError: a file has gone or cannot be read any more.
    """
    first, refused, differing = Dataset(), set(), set()
    uids: dict[str, list[str]] = {keyword: [] for keyword in (*_ONE_FOR_ALL, "SOPInstanceUID")}
    for k in range(len(source.files)):
        header = source.header(k)
        for keyword, found in uids.items():
            found.append(_uid(header, keyword))
        own = kept_elements(header, refused)
        shared = Dataset({tag: own.get_item(tag) for tag in own.keys() if is_shared(tag)})  # noqa: SIM118
        first = first if k else shared
        differing |= _differences(first, shared)
    patient = first.get_item("PatientID") if "PatientID" in first else None
    key = (source.series_uid, repr(patient and patient.value), *uids["StudyInstanceUID"], *uids["SOPInstanceUID"])
    made_up = {keyword: _made_up(uids[keyword], name) for keyword, name in _ONE_FOR_ALL.items()}
    for keyword, reason in made_up.items():
        setattr(first, keyword, derived_uid(keyword, *key) if reason else uids[keyword][0])
    return Kept(source, first, key, tuple(filter(None, (*made_up.values(), *_left_out(differing, refused)))))


def _uid(header: Dataset, keyword: str) -> str:
    """A UID that archives take, if not by the letter of the standard, else an empty text."""
    text = str(header.get(keyword) or "").strip("\0 ")
    return text if _UID.fullmatch(text) else ""


def _made_up(uids: Sequence[str], name: str) -> str:
    """Why a new UID has to stand for those of the slices; empty where they have a single one."""
    if set(uids) == {""}:
        return f"The source has no valid {name}: the new DICOM series has one that was made up."
    if len(set(uids)) > 1:
        return f"The slices of the source do not share one {name}: the new DICOM series has one that was made up."
    return ""


def _left_out(differing: Collection[str], refused: Collection[str]) -> list[str]:
    sentences = []
    if differing:
        sentences.append(
            f"The slices of the source differ in {_listed(differing)}: the new DICOM series has those of the first "
            "slice."
        )
    if refused:
        sentences.append(
            f"The source has values that DICOM does not allow in {_listed(refused)}: the new DICOM series leaves them "
            "out."
        )
    return sentences


def _listed(names: Collection[str]) -> str:
    ordered = sorted(names)
    more = f" and {len(ordered) - _MAX_NAMED} more elements" if len(ordered) > _MAX_NAMED else ""
    return ", ".join(ordered[:_MAX_NAMED]) + more


def _differences(first: Dataset, other: Dataset) -> set[str]:
    """The names of elements that two headers do not have in common."""
    tags = {*first.keys(), *other.keys()}
    return {_name(tag) for tag in tags if _value(first, tag) != _value(other, tag)}


def _name(tag: BaseTag) -> str:
    return DataElement(tag, dictionary_VR(tag), None).name


def _value(ds: Dataset, tag: BaseTag) -> Any:
    """What can be compared, without decoding texts: pydicom's own comparison would put the text in the bytes' place."""
    value = ds.get_item(tag).value if tag in ds else None
    if isinstance(value, DicomSequence):
        return [{inner: _value(item, inner) for inner in item.keys()} for item in value]  # noqa: SIM118
    return value.strip(b"\0 ") if isinstance(value, bytes) else value


def kept_elements(ds: Dataset, refused: set[str]) -> Dataset:
    """The elements that an image derived from one with the header `ds` may have, with the values that DICOM allows.

    Args:
        ds: header as `DicomSeries.header` gives it, with texts that were not decoded yet.
        refused: gets the names of elements with other values.
    """
    new = Dataset()
    for tag in sorted(tag for tag in ds.keys() if is_kept(tag)):  # noqa: SIM118
        raw, element = ds.get_item(tag), ds[tag]
        if element.is_empty:
            continue
        kept = _kept_sequence(element, refused) if dictionary_VR(tag) == "SQ" else _kept(raw, element)
        if kept is None:
            refused.add(element.name)
        else:
            new[tag] = kept
    remove_incomplete(new)
    return new


def _kept(raw: Element, element: DataElement) -> Element | None:
    """The element as it is written, None where its value is not allowed."""
    vr = dictionary_VR(element.tag)
    text = _as_bytes(raw, vr) if vr in CUSTOMIZABLE_CHARSET_VR else None
    if text and element.keyword in _IDENTITY:
        return text  # another identifier, if only by a letter, would make another patient
    try:
        own = _of_its_vr(element, vr)
        values = list(own.value) if isinstance(own.value, MultiValue) else [own.value]
        for value in values:
            validate_value(vr, str(value) if vr in ("PN", "DS", "IS") else value, config.RAISE)
    except Exception:  # what pydicom makes of a value of another kind
        return None
    allowed = has_allowed_number(element.tag, values) and has_allowed_values(element.keyword, values)
    return (text or own) if allowed else None


def _of_its_vr(element: DataElement, vr: str) -> DataElement:
    """The element with the value representation that the standard gives it, and decimals of at most 16 letters."""
    value = element.value
    if vr == "DS":
        values = value if isinstance(value, MultiValue) else [value]
        value = [str(number) if len(str(number)) <= 16 else format_number_as_ds(float(number)) for number in values]
    return element if vr == element.VR and vr != "DS" else DataElement(element.tag, vr, value)


def _as_bytes(raw: Element, vr: str) -> RawDataElement | None:
    """A text as it is in the file; None where it is none."""
    if not raw.is_raw or not isinstance(raw.value, bytes):
        return None
    value = raw.value + b" " * (len(raw.value) % 2)
    return RawDataElement(raw.tag, vr, len(value), value, 0, False, True)


def _kept_sequence(element: DataElement, refused: set[str]) -> DataElement | None:
    required = required_of_items(element.keyword)
    if element.VR != "SQ":
        return None
    items = [kept_elements(item, refused) for item in element.value]
    complete = all(item and all(keyword in item for keyword in required) for item in items)
    return DataElement(element.tag, "SQ", items) if complete else None


def derived_uid(*parts: str) -> UID:
    """A UID by the SHA-512 of the parts: the same for the same parts in their order, else another one."""
    return generate_uid(entropy_srcs=["\0".join((PROGRAM, *parts))])
