"""The report of an enhancement as an encapsulated PDF, beside the MVCT in an archive."""

from __future__ import annotations

from typing import Any

from ..io.dicom.encapsulated_pdf import write_encapsulated_pdf
from ..io.dicom.series import read_dicom_folder
from ..quality.record import FULL_STRENGTH, EnhancementRecord
from ..report.pdf import pdf_of, require_weasyprint
from ..runtime.events import EventHandler, ignore_event
from ..volume.grid import axial
from ..volume.product import SITE_DIGITS, Product
from .report import read_record, require_slices
from .requests import PdfRequest
from .scans import require_new_series

TITLE = "MVCT enhanced: report, research only"


def write_pdf_report(request: PdfRequest, *, on_event: EventHandler = ignore_event) -> dict[str, Any]:
    """Write the report's pages as an object in the MVCT's study; the same metrics give the same UIDs.

    Returns:
        bytes: of the PDF.

    Raises:
        InputError: something cannot be read, the report is of another scan, or WeasyPrint is not installed.
        OutputError: the folder has something in it or cannot be written.
    """
    require_weasyprint()
    require_new_series(request.output, request.report, request.source, overwrite=request.overwrite)
    on_event("stage", stage="read")
    readouts = request.report / "readouts.json"
    record = read_record(readouts)
    mvct = read_dicom_folder(request.source, series_uid=request.series_uid, pixels=False)
    require_slices(record, len(axial(mvct).array), readouts, request.source)
    on_event("stage", stage="write")
    pdf = pdf_of(request.report / "report.html")
    made = record.provenance
    write_encapsulated_pdf(
        request.output,
        pdf,
        source=mvct.source,
        product=Product(
            "report",
            made.input_sha256,
            FULL_STRENGTH if record.strength is None else record.strength,
            made.site.get("sha256", "")[:SITE_DIGITS],
        ),
        title=TITLE,
        key=(made.model.get("sha256", ""), *_values(record)),
        identifies=bool(made.scan),
        overwrite=request.overwrite,
    )
    return {"bytes": len(pdf)}


def _values(record: EnhancementRecord) -> list[str]:
    """The means, by which reports of one scan differ, without digits that differ from computer to computer."""
    groups = sorted(record.groups.items())
    means = [f"{name} {path} {values.mean:.3g}" for name, group in groups for path, values in sorted(group.items())]
    return [*means, *sorted(record.structures)]
