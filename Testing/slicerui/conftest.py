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
        "from MVCTEnhanceLib.cli import commands\n"
        "make = commands.phantom\n"
        "def make_small(request, on_event):\n"
        "    from MVCTEnhanceLib.jobs import phantom\n"  # not before: other jobs start without torch
        "    from MVCTEnhanceLib.physics.settings import MVCTSettings\n"
        "    size = {'slices': 4, 'shape': (96, 96), 'spacing_mm': (2.0, 2.0, 6.0)}\n"
        "    phantom.head_neck_phantom = partial(phantom.head_neck_phantom, **size)\n"
        "    settings = MVCTSettings(matrix=96, pixel_mm=2.0, views=60)\n"
        "    phantom.simulate_mvct = partial(phantom.simulate_mvct, settings=settings)\n"
        "    return make(request, on_event)\n"
        "commands.phantom = make_small\n"
        "from MVCTEnhanceLib.registration import rigid\n"
        "rigid.LEVELS = rigid.LEVELS[:2]\n"
        "from MVCTEnhanceLib.cli.program import command\n"
        "command()\n"
    )
    monkeypatch.setattr(child, "PROGRAM", script)


@pytest.fixture
def looks_for_devices():
    """For a test in which the panel asks the worker for the devices of this computer."""


@pytest.fixture(autouse=True)
def pause_before_devices(request, monkeypatch):
    """In the other tests it does not come to it: the worker that looks for them takes seconds of the processor."""
    if "app" in request.fixturenames and "looks_for_devices" not in request.fixturenames:
        request.getfixturevalue("app")
        from MVCTEnhanceLib.slicerui.panel import devices

        monkeypatch.setattr(devices, "PAUSE_MS", 3_600_000)
