"""Fixtures of the panel's tests: `app`, the application of Testing/harness."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from harness.fixtures import app, use_module_folder, widgets_end_where_they_began

use_module_folder()

__all__ = ["app", "widgets_end_where_they_began"]


@pytest.fixture
def small_phantom(monkeypatch, app, tmp_path):
    """The worker with a phantom small enough for a test, and registrations that are less accurate."""
    from MVCTEnhanceLib.runtime import child

    script = tmp_path / "small.py"
    script.write_text(
        f"import sys\nsys.path.insert(0, {str(child.PROGRAM.parents[1])!r})\n"
        "from functools import partial\n"
        "from MVCTEnhanceLib.jobs import phantom\n"
        "phantom.head_neck_phantom = partial("
        "phantom.head_neck_phantom, slices=4, shape=(96, 96), spacing_mm=(2.0, 2.0, 6.0))\n"
        "from MVCTEnhanceLib.physics.mvct import MVCTSettings\n"
        "settings = MVCTSettings(matrix=96, pixel_mm=2.0, views=60)\n"
        "phantom.simulate_mvct = partial(phantom.simulate_mvct, settings=settings)\n"
        "from MVCTEnhanceLib.registration import rigid\n"
        "rigid.LEVELS = rigid.LEVELS[:2]\n"
        "from MVCTEnhanceLib.cli.program import main\n"
        "sys.exit(main())\n"
    )
    monkeypatch.setattr(child, "PROGRAM", script)
