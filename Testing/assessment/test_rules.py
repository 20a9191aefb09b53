"""Assessment rules that hold for every model."""

import math

import pytest
from MVCTEnhanceLib.assessment.ranges import chosen_offset, expectation
from MVCTEnhanceLib.assessment.rules import (
    above_planning_ct,
    against_mvct,
    against_planning_ct,
    distance_to_planning_ct,
    offset_from_planning_ct,
    outlier_slices,
)
from MVCTEnhanceLib.quality.metrics import metric_values
from MVCTEnhanceLib.quality.record import Distance

CARD = {
    "expected": {
        "enhanced_to_mvct": {"noise_hu": {"expected": [0.2, 0.6], "trusted": [0.1, 0.9]}},
        "enhanced_to_planning_ct": {"noise_hu": {"expected": [0.6, 1.6], "trusted": [0.3, 3.0]}},
        "comparison": {"nselfssim_distance": {"expected": [None, 0.06], "trusted": [None, 0.1]}},
    }
}
WAVE = [1000.0, 1010.0, 1030.0, 1020.0, 1005.0, 990.0, 1000.0, 1015.0, 1025.0, 1010.0]


def measured(name, *values):
    return metric_values(name, [math.nan if value is None else value for value in values])


@pytest.mark.parametrize(("factor", "level"), [(0.7, 0), (1.0, 0), (1.02, 0), (1.05, 1), (1.3, 2)])
@pytest.mark.parametrize("name", ["edge_width_mm", "bone_edge_width_mm"])
def test_edge_wider_than_the_mvcts_is_blur_without_any_range(name, factor, level):
    widths = [2.5, 2.6, None, 2.4]
    after = [width and factor * width for width in widths]
    found = against_mvct(measured(name, *widths), measured(name, *after), None)
    assert found.level == level
    assert ("blurred" in found.text) == bool(level)


def test_edges_are_compared_in_the_slices_that_show_both():
    found = against_mvct(measured("edge_width_mm", 2.0, None, 15.0), measured("edge_width_mm", 1.4, 9.0, None), None)
    assert found.level == 0


@pytest.mark.parametrize(
    ("factor", "level", "words"),
    [(0.4, 0, "as expected"), (0.7, 1, "noise is left"), (1.0, 2, "far above"), (0.05, 2, "smoothed")],
)
def test_noise_is_judged_as_a_part_of_the_mvcts(factor, level, words):
    wanted = expectation(CARD, "enhanced_to_mvct", "noise_hu")
    found = against_mvct(measured("noise_hu", 25.0, 30.0), measured("noise_hu", 25 * factor, 30 * factor), wanted)
    assert (found.level, words in found.text) == (level, True), found.text


@pytest.mark.parametrize(
    ("overshoot", "level", "words"), [(64.0, 1, "59 HU above"), (34.0, 0, "29 HU above"), (-5.0, 0, "10 HU below")]
)
def test_overshoot_is_judged_by_the_planning_cts(overshoot, level, words):
    after = measured("edge_overshoot_hu", overshoot)
    found = above_planning_ct(after, measured("edge_overshoot_hu", 3.0, None, 7.0), 30.0)
    assert (found.level, words in found.text) == (level, True), found.text
    assert above_planning_ct(after, measured("edge_overshoot_hu", None), 30.0) is None


@pytest.mark.parametrize(
    ("noise", "level", "words"), [(10.0, 0, "1.00 of the planning CT's"), (5.0, 1, "smoother"), (40.0, 2, "noisier")]
)
def test_noise_is_judged_by_the_planning_cts(noise, level, words):
    wanted = expectation(CARD, "enhanced_to_planning_ct", "noise_hu")
    found = against_planning_ct(measured("noise_hu", noise), measured("noise_hu", 9.0, 11.0), wanted)
    assert (found.level, words in found.text) == (level, True), found.text


def test_planning_ct_without_a_value_is_no_aim():
    wanted = expectation(CARD, "enhanced_to_planning_ct", "noise_hu")
    assert against_planning_ct(measured("noise_hu", 10.0), measured("noise_hu", None), wanted) is None


@pytest.mark.parametrize(
    ("before", "after", "level", "words"),
    [
        (0.05, 0.02, 0, "It is 0.020 from the planning CT's, the MVCT's 0.050."),
        (0.002, 0.008, 0, "0.008"),
        (0.03, 0.03, 1, "no nearer"),
        (0.09, 0.07, 1, "does not have the planning CT's image quality"),
        (0.2, 0.15, 2, "does not have"),
        (math.nan, math.nan, 1, "could not be measured"),
    ],
)
def test_distance_to_the_planning_ct(before, after, level, words):
    wanted = expectation(CARD, "comparison", "nselfssim_distance")
    found = distance_to_planning_ct(Distance(before, after), wanted)
    assert (found.level, words in found.text) == (level, True), found.text


@pytest.mark.parametrize(
    ("offset", "level", "words"),
    [
        (-14.0, 0, "It is -14 HU from the planning CT's, the MVCT's -13 HU, as expected (-15 to 15 HU)."),
        (28.0, 1, "above the expected -15 to 15 HU: the HU calibration of the MVCT may be wrong"),
        (-20.0, 1, "the planning CT may have contrast agent"),
        (-31.0, 2, "far below the expected"),
    ],
)
def test_offset_from_the_planning_ct(offset, level, words):
    found = offset_from_planning_ct(Distance(offset + 1, offset, "HU"), chosen_offset("soft_tissue_offset"))
    assert (found.level, words in found.text) == (level, True), found.text


def named(values):
    return [f"slice {number} of {len(values)}" for number in range(1, len(values) + 1)]


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("dig", [*WAVE[:5], 1400.0, *WAVE[6:]]),
        ("dig", [*WAVE[:9], 1400.0]),
        ("air_agreement", [99.4, 99.5, 99.45, 99.4, 99.0, 99.45, 99.5, 99.4]),
        ("soft_tissue", [0.2, 0.3, 0.1, 0.2, 0.3, -8.0, 0.2, 0.1]),
    ],
)
def test_slice_unlike_its_neighbours_is_named(name, values):
    odd = max(range(len(values)), key=lambda k: abs(values[k] - sorted(values)[len(values) // 2]))
    found = outlier_slices(measured(name, *values), named(values))
    assert found.level == 1
    assert f"Slice {odd + 1} of {len(values)}, stands out" in found.text


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("dig", WAVE),
        ("dig", [400.0 + 60 * k for k in range(30)]),  # another part of the body, step by step
        ("dig", [1000.0] * 20),
        ("air_agreement", [99.4, 99.5, 99.45, 99.4, 99.3, 99.45, 99.5, 99.4]),
        ("dig", [1000.0, 5000.0, 1000.0]),  # too few to know what is odd
        ("fat", [*WAVE[:5], 1400.0, *WAVE[6:]]),
        ("dig", [None] * 12),
    ],
)
def test_slices_like_their_neighbours_are_not_named(name, values):
    assert outlier_slices(measured(name, *values), named(values)).level == 0


def test_several_odd_slices_are_counted():
    values = [*WAVE, 1500.0, *WAVE, 1700.0, *WAVE]
    text = outlier_slices(measured("dig", *values), named(values)).text
    assert f"2 slices, most of all slice 22 of {len(values)}, stand out" in text
