"""The same voxels in another order are found by where they lie; SimpleITK turns them here."""

import math
from itertools import permutations, product

import numpy as np
import pytest
import SimpleITK as sitk
from MVCTEnhanceLib.volume import Volume
from MVCTEnhanceLib.volume.grid import axial, axis_along_patient, is_same_grid, listed, listed_z_mm, reorient_like
from MVCTEnhanceLib.volume.itk import to_itk

OBLIQUE = np.array(sitk.Euler3DTransform((0, 0, 0), 0.2, -0.3, 0.4).GetMatrix()).reshape(3, 3)


@pytest.fixture
def scan() -> Volume:
    array = np.random.default_rng(1).integers(-1000, 1000, (3, 4, 5)).astype(np.int16)
    return Volume(array, (0.8, 0.9, 3.0), (-7.0, 20.0, 300.0), OBLIQUE)


def from_itk(image: sitk.Image) -> Volume:
    direction = np.array(image.GetDirection()).reshape(3, 3)
    return Volume(sitk.GetArrayFromImage(image), image.GetSpacing(), image.GetOrigin(), direction)


@pytest.mark.parametrize("flips", list(product([False, True], repeat=3)))
@pytest.mark.parametrize("axes", list(permutations(range(3))))
def test_swapped_and_reversed_axes_come_back(scan, axes, flips):
    turned = from_itk(sitk.Flip(sitk.PermuteAxes(to_itk(scan), axes), flips))
    found = reorient_like(turned, scan)
    np.testing.assert_array_equal(found.array, scan.array)
    assert is_same_grid(found, scan)


@pytest.mark.parametrize(
    "change",
    [
        {"spacing": (0.8, 0.9, 3.1)},
        {"origin": (-7.0, 20.0, 303.0)},
        {"direction": OBLIQUE @ np.diag([1.0, 1.0, -1.0])},
        {"direction": np.eye(3)},
        {"array": np.zeros((2, 4, 5), np.int16)},
        {"array": np.zeros((3, 5, 4), np.int16)},
    ],
)
def test_other_voxels_are_none(scan, change):
    base = {"array": scan.array, "spacing": scan.spacing, "origin": scan.origin, "direction": scan.direction}
    assert reorient_like(Volume(**(base | change)), scan) is None


def test_rounded_geometry_is_the_same(scan):
    rounded = Volume(scan.array, scan.spacing, (-7.004, 20.003, 299.998), np.round(OBLIQUE, 5))
    assert reorient_like(rounded, scan) is not None


def test_single_slices_are_compared_by_their_place(scan):
    one = Volume(scan.array[:1], scan.spacing, scan.origin, scan.direction)
    thick = Volume(scan.array[:1], (0.8, 0.9, 5.0), scan.origin, scan.direction)
    assert reorient_like(thick, one) is not None
    assert reorient_like(one, scan) is None


@pytest.mark.parametrize("flips", list(product([False, True], repeat=3)))
@pytest.mark.parametrize("axes", list(permutations(range(3))))
def test_axial_slices_are_the_same_for_every_order_left_handed_ones_too(scan, axes, flips):
    stored = from_itk(sitk.Flip(sitk.PermuteAxes(to_itk(scan), axes), flips))
    found = axial(stored)
    np.testing.assert_array_equal(found.array, scan.array)
    np.testing.assert_allclose(found.direction, OBLIQUE)
    np.testing.assert_allclose([*found.origin, *found.spacing], [*scan.origin, *scan.spacing])
    assert np.shares_memory(found.array, stored.array)
    along = axes.index(2)
    assert axis_along_patient(stored.direction) == along
    upwards = slice(None, None, -1 if flips[along] else 1)
    np.testing.assert_array_equal(listed(stored).array, scan.array[upwards])
    image = to_itk(scan)
    centres = [image.TransformContinuousIndexToPhysicalPoint((2.0, 1.5, float(k)))[2] for k in range(3)]
    np.testing.assert_allclose(listed_z_mm(stored), centres[upwards], atol=1e-3)


def test_a_scan_in_the_fixed_order_is_taken_as_it_is(scan):
    assert axial(scan) is scan


@pytest.mark.parametrize("degrees", [-44, 10, 44, 46, 80, 134])
@pytest.mark.parametrize("axis", range(3))
def test_oblique_axes_are_taken_for_the_nearest(scan, axis, degrees):
    """As by ITK, whose filter works from angles of the axes too."""
    angles = [0.0, 0.0, 0.0]
    angles[axis] = math.radians(degrees)
    matrix = sitk.Euler3DTransform((0, 0, 0), *angles).GetMatrix()
    oblique = Volume(scan.array, scan.spacing, scan.origin, np.array(matrix).reshape(3, 3))
    expected = from_itk(sitk.DICOMOrient(to_itk(oblique), "LPS"))
    np.testing.assert_array_equal(axial(oblique).array, expected.array)
    np.testing.assert_allclose(axial(oblique).direction, expected.direction, atol=1e-9)
