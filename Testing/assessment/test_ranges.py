"""A readout against the ranges of the card: the scan as a whole, then each slice."""

import math

import pytest
from MVCTEnhanceLib.assessment.ranges import Range, expectation, in_range, is_field
from MVCTEnhanceLib.quality.metrics import metric_values

CARD = {"expected": {"enhanced": {"noise_hu": {"expected": [5.0, 20.0], "trusted": [2.0, 30.0]}}}}
NOISE = expectation(CARD, "enhanced", "noise_hu")


def finding(*values):
    slices = [f"slice {number} of {len(values)}" for number in range(1, len(values) + 1)]
    measured = metric_values("noise_hu", [math.nan if value is None else value for value in values])
    return in_range(measured, NOISE, slices)


@pytest.mark.parametrize(
    ("mean", "level", "words"),
    [
        (12.0, 0, "Mean 12.0 HU is within the expected 5.0 to 20.0 HU."),
        (5.0, 0, "within the expected"),
        (20.0, 0, "within the expected"),
        (4.0, 1, "is below the expected 5.0 to 20.0 HU: detail may have been smoothed away"),
        (25.0, 1, "is above the expected 5.0 to 20.0 HU: noise is left."),
        (1.0, 2, "is far below"),
        (31.0, 2, "is far above"),
    ],
)
def test_mean_is_placed_and_its_cause_told(mean, level, words):
    found = finding(mean)
    assert (found.level, words in found.text) == (level, True), found.text
    assert "slices" not in found.text


def test_slices_outside_are_counted_and_the_worst_named():
    found = finding(*[12.0] * 17, 21.0, None, 22.0)
    assert found.level == 0
    assert found.text.endswith("2 of 19 slices are outside, most of all slice 20 of 20 (22.0 HU).")


def test_a_quarter_of_the_slices_outside_is_to_be_looked_at():
    found = finding(*[12.0] * 7, *[21.0] * 3)
    assert found.level == 1
    assert found.text.endswith("3 of 10 slices are outside, most of all slice 8 of 10 (21.0 HU): noise is left.")


def test_one_slice_that_is_not_to_be_trusted_is_to_be_looked_at():
    found = finding(*[12.0] * 18, 1.0, 12.0)
    assert found.level == 1
    assert "1 of 20 slices is outside, most of all slice 19 of 20 (1.0 HU): detail may have been" in found.text


def test_a_scan_is_not_to_be_trusted_when_most_slices_are_not():
    assert finding(*[1.0] * 6, *[29.0] * 4).level == 2


def test_worst_slice_is_the_one_furthest_outside_on_either_side():
    assert "most of all slice 2 of 3" in finding(3.0, 40.0, 12.0).text


def test_value_of_hardly_any_slice_says_nothing_of_the_scan():
    found = finding(*[None] * 9, 90.0)
    assert found.level == 1
    assert found.text.endswith("Only 1 of 10 slices contains enough homogeneous soft tissue.")
    assert finding(90.0).level == 2  # a scan of a single slice
    assert finding(None, 90.0, 90.0, 90.0).level == 2


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (99.0, None, "at least 99.00 %"),
        (None, 0.5, "at most 0.50 %"),
        (1.0, 2.0, "1.00 to 2.00 %"),
        (None, None, "any value"),
    ],
)
def test_range_in_words(low, high, words):
    assert Range(low, high).in_words(2, "%") == words


def test_open_side_holds_everything():
    wanted = Range(99.0, None)
    assert (wanted.beyond(1e9), wanted.beyond(99.0), wanted.beyond(98.0)) == (0, 0, -1)


@pytest.mark.parametrize(
    "card",
    [
        {},
        {"expected": None},
        {"expected": {"enhanced": []}},
        {"expected": {"enhanced": {"noise_hu": {"expected": [1, 2]}}}},
    ],
)
def test_card_that_has_no_range_gives_none(card):
    assert expectation(card, "enhanced", "noise_hu") is None


def test_field_of_view_may_differ_by_a_twentieth():
    assert is_field((391.0, 400.0), (390.0, 390.0))
    assert not is_field((391.0, 430.0), (390.0, 390.0))
    assert is_field((300.0, 390.0), (290.0, 400.0))
