"""Quality assurance against the values of the acceptance, which a site profile has."""

import json
from dataclasses import replace

import numpy as np
import pytest
from MVCTEnhanceLib.errors import InputError
from MVCTEnhanceLib.io import write_volume
from MVCTEnhanceLib.qa.phantoms import WATER
from MVCTEnhanceLib.qa.result import values_of
from MVCTEnhanceLib.site.profile import AcceptedQA, Made, Scanner, SiteProfile, read_site, write_site
from MVCTEnhanceLib.volume import Volume

ACCEPTED = AcceptedQA(
    WATER, "2026-01-31", True, {"water_hu": 0.0, "noise_hu": 20.0}, {"water_hu": 0.0, "noise_hu": 5.0}
)
PROFILE = SiteProfile(Scanner("Bunker 2"), Made("2026-01-31T10:00:00+01:00", "me", "p"), qa=ACCEPTED)


@pytest.fixture
def qa(main, tmp_path, no_pylinac):
    """Function (noise after, water, what else): quality assurance of a water cylinder with the profile as baseline."""
    y, x = np.mgrid[:64, :64] * 4.0 - 126
    inside = np.hypot(x, y) < 100

    def scan(name, water_hu, sd):
        noise = np.random.default_rng(1).normal(0, sd, (4, 64, 64))
        write_volume(
            Volume(np.rint(np.where(inside, water_hu, -1000) + noise).astype(np.int16), (4.0, 4.0, 6.0)),
            tmp_path / name,
        )
        return tmp_path / name

    def qa(sd=5.0, water_hu=0.0, *, profile=PROFILE, more=()):
        write_site(profile, tmp_path / "site.toml", overwrite=True)
        scans = scan("mvct.nrrd", water_hu, 20), scan("enhanced.nrrd", water_hu, sd)
        arguments = ("--phantom", WATER, "--enhanced", scans[1], "--baseline", tmp_path / "site.toml", *more)
        return main("qa", scans[0], *arguments, "--output", tmp_path / "qa", "--json", "--progress", "none")

    return qa


def test_values_as_at_the_acceptance_pass_and_are_shown_beside_it(qa, tmp_path):
    result = qa()
    assert result.code == 0, result.stderr
    found = result.json()
    noise = found["values"]["noise_hu"]["enhanced"]
    assert found["accepted"] == "2026-01-31" and noise["accepted"] == 5
    assert noise["change"]["value"] == pytest.approx(noise["value"] - 5) and noise["change"]["passed"] is True
    assert "change" not in found["values"]["mtf_50"]["mvct"]  # not known at the acceptance
    page = (tmp_path / "qa" / "report.html").read_text(encoding="utf-8")
    assert "4 of 4 values have changed since the acceptance (2026-01-31) by no more than" in page
    before, after = values_of(json.loads((tmp_path / "qa" / "qa.json").read_text(encoding="utf-8")))[0]
    assert (before.name, before.rule, before.passed, after.nominal) == ("water_hu", "±", True, 0)


def test_change_beyond_its_tolerance_fails_although_the_value_is_within_its_own(qa, tmp_path):
    result = qa(sd=9.0)
    assert result.code == 3
    noise = result.json()["values"]["noise_hu"]["enhanced"]
    assert (noise["passed"], noise["change"]["passed"]) == (True, False)
    page = (tmp_path / "qa" / "report.html").read_text(encoding="utf-8")
    assert "Enhanced, Noise: SD in the centre:</strong> +" in page and "tolerance ± 3" in page


def test_tolerances_of_change_are_those_of_the_file_and_without_any_a_warning_says_so(qa, tmp_path):
    limits = tmp_path / "limits.toml"
    limits.write_text("[enhanced_change]\nnoise_hu = 0.001\n")
    assert qa(more=("--tolerances", limits)).code == 3
    limits.write_text("[mvct]\nnoise_hu = 50\n")
    result = qa(sd=9.0, more=("--tolerances", limits))
    assert result.code == 0 and any("shown, but not judged" in text for text in result.json()["warnings"])


def test_profile_without_values_or_of_another_phantom_is_refused(qa):
    for profile, words in (
        (replace(PROFILE, qa=None), "has no values of quality assurance"),
        (replace(PROFILE, qa=replace(ACCEPTED, phantom="tomo-cheese")), "another phantom, TomoTherapy cheese phantom"),
        (replace(PROFILE, scanner=Scanner("B", "Accuray")), None),  # the scan says no manufacturer
    ):
        result = qa(profile=profile)
        if words:
            assert result.code == 1 and words in result.stderr and result.stdout == ""
        else:
            assert any("names no scanner" in text for text in result.json()["warnings"])


def test_values_of_the_acceptance_are_read_as_they_were_written(tmp_path):
    write_site(PROFILE, tmp_path / "site.toml")
    assert read_site(tmp_path / "site.toml").qa == ACCEPTED
    text = (tmp_path / "site.toml").read_text(encoding="utf-8")
    (tmp_path / "site.toml").write_text(text.replace("noise_hu = 20.0", 'noise_hu = "20"'), encoding="utf-8")
    with pytest.raises(InputError, match=r"\[qa\] of .* holds a value that is no number"):
        read_site(tmp_path / "site.toml")
