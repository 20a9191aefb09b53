"""Size of the body against exact ellipses, and the levels at which two scans are compared."""

import numpy as np
import pytest
from MVCTEnhanceLib.course.body_size import BodySize, body_size, change
from MVCTEnhanceLib.volume import Volume

PADDING_HU = -1024


def ellipse(a, b, *, pixel_mm=(1.0, 1.0), shape=(256, 256), centre=(0.0, 0.0), fine=4):
    """Part of each pixel that lies in an ellipse with half axes (x, y) in mm, shape (row, column)."""
    places = [
        ((np.arange(count * fine) + 0.5) / fine - count / 2) * mm - middle
        for count, mm, middle in zip(shape, pixel_mm, centre, strict=True)
    ]
    inside = (places[1] / a) ** 2 + (places[0][:, None] / b) ** 2 < 1
    return inside.reshape(shape[0], fine, shape[1], fine).mean(axis=(1, 3))


def scan(*coverages, pixel_mm=(1.0, 1.0), noise_hu=0.0, step_mm=5.0, first_z=-10.0):
    hu = np.stack([1020 * coverage - 1000 for coverage in coverages])
    hu += noise_hu * np.random.default_rng(3).standard_normal(hu.shape)
    return Volume(np.rint(hu).astype(np.int16), (pixel_mm[1], pixel_mm[0], step_mm), (0.0, 0.0, first_z))


def in_field(volume, radius_mm):
    """With padding beyond a circle."""
    row, column = (np.arange(count) - (count - 1) / 2 for count in volume.array.shape[1:])
    beyond = np.hypot(row[:, None] * volume.spacing[1], column * volume.spacing[0]) > radius_mm
    return volume.with_array(np.where(beyond, np.int16(PADDING_HU), volume.array))


@pytest.mark.parametrize("pixel_mm", [(0.75, 0.75), (1.0, 1.5), (2.0, 2.0)])
@pytest.mark.parametrize("noise_hu", [0.0, 40.0])
@pytest.mark.parametrize("axes", [(90.0, 70.0), (60.0, 80.0), (50.0, 50.0)])
def test_area_and_diameter_are_those_of_exact_ellipses(axes, pixel_mm, noise_hu):
    size = body_size(scan(ellipse(*axes, pixel_mm=pixel_mm), pixel_mm=pixel_mm, noise_hu=noise_hu))
    assert size.area_mm2 == pytest.approx([np.pi * axes[0] * axes[1]], rel=0.01)
    assert size.diameter_mm == pytest.approx([2 * np.sqrt(axes[0] * axes[1])], abs=0.7)
    assert not size.truncated.any()


def test_a_slice_without_a_body_has_no_size_and_slices_go_to_the_head():
    volume = scan(ellipse(50, 40), ellipse(60, 40), 0 * ellipse(50, 40))
    size = body_size(volume)
    assert size.z_mm.tolist() == [-10, -5, 0]
    assert np.isfinite(size.area_mm2).tolist() == [True, True, False] and size.area_mm2[1] > size.area_mm2[0]
    head_first = Volume(volume.array[::-1], volume.spacing, (0.0, 0.0, 0.0), np.diag([1.0, 1.0, -1.0]))
    assert body_size(head_first).to_dict() == size.to_dict()
    assert BodySize.from_dict(size.to_dict()).to_dict() == size.to_dict()


@pytest.mark.parametrize("noise_hu", [0.0, 30.0])
def test_a_body_that_the_circle_of_the_field_cuts_is_truncated_in_that_slice(noise_hu):
    volume = scan(ellipse(124, 60), ellipse(110, 60), ellipse(60, 60, centre=(0, 66)), noise_hu=noise_hu)
    assert body_size(in_field(volume, 120.0)).truncated.tolist() == [True, False, True]


def test_a_body_at_the_border_of_the_image_is_truncated():
    size = body_size(scan(ellipse(140, 60), ellipse(100, 60), noise_hu=30.0))
    assert size.truncated.tolist() == [True, False]


def test_a_round_body_in_even_air_is_no_field_of_view():
    assert body_size(scan(ellipse(100, 100), ellipse(90, 90))).truncated.tolist() == [False, False]


def size_of(areas, z_mm, truncated=()):
    return BodySize(np.array(z_mm, float), np.array(areas, float), np.isin(np.arange(len(areas)), truncated))


def test_change_is_that_of_the_common_levels_between_the_slices_of_the_reference():
    reference = size_of([100, 200, 300, 300], [0, 10, 20, 30])
    found = change(size_of([135, 225, 300, 7], [5, 15, 25, 35]), reference)
    assert (found.levels, found.truncated) == (3, 0)
    assert found.area_percent == pytest.approx(100 * (660 / 700 - 1))
    diameters = 2 * np.sqrt(np.array([[135, 225, 300], [150, 250, 300]]) / np.pi)
    assert found.diameter_mm == pytest.approx((diameters[0] - diameters[1]).mean())
    assert (found.most_mm, found.most_z_mm) == (pytest.approx(diameters[0, 1] - diameters[1, 1]), 15)


def test_levels_that_are_truncated_in_one_of_both_are_left_out_and_counted():
    reference = size_of([100, 100, 100, 100], [0, 10, 20, 30], truncated=[3])
    found = change(size_of([50, 90, 90, 50], [0, 10, 20, 30], truncated=[0]), reference)
    assert (found.levels, found.truncated) == (2, 2)
    assert found.area_percent == pytest.approx(-10)


@pytest.mark.parametrize(
    "now", [size_of([100, 100], [50, 60]), size_of([np.nan], [5]), size_of([100, 100], [0, 10], truncated=[0, 1])]
)
def test_without_a_common_level_there_is_no_change(now):
    assert change(now, size_of([100, 100], [0, 10])) is None


def test_moved_slices_are_compared_at_their_new_place():
    reference = size_of([100, 200], [0, 10])
    assert change(size_of([100, 200], [-20, -10]).moved(20), reference).area_percent == 0
