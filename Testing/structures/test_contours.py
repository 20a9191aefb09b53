"""Contours cover voxels exactly: solids keep their volume, holes stay empty, and a plane stands for its own slab."""

import numpy as np
import pytest
from MVCTEnhanceLib.errors import InputError
from MVCTEnhanceLib.structures.contours import coverage
from MVCTEnhanceLib.volume import Volume


def grid(shape=(20, 80, 80), spacing=(1.2, 1.2, 4.0), origin=(-48.0, -48.0, -38.0), direction=None):
    direction = np.eye(3) if direction is None else direction
    return Volume(np.zeros(shape, np.int16), spacing, origin, direction)


def circle(radius, z, centre=(0.0, 0.0), corners=180):
    angles = 2 * np.pi * np.arange(corners) / corners
    return np.stack(
        (centre[0] + radius * np.cos(angles), centre[1] + radius * np.sin(angles), np.full(corners, z)), axis=1
    )


def square(half, z, centre=(0.0, 0.0)):
    corners = np.array([(-half, -half), (half, -half), (half, half), (-half, half)])
    return np.column_stack((corners + centre, np.full(4, z)))


def volume_cm3(part, on):
    return float(part.sum(dtype=float)) * float(np.prod(on.spacing)) / 1000


@pytest.mark.parametrize("step", [1.0, 3.0])
@pytest.mark.parametrize("radius", [13.4, 20.0, 30.0])
def test_sphere_from_10_cm3_keeps_its_volume_within_1_percent(radius, step):
    levels = np.arange(-radius + step / 2, radius, step)
    contours = [circle(np.sqrt(radius**2 - z**2), z) for z in levels if radius**2 > z**2]
    on = grid(direction=np.diag([1.0, 1.0, 1.0]))
    expected = 4 / 3 * np.pi * radius**3 / 1000
    assert volume_cm3(coverage(contours, on), on) == pytest.approx(expected, rel=0.01)


def test_small_cylinder_keeps_its_volume_within_half_a_voxel_of_its_surface():
    on, radius = grid(), 5.0
    contours = [circle(radius, z) for z in (-3.0, 0.0, 3.0)]
    surface = 2 * np.pi * radius * 9 + 2 * np.pi * radius**2
    part = volume_cm3(coverage(contours, on), on)
    assert abs(part - np.pi * radius**2 * 9 / 1000) < surface * 0.6 / 1000
    assert part == pytest.approx(np.pi * radius**2 * 9 / 1000, rel=0.005)


def test_part_of_a_voxel_is_the_area_inside():
    on = grid((1, 4, 4), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0))
    part = coverage([square(1.0, 0.0, (1.25, 1.25))], on)[0]
    assert part[1, 1] == pytest.approx(1.0) and part[1, 0] == pytest.approx(0.25)
    assert part[0, 0] == pytest.approx(0.0625, abs=0.04) and part.sum() == pytest.approx(4.0, abs=0.15)


def test_a_contour_within_another_is_a_hole_and_two_apart_are_both_inside():
    on = grid((1, 80, 80), origin=(-48.0, -48.0, 0.0))
    ring = coverage([circle(20.0, 0.0), circle(10.0, 0.0)], on)[0]
    assert ring[40, 40] == 0 and ring[40, 40 + 12] == 1
    both = coverage([square(6.0, 0.0, (-20.0, 0.0)), square(6.0, 0.0, (20.0, 0.0))], on)[0]
    assert both.sum() * 1.44 == pytest.approx(2 * 144, rel=0.01)


def test_keyhole_contour_leaves_its_hole_empty():
    on = grid((1, 80, 80), origin=(-48.0, -48.0, 0.0))
    outer, inner = circle(20.0, 0.0), circle(10.0, 0.0)[::-1]
    keyhole = np.concatenate((outer, outer[:1], inner[-1:], inner))
    part = coverage([keyhole], on)[0]
    assert part[40, 40] == 0
    assert part.sum() * 1.44 == pytest.approx(np.pi * (400 - 100), rel=0.01)


def test_planes_that_are_far_apart_are_two_parts_with_nothing_between():
    on = grid((30, 40, 40), (2.0, 2.0, 1.0), (-39.0, -39.0, 0.0))
    contours = [square(10.0, z) for z in (3.0, 5.0, 7.0, 21.0, 23.0)]
    sums = coverage(contours, on).sum(axis=(1, 2))
    assert sums[12:18].sum() == 0
    assert sums[4:7] == pytest.approx(100.0) and sums[21] == pytest.approx(100.0)


def test_wider_slices_than_the_contours_hold_the_mean_of_them():
    on = grid((3, 40, 40), (1.0, 1.0, 6.0), (-20.0, -20.0, -6.0))
    contours = [square(5.0, -2.0), square(5.0, 0.0), square(7.0, 2.0)]
    part = coverage(contours, on)[1]
    assert part.sum() == pytest.approx((100 + 100 + 196) / 3, rel=0.01)


def test_grid_of_another_direction_gets_the_same_voxels():
    on = grid()
    turned = Volume(on.array, on.spacing, (46.8, 46.8, -38.0), np.diag([-1.0, -1.0, 1.0]))
    contours = [circle(15.0, z, (10.0, -5.0)) for z in (-4.0, 0.0, 4.0)]
    assert coverage(contours, turned)[:, ::-1, ::-1] == pytest.approx(coverage(contours, on), abs=0.03)


def test_what_lies_beyond_the_grid_is_cut_off():
    on = grid((1, 40, 40), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0))
    part = coverage([square(10.0, 0.0, (0.0, 0.0))], on)[0]
    assert part.sum() == pytest.approx(10.5**2, rel=0.01) and part.max() <= 1
    assert not coverage([square(5.0, 0.0, (500.0, 0.0))], on).any()
    assert not coverage([square(5.0, 300.0)], on).any()


def test_tilted_contour_is_refused():
    contour = square(5.0, 0.0)
    contour[2:, 2] = 3.0
    with pytest.raises(InputError, match="not parallel to the slices"):
        coverage([contour], grid())
