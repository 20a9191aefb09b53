"""The twin of a scanner: a simulator whose MVCT have the scanner's noise and sharpness."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from MVCTEnhanceLib.commissioning.curves import CUPPING, MODULATION, NOISE, Curve, phantom_curves
from MVCTEnhanceLib.commissioning.twin import PhantomSubject, fit_twin
from MVCTEnhanceLib.errors import InputError
from MVCTEnhanceLib.io import write_volume
from MVCTEnhanceLib.physics.mvct import Scan, scanned, simulate_mvct
from MVCTEnhanceLib.physics.phantom import density_inserts, head_neck_phantom
from MVCTEnhanceLib.physics.settings import MVCTSettings, random_scanner
from MVCTEnhanceLib.qa.phantoms import PHANTOMS
from MVCTEnhanceLib.qa.position import find_cylinder
from MVCTEnhanceLib.qa.tolerances import PositionLimits
from MVCTEnhanceLib.storage.toml import build, read_toml

GRID = {"matrix": 168, "views": 120}
DIAMETER_MM = 96.0


def scanner(seed):
    """What a phantom in a field that holds it, and a single protocol, can tell of a random scanner."""
    unseen = {"hu_offset": 0.0, "hu_slope": 1.0, "motion_mm": 0.0, "metal": "", "couch": False, "gain_sd": 0.0}
    return replace(random_scanner(seed), **GRID, **unseen, slice_mm=0.0, truncated=False)


def water(slices, diameter_mm=DIAMETER_MM):
    grid = {"shape": (260, 260), "spacing_mm": (0.5, 0.5, 3.0)}  # fine: a phantom's edge is sharp
    return density_inserts(inserts_hu=(), diameter_mm=diameter_mm, slices=slices, **grid)[0]


def curves(settings, diameter_mm, slices=12):
    scan = simulate_mvct(water(slices, diameter_mm), settings)
    return phantom_curves(scan, find_cylinder(scan, PHANTOMS["water"], PositionLimits()), "water")


def assert_alike(of_scanner, of_twin):
    np.testing.assert_allclose(of_twin[MODULATION].values, of_scanner[MODULATION].values, atol=0.05)
    np.testing.assert_allclose(of_twin[CUPPING].values, of_scanner[CUPPING].values, atol=5)
    ratio = of_twin[NOISE].values / of_scanner[NOISE].values
    assert np.sqrt(np.mean(np.log(ratio) ** 2)) < 0.15 and abs(np.log(ratio)).max() < 0.3, ratio


def in_as_few_views(twin):
    """A twin, which has the usual number of views, with the same dose in those of the test's scanners."""
    return replace(twin, **GRID, photons=twin.photons * twin.views / GRID["views"])


@pytest.mark.thorough
@pytest.mark.parametrize("seed", [1001, 1002, 1003, 1004, 1005])
def test_twin_has_noise_and_sharpness_of_its_scanner_in_another_phantom_too(main, tmp_path, monkeypatch, seed):
    monkeypatch.chdir(tmp_path)
    write_volume(simulate_mvct(water(8), scanner(seed)), tmp_path / "phantom.nrrd")
    arguments = ["--phantom", "phantom.nrrd", "--kind", "water", "--device", "cpu", "--picture", "twin.png", "--json"]
    result = main("twin", *arguments, "--output", "twin.toml")
    assert result.code == 0, result.stderr
    found = result.json()
    assert set(found["curves"]) == {NOISE, MODULATION, CUPPING} and "photons" in found["fitted"]
    assert all(curve["deviation"] < curve["limit"] for curve in found["curves"].values())
    assert (tmp_path / "twin.png").read_bytes().startswith(b"\x89PNG")
    twin = build(MVCTSettings, read_toml(tmp_path / "twin.toml", "scanner"), "twin.toml")
    assert_alike(*(curves(replace(one, seed=5), 110.0) for one in (scanner(seed), in_as_few_views(twin))))


@pytest.mark.thorough
def test_sharp_kernel_is_found_whose_limit_the_search_reaches_on_its_way():
    true = MVCTSettings(**GRID, kernel=1.7, blur_fwhm_mm=1.1, scatter=0.012, photons=60000)
    subject = PhantomSubject("water", DIAMETER_MM, MVCTSettings(**GRID), torch.device("cpu"))
    twin = fit_twin(curves(true, DIAMETER_MM, 8), subject, MVCTSettings(**GRID))
    assert twin.settings.kernel == pytest.approx(1.7, abs=0.15)
    assert twin.settings.photons == pytest.approx(60000, rel=0.1)


@pytest.mark.thorough
def test_twin_of_patients_alone_has_their_noise(main, tmp_path, monkeypatch):
    """Other slices of the phantom of a head and neck are the planning CT."""
    monkeypatch.chdir(tmp_path)
    true = replace(scanner(1003), matrix=320, denoising_mm=0.0)
    kvct = head_neck_phantom(slices=12, shape=(256, 256), spacing_mm=(1.0, 1.0, 4.0))
    for name, slices in (("mvct", slice(0, None, 2)), ("kvct", slice(1, None, 2))):
        (tmp_path / name).mkdir()
        part = replace(kvct, array=kvct.array[slices])
        write_volume(simulate_mvct(part, true) if name == "mvct" else part, tmp_path / name / "patient.nrrd")
    result = main("twin", "--mvct", "mvct", "--kvct", "kvct", "--output", "twin.toml", "--device", "cpu")
    assert result.code == 0, result.stderr
    assert "scatter" not in result.stdout
    twin = build(MVCTSettings, read_toml(tmp_path / "twin.toml", "scanner"), "twin.toml")
    scanners = in_as_few_views(twin), replace(true, **GRID)
    found, expected = (curves(one, 110.0)[NOISE].values for one in scanners)
    assert np.sqrt(np.mean(np.log(found / expected) ** 2)) < 0.3


class Formula:
    """A subject whose curves are written down, in the place of one that is simulated."""

    def __init__(self, scale=1.0):
        self.frequencies, self.scale = np.arange(1, 9) / 12, scale

    def noise(self, settings):
        window = np.exp(-((self.frequencies / settings.kernel) ** 2) - 4 * settings.denoising_mm**2 * self.frequencies)
        power = 1e7 / settings.photons * self.frequencies * window**self.scale
        return power, np.zeros_like(power)

    def sharpness(self, settings):
        blur = np.exp(-((settings.blur_fwhm_mm * self.frequencies) ** 2) - (self.frequencies / settings.kernel) ** 2)
        cupping = 1e3 * settings.scatter * np.arange(1, 5)
        return {MODULATION: Curve(self.frequencies, blur), CUPPING: Curve(np.arange(1, 5), cupping)}

    def curves(self, settings):
        return {NOISE: Curve(self.frequencies, self.noise(settings)[0])} | self.sharpness(settings)


def test_settings_that_the_curves_tell_come_out():
    true = MVCTSettings(photons=9000, kernel=0.8, blur_fwhm_mm=1.9, denoising_mm=0.9, scatter=0.015)
    twin = fit_twin(Formula().curves(true), Formula(), MVCTSettings())
    assert twin.settings.kernel == pytest.approx(0.8, abs=0.1)
    assert twin.settings.blur_fwhm_mm == pytest.approx(1.9, abs=0.15)
    assert twin.settings.scatter == pytest.approx(0.015, abs=0.003)
    assert twin.settings.photons == pytest.approx(9000, rel=0.15)
    assert twin.untold == ()


def test_setting_that_the_curves_do_not_tell_is_named_and_stays_typical():
    class Blind(Formula):
        def noise(self, settings):
            return super().noise(replace(settings, denoising_mm=0.0))

    measured = Blind().curves(MVCTSettings(kernel=0.9, denoising_mm=1.4))
    twin = fit_twin(measured, Blind(), MVCTSettings())
    assert twin.untold == ("denoising_mm",)
    assert twin.settings.denoising_mm == pytest.approx(np.sqrt(0.4), abs=0.1)


@pytest.mark.parametrize(
    ("marred", "words"),
    [
        ({NOISE: lambda values: values * [1, 1, 9, 9, 1, 1, 9, 9]}, "noise power: the nearest are off by"),
        ({MODULATION: lambda values: 1 - values}, "modulation transfer function"),
        ({CUPPING: lambda values: 60 - values}, "HU less those of the centre"),
        ({NOISE: lambda values: values * np.nan}, "too little homogeneous tissue"),
    ],
)
def test_implausible_curves_are_refused(marred, words):
    measured = Formula().curves(MVCTSettings())
    measured |= {name: Curve(measured[name].x, change(measured[name].values)) for name, change in marred.items()}
    with pytest.raises(InputError, match=words):
        fit_twin(measured, Formula(), MVCTSettings())


def test_scan_by_another_scanner_takes_over_the_line_integrals_and_nothing_else():
    settings = MVCTSettings(matrix=64, pixel_mm=2.0, views=40)
    other = replace(settings, kernel=0.7, photons=3000, scatter=0.01, blur_fwhm_mm=3.0)
    kvct = density_inserts(inserts_hu=(), diameter_mm=100, shape=(64, 64), spacing_mm=(2.0, 2.0, 2.0))[0]
    first = Scan(scanned(kvct, settings), settings, "cpu")
    first.slices([0])
    again = first.by(kernel=0.7, photons=3000, scatter=0.01, blur_fwhm_mm=3.0)
    assert again.integrals is first.integrals
    assert np.array_equal(again.slices([0]).numpy(), Scan(scanned(kvct, other), other, "cpu").slices([0]).numpy())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "either a phantom, or"),
        (["--phantom", "phantom.nrrd", "--mvct", "."], "either a phantom, or"),
        (["--phantom", "phantom.nrrd", "--kind", "tomo-cheese"], "shows a cylinder of 96 mm"),
        (["--phantom", "phantom.nrrd", "--kind", "water", "--picture", "twin.jpg"], "end the picture in it"),
        (["--phantom", "flat.nrrd", "--kind", "water"], "pixels of"),
    ],
)
def test_what_cannot_be_done_is_refused(main, tmp_path, monkeypatch, assert_refused, arguments, words):
    monkeypatch.chdir(tmp_path)
    write_volume(water(4), tmp_path / "phantom.nrrd")
    if "flat.nrrd" in arguments:
        write_volume(replace(water(4), spacing=(0.78, 0.763, 3.0)), tmp_path / "flat.nrrd")
    assert_refused(main("twin", *arguments, "--output", "twin.toml", "--progress", "none"), words)
