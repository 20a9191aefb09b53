"""Enhancements with a site profile: calibrated before the network, judged by its ranges, and told in every output."""

from dataclasses import replace

import numpy as np
import pydicom
import pytest
import torch
from MVCTEnhanceLib.errors import InputError
from MVCTEnhanceLib.io import read_volume, write_volume
from MVCTEnhanceLib.jobs.enhance import enhance
from MVCTEnhanceLib.jobs.requests import EnhanceRequest
from MVCTEnhanceLib.model.card import DEFAULT_MODEL, find_model, model_sha256
from MVCTEnhanceLib.model.engine import Engine
from MVCTEnhanceLib.model.package import load_model
from MVCTEnhanceLib.physics.density import density_hu_from_kv
from MVCTEnhanceLib.physics.resolution import Resolution
from MVCTEnhanceLib.site.profile import (
    FittedCalibration,
    Made,
    Scanner,
    SiteModel,
    SiteProfile,
    read_site,
    write_site,
)

CALIBRATION = FittedCalibration(12.0, 0.985, 0.4728, 0.5, 0.001, 0.004, "phantom", 8)
EXPECTED = {
    "mvct": {
        "noise_hu": {"expected": [0.0, 500.0], "trusted": [0.0, 900.0]},
        "edge_width_mm": {"expected": [0.0, 0.1], "trusted": [0.0, 900.0]},
    }
}


@pytest.fixture
def site(tmp_path):
    """A profile of a scanner whose water lies at 12 HU."""
    model = SiteModel(DEFAULT_MODEL, model_sha256(find_model(DEFAULT_MODEL)))
    profile = SiteProfile(
        Scanner("Bunker 2", "MVCTEnhance"), Made("2026-11-30T10:00:00+01:00", "me", "p"), CALIBRATION, model, EXPECTED
    )
    write_site(profile, tmp_path / "site.toml")
    return tmp_path / "site.toml"


@pytest.fixture
def shifted(tmp_path, mvct):
    """The scan as that scanner shows it."""
    array = np.rint(CALIBRATION.line.shown_hu(mvct.array)).astype(np.int16)
    write_volume(mvct.with_array(array), tmp_path / "shifted.nrrd")
    return tmp_path / "shifted.nrrd"


def test_scan_is_calibrated_before_the_network_and_maps_show_it_as_it_was_given(scan, shifted, site, mvct, tmp_path):
    plain = enhance(EnhanceRequest(scan, tmp_path / "plain.nrrd")).enhanced.array.astype(float)
    maps = {name: tmp_path / f"{name}.nrrd" for name in ("difference", "correction")}
    result = enhance(EnhanceRequest(shifted, tmp_path / "e.nrrd", site=site, **maps))
    enhanced, given = result.enhanced.array.astype(float), read_volume(shifted).array.astype(float)
    body = mvct.array > -300
    assert abs(np.median((enhanced - plain)[body])) <= 1 and np.abs(enhanced - plain)[body].mean() < 3
    assert abs(enhanced[mvct.array < -950].mean() - plain[mvct.array < -950].mean()) < 1  # air stays air
    np.testing.assert_array_equal(result.mvct.array, given)
    np.testing.assert_array_equal(read_volume(maps["difference"]).array, enhanced - given)
    correction = density_hu_from_kv(enhanced) - CALIBRATION.line.exact_hu(given)
    np.testing.assert_allclose(read_volume(maps["correction"]).array, correction, atol=0.51)


def test_network_sees_the_matched_scan_and_everything_else_the_scan_as_it_was_given(scan, site, mvct, tmp_path):
    profile = replace(read_site(site), resolution=Resolution(kernel=0.7, blur_fwhm_mm=1.8, denoising_mm=0.8))
    write_site(profile, tmp_path / "soft.toml")
    result = enhance(EnhanceRequest(scan, tmp_path / "e.nrrd", site=tmp_path / "soft.toml"))
    seen = profile.matched(profile.calibrated(mvct))
    engine = Engine(load_model(find_model(DEFAULT_MODEL)), torch.device("cpu"))
    np.testing.assert_array_equal(result.enhanced.array, engine.enhance(seen).array)
    np.testing.assert_array_equal(result.mvct.array, mvct.array)
    told = result.record.provenance.site["resolution"]
    assert told == {
        "kernel": 0.7,
        "blur_fwhm_mm": 1.8,
        "denoising_mm": 0.8,
        "pixel_mm": 0.763,
        "photons": 2.66e4,
        "max_noise": 1.5,
    }


def test_metrics_and_verdicts_are_those_of_the_calibrated_scan(scan, shifted, site, tmp_path):
    plain = enhance(EnhanceRequest(scan, tmp_path / "plain.nrrd")).record.groups["comparison"]
    found = enhance(EnhanceRequest(shifted, tmp_path / "e.nrrd", site=site)).record
    uncalibrated = enhance(EnhanceRequest(shifted, tmp_path / "u.nrrd")).record.groups["comparison"]
    assert found.groups["comparison"]["soft_tissue"].mean == pytest.approx(plain["soft_tissue"].mean, abs=1)
    assert found.groups["comparison"]["soft_tissue"].per_slice != uncalibrated["soft_tissue"].per_slice
    noise = found.assessment("mvct", "noise_hu")
    assert noise.verdict == "as expected on this scanner" and "0.0 to 500.0 HU on this scanner" in noise.reason
    edges = found.assessment("mvct", "edge_width_mm")
    assert edges.verdict == "look closer" and "above the expected 0.00 to 0.10 mm on this scanner" in edges.reason
    others = {entry.verdict for name, entry in found.assessments["mvct"].items() if name != "noise_hu"}
    assert "as expected" in others and "as expected on this scanner" not in others


def test_every_output_tells_the_profile(main, dicom_scan, site, tmp_path):
    dicom, file, report = tmp_path / "dicom", tmp_path / "difference.nii.gz", tmp_path / "report"
    arguments = ["--output", dicom, "--difference", file, "--report", report, "--site", site, "--force", "--json"]
    result = main("enhance", dicom_scan, *arguments)
    assert result.code == 0, result.stderr
    sha256 = read_site(site).sha256
    assert read_volume(dicom).product.site == read_volume(file).product.site == sha256[:8]
    header = pydicom.dcmread(sorted(dicom.iterdir())[0])
    assert "site profile of Bunker 2" in header.DerivationDescription
    assert "site profile of Bunker 2" in header.ImageComments and sha256 in header.ImageComments
    told = result.json()["site"]
    line = {"offset_hu": 12.0, "slope": 0.985, "bone_slope": 0.4728}
    assert told == {"name": "Bunker 2", "sha256": sha256, "time": "2026-11-30T10:00:00+01:00", "calibration": line}
    page = (report / "report.html").read_text(encoding="utf-8")
    assert "Bunker 2" in page and sha256 in page
    again = ["--mvct", dicom_scan, "--enhanced", dicom, "--readouts", report / "readouts.json"]
    assert main("report", *again, "--output", tmp_path / "again").code == 0
    assert (tmp_path / "again" / "report.html").read_text(encoding="utf-8") == page


def test_evaluate_measures_as_enhance_did_and_warns_where_the_profile_is_forgotten(main, shifted, site, tmp_path):
    made = main("enhance", shifted, "--output", tmp_path / "e.nrrd", "--site", site, "--json").json()
    scans = ["--mvct", shifted, "--enhanced", tmp_path / "e.nrrd", "--json"]
    found = main("evaluate", *scans, "--site", site).json()
    for group in ("mvct", "enhanced", "comparison", "verdicts", "site"):
        assert found[group] == made[group]
    assert not any("was made with" in text for text in found["warnings"])
    forgotten = main("evaluate", *scans).json()
    assert any("made with a site profile, but none was named" in text for text in forgotten["warnings"])


@pytest.mark.parametrize("command", ["enhance", "evaluate"])
def test_profile_of_another_scanner_is_refused(main, dicom_scan, with_texts, site, tmp_path, assert_refused, command):
    with_texts(dicom_scan, {"Manufacturer": "Another"})
    scans = {
        "enhance": [dicom_scan, "--output", tmp_path / "e.nrrd"],
        "evaluate": ["--mvct", dicom_scan, "--enhanced", dicom_scan],
    }
    assert_refused(
        main(command, *scans[command], "--site", site, "--progress", "none"),
        "of another scanner, Bunker 2",
        "its manufacturer",
    )


def test_profile_is_used_for_a_scan_that_names_no_scanner_and_said(scan, site, tmp_path):
    result = enhance(EnhanceRequest(scan, tmp_path / "e.nrrd", site=site))
    assert any("names no scanner: the site profile of Bunker 2 was used" in text for text in result.warnings)


def test_ranges_of_the_profile_are_not_used_with_another_model(scan, site, tmp_path):
    result = enhance(EnhanceRequest(scan, tmp_path / "e.nrrd", site=site, model="unpaired"))
    assert any("not for the one chosen" in text for text in result.warnings)
    assert result.record.assessment("mvct", "noise_hu").verdict != "as expected on this scanner"
    assert result.record.provenance.model["name"] == "unpaired"


def test_profile_that_cannot_be_used_is_refused_before_anything_is_read(scan, site, tmp_path):
    profile = replace(read_site(site), model=SiteModel(DEFAULT_MODEL, "0" * 64))
    write_site(profile, site, overwrite=True)
    with pytest.raises(InputError, match="another file than the site profile was made with"):
        enhance(EnhanceRequest(tmp_path / "no scan", tmp_path / "e.nrrd", site=site))
