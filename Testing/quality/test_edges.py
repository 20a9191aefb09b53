"""Widths of skin and bone edges of a known blur."""

import numpy as np
import pytest
from MVCTEnhanceLib.quality.body import body_mask
from MVCTEnhanceLib.quality.edges import bone_edge_width, skin_edge_profile, skin_edge_width


@pytest.mark.parametrize("pixel_mm", [0.5, 0.763])
@pytest.mark.parametrize("blur_mm", [0.5, 0.8, 1.2, 2.0])
@pytest.mark.parametrize("sd", [0, 33])
def test_skin_width_is_2_563_times_the_blur(disc, fbp_noise, blur_mm, pixel_mm, sd):
    image = disc(radius_mm=55, blur_mm=blur_mm, pixel_mm=pixel_mm) + fbp_noise((256, 256), sd)
    width = skin_edge_width(image, body_mask(image, pixel_size=(pixel_mm,) * 2), pixel_size=(pixel_mm,) * 2)
    assert width == pytest.approx(2.563 * blur_mm, rel=0.06)


@pytest.mark.parametrize("blur_mm", [0.5, 0.8, 1.2])
@pytest.mark.parametrize("sd", [0, 33])
@pytest.mark.parametrize("bone_hu", [600, 1100])
def test_bone_width_is_2_563_times_the_blur(disc, fbp_noise, blur_mm, sd, bone_hu):
    pixel = (0.763, 0.763)
    skull = disc(radius_mm=60, inside=bone_hu, outside=0, blur_mm=blur_mm, pixel_mm=0.763)
    skull -= disc(radius_mm=52, inside=bone_hu, outside=0, blur_mm=blur_mm, pixel_mm=0.763)
    image = disc(radius_mm=80, blur_mm=blur_mm, pixel_mm=0.763) + skull + fbp_noise((256, 256), sd)
    width = bone_edge_width(image, body_mask(image, pixel_size=pixel), pixel_size=pixel)
    assert width == pytest.approx(2.563 * blur_mm, rel=0.08)


def test_pixels_need_not_be_square(disc):
    image = disc(blur_mm=1.0)[::2]
    width = skin_edge_width(image, body_mask(image, pixel_size=(2, 1)), pixel_size=(2.0, 1.0))
    assert width == pytest.approx(2.563, rel=0.08)


@pytest.mark.parametrize("blur_mm", [3.0, 4.0])
def test_a_very_blurred_skin_has_its_width(disc, blur_mm):
    image = disc(blur_mm=blur_mm)
    width = skin_edge_width(image, body_mask(image, pixel_size=(1, 1)), pixel_size=(1.0, 1.0))
    assert width == pytest.approx(2.563 * blur_mm, rel=0.12)


def test_a_skin_that_something_covers_has_no_width(disc):
    covered = 0.5 * (disc(radius_mm=70, blur_mm=1.0) + disc(radius_mm=73, blur_mm=1.0))  # 3 mm of -500 HU
    body = body_mask(covered, pixel_size=(1, 1))
    assert np.isfinite(skin_edge_profile(covered, body, pixel_size=(1, 1))[1]).all()
    assert np.isnan(skin_edge_width(covered, body, pixel_size=(1, 1)))


def test_air_clipped_to_600_still_has_a_skin(disc):
    image = disc(outside=-600, blur_mm=1.0)
    assert skin_edge_width(image, image > -300, pixel_size=(1, 1)) == pytest.approx(2.563, rel=0.05)


def test_slice_without_edges_has_no_width():
    image = np.zeros((64, 64))
    for width in (skin_edge_width, bone_edge_width):
        assert np.isnan(width(image, np.zeros(image.shape, bool), pixel_size=(1, 1)))
        assert np.isnan(width(image, np.ones(image.shape, bool), pixel_size=(1, 1)))
