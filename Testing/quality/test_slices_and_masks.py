"""Masks, boxes and sampling of a slice, beside scipy's."""

import numpy as np
import pytest
from MVCTEnhanceLib.quality.body import body_mask
from MVCTEnhanceLib.quality.contrast import cnr_muscle_fat
from MVCTEnhanceLib.quality.edges import bone_edge_width, skin_edge_width
from MVCTEnhanceLib.quality.hu_bias import hu_bias
from MVCTEnhanceLib.quality.masks import box_around, dilate, erode, fill_holes, outline
from MVCTEnhanceLib.quality.metrics import evaluate
from MVCTEnhanceLib.quality.noise import noise_sd
from MVCTEnhanceLib.quality.nselfssim import nselfssim
from MVCTEnhanceLib.quality.slices import Slice
from scipy import ndimage


@pytest.fixture
def blobs():
    """Masks of blobs of many shapes, also at the borders."""
    random = np.random.default_rng(3)
    return [ndimage.gaussian_filter(random.normal(size=(61, 83)), 2) > level for level in (-0.05, 0.0, 0.05)]


@pytest.mark.parametrize("sides", [(1, 1), (3, 3), (5, 7), (9, 1), (15, 15)])
def test_eroded_and_dilated_masks_equal_those_of_scipy(blobs, sides):
    for mask in blobs:
        np.testing.assert_array_equal(erode(mask, sides), ndimage.minimum_filter(mask, size=sides, mode="nearest"))
        np.testing.assert_array_equal(dilate(mask, sides), ndimage.maximum_filter(mask, size=sides, mode="nearest"))


def test_outlines_and_filled_holes_equal_those_of_scipy(blobs):
    for mask in blobs:
        np.testing.assert_array_equal(outline(mask), mask & ~ndimage.binary_erosion(mask, border_value=1))
        np.testing.assert_array_equal(fill_holes(mask), ndimage.binary_fill_holes(mask))


def test_erosion_of_more_than_the_image_leaves_what_is_all_inside():
    assert erode(np.ones((4, 5), bool), (15, 15)).all()
    assert not erode(np.eye(4, dtype=bool), (15, 15)).any()


def test_box_holds_the_mask_and_its_margins_inside_the_image():
    mask = np.zeros((20, 30), bool)
    mask[2:5, 25] = True
    assert box_around(mask, (4, 3)) == (slice(0, 9), slice(22, 29))
    assert mask[box_around(mask, (0, 0))].all()


def test_sampling_equals_that_of_scipy_up_to_the_border(thorax):
    places = np.random.default_rng(1).uniform(0, np.array(thorax.shape)[:, None] - 1, (2, 500))
    expected = ndimage.map_coordinates(thorax.astype(float), places, order=3, mode="nearest")
    np.testing.assert_allclose(Slice(thorax).sample(places), expected, atol=1e-6)


def test_part_of_a_slice_is_smoothed_as_the_whole_was(thorax):
    whole = Slice(thorax)
    smooth, box = whole.smooth(2.0), (slice(10, 60), slice(20, 90))
    np.testing.assert_array_equal(whole.crop(box).smooth(2.0), smooth[box])


@pytest.mark.parametrize("threads", [1, 3])
def test_slices_measured_together_have_the_values_of_slices_measured_alone(thorax, white_noise, threads):
    """The body's surroundings alone are looked at, each thing once, in several threads: nothing of it shows."""
    size = (1.0, 1.2)
    noisy = ndimage.gaussian_filter(thorax, 0.8) + white_noise(thorax.shape, 30)
    cut = np.roll(noisy, 70, axis=1)  # the field cuts the body
    mvct = np.pad(np.stack([noisy, cut, np.full_like(thorax, -1000.0)]), ((0, 0), (60, 60), (0, 0)), "edge")
    enhanced = ndimage.gaussian_filter(mvct, (0, 0.7, 0.7))
    table = evaluate(mvct, enhanced, spacing=(size[1], size[0], 3.0), threads=threads).to_dict()
    alone = {
        "nselfssim": lambda image, body: nselfssim(image, body),
        "noise_hu": lambda image, body: noise_sd(image, body, pixel_size=size),
        "cnr_muscle_fat": lambda image, body: cnr_muscle_fat(image, body, pixel_size=size),
        "edge_width_mm": lambda image, body: skin_edge_width(image, body, pixel_size=size),
        "bone_edge_width_mm": lambda image, body: bone_edge_width(image, body, pixel_size=size),
    }
    for k, image in enumerate(mvct):
        body = body_mask(image, pixel_size=size)
        for name, measured in alone.items():
            for scan in ("mvct", "enhanced"):
                value = measured(mvct[k] if scan == "mvct" else enhanced[k], body)
                got = table[scan][name]["per_slice"][k]
                assert (np.nan if got is None else got) == pytest.approx(value, rel=1e-6, nan_ok=True), (name, scan, k)
        bias = hu_bias(enhanced[k], image, body, pixel_size=size)
        for tissue, value in bias.items():
            got = table["comparison"]["hu_bias"][tissue]["per_slice"][k]
            assert (np.nan if got is None else got) == pytest.approx(value, rel=1e-6, abs=1e-9, nan_ok=True)
    assert table["mvct"]["noise_hu"]["slices"] == 2 and table["mvct"]["edge_width_mm"]["slices"] == 2
    assert table["enhanced"]["bone_edge_width_mm"]["slices"] > 0
