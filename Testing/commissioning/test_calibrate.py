"""mvct-enhance calibrate: a site profile from a phantom or from patients."""

import json
import shutil

import numpy as np
import pytest
from MVCTEnhanceLib.io import read_volume, write_dicom_series, write_volume
from MVCTEnhanceLib.model.card import DEFAULT_MODEL, find_model, model_sha256
from MVCTEnhanceLib.physics.calibration import Calibration
from MVCTEnhanceLib.physics.density import density_hu_from_kv
from MVCTEnhanceLib.physics.phantom import head_neck_phantom
from MVCTEnhanceLib.physics.qa_phantoms import cheese_phantom
from MVCTEnhanceLib.site.inserts import CHEESE
from MVCTEnhanceLib.site.profile import read_site

LINE = Calibration(12.0, 0.985, 0.4728)
HEADER = {"Manufacturer": "Accuray", "ManufacturerModelName": "TomoHD", "StationName": "TOMO-2"}


def shown(kvct, seed=0):
    hu = LINE.shown_hu(density_hu_from_kv(kvct.array.astype(float)))
    noise = np.random.default_rng(seed).normal(0, 25, hu.shape)
    return kvct.with_array(np.rint(hu + noise).astype(np.int16))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with a phantom's MVCT, and MVCTs and planning CTs of three patients as files of the same name."""
    folder = tmp_path_factory.mktemp("made")
    for name in ("mvct", "kvct"):
        (folder / name).mkdir()
    write_volume(shown(cheese_phantom(slices=3, shape=(256, 256), spacing_mm=(1.6, 1.6, 6.0))), folder / "phantom.nrrd")
    for n, z in enumerate((-20.0, -60.0, -100.0)):
        kvct = head_neck_phantom(slices=3, shape=(128, 128), spacing_mm=(2.0, 2.0, 5.0), centre_z_mm=z, supersample=1)
        write_volume(kvct, folder / "kvct" / f"p{n}.nrrd")
        write_volume(shown(kvct, n), folder / "mvct" / f"P{n}.mha")
    return folder


@pytest.fixture
def here(made, tmp_path, monkeypatch):
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_phantom_gives_a_profile_that_says_what_it_was_made_of(main, here):
    arguments = ["--phantom", "phantom.nrrd", "--name", "Bunker 2", "--by", "M. Füßli", "--json"]
    result = main("calibrate", *arguments, "--output", "site.toml")
    assert result.code == 0, result.stderr
    profile, told = read_site(here / "site.toml"), result.json()
    soft = np.array([-100.0, 0.0, 50.0])
    np.testing.assert_allclose(profile.line.shown_hu(soft), LINE.shown_hu(soft), atol=2)
    assert (profile.calibration.source, profile.calibration.count) == ("phantom", 12)
    assert told["calibration"]["offset_hu"] == profile.calibration.offset_hu
    assert (profile.name, profile.made.by) == ("Bunker 2", "M. Füßli")
    assert (profile.model.name, profile.model.sha256) == (DEFAULT_MODEL, model_sha256(find_model(DEFAULT_MODEL)))
    assert len(profile.made.inputs) == 1 and any("name no scanner" in text for text in told["warnings"])


def test_fit_is_printed_and_drawn(main, here):
    arguments = ["--phantom", "phantom.nrrd", "--output", "site.toml", "--picture", "fit.png"]
    shown = main("calibrate", *arguments).stdout
    assert (here / "fit.png").read_bytes().startswith(b"\x89PNG")
    assert "HU of water    1" in shown and " ± " in shown
    assert any(line.startswith("lung LN-300 ") and "-720.0" in line for line in shown.splitlines())


def test_own_inserts_take_the_place_of_the_vendor_s(main, here, assert_refused):
    text = CHEESE.read_text(encoding="utf-8")
    (here / "inserts.toml").write_text(text.replace("electron_density = 1.07", "electron_density = 1.17"), "utf-8")
    result = main("calibrate", "--phantom", "phantom.nrrd", "--inserts", "inserts.toml", "--output", "site.toml")
    assert_refused(result, "The HU of liver lie", "has its density")


@pytest.mark.integration
def test_patients_give_a_profile_with_the_scanner_of_their_headers(main, here, made, with_texts):
    """DICOM series are of the same patient where their Patient IDs are the same, whatever their folders are called."""
    for n in range(3):
        for side, file, folder in (("mvct", f"P{n}.mha", f"day {9 - n}"), ("kvct", f"p{n}.nrrd", f"plan {n}")):
            write_dicom_series(read_volume(made / side / file), here / side / folder, description=side)
            with_texts(here / side / folder, {"PatientID": f"SECRET-{n}"} | (HEADER if side == "mvct" else {}))
            (here / side / file).unlink()
    result = main("calibrate", "--mvct", "mvct", "--kvct", "kvct", "--output", "site.toml", "--json")
    assert result.code == 0, result.stderr
    profile = read_site(here / "site.toml")
    soft = np.array([-100.0, 0.0, 50.0])
    np.testing.assert_allclose(profile.line.shown_hu(soft), LINE.shown_hu(soft), atol=4)
    scanner = profile.scanner
    assert (scanner.manufacturer, scanner.model, scanner.station) == ("Accuray", "TomoHD", "TOMO-2")
    assert (profile.name, profile.calibration.count, len(profile.made.inputs)) == ("Accuray TomoHD", 3, 6)
    assert "SECRET" not in (here / "site.toml").read_text(encoding="utf-8") + json.dumps(result.json()) + result.stderr


def test_files_of_a_patient_have_the_same_name(main, here):
    result = main("calibrate", "--mvct", "mvct", "--kvct", "kvct", "--output", "site.toml", "--json")
    assert result.code == 0, result.stderr
    assert result.json()["calibration"]["count"] == 3


def test_patient_of_whom_a_scan_is_missing_does_not_count(main, here, assert_refused):
    (here / "kvct" / "p2.nrrd").rename(here / "kvct" / "other.nrrd")
    result = main("calibrate", "--mvct", "mvct", "--kvct", "kvct", "--output", "site.toml")
    assert_refused(result, "Of 2 patients both folders hold a scan", "at least 3 are needed")
    assert "Of 2 patients there is no MVCT or no planning CT" in result.stderr


def test_scan_in_both_folders_is_refused(main, here, assert_refused):
    shutil.copy(here / "kvct" / "p1.nrrd", here / "mvct" / "p1.nrrd")
    (here / "mvct" / "P1.mha").unlink()
    result = main("calibrate", "--mvct", "mvct", "--kvct", "kvct", "--output", "site.toml")
    assert_refused(result, "among the MVCTs and among the planning CTs")


@pytest.mark.integration
def test_scans_of_several_scanners_are_refused(main, here, made, with_texts, assert_refused):
    for n in range(3):
        write_dicom_series(read_volume(made / "mvct" / f"P{n}.mha"), here / "mvct" / f"p{n}", description="mvct")
        with_texts(here / "mvct" / f"p{n}", HEADER | {"StationName": f"SECRET-{n % 2}"})
        (here / "mvct" / f"P{n}.mha").unlink()
    result = main("calibrate", "--mvct", "mvct", "--kvct", "kvct", "--output", "site.toml")
    assert_refused(result, "several scanners, whose headers name another station")
    assert "SECRET" not in result.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "either a phantom, or"),
        (["--phantom", "phantom.nrrd", "--mvct", "mvct"], "either a phantom, or"),
        (["--mvct", "mvct"], "either a phantom, or"),
        (["--phantom", "phantom.nrrd", "--model", "nobody"], "neither an installed model"),
        (["--phantom", "mvct/P0.mha"], "No slice shows a TomoTherapy cheese phantom"),
    ],
)
def test_what_cannot_be_done_is_refused(main, here, assert_refused, arguments, words):
    assert_refused(main("calibrate", *arguments, "--output", "site.toml"), words)


def test_other_suffix_and_the_inserts_themselves_are_refused_as_output(main, here, assert_refused):
    shutil.copy(CHEESE, here / "inserts.toml")
    arguments = ["calibrate", "--phantom", "phantom.nrrd", "--inserts", "inserts.toml", "--overwrite", "--output"]
    assert_refused(main(*arguments, "site.json"), "end the output in it")
    assert_refused(main(*arguments, "site.toml", "--picture", "fit.jpg"), "end the picture in it")
    assert_refused(main(*arguments, "inserts.toml"), "never overwritten")
