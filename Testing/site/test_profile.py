"""Site profile: one TOML file that is read as it was written, and refused where it cannot be."""

from dataclasses import replace

import numpy as np
import pytest
from MVCTEnhanceLib.errors import InputError, OutputError
from MVCTEnhanceLib.model.card import DEFAULT_MODEL, find_model, model_sha256
from MVCTEnhanceLib.physics.resolution import Resolution
from MVCTEnhanceLib.site.profile import (
    NO_SITE,
    FittedCalibration,
    Made,
    Point,
    Scanner,
    SiteModel,
    SiteProfile,
    read_site,
    write_site,
)
from MVCTEnhanceLib.volume import Volume
from MVCTEnhanceLib.volume.acquisition import Acquisition

DIGEST = model_sha256(find_model(DEFAULT_MODEL))
FITTED = FittedCalibration(
    12.0,
    0.985,
    0.47,
    0.4,
    0.001,
    0.004,
    "phantom",
    2,
    (Point("LN-300", -720, -697, -0.5), Point('"bone"', 470, 474, 0)),
)
PROFILE = SiteProfile(
    Scanner('Bünker "2"', "Accuray", "TomoHD", "TOMO-2"),
    Made("2026-11-30T10:00:00+01:00", "M. Füßli", "MVCTEnhance 1", ("ab", "cd")),
    FITTED,
    SiteModel(DEFAULT_MODEL, DIGEST),
    {"enhanced": {"noise_hu": {"expected": [4.0, 9.5], "trusted": [2.0, 20.0]}}},
    resolution=Resolution(0.7, 1.8, 0.8, 0.7634, 12000.0, 0.8),
)


@pytest.fixture
def path(tmp_path):
    write_site(PROFILE, tmp_path / "site-profile.toml")
    return tmp_path / "site-profile.toml"


def changed(path, before, after):
    text = path.read_text(encoding="utf-8")
    assert before in text
    path.write_text(text.replace(before, after), encoding="utf-8")
    return path


def test_it_is_read_as_it_was_written(path):
    found = read_site(path)
    assert replace(found, sha256="", folder=PROFILE.folder) == PROFILE
    assert len(found.sha256) == 64 and found.folder == path.parent


def test_one_that_exists_is_kept_unless_it_is_to_be_replaced(path):
    before = path.read_bytes()
    with pytest.raises(OutputError, match="exists already"):
        write_site(PROFILE, path)
    assert path.read_bytes() == before
    write_site(replace(PROFILE, calibration=None), path, overwrite=True)
    assert read_site(path).calibration is None


@pytest.mark.parametrize(
    ("before", "after", "sentence"),
    [
        ("format = 1", "format = 2", "newer version"),
        ("format = 1", "", "is no site profile"),
        ("offset_hu = 12.0", "offset_hu = 61.0", "HU of water of 61 is not plausible"),
        ("slope = 0.985", "slope = nan", "slope of the HU of nan is not plausible"),
        ("bone_slope = 0.47", "bone_slope = 0.2", "of bone of 0.2 is not plausible"),
        ("offset_hu = 12.0", 'offset_hu = "12"', "'offset_hu'"),
        ("expected = [4.0, 9.5]", "expected = [9.5, 4.0]", "a range that is none"),
        ("kernel = 0.7", "kernel = 0.0", "kernel is 0.0"),
        ("[made]", "[mode]", "'mode'"),
        ("[scanner]", "[[scanner]]", "a section with settings is needed"),
        ("[scanner]", "[scanner", "cannot be read as TOML"),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(path, before, after, sentence):
    with pytest.raises(InputError, match=sentence.replace("[", r"\[")):
        read_site(changed(path, before, after))


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read_site(tmp_path / "none.toml")


@pytest.mark.parametrize(
    "taken",
    [
        Acquisition("CT", None, "ACCURAY ", "TomoHD", "TOMO-2"),
        Acquisition("CT", 3500.0, "Accuray", "tomohd", "tomo-2"),
    ],
)
def test_scan_of_this_scanner_is_taken_silently(taken):
    assert PROFILE.scanner_warnings(taken) == ()


@pytest.mark.parametrize("key", ["manufacturer", "model", "station"])
def test_scan_of_another_scanner_is_refused_without_telling_what_its_header_has(key):
    taken = replace(Acquisition("CT", None, "Accuray", "TomoHD", "TOMO-2"), **{key: "SECRET"})
    with pytest.raises(InputError, match=f"of another scanner.*its {key} is not") as refused:
        PROFILE.scanner_warnings(taken)
    assert "SECRET" not in str(refused.value) and "TOMO-2" not in str(refused.value)


def test_what_a_header_does_not_say_is_a_warning():
    (unknown,) = PROFILE.scanner_warnings(Acquisition())
    assert "names no scanner" in unknown and "used all the same" in unknown
    (station,) = PROFILE.scanner_warnings(Acquisition("CT", None, "Accuray", "TomoHD"))
    assert "names no station" in station
    (nameless,) = replace(PROFILE, scanner=Scanner()).scanner_warnings(Acquisition("CT", None, "Accuray"))
    assert "profile names no scanner" in nameless
    assert NO_SITE.scanner_warnings(Acquisition()) == ()


def test_model_is_that_of_the_profile_unless_another_is_chosen(path, tmp_path):
    profile = read_site(path)
    assert profile.model_file(None) == profile.model_file(DEFAULT_MODEL) == (find_model(DEFAULT_MODEL), ())
    file, (warning,) = profile.model_file("unpaired")
    assert file == find_model("unpaired") and "expected ranges are not used" in warning
    assert NO_SITE.model_file(None) == (find_model(DEFAULT_MODEL), ())


def test_model_beside_the_profile_is_known_by_its_content(path, tmp_path):
    own = tmp_path / "own.safetensors"
    own.write_bytes(find_model(DEFAULT_MODEL).read_bytes())
    changed(path, f'name = "{DEFAULT_MODEL}"', 'name = "own.safetensors"')
    assert read_site(path).model_file(None) == (own, ())
    own.write_bytes(b"another")
    with pytest.raises(InputError, match="another file than the site profile was made with"):
        read_site(path).model_file(None)


def test_its_ranges_take_the_place_of_the_card_s(path):
    profile = read_site(path)
    old = {"expected": [1, 2], "trusted": [0, 3]}
    card = {"name": "m", "expected": {"enhanced": {"noise_hu": old, "dig": old}}}
    (found, other) = (profile.card(card, digest)["expected"]["enhanced"] for digest in (DIGEST, "of another model"))
    assert found == {"dig": old, "noise_hu": {"expected": [4.0, 9.5], "trusted": [2.0, 20.0], "on_this_scanner": True}}
    assert other == card["expected"]["enhanced"] and "on_this_scanner" not in old


def test_calibration_turns_the_scanner_s_hu_into_exact_ones_and_leaves_air_and_padding():
    exact = np.array([-1000, -700, -100, 0, 40, 100, 300, 1000, 5000.0])
    shown = FITTED.line.shown_hu(exact)
    np.testing.assert_allclose(shown[[0, 3, 5]], [-973, 12, 110.5])
    np.testing.assert_allclose((shown[7] - shown[6]) / 700, 0.985 * 0.47 / 0.985 / 0.48)
    np.testing.assert_allclose(FITTED.line.exact_hu(shown), exact, atol=1e-3)
    assert FITTED.line.exact_hu(np.array([-1024])) == -1024  # not measured


def test_nothing_of_a_calibrated_scan_is_clipped():
    ends = Volume(np.array([[[-32768, 32767, 0]]], np.int16))
    found = PROFILE.calibrated(ends).array
    np.testing.assert_allclose(found.ravel(), FITTED.line.exact_hu(ends.array).ravel())
    assert found.min() < -32768 and found.max() > 32767
    assert NO_SITE.calibrated(ends) is ends
    assert PROFILE.calibrated(Volume(np.zeros((1, 2, 2), np.int16))).array.dtype == np.int16
