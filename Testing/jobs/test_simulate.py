"""`simulate` with the settings of a scanner: its outputs, and what they say of how they were made."""

import json

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from MVCTEnhanceLib.io import write_volume
from MVCTEnhanceLib.physics.phantom import density_inserts
from MVCTEnhanceLib.physics.settings import random_scanner

SMALL = "matrix = 64\npixel_mm = 3.0\nviews = 60\n"


@pytest.fixture
def kvct(tmp_path, monkeypatch):
    """Three slices of water in kvct.nrrd of the current folder."""
    monkeypatch.chdir(tmp_path)
    write_volume(density_inserts(inserts_hu=(), slices=3, shape=(64, 64), spacing_mm=(3, 3, 3))[0], "kvct.nrrd")
    return tmp_path / "kvct.nrrd"


@pytest.fixture
def simulate(kvct, main):
    """Function: the command with a scanner of these lines of TOML, and more options."""

    def simulate(toml, *more):
        kvct.with_name("scanner.toml").write_text(SMALL + toml)
        options = ("--scanner", "scanner.toml", "--json", "--progress", "none", *more)
        return main("simulate", kvct, *options, *(() if "--output" in more else ("--output", "mvct.nrrd")))

    return simulate


def hu(path):
    return sitk.GetArrayFromImage(sitk.ReadImage(str(path)))


def test_scan_and_result_name_the_settings_of_the_scanner(simulate):
    result = simulate("kernel = 0.7\nmetal = 'hip'\nseed = 3\n")
    assert result.code == 0, result.stderr
    settings = result.json()["settings"]
    assert (settings["kernel"], settings["metal"], settings["seed"], settings["couch"]) == (0.7, "hip", 3, False)
    note = sitk.ReadImage("mvct.nrrd").GetMetaData("MVCTEnhance.note")
    assert note == "matrix 64, pixel_mm 3.0, views 60, kernel 0.7, metal hip, seed 3"


def test_dicom_series_names_the_settings_of_the_scanner(simulate, tmp_path):
    assert simulate("slice_mm = 4\n", "--output", "series").code == 0
    ds = pydicom.dcmread(next((tmp_path / "series").iterdir()))
    assert "slice_mm 4" in ds.ImageComments


def test_random_scanner_is_drawn_by_the_seed(main, kvct, monkeypatch):
    drawn = []
    monkeypatch.setattr(
        "MVCTEnhanceLib.jobs.simulate.simulate_mvct", lambda scan, settings, **_: drawn.append(settings) or scan
    )
    options = ("--output", "a.nrrd", "--scanner", "random", "--seed", "9", "--json", "--progress", "none")
    result = main("simulate", "kvct.nrrd", *options)
    assert result.code == 0, result.stderr
    assert drawn == [random_scanner(9)]
    assert json.loads(result.stdout)["settings"]["photons"] == random_scanner(9).photons


def test_truth_and_region_are_on_the_grid_of_the_mvct(simulate):
    outputs = ("--truth", "truth.nrrd", "--region", "region.nrrd")
    assert simulate("photons = 0\ncouch = true\ntruncated = true\nslice_mm = 4\n", *outputs).code == 0
    mvct, truth, region = map(hu, ("mvct.nrrd", "truth.nrrd", "region.nrrd"))
    assert mvct.shape == truth.shape == region.shape == (3, 64, 64)
    assert np.abs(mvct - truth)[region > 0].mean() < 15
    assert set(np.unique(region)) == {0, 1} and region[:, 28:36, 28:36].all() and not region[:, :2].any()


@pytest.mark.parametrize(
    ("toml", "sentence"),
    [
        ("kernal = 1\n", "There is no setting 'kernal' in 'scanner.toml'"),
        ("couch = 1\n", "its type must be bool"),
        ("kernel = 0\n", "The scanner's kernel is 0: give a number from 0.1 to 10."),
        ("metal = 'gold'\n", "There is no metal 'gold'"),
        ("kernel =\n", "The scanner 'scanner.toml' cannot be read as TOML"),
    ],
)
def test_bad_scanner_is_refused_in_one_sentence(simulate, assert_refused, toml, sentence):
    result = simulate(toml)
    assert_refused(result, sentence)


def test_unknown_scanner_is_refused(main, kvct, assert_refused):
    assert_refused(
        main(*["simulate", "kvct.nrrd", "--output", "a.nrrd", "--scanner", "randm", "--progress", "none"]),
        "There is no scanner 'randm': give standard, random or a TOML file.",
    )


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (("--truth", "mvct.nrrd"), "lies in the place of another output"),
        (("--region", "kvct.nrrd"), "is an input itself"),
        (("--region", "folder"), "'folder' is no volume file"),
    ],
)
def test_output_in_a_wrong_place_is_refused_before_the_simulation(simulate, assert_refused, more, sentence):
    assert_refused(simulate("", *more), sentence)
