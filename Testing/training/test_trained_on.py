"""The card's entry on the scans of a training is what they are, and is understood where scans are compared with it."""

import numpy as np
import pytest
from MVCTEnhanceLib.assessment.input_warnings import input_warnings
from MVCTEnhanceLib.model.card import Plan
from MVCTEnhanceLib.model.intensities import DENSITY
from MVCTEnhanceLib.quality.spread import rounded, widened
from MVCTEnhanceLib.training.trained_on import PERCENTILES, TrainedOn
from MVCTEnhanceLib.volume import Volume


def scan(seed=0, *, noise_hu=20.0, size=96, mm=2.0, direction=None):
    j, i = np.indices((size, size)) - (size - 1) / 2
    body = np.where(np.hypot(j, i) * mm < 80, 30.0, -1000.0)
    array = body + np.random.default_rng(seed).normal(0, noise_hu, (3, size, size))
    return Volume(
        array.round().astype(np.int16), (mm, mm, 4.0), direction=np.eye(3) if direction is None else direction
    )


def entry(*scans):
    seen = TrainedOn()
    for one in scans:
        seen.add(one)
    return seen.to_card("test scans")


def test_ranges_hold_all_scans():
    card = entry(scan(), scan(1, noise_hu=30, size=120, mm=1.5))
    assert card["spacing_mm"] == [1.5, 2.0]
    assert card["field_of_view_mm"] == [180.0, 192.0]
    low, high = card["noise_hu"]
    assert low == pytest.approx(20, abs=3) and high == pytest.approx(30, abs=4)
    assert (card["scans"], card["modality"], card["orientation"]) == ("test scans", "CT", "axial")


def test_hu_are_numpys_percentiles_widened():
    scans = [scan(), scan(1, noise_hu=40)]
    values = np.concatenate([one.array.ravel() for one in scans])
    assert entry(*scans)["hu"] == widened(*np.percentile(values, PERCENTILES))


def test_order_of_scans_does_not_matter_and_float_values_are_rounded():
    first, second = scan(), scan(1)
    as_float = second.with_array(second.array.astype(np.float32) + 0.25)
    assert entry(first, second) == entry(as_float, first) | {"noise_hu": entry(first, second)["noise_hu"]}


def test_slices_that_are_not_axial_are_said():
    coronal = scan(direction=np.array([[1.0, 0, 0], [0, 0, 1], [0, 1, 0]]))
    assert entry(scan(), coronal)["orientation"] == "not all axial"


def test_noise_that_cannot_be_measured_is_left_out():
    air = Volume(np.full((2, 64, 64), -1000, np.int16), (2.0, 2.0, 4.0))
    card = entry(air)
    assert "noise_hu" not in card and card["hu"] == [-1000.0, -1000.0]


def test_scan_like_those_of_the_training_raises_no_doubt_and_another_does():
    card = {"trained_on": entry(scan(), scan(1, noise_hu=22))}
    plan = Plan("density-residual", 2.0, DENSITY)
    assert input_warnings(scan(2, noise_hu=21), plan, card) == []
    (doubt,) = input_warnings(
        scan(2, noise_hu=60).with_array(scan(2, noise_hu=60).array.clip(*card["trained_on"]["hu"])), plan, card
    )
    assert "noise" in doubt and "more than" in doubt


def test_rounding_is_outwards_to_three_digits_of_the_width():
    assert rounded(-1003.2, 1001.7) == [-1010.0, 1010.0]
    assert rounded(0.1234, 0.2345) == [0.123, 0.235]
    assert widened(1.0, 2.0) == [0.9, 2.1]
    assert widened(0.1, 2.0)[0] >= 0.05
    assert rounded(0.00005, 0.018) == [0.00005, 0.018]  # no lower limit of 0, which nothing is below
