"""Fixtures of the harness's own tests."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from harness.fixtures import app, widgets_end_where_they_began

__all__ = ["app", "widgets_end_where_they_began"]
