"""Noise power against closed forms."""

import numpy as np
from MVCTEnhanceLib.quality.noise_power import noise_power
from scipy import ndimage

PIXEL_MM, SD = 0.8, 20.0


def made(filtered=lambda image: image, count=4):
    draw = np.random.default_rng(3)
    return [filtered(draw.normal(0, SD, (128, 128))) for _ in range(count)]


def test_power_of_white_noise_is_its_variance_times_the_area_of_a_pixel():
    images = made()
    frequencies, power = noise_power(images, [np.ones((128, 128), bool)] * 4, pixel_mm=PIXEL_MM)
    np.testing.assert_allclose(frequencies, np.arange(1, 9) / 16 / PIXEL_MM)
    np.testing.assert_allclose(power[1:], (SD * PIXEL_MM) ** 2, rtol=0.08)
    assert 0.5 < power[0] / (SD * PIXEL_MM) ** 2 < 1  # a plane takes some of the lowest


def test_power_of_filtered_noise_is_the_filter_s_squared_response():
    sd_px = 0.6
    images = made(lambda image: ndimage.gaussian_filter(image, sd_px, mode="wrap"))
    frequencies, power = noise_power(images, [np.ones((128, 128), bool)] * 4, pixel_mm=PIXEL_MM)
    response = np.exp(-4 * (np.pi * sd_px * PIXEL_MM * frequencies) ** 2)
    np.testing.assert_allclose(power[1:5], (SD * PIXEL_MM) ** 2 * response[1:5], rtol=0.15)


def test_slopes_and_what_lies_outside_the_mask_do_not_count():
    images, mask = made(count=2), np.zeros((128, 128), bool)
    mask[:, :64] = True
    marred = [image + 3.0 * np.arange(128) + 1000 * ~mask for image in images]
    expected, found = (noise_power(which, [mask] * 2, pixel_mm=PIXEL_MM)[1] for which in (images, marred))
    np.testing.assert_allclose(found, expected)


def test_too_little_homogeneous_tissue_has_no_power():
    mask = np.zeros((128, 128), bool)
    mask[:32, :32] = True
    assert np.isnan(noise_power(made(count=1), [mask], pixel_mm=PIXEL_MM)[1]).all()
