"""DICOM Encapsulated PDF objects: a document beside the images of a series."""

from __future__ import annotations

from pathlib import Path

from pydicom.dataset import Dataset
from pydicom.uid import EncapsulatedPDFStorage

from ... import __version__
from ...volume.product import Product
from .companion import companion, reference, write_companion
from .header import text_of
from .kept import keep
from .series import DicomSeries
from .writer import header_errors

FILE = "DOC0001.dcm"
_SERIES_NUMBER = 6000


def write_encapsulated_pdf(
    folder: Path,
    pdf: bytes,
    *,
    source: DicomSeries,
    product: Product,
    title: str,
    key: tuple[str, ...],
    identifies: bool,
    overwrite: bool,
) -> None:
    """Write a folder with one object, in the study of a series that it refers to; the same key gives the same UIDs.

    Args:
        folder: a new or empty folder; with `overwrite` also one that holds outputs of this program and nothing else.
        source: the series.
        product: what the document is.
        title: Series Description and Document Title (at most 64 letters).
        key: texts that tell the document from any other of this source and kind.
        identifies: whether the document says whose it is.

    Raises:
        OutputError: the series has values that DICOM does not allow, or the folder has something in it or cannot be
            written.
        InputError: the series cannot be read any more.
    """
    with header_errors("The document", "take the report as it is"):
        ds = _object(pdf, source, product, title, key, identifies)
    write_companion(ds, folder, FILE, overwrite=overwrite)


def _object(
    pdf: bytes, source: DicomSeries, product: Product, title: str, key: tuple[str, ...], identifies: bool
) -> Dataset:
    kept = keep(source)
    whole_key = (*kept.key, product.marker, title, *key, __version__)
    ds = companion(kept, product, sop_class=EncapsulatedPDFStorage, modality="DOC", key=whole_key)
    ds.SeriesNumber = _SERIES_NUMBER
    ds.SeriesDescription = ds.DocumentTitle = title[:64]
    ds.ConversionType = "WSD"
    ds.AcquisitionDateTime = ds.ConceptNameCodeSequence = None
    ds.BurnedInAnnotation = "YES" if identifies else "NO"
    headers = (source.header(k) for k in range(len(source.files)))
    ds.SourceInstanceSequence = [reference(header) for header in headers if text_of(header, "SOPInstanceUID")]
    ds.MIMETypeOfEncapsulatedDocument = "application/pdf"
    ds.EncapsulatedDocument = pdf + b"\0" * (len(pdf) % 2)
    ds.EncapsulatedDocumentLength = len(pdf)
    return ds
