"""Overshoot beside air in the body: what was put there comes out, and what is anatomy or noise does not."""

import numpy as np
import pytest
from MVCTEnhanceLib.errors import InputError
from MVCTEnhanceLib.quality.body import body_mask
from MVCTEnhanceLib.quality.overshoot import air_edge_errors, air_edge_overshoot

PIXEL = (0.763, 0.763)
AIRWAY_MM = 14.0
NAN = pytest.approx((np.nan, np.nan), nan_ok=True)


@pytest.fixture
def neck(disc):
    """Function (blur in mm, HU beside the airway by distance from its edge in mm): a neck with an airway."""

    def make(blur_mm=0.8, beside=lambda distance: 0.0):
        airway = disc(radius_mm=AIRWAY_MM, inside=-1000, outside=0, blur_mm=blur_mm, pixel_mm=0.763)
        return disc(radius_mm=80, inside=40, blur_mm=blur_mm, pixel_mm=0.763) + airway + beside(distance_from_airway())

    return make


def distance_from_airway():
    j, i = np.mgrid[:256, :256] - 127.5
    return np.hypot(j, i + 0.3) * 0.763 - AIRWAY_MM


def bump(at_mm, hu):
    return lambda distance: hu * np.exp(-np.square((distance - at_mm) / 0.9) / 2)


def measured(image):
    return air_edge_overshoot(image, body_mask(image, pixel_size=PIXEL), pixel_size=PIXEL)


@pytest.mark.parametrize("sd", [0, 33])
def test_overshoot_and_undershoot_that_were_made_come_out(neck, fbp_noise, sd):
    image = neck(beside=lambda t: bump(2.3, 70)(t) - bump(-2.0, 30)(t)) + fbp_noise((256, 256), sd)
    assert measured(image) == pytest.approx((70, 30), abs=10)


@pytest.mark.parametrize("blur_mm", [0.3, 0.6, 1.0])
def test_edge_without_overshoot_has_none(neck, fbp_noise, blur_mm):
    assert np.abs(measured(neck(blur_mm))).max() < 6
    noisy = measured(neck(blur_mm) + fbp_noise((256, 256), 20))
    assert np.abs(noisy).max() < 12


def test_skin_is_no_overshoot(disc):
    image = disc(radius_mm=80, inside=40, pixel_mm=0.763) - disc(radius_mm=77, inside=140, outside=0, pixel_mm=0.763)
    assert measured(image) == NAN


def test_thin_bone_beside_the_air_is_no_overshoot(neck):
    assert measured(neck(beside=bump(2.3, 600))) == NAN


def test_only_edges_in_the_region_count(neck):
    j = np.mgrid[:256, :256][0]
    image = neck(beside=lambda t: np.where(j < 128, bump(2.3, 80)(t), 0))
    body = body_mask(image, pixel_size=PIXEL)
    upper, lower = (
        air_edge_overshoot(image, body, pixel_size=PIXEL, region=region)[0] for region in (j < 120, j > 136)
    )
    assert upper == pytest.approx(80, abs=8)
    assert abs(lower) < 8


def test_pixels_need_not_be_square(neck):
    image = neck(beside=bump(2.3, 70))[::2]
    pixel_size = (1.526, 0.763)
    body = body_mask(image, pixel_size=pixel_size)
    assert air_edge_overshoot(image, body, pixel_size=pixel_size)[0] == pytest.approx(70, abs=15)


def test_error_is_that_of_the_pixels_beside_the_air(neck):
    truth, distance = neck(0.3), distance_from_airway()
    body = body_mask(truth, pixel_size=PIXEL)
    image = truth + np.where(distance > 0, np.where(distance < 4, 50, 999), np.where(distance > -4, -20, 999))
    assert air_edge_errors(image, truth, body, pixel_size=PIXEL) == pytest.approx((50, -20))
    only_far = truth + np.where(np.abs(distance) > 3.5, 100, 0)
    assert air_edge_errors(only_far, truth, body, pixel_size=PIXEL) == (0, 0)


def test_tissue_near_bone_has_no_error_of_its_own(neck):
    truth = neck(0.3, beside=lambda t: np.where((t > 3) & (t < 5), 800, 0))
    body = body_mask(truth, pixel_size=PIXEL)
    tissue, air = air_edge_errors(truth + 5, truth, body, pixel_size=PIXEL)
    assert np.isnan(tissue) and air == 5


def test_without_air_in_the_body_nothing_is_measured(disc):
    image = disc(radius_mm=80, pixel_mm=0.763)
    for body in (body_mask(image, pixel_size=PIXEL), np.zeros(image.shape, bool)):
        assert air_edge_overshoot(image, body, pixel_size=PIXEL) == NAN
        assert air_edge_errors(image, image, body, pixel_size=PIXEL) == NAN


def test_shapes_that_differ_are_refused(neck):
    image = neck()
    with pytest.raises(InputError, match="truth"):
        air_edge_errors(image[1:], image, image > -500, pixel_size=PIXEL)
