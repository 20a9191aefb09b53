"""SSIM, beside scikit-image's, and NSelfSSIM."""

import time

import numpy as np
import pytest
from MVCTEnhanceLib.errors import InputError
from MVCTEnhanceLib.quality.body import body_mask
from MVCTEnhanceLib.quality.nselfssim import NSelfSSIMParameters, nselfssim
from MVCTEnhanceLib.quality.paired import ssim
from MVCTEnhanceLib.quality.ssim import SSIMParameters, ssim_map
from skimage.metrics import structural_similarity


def reference_map(a, b):
    return structural_similarity(
        a, b, data_range=1000, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, full=True
    )[1]


def added_noise(shape):
    """The fixed field, written out again: standard normal numbers of the stated seed, times 20 HU."""
    return 20 * np.random.default_rng(2107).standard_normal(shape)


def test_ssim_map_equals_scikit_image(thorax, white_noise):
    a, b = thorax + white_noise(thorax.shape, 30), thorax + white_noise(thorax.shape, 30)
    np.testing.assert_allclose(ssim_map(a, b, parameters=SSIMParameters()), reference_map(a, b), atol=1e-6)


def test_nselfssim_equals_scikit_image_averaged_in_the_body(thorax, white_noise):
    image = thorax + white_noise(thorax.shape, 33)
    body = body_mask(image)
    clipped = np.clip(image, -600, 400)
    expected = reference_map(clipped, clipped + added_noise(image.shape))[body].mean()
    assert nselfssim(image, body) == pytest.approx(expected, abs=1e-6)


def test_paired_ssim_equals_scikit_image_averaged_in_the_body(thorax, white_noise):
    image, body = thorax + white_noise(thorax.shape, 33), body_mask(thorax)
    expected = reference_map(np.clip(image, -600, 400), np.clip(thorax, -600, 400))[body].mean()
    assert ssim(image, thorax, body) == pytest.approx(expected, abs=1e-6)


def test_body_at_the_image_border_changes_nothing(white_noise):
    image, body = white_noise((64, 80), 60), np.ones((64, 80), bool)
    assert nselfssim(image, body) == pytest.approx(
        reference_map(image, image + added_noise(image.shape)).mean(), abs=1e-6
    )


def test_nselfssim_is_lowest_for_a_constant_image_and_rises_with_noise(white_noise):
    body = np.ones((256, 256), bool)
    constant, *noisy = (nselfssim(white_noise(body.shape, sd), body) for sd in (0, 10, 33, 55))
    assert constant == pytest.approx(0.63, abs=0.03)
    assert constant < noisy[0] < noisy[1] < noisy[2] < 1


def test_nselfssim_of_a_slice_is_always_the_same(thorax):
    body = body_mask(thorax)
    first = nselfssim(thorax, body)
    nselfssim(thorax[:128], body[:128])
    assert nselfssim(thorax.copy(), body) == first
    assert nselfssim(thorax, body, parameters=NSelfSSIMParameters(seed=1)) != first


def test_empty_body_has_no_value():
    image, empty = np.zeros((32, 32)), np.zeros((32, 32), bool)
    assert np.isnan(nselfssim(image, empty))
    assert np.isnan(ssim(image, image, empty))


def test_different_shapes_are_both_named():
    with pytest.raises(InputError, match=r"\(8, 8\).*\(8, 9\)"):
        ssim(np.zeros((8, 8)), np.zeros((8, 9)), np.ones((8, 8), bool))


def test_a_full_slice_is_quick(white_noise):
    image, body = white_noise((512, 512), 30), np.ones((512, 512), bool)
    nselfssim(image, body)
    times = []
    for _ in range(3):
        start = time.thread_time()
        nselfssim(image, body)
        times.append(time.thread_time() - start)
    assert min(times) < 0.5


def test_real_head_is_near_the_published_setting(real_data, fbp_noise):
    """kVCT of a head about 0.83, the same with 33 HU of noise about 0.91."""
    sitk = pytest.importorskip("SimpleITK")
    plain, noisy = [], []
    for name, slices in (("headneck-cthead-stanford", (30, 60, 90)), ("head-ge", (5, 11, 17))):
        volume = sitk.GetArrayFromImage(sitk.ReadImage(str(real_data / "kvct" / f"{name}.nrrd")))
        for image in volume[list(slices)].astype(float):
            body = body_mask(image)
            plain.append(nselfssim(image, body))
            noisy.append(nselfssim(image + fbp_noise(image.shape, 33), body))
    assert np.mean(plain) == pytest.approx(0.833, abs=0.03)
    assert np.mean(noisy) == pytest.approx(0.909, abs=0.02)
