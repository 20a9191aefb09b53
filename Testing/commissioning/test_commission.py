"""mvct-enhance commission: a scanner from its scans to a site profile and an acceptance report."""

import csv
import json
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest
from MVCTEnhanceLib.commissioning import adapt as adapting
from MVCTEnhanceLib.commissioning import commission as module
from MVCTEnhanceLib.commissioning import make_twin
from MVCTEnhanceLib.commissioning.commission import commission, largest_matched_noise
from MVCTEnhanceLib.errors import Cancelled, InputError, OutputError
from MVCTEnhanceLib.io import write_dicom_series, write_volume
from MVCTEnhanceLib.jobs.requests import CommissionRequest
from MVCTEnhanceLib.model.card import DEFAULT_MODEL, find_model, read_card
from MVCTEnhanceLib.physics.calibration import Calibration
from MVCTEnhanceLib.physics.density import density_hu_from_kv
from MVCTEnhanceLib.physics.mvct import simulate_mvct
from MVCTEnhanceLib.physics.phantom import density_inserts, head_neck_phantom
from MVCTEnhanceLib.physics.resolution import MAX_NOISE, MAX_NOISE_OF_ONE_SCANNER, Resolution
from MVCTEnhanceLib.physics.settings import MVCTSettings
from MVCTEnhanceLib.site.profile import read_site
from MVCTEnhanceLib.volume import Volume

LINE = Calibration(12.0, 0.985, 0.4728)
COMMAND = ("commission", "mvct", "--kvct", "kvct", "--progress", "none")
TINY = Volume(np.zeros((2, 8, 8), np.int16), (1.0, 1.0, 3.0))


def shown(kvct, seed):
    hu = LINE.shown_hu(density_hu_from_kv(kvct.array.astype(float)))
    noise = np.random.default_rng(seed).normal(0, 25, hu.shape)
    return kvct.with_array(np.rint(hu + noise).astype(np.int16))


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """Eight scans that differ, for what is refused before they are read, in the current folder."""
    for number in range(8):
        for side in ("mvct", "kvct"):
            (tmp_path / side).mkdir(exist_ok=True)
            scan = TINY.with_array(np.full(TINY.array.shape, 10 * number + len(side), np.int16))
            write_volume(scan, tmp_path / side / f"p{number}.nrrd")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_too_few_patients_are_refused(main, tiny, assert_refused):
    (tiny / "mvct" / "p0.nrrd").unlink()
    assert_refused(main(*COMMAND, "--output", "out"), "Patients found: 7, but")


def test_two_scans_of_one_patient_are_refused(main, tiny, with_texts, assert_refused):
    shutil.copy(tiny / "mvct" / "p3.nrrd", tiny / "mvct" / "P3.nrrd")
    result = main(*COMMAND, "--output", "out")
    assert_refused(result, "MVCT 1 and 5", "of one patient by their name of file")
    (tiny / "mvct" / "P3.nrrd").unlink()
    for folder in ("a", "b"):
        write_dicom_series(TINY, tiny / "mvct" / folder, description="mvct")
        with_texts(tiny / "mvct" / folder, {"PatientID": "SECRET"})
    result = main(*COMMAND, "--output", "out")
    assert_refused(result, "of one patient by their Patient ID")
    assert "SECRET" not in result.stderr


def test_patients_that_have_no_planning_ct_are_not_enough_to_calibrate_with(main, tiny, assert_refused):
    for number in range(6):
        (tiny / "kvct" / f"p{number}.nrrd").unlink()
    result = main(*COMMAND, "--output", "out")
    assert_refused(result, "Of 2 patients both folders hold a scan")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "Give the scan of a phantom (--phantom), or"),
        (["--phantom", "p", "--phantom-kind", "water"], "cannot be calibrated from a phantom water alone"),
        (
            ["--phantom", "p", "--phantom-kind", "catphan504", "--inserts", "i", "--match-resolution"],
            "resolution cannot be found with a phantom catphan504 alone",
        ),
        (["--phantom", "p", "--adapt"], "adapted with planning CTs: give their folder by --kvct"),
        (["--kvct", "kvct", "--adapt"], "planning CTs have 16 slices, but at least 22 are needed"),
        (["--kvct", "kvct", "--tolerances", "none.toml"], "'none.toml' cannot be read"),
        (["--kvct", "kvct", "--model", "nobody"], "neither an installed model"),
    ],
)
def test_what_cannot_be_done_is_refused(main, tiny, assert_refused, arguments, words):
    assert_refused(main("commission", "mvct", *arguments, "--output", "out", "--progress", "none"), words)


def test_folder_of_scans_or_of_something_else_is_kept(main, tiny, assert_refused):
    arguments = [*COMMAND, "--output"]
    assert_refused(main(*arguments, "kvct/out"), "in or around a folder of scans")
    (tiny / "out").mkdir()
    (tiny / "out" / "letter.txt").write_text("of somebody")
    assert_refused(main(*arguments, "out", "--resume"), "holds no commissioning")
    (tiny / "out" / module.NOTE).write_text('{"made_of": {"model": "another"}}')
    assert_refused(main(*arguments, "out"), "holds a commissioning: choose a new one, or go on by --resume")
    assert_refused(main(*arguments, "out", "--resume"), "commissioning with other MVCTs and planning CTs and")


@pytest.fixture(scope="module")
def scans(tmp_path_factory):
    """MVCTs and planning CTs of eight patients and the MVCT of a water cylinder, on a scanner with water at 12 HU."""
    folder = tmp_path_factory.mktemp("scans")
    grid = {"slices": 3, "shape": (112, 112), "spacing_mm": (2.2, 2.2, 5.0)}
    for side in ("mvct", "kvct"):
        (folder / side).mkdir()
    for n, z in enumerate(np.linspace(-10, -110, 8)):
        kvct = head_neck_phantom(**grid, centre_z_mm=z, supersample=1)
        write_volume(kvct, folder / "kvct" / f"p{n}.nrrd")
        write_volume(shown(kvct, n), folder / "mvct" / f"p{n}.nrrd")
    water, _ = density_inserts(inserts_hu=(), slices=6, shape=(128, 128), spacing_mm=(2.0, 2.0, 5.0))
    write_volume(shown(water, 99), folder / "water.nrrd")
    (folder / "limits.toml").write_text("[mvct]\nwater_hu = 30\n[enhanced]\nwater_hu = 20\n")  # its edges are too sharp
    return folder


def request_of(scans, output, **more):
    phantom = {"phantom": scans / "water.nrrd", "phantom_kind": "water", "tolerances": scans / "limits.toml"}
    return CommissionRequest(scans / "mvct", output, scans / "kvct", **{**phantom, "name": "Bunker 2", **more})


@pytest.fixture(scope="module")
def accepted(scans, tmp_path_factory):
    """The folder of a commissioning, and its result."""
    folder = tmp_path_factory.mktemp("accepted") / "site"
    return folder, commission(request_of(scans, folder, by="M. Füßli"))


@pytest.mark.thorough
def test_profile_has_calibration_ranges_and_the_values_of_the_phantom(accepted):
    folder, result = accepted
    profile = read_site(folder / "site-profile.toml")
    soft = np.array([-100.0, 0.0, 50.0])
    np.testing.assert_allclose(profile.line.shown_hu(soft), LINE.shown_hu(soft), atol=6)
    assert profile.expected["measured_on"] == "8 patients on this scanner (24 slices)"
    found = {found["name"]: found for found in result["metrics"] if found["group"] == "enhanced"}["edge_width_mm"]
    low, high = profile.expected["enhanced"]["edge_width_mm"]["expected"]
    assert low < found["low"] < found["median"] < found["high"] < high and found["scans"] == 8
    found = {found["name"]: found for found in result["metrics"]}["soft_tissue_offset"]
    low, high = profile.expected["comparison"]["soft_tissue_offset"]["expected"]
    assert low <= found["low"] <= found["high"] <= high and found["scans"] == 8
    assert -20 < low <= -5 and 5 <= high < 20
    assert (profile.qa.phantom, profile.qa.passed) == ("water", True)
    assert profile.qa.mvct["water_hu"] == pytest.approx(12, abs=2)  # as it was given
    assert abs(profile.qa.enhanced["water_hu"]) < 6
    assert (profile.name, profile.made.by, len(profile.made.inputs)) == ("Bunker 2", "M. Füßli", 16)
    assert result["profile"] == str(folder / "site-profile.toml")


@pytest.mark.thorough
def test_report_says_what_was_tested_with_what_and_how_it_came_out(accepted, scans):
    folder, result = accepted
    page = (folder / "acceptance.html").read_text(encoding="utf-8")
    profile = read_site(folder / "site-profile.toml")
    for text in ("Acceptance of MVCTEnhance on Bunker 2", "M. Füßli", profile.sha256, profile.model.sha256):
        assert text in page
    for text in (
        "Medical physicist",
        "not accepted",
        "8 of 8 patients were enhanced",
        "Water cylinder",
        *profile.made.inputs,
    ):
        assert text in page
    assert "Patient 1, 2, 3, 4, 5, 6, 7, 8: The field of view" in page
    assert page.count("data:image/png") > 10
    texts = re.sub(r"base64,[^\"]*|http-equiv", "", page)
    assert not any(secret in texts for secret in ("http", str(scans), "p3"))  # patients have numbers only
    stored = json.loads((folder / "acceptance.json").read_text(encoding="utf-8"))
    told = json.loads(json.dumps(result))
    assert stored == {name: value for name, value in told.items() if name not in ("report", "profile")}
    assert stored["passed"] and {criterion["outcome"] for criterion in stored["criteria"]} <= {"passed", "look closer"}
    assert (folder / "qa" / "report.html").exists()


@pytest.mark.thorough
def test_resume_does_what_is_missing_only(accepted, scans, tmp_path):
    shutil.copytree(accepted[0], tmp_path / "site")
    before = (tmp_path / "site" / "site-profile.toml").read_bytes()
    with (tmp_path / "site" / "patients" / "summary.csv").open(encoding="utf-8", newline="") as file:
        shutil.rmtree(tmp_path / "site" / "patients" / list(csv.DictReader(file))[2]["output"])
    for name in ("acceptance.html", "site-profile.toml"):
        (tmp_path / "site" / name).unlink()
    cases = []

    def on_event(event, **fields):
        if event == "case" and fields["status"] in ("kept", "done"):
            cases.append((fields["case"], fields["status"]))

    commission(request_of(scans, tmp_path / "site", resume=True), on_event=on_event)
    assert sorted(cases) == [(number, "done" if number == 3 else "kept") for number in range(1, 9)]
    assert (tmp_path / "site" / "acceptance.html").exists()
    assert (tmp_path / "site" / "site-profile.toml").read_bytes() == before
    with pytest.raises(OutputError, match="commissioning with other name"):
        commission(request_of(scans, tmp_path / "site", resume=True, name="Bunker 3"))


@pytest.fixture
def with_phantom(scans, tmp_path, monkeypatch):
    """A request to adapt in few steps, with the phantom of a simulated scanner, whose twin can be found."""
    monkeypatch.setattr(adapting, "BATCH", 1)
    monkeypatch.setattr(adapting, "JUDGED_SLICES", 2)
    monkeypatch.setattr(adapting, "VALIDATIONS", 1)
    monkeypatch.setattr(make_twin, "VIEWS", 120)
    water, _ = density_inserts(inserts_hu=(), slices=8, shape=(240, 240), spacing_mm=(0.5, 0.5, 5.0), diameter_mm=96)
    settings = MVCTSettings(matrix=112, pixel_mm=1.0, views=120, hu_offset=12.0, hu_slope=0.985)
    write_volume(simulate_mvct(water, settings), tmp_path / "water.nrrd")
    return request_of(scans, tmp_path / "site", phantom=tmp_path / "water.nrrd", adapt=True, steps=10)


@pytest.mark.thorough
@pytest.mark.parametrize("kept", ["adapted", "given"])
def test_model_is_adapted_judged_and_gone_on_with(with_phantom, monkeypatch, kept):
    folder = with_phantom.output
    monkeypatch.setattr(adapting, "better", lambda judged: kept)

    def cancel(event, **fields):
        if fields.get("phase") == "paired":
            raise Cancelled("stopped")

    with pytest.raises(Cancelled):
        commission(with_phantom, on_event=cancel)
    assert not (folder / "patients").exists()
    made = [folder / "twin.json", folder / "adapting" / "pairs" / "mvct" / "001.nrrd"]
    before = [path.stat().st_mtime_ns for path in made]

    result = commission(replace(with_phantom, resume=True))
    assert [path.stat().st_mtime_ns for path in made] == before
    outcome = {criterion["name"]: criterion for criterion in result["criteria"]}["Adapting the model"]
    lost = "given" if kept == "adapted" else "adapted"
    assert f"The {kept} model is kept, the {lost} one has lost." in outcome["text"]
    profile = read_site(folder / "site-profile.toml")
    given = find_model(DEFAULT_MODEL)
    assert profile.model_file(None)[0] == (folder / "adapted.safetensors" if kept == "adapted" else given)
    assert profile.expected["measured_on"] == "8 patients on this scanner (24 slices)"
    ranges, own = (read_card(model)[1]["expected"] for model in (profile.model_file(None)[0], given))
    assert ranges["comparison"] == own["comparison"] and own["measured_on"] in ranges["measured_on"]
    page = (folder / "acceptance.html").read_text(encoding="utf-8")
    assert "Curves of the scanner and of its twin" in page and "HU change of soft tissue" in page
    with (folder / "patients" / "summary.csv").open(encoding="utf-8", newline="") as file:
        assert {row["model_sha256"] for row in csv.DictReader(file)} == {profile.model.sha256}
    again = commission(replace(with_phantom, resume=True))
    assert again["adaptation"] == result["adaptation"]
    with pytest.raises(OutputError, match="commissioning with other adapting"):
        commission(replace(with_phantom, resume=True, steps=11))


@pytest.mark.parametrize(("model", "limit"), [(DEFAULT_MODEL, MAX_NOISE), ("unpaired", MAX_NOISE_OF_ONE_SCANNER)])
def test_a_model_that_was_trained_without_pairs_gets_less_noise(model, limit):
    assert largest_matched_noise(read_card(find_model(model))[1]) == limit


@pytest.mark.thorough
def test_resolution_is_matched_by_the_twin_of_the_phantom_and_gone_on_with(with_phantom):
    request = replace(with_phantom, adapt=False, match_resolution=True)
    result = commission(request)
    profile, calibrated = (read_site(request.output / name) for name in ("site-profile.toml", "calibrated.toml"))
    assert calibrated.resolution is None
    assert profile.resolution.half_per_cm == pytest.approx(Resolution(pixel_mm=1.0).half_per_cm, rel=0.2)
    criterion = {one["name"]: one for one in result["criteria"]}["Resolution of the MVCT"]
    assert f"half of the contrast at {profile.resolution.half_per_cm:.1f} line pairs" in criterion["text"]
    assert "Curves of the scanner and of its twin" in (request.output / "acceptance.html").read_text(encoding="utf-8")
    with (request.output / "patients" / "summary.csv").open(encoding="utf-8", newline="") as file:
        matched = read_site(request.output / "matched.toml")
        assert {row["site_sha256"] for row in csv.DictReader(file)} == {matched.sha256}
    with pytest.raises(OutputError, match="other matching of the resolution"):
        commission(replace(request, resume=True, match_resolution=False))


@pytest.mark.thorough
def test_phantom_that_is_wrong_or_out_of_place_leaves_nothing(scans, tmp_path):
    lopsided, _ = density_inserts(inserts_hu=(), slices=6, shape=(128, 128), spacing_mm=(2.0, 2.0, 5.0))
    array = np.roll(shown(lopsided, 1).array, 10, axis=2)
    write_volume(lopsided.with_array(array), tmp_path / "off.nrrd")
    for more, words in (
        ({"phantom": tmp_path / "off.nrrd"}, "20 mm off the centre"),
        ({"phantom": scans / "mvct" / "p0.nrrd"}, "No round phantom"),
        ({"phantom_kind": "tomo-cheese"}, "No slice shows a TomoTherapy cheese phantom"),
        ({"phantom": scans / "kvct" / "p0.nrrd", "phantom_kind": "tomo-cheese"}, "No slice shows"),
    ):
        with pytest.raises(InputError, match=words):
            commission(request_of(scans, tmp_path / "site", **more))
        assert [path.name for path in tmp_path.iterdir()] == ["off.nrrd"]


@pytest.mark.thorough
def test_patient_that_cannot_be_read_is_refused_and_same_scan_twice(scans, tmp_path):
    shutil.copytree(scans, tmp_path / "in")
    shutil.copy(scans / "mvct" / "p0.nrrd", tmp_path / "in" / "mvct" / "p1.nrrd")
    with pytest.raises(InputError, match=r"'p1\.nrrd' is the same scan as another one"):
        commission(request_of(tmp_path / "in", tmp_path / "site"))
    assert not (tmp_path / "site").exists()


def test_failed_quality_assurance_is_a_warning_wherever_the_profile_is_used(accepted_profile):
    profile, taken = accepted_profile
    assert profile.scanner_warnings(taken) == ()
    (warning,) = replace(profile, qa=replace(profile.qa, passed=False)).scanner_warnings(taken)
    assert "did not pass when Bunker 2 was commissioned" in warning


@pytest.fixture
def accepted_profile():
    """A profile with quality assurance that passed, and what a scan's header says of the same scanner."""
    from MVCTEnhanceLib.site.profile import AcceptedQA, Made, Scanner, SiteProfile
    from MVCTEnhanceLib.volume.acquisition import Acquisition

    qa = AcceptedQA("water", "2026-01-31", True, {}, {})
    return SiteProfile(Scanner("Bunker 2", "Accuray"), Made("", "", ""), qa=qa), Acquisition("CT", None, "Accuray")
