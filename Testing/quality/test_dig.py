"""DIG of ramps and noise, whose values are known."""

import numpy as np
import pytest
from MVCTEnhanceLib.errors import InputError
from MVCTEnhanceLib.quality.dig import dig, dig_scaled


def test_dig_of_a_ramp_is_the_square_of_its_slope():
    j, i = np.mgrid[:40, :60]
    assert dig(3.0 * j - 4.0 * i, np.zeros((40, 60))) == pytest.approx(25)


def test_dig_of_a_sum_of_a_scan_and_a_ramp_sees_the_ramp_only(thorax):
    ramp = 0.5 * np.arange(256.0)
    assert dig(thorax, thorax + ramp) == pytest.approx(0.25)


def test_dig_of_white_noise_is_four_times_its_variance(white_noise):
    noise = white_noise((512, 512), 20)
    assert dig(noise, np.zeros_like(noise)) == pytest.approx(4 * 400, rel=0.02)


def test_dig_is_blind_to_a_constant_shift(thorax):
    assert dig(thorax, thorax + 100) == 0


def test_int16_slices_do_not_wrap():
    low, high = np.full((4, 4), -32000, np.int16), np.zeros((4, 4), np.int16)
    low[:, 2:] = 32000
    assert dig(low, high) == pytest.approx(64000**2 / 3)


def test_scaled_dig_is_in_units_of_half_the_window():
    ramp = np.tile(np.arange(0.0, 60.0, 3.0), (10, 1))
    assert dig_scaled(ramp, np.zeros_like(ramp)) == pytest.approx((3 / 500) ** 2)


def test_scaled_dig_does_not_see_what_the_window_clips():
    air = np.full((10, 10), -1000.0)
    air[:, 5:] = -700
    assert dig_scaled(air, np.full((10, 10), -600.0)) == 0


def test_different_shapes_are_both_named():
    with pytest.raises(InputError, match=r"\(8, 8\).*\(8, 9\)"):
        dig(np.zeros((8, 8)), np.zeros((8, 9)))
