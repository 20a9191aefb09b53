"""Simulated MVCT of phantoms as DICOM series, coarse so that they take a moment."""

from functools import partial

import pytest
from MVCTEnhanceLib.io import write_dicom_series
from MVCTEnhanceLib.physics.mvct import MVCTSettings, simulate_mvct
from MVCTEnhanceLib.physics.phantom import density_inserts
from MVCTEnhanceLib.physics.qa_phantoms import cheese_phantom
from MVCTEnhanceLib.qa import pylinac

GRID = {"shape": (200, 200), "spacing_mm": (1.95, 1.95, 6.0)}
SETTINGS = MVCTSettings(matrix=200, pixel_mm=1.95, views=200, photons=200_000)


@pytest.fixture(scope="session")
def simulated():
    """Function: the MVCT of a phantom."""
    return partial(simulate_mvct, settings=SETTINGS)


@pytest.fixture(scope="session")
def cheese(simulated):
    """Function (slices, and what `cheese_phantom` takes): the MVCT of a cheese phantom."""
    return lambda slices=10, **how: simulated(cheese_phantom(slices=slices, **GRID, **how))


@pytest.fixture(scope="session")
def water(simulated):
    """Function (diameter, slices): the MVCT of a water cylinder."""
    return lambda diameter_mm=200.0, slices=6: simulated(
        density_inserts(inserts_hu=(), diameter_mm=diameter_mm, slices=slices, **GRID)[0]
    )


@pytest.fixture
def series(tmp_path):
    """Function (volume, name): the folder of its DICOM series."""

    def series(volume, name="scan"):
        write_dicom_series(volume, tmp_path / name, description="phantom")
        return tmp_path / name

    return series


@pytest.fixture
def no_pylinac(tmp_path, monkeypatch):
    """pylinac is not installed."""
    monkeypatch.setattr(pylinac, "folder", lambda: tmp_path / "nowhere")


@pytest.fixture
def unused_pylinac(monkeypatch):
    """pylinac counts as installed, and a test that gets as far as to start it fails."""
    monkeypatch.setattr(pylinac, "is_installed", lambda: True)
    monkeypatch.setattr(pylinac.subprocess, "run", lambda *_, **__: pytest.fail("pylinac was started"))
