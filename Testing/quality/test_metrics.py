"""All readouts of a scan and its enhanced scan: names, means, slices without a value."""

import json
import math

import numpy as np
import pytest
from MVCTEnhanceLib.errors import InputError
from MVCTEnhanceLib.quality.body import body_mask
from MVCTEnhanceLib.quality.metrics import evaluate, metric_values
from MVCTEnhanceLib.quality.noise import noise_sd
from MVCTEnhanceLib.quality.nselfssim import nselfssim

SPACING = (1.0, 1.0, 3.0)
OF_AIR_IN_THE_BODY = {"edge_overshoot_hu", "edge_undershoot_hu"}  # which the thorax has not
OF_A_SCAN = {"nselfssim", "noise_hu", "cnr_muscle_fat", "edge_width_mm", "bone_edge_width_mm"} | OF_AIR_IN_THE_BODY


@pytest.fixture
def scans(thorax, white_noise):
    """Truth, MVCT (noisy, last slice all air) and enhanced (less noisy), three slices each."""
    truth = np.stack([thorax, thorax, np.full_like(thorax, -1000)])
    mvct, enhanced = (truth + white_noise(truth.shape, sd) for sd in (33, 10))
    return truth, mvct, enhanced


def test_mean_and_sd_leave_out_slices_without_a_value():
    noise = metric_values("noise_hu", [1.0, 3.0, math.nan, math.inf])
    assert noise.to_dict() == {
        "mean": 2.0,
        "sd": pytest.approx(math.sqrt(2)),
        "slices": 2,
        "unit": "HU",
        "per_slice": [1.0, 3.0, None, None],
    }


def test_readout_without_any_value_is_null():
    assert metric_values("noise_hu", [math.nan]).to_dict() == {
        "mean": None,
        "sd": None,
        "slices": 0,
        "unit": "HU",
        "per_slice": [None],
    }


def test_names_are_stable_and_everything_is_json(scans):
    truth, mvct, enhanced = scans
    table = evaluate(mvct, enhanced, spacing=SPACING, kvct=truth[:1], kvct_spacing=SPACING, truth=truth).to_dict()
    assert json.loads(json.dumps(table, allow_nan=False)) == table
    assert set(table) == {"mvct", "enhanced", "comparison", "planning_ct", "truth", "parameters"}
    assert set(table["mvct"]) == set(table["enhanced"]) == OF_A_SCAN | {"fine_noise_hu"}
    assert set(table["planning_ct"]) == OF_A_SCAN
    distances = {"nselfssim_distance", "fat_offset", "soft_tissue_offset"}
    assert set(table["comparison"]) == {"dig", "dig_scaled", "air_agreement", "hu_bias"} | distances
    assert set(table["comparison"]["hu_bias"]) == {"lung", "fat", "soft_tissue", "bone"}
    assert set(table["truth"]) == {"mvct", "enhanced"}
    assert set(table["truth"]["enhanced"]) == {"mae_hu", "psnr_db", "ssim", "hu_bias", "edge_error"}
    assert table["parameters"]["nselfssim"]["noise_hu"] == 20
    assert table["parameters"]["nselfssim"]["ssim"]["clip_hu"] == [-600, 400]


def test_planning_ct_and_truth_are_absent_when_not_given(scans):
    _, mvct, enhanced = scans
    table = evaluate(mvct, enhanced, spacing=SPACING).to_dict()
    assert set(table) == {"mvct", "enhanced", "comparison", "parameters"}
    assert set(table["comparison"]) == {"dig", "dig_scaled", "air_agreement", "hu_bias"}


def test_values_are_those_of_the_functions_slice_by_slice(scans):
    _, mvct, enhanced = scans
    table = evaluate(mvct, enhanced, spacing=(0.8, 0.9, 3.0)).to_dict()
    body = body_mask(mvct[1], pixel_size=(0.9, 0.8))
    assert table["enhanced"]["nselfssim"]["per_slice"][1] == nselfssim(enhanced[1], body)
    noise = noise_sd(mvct[1], body, pixel_size=(0.9, 0.8))
    assert table["mvct"]["noise_hu"]["per_slice"][1] == pytest.approx(noise, rel=1e-9)


def test_slice_of_air_has_no_values_and_spoils_no_mean(scans):
    truth, mvct, enhanced = scans
    table = evaluate(mvct, enhanced, spacing=SPACING, truth=truth).to_dict()
    for name in OF_A_SCAN:
        assert table["mvct"][name]["per_slice"][2] is None
        assert (table["mvct"][name]["mean"] is None) == (name in OF_AIR_IN_THE_BODY)
    assert table["truth"]["mvct"]["mae_hu"]["per_slice"][2] is None


def test_enhancement_of_less_noise_reads_as_such(scans):
    truth, mvct, enhanced = scans
    table = evaluate(mvct, enhanced, spacing=SPACING, kvct=truth, kvct_spacing=SPACING, truth=truth).to_dict()
    assert table["mvct"]["noise_hu"]["mean"] == pytest.approx(33, rel=0.1)
    assert table["enhanced"]["noise_hu"]["mean"] == pytest.approx(10, rel=0.1)
    assert table["truth"]["enhanced"]["mae_hu"]["mean"] < table["truth"]["mvct"]["mae_hu"]["mean"]
    distance = table["comparison"]["nselfssim_distance"]
    assert distance["enhanced"] < distance["mvct"]


def test_progress_counts_every_slice(scans):
    truth, mvct, enhanced = scans
    seen = []
    evaluate(
        mvct,
        enhanced,
        spacing=SPACING,
        kvct=truth[:2],
        kvct_spacing=SPACING,
        progress=lambda event, **fields: seen.append((event, fields["done"], fields["total"])),
    )
    assert seen == [("evaluate", done, 5) for done in range(1, 6)]


def test_int16_volumes_give_the_same_as_float(scans):
    _, mvct, enhanced = (scan.round() for scan in scans)
    a = evaluate(mvct.astype(np.int16), enhanced.astype(np.int16), spacing=SPACING).to_dict()
    assert a == evaluate(mvct, enhanced, spacing=SPACING).to_dict()


def test_shapes_that_differ_are_both_named(scans):
    truth, mvct, enhanced = scans
    with pytest.raises(InputError, match=r"\(3, 256, 256\).*\(2, 256, 256\)"):
        evaluate(mvct, enhanced[:2], spacing=SPACING)
    with pytest.raises(InputError, match=r"truth has shape \(1, 256, 256\)"):
        evaluate(mvct, enhanced, spacing=SPACING, truth=truth[:1])


def test_values_that_are_not_numbers_are_refused_with_their_slice(scans):
    _, mvct, enhanced = scans
    enhanced[1, 5, 5] = np.nan
    with pytest.raises(InputError, match=r"enhanced scan has values that are not numbers .* slice 1"):
        evaluate(mvct, enhanced, spacing=SPACING)
