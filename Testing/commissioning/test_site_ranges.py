"""Ranges of a scanner from its patients, and what assessments say with them."""

import math
from dataclasses import replace

import numpy as np
import pytest
from MVCTEnhanceLib.assessment.verdicts import judge
from MVCTEnhanceLib.commissioning.site_ranges import MIN_PATIENTS, site_ranges
from MVCTEnhanceLib.errors import InputError
from MVCTEnhanceLib.quality.metrics import evaluate
from MVCTEnhanceLib.site.profile import Made, Scanner, SiteProfile, read_site, write_site
from scipy import ndimage

CARD = {"trained_on": {"field_of_view_mm": [390.0, 400.0]}, "expected": {}}


@pytest.fixture(scope="module")
def records(patient):
    """Of nine patients, whose enhanced scans are smoothed, with a field of view other than that of the card."""

    def record(seed):
        mvct = patient(noise_hu=25, seed=seed)
        mvct = replace(mvct, array=mvct.array[::4])
        smooth = ndimage.gaussian_filter(mvct.array.astype(float), (0, 1, 1))
        found = evaluate(mvct.array, np.rint(smooth).astype(np.int16), spacing=mvct.spacing)
        return replace(found, parameters={**found.parameters, "field_of_view_mm": [288.0, 288.0]})

    return [record(seed) for seed in range(9)]


def test_fewer_than_eight_patients_are_refused(records):
    with pytest.raises(InputError, match=r"Patients found: 7, but .* need at least 8"):
        site_ranges(records[: MIN_PATIENTS - 1])


def test_metric_that_few_patients_show_keeps_the_range_of_the_model(records):
    def without_noise(record):
        noise = record.groups["mvct"]["noise_hu"]
        missing = replace(noise, per_slice=(math.nan,) * len(noise.per_slice), mean=math.nan)
        return replace(record, groups={**record.groups, "mvct": {**record.groups["mvct"], "noise_hu": missing}})

    ranges = [site_ranges([*map(without_noise, records[:few]), *records[few:8]])["mvct"] for few in (3, 4)]
    assert "noise_hu" in ranges[0] and "noise_hu" not in ranges[1]


def test_ranges_come_back_from_the_profile_with_their_open_sides(records, tmp_path):
    ranges = site_ranges(records[:8])
    assert ranges["measured_on"] == "8 patients on this scanner (24 slices)"
    ranges["enhanced"]["edge_overshoot_hu"] = {"expected": [None, 30.0], "trusted": [None, 60.0]}
    write_site(SiteProfile(Scanner("B"), Made("now", "me", "p"), expected=ranges), tmp_path / "site.toml")
    assert read_site(tmp_path / "site.toml").expected == ranges
    assert "expected = [-inf, " in (tmp_path / "site.toml").read_text(encoding="utf-8")


def test_another_patient_is_as_expected_on_this_scanner_and_a_noisy_one_is_not(records):
    site = SiteProfile(Scanner("B"), Made("now", "me", "p"), expected=site_ranges(records[:8]))
    card = site.card(CARD, "")
    found = judge(records[8], card)
    assert found["mvct"]["noise_hu"].verdict == "as expected on this scanner"
    assert found["comparison"]["dig"].verdict == "as expected on this scanner"  # of this scanner's field of view
    noise = records[8].groups["mvct"]["noise_hu"]
    values = tuple(3 * value for value in noise.per_slice)
    noisy = {**records[8].groups["mvct"], "noise_hu": replace(noise, per_slice=values, mean=3 * noise.mean)}
    worse = judge(replace(records[8], groups={**records[8].groups, "mvct": noisy}), card)["mvct"]["noise_hu"]
    assert worse.verdict == "do not trust" and "on this scanner" in worse.reason
