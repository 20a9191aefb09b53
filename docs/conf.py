"""The documentation as a site: `python .ci/run.py docs`."""

import re
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1] / "MVCTEnhance" / "MVCTEnhanceLib" / "__init__.py"

project = "MVCTEnhance"
copyright = "MVCTEnhance contributors"
version = release = re.search(r'__version__ = "(.+)"', _PACKAGE.read_text(encoding="utf-8"))[1]
extensions = ["myst_parser"]
myst_heading_anchors = 4
nitpicky = True
html_theme = "furo"
html_title = f"MVCTEnhance {version}"
html_logo = "../MVCTEnhance.png"
