"""A report as PDF, by WeasyPrint, which is not there unless somebody wants it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..errors import InputError, MVCTEnhanceError, OutputError

# What a reader opens in the page, the rest of the model's card above all, would take longer than all else together.
_STYLE = "details { display: none }"


def require_weasyprint() -> Any:
    """The package WeasyPrint.

    Raises:
        InputError: it, or a library that it needs, is not installed.
    """
    try:
        import weasyprint
    except ModuleNotFoundError as error:
        raise InputError(
            "A report as PDF needs the package WeasyPrint: install it by 'pip install weasyprint', or with this "
            "program by its extra 'pdf'."
        ) from error
    except OSError as error:
        raise InputError(
            "WeasyPrint does not find the library Pango: install it by the system's packages (Debian: libpango-1.0-0, "
            "libpangoft2-1.0-0 and libharfbuzz-subset0)."
        ) from error
    return weasyprint


def pdf_of(report: Path) -> bytes:
    """The PDF of a report.html as it is printed; nothing but what the page holds goes into it.

    Raises:
        InputError: it cannot be read, or WeasyPrint is not installed.
        OutputError: it cannot be turned into PDF.
    """
    weasyprint = require_weasyprint()
    try:
        text = report.read_text(encoding="utf-8")
    except (OSError, UnicodeError) as error:
        raise InputError(f"'{report}' cannot be read: give the folder of a report.") from error
    fetcher = weasyprint.urls.URLFetcher(allowed_protocols=("data",))
    try:
        page = weasyprint.HTML(string=text, url_fetcher=fetcher)
        return page.write_pdf(stylesheets=[weasyprint.CSS(string=_STYLE)])
    except (MVCTEnhanceError, MemoryError):
        raise
    except Exception as error:
        raise OutputError(f"'{report}' cannot be turned into PDF by WeasyPrint: give an unchanged report.") from error
