"""Fixtures of the panel's tests: `app`, the application of Testing/harness."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from harness.fixtures import app, use_module_folder, widgets_end_where_they_began

use_module_folder()

__all__ = ["app", "widgets_end_where_they_began"]
