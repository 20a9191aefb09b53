"""MAE and PSNR beside a truth."""

import math

import numpy as np
import pytest
from MVCTEnhanceLib.quality.body import body_mask
from MVCTEnhanceLib.quality.paired import mae, psnr
from skimage.metrics import peak_signal_noise_ratio


def test_mae_of_gaussian_noise_is_its_sd_times_sqrt_two_over_pi(thorax, white_noise):
    body = body_mask(thorax)
    assert mae(thorax + white_noise(thorax.shape, 30), thorax, body) == pytest.approx(30 * math.sqrt(2 / math.pi), 0.02)


def test_mae_looks_only_at_the_body(thorax):
    body = body_mask(thorax)
    assert mae(np.where(body, thorax + 7, 5000), thorax, body) == pytest.approx(7)


def test_psnr_equals_scikit_image(thorax, white_noise):
    image, body = thorax + white_noise(thorax.shape, 30), body_mask(thorax)
    a, b = (np.clip(x, -600, 400)[body] for x in (image, thorax))
    assert psnr(image, thorax, body) == pytest.approx(peak_signal_noise_ratio(b, a, data_range=1000))


def test_psnr_of_equal_slices_is_infinite(thorax):
    assert psnr(thorax, thorax, body_mask(thorax)) == math.inf


def test_empty_body_has_no_value(thorax):
    empty = np.zeros(thorax.shape, bool)
    assert math.isnan(mae(thorax, thorax, empty))
    assert math.isnan(psnr(thorax, thorax, empty))
