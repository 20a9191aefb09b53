"""Strength of an enhancement: a blend on the density scale that every output names."""

import numpy as np
import pydicom
import pytest
from MVCTEnhanceLib.errors import InputError
from MVCTEnhanceLib.io import read_volume, write_volume
from MVCTEnhanceLib.jobs.enhance import enhance
from MVCTEnhanceLib.jobs.requests import EnhanceRequest
from MVCTEnhanceLib.jobs.strength import matching_strength, with_strength
from MVCTEnhanceLib.physics.density import density_hu_from_kv, kv_hu_from_density
from MVCTEnhanceLib.quality.record import EnhancementRecord
from MVCTEnhanceLib.volume import Volume
from MVCTEnhanceLib.volume.product import Product, product_in

OF_FULL_STRENGTH = ("nselfssim", "noise_hu")  # of those that this scan has


def test_it_is_a_blend_on_the_density_scale(scan, mvct, tmp_path):
    full, half, none = (
        enhance(EnhanceRequest(scan, tmp_path / f"{strength}.nrrd", strength=strength)).enhanced.array
        for strength in (100, 50, 0)
    )
    halfway = kv_hu_from_density((mvct.array + density_hu_from_kv(full.astype(float))) / 2)
    np.testing.assert_allclose(half, halfway, atol=0.51)
    np.testing.assert_allclose(none, kv_hu_from_density(mvct.array.astype(float)), atol=0.51)
    assert np.abs(half.astype(int) - (full.astype(int) + none) / 2).max() > 20  # in bone that is another blend
    np.testing.assert_array_equal(read_volume(tmp_path / "50.nrrd").array, half)


def test_every_output_names_a_strength_below_100(main, dicom_scan, tmp_path):
    dicom, file, report = tmp_path / "dicom", tmp_path / "difference.nii.gz", tmp_path / "report"
    arguments = ["--output", dicom, "--difference", file, "--report", report, "--strength", "40", "--force"]
    result = main("enhance", dicom_scan, *arguments, "--json")
    assert result.code == 0, result.stderr
    assert read_volume(dicom).product.strength == read_volume(file).product.strength == 40
    header = pydicom.dcmread(sorted(dicom.iterdir())[0])
    assert header.SeriesDescription == "MVCT enhanced, at 40 %, research only"
    assert "strength 40 %" in header.ImageComments and "strength 40 %" in header.DerivationDescription
    assert result.json()["parameters"]["strength"] == 40
    assert "40 %" in (report / "report.html").read_text(encoding="utf-8")


def test_expected_ranges_of_full_strength_are_not_used_below_it(scan, tmp_path):
    for strength in (99, 100):
        result = enhance(EnhanceRequest(scan, tmp_path / f"{strength}.nrrd", strength=strength))
        verdicts = {name: entry.verdict for name, entry in result.record.assessments["enhanced"].items()}
        unused = [name for name in OF_FULL_STRENGTH if verdicts[name] == "not applicable"]
        assert unused == (list(OF_FULL_STRENGTH) if strength == 99 else [])
        assert any("strength of 99 %" in text for text in result.warnings) == (strength == 99)
        assert result.record.assessments["mvct"]["noise_hu"].verdict != "not applicable"


def test_evaluate_knows_the_strength_from_the_file(main, scan, tmp_path):
    assert main("enhance", scan, "--output", tmp_path / "e.nii", "--strength", "30").code == 0
    found = main("evaluate", "--mvct", scan, "--enhanced", tmp_path / "e.nii", "--json").json()
    assert found["parameters"]["strength"] == 30
    assert EnhancementRecord.from_dict(found).assessment("enhanced", "noise_hu").verdict == "not applicable"


def test_a_scan_that_does_not_say_its_strength_is_not_said_to_have_one(main, scan, mvct, tmp_path):
    write_volume(mvct, tmp_path / "other.nrrd")
    found = main("evaluate", "--mvct", scan, "--enhanced", tmp_path / "other.nrrd", "--json").json()
    assert "strength" not in found["parameters"]


@pytest.fixture
def head() -> tuple[Volume, Volume]:
    """A noisy cylinder, and the same without noise."""
    j, i = np.mgrid[:64, :64] - 31.5
    smooth = np.where(np.hypot(j, i) < 25, 20.0, -1000.0)
    noise = np.random.default_rng(4).normal(0, 60, (5, 64, 64))
    noisy, calm = (np.rint(smooth + part).astype(np.int16) for part in (noise, 0 * noise))
    return Volume(noisy, (2.0, 2.0, 4.0)), Volume(calm, (2.0, 2.0, 4.0))


@pytest.mark.parametrize("strength", [0, 37, 80, 100])
def test_match_finds_the_strength_of_the_planning_ct(head, strength):
    mvct, enhanced = head
    planning_ct = with_strength(mvct, enhanced, strength)
    assert matching_strength(mvct, enhanced, planning_ct) == pytest.approx(strength, abs=1)


def test_match_without_a_body_is_refused(head):
    mvct, enhanced = head
    air = mvct.with_array(np.full_like(mvct.array, -1000))
    with pytest.raises(InputError, match="planning CT shows no body"):
        matching_strength(mvct, enhanced, air)


def test_match_is_made_and_told(main, scan, mvct, tmp_path):
    write_volume(mvct, tmp_path / "kvct.nrrd")
    arguments = ["--output", tmp_path / "e.nrrd", "--kvct", tmp_path / "kvct.nrrd", "--strength", "match", "--json"]
    found = main("enhance", scan, *arguments).json()
    assert found["parameters"]["strength"] < 50 and any("strength of" in text for text in found["warnings"])


@pytest.mark.parametrize(("strength", "words"), [("101", "0 to 100 or 'match'"), ("half", "'half'"), ("-1", "'-1'")])
def test_other_strengths_are_refused(main, scan, tmp_path, strength, words):
    result = main("enhance", scan, "--output", tmp_path / "e.nrrd", f"--strength={strength}")
    assert result.code != 0 and words in result.stderr


def test_match_needs_the_planning_ct(main, scan, tmp_path, assert_refused):
    assert_refused(main("enhance", scan, "--output", tmp_path / "e.nrrd", "--strength", "match"), "planning CT")


def test_a_product_keeps_its_strength_in_few_characters():
    product = Product("cycle error", "0123abcd" * 8, 5)
    assert product_in(product.marker) == product
    assert product_in(product.marker[:80]).strength == 5
    assert product_in(Product("enhanced", "ab12").marker).strength == 100
