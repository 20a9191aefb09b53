"""An enhanced scan or a map that lies in a file, as a DICOM series derived from the MVCT's."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ..assessment.verdicts import withholding_reason
from ..errors import InputError
from ..io import write_dicom_series
from ..io.dicom.series import read_dicom_folder
from ..io.dicom.writer import placeholder_warnings
from ..io.reader import read_map
from ..quality.record import EnhancementRecord
from ..runtime.events import EventHandler, collecting_warnings, ignore_event
from ..volume import Volume
from ..volume.grid import axial, reorient_like
from ..volume.product import SITE_DIGITS, Product
from .outputs import NotTrusted
from .report import read_record, require_slices
from .requests import DicomRequest
from .scans import require_new_series
from .series_texts import series_texts

_AIR_BELOW_HU = -400  # a CT scan has voxels below


def write_derived_series(request: DicomRequest, *, on_event: EventHandler = ignore_event) -> dict[str, Any]:
    """Write a volume file as a DICOM CT series; each slice has the header of the source's slice at its place.

    Programs may keep slices, rows and columns the other way round than this one reads them: what counts is where they
    lie in the patient.

    Returns:
        slices: how many files were written; warnings.

    Raises:
        InputError: something cannot be read, the volume's voxels are not those of the source, or the metrics are of
            another scan.
        NotTrusted: a metric is assessed as 'do not trust'.
        OutputError: the folder has something in it or cannot be written; no part of the series is left.
    """
    sources = (path for path in (request.scan, request.source, request.readouts) if path)
    require_new_series(request.output, *sources, overwrite=request.overwrite)
    warnings: list[str] = []
    on_event = collecting_warnings(warnings, on_event)
    on_event("stage", stage="read")
    record = read_record(request.readouts) if request.readouts else None
    scan = read_map(request.scan)
    if record:
        _require_of_scan(record, scan, request)
    if record and not request.force and (why := withholding_reason(record)):
        raise NotTrusted(why)
    volume = _with_source(scan, request) if request.source else replace(scan, source=None)
    volume = replace(volume, product=_product(scan, record, request))
    for message in (*_kind_warnings(scan, request), *placeholder_warnings(volume)):
        on_event("warning", message=message)
    on_event("stage", stage="write")
    texts = series_texts(volume.product, record)
    write_dicom_series(
        volume,
        request.output,
        description=request.description or texts.description,
        derivation=request.derivation or texts.derivation,
        comments=texts.comments,
        overwrite=request.overwrite,
    )
    return {"slices": len(volume.array), "warnings": warnings}


def _require_of_scan(record: EnhancementRecord, scan: Volume, request: DicomRequest) -> None:
    """Refuse metrics that were measured on another scan, as far as their slices and the digests can tell."""
    require_slices(record, len(axial(scan).array), request.readouts, request.scan)
    told, own = record.provenance.input_sha256, scan.product.input_digest if scan.product else ""
    if told and own and not told.startswith(own):
        raise InputError(
            f"'{request.readouts}' holds metrics of another MVCT than the one '{request.scan}' was made of: give the "
            "metrics of this scan."
        )


def _product(scan: Volume, record: EnhancementRecord | None, request: DicomRequest) -> Product:
    own = scan.product or Product("enhanced")
    kind = (request.kind or "").replace("-", " ")
    told = record.provenance.input_sha256 if record else ""
    strength = record.strength if record else None
    site = record.provenance.site.get("sha256", "")[:SITE_DIGITS] if record else own.site
    return Product(kind or own.kind, told or own.input_digest, own.strength if strength is None else strength, site)


def _kind_warnings(scan: Volume, request: DicomRequest) -> list[str]:
    if scan.product or request.kind or request.description or scan.array.min() < _AIR_BELOW_HU:
        return []
    return [
        "The file does not say which output it is and was taken as an enhanced scan, though it has no voxel of air: if "
        "it is a map, name it with --kind."
    ]


def _with_source(volume: Volume, request: DicomRequest) -> Volume:
    if not request.source.is_dir() and not request.source.is_file():
        raise InputError(f"'{request.source}' is no folder: give the folder of the MVCT's DICOM series.")
    source = read_dicom_folder(request.source, series_uid=request.series_uid, pixels=False)
    matched = reorient_like(volume, source)
    if matched is None:
        raise InputError(
            f"'{request.scan}' has {_in_words(volume)} and the series in '{request.source}' {_in_words(source)}, or "
            "they lie in different places: give the series that the scan was made of, uncropped and not resampled."
        )
    return source.with_array(matched.array)


def _in_words(volume: Volume) -> str:
    slices, rows, columns = volume.array.shape
    voxel = " x ".join(f"{mm:.4g}" for mm in volume.spacing)
    return f"{slices} slices of {columns} x {rows} pixels of {voxel} mm"
