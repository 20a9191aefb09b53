"""HU offsets of fat and soft tissue from a planning CT that is not registered."""

import math

import numpy as np
import pytest
from MVCTEnhanceLib.io import read_volume
from MVCTEnhanceLib.quality.hu_offset import hu_offsets

PIXEL, KVCT_PIXEL = (1.6, 1.6), (2.0, 2.0)


def ellipse(pixel_mm, rows_mm, columns_mm, centre_mm=0.0):
    j, i = np.mgrid[:160, :160] * pixel_mm - 80 * pixel_mm
    return (j / rows_mm) ** 2 + ((i - centre_mm) / columns_mm) ** 2 <= 1


def trunk(pixel_mm=PIXEL[0], *, fat_mm=18, organ_hu=60.0, size=1.0):
    """A slice of muscle around an organ, below fat."""
    image = np.full((160, 160), -1000.0)
    image[ellipse(pixel_mm, 75 * size, 105 * size)] = -100
    image[ellipse(pixel_mm, 75 * size - fat_mm, 105 * size - fat_mm)] = 50
    image[ellipse(pixel_mm, 30 * size, 40 * size, -20)] = organ_hu
    return image


@pytest.fixture
def scan(white_noise):
    """Three noisy slices, which differ in size."""
    hu = np.stack([trunk(size=size) for size in (0.9, 1.0, 1.1)])
    return hu + white_noise(hu.shape, 20)


def planning_ct(**anatomy):
    """More slices on another grid, among them a thin neck and nothing but air."""
    slices = [trunk(KVCT_PIXEL[0], size=size, **anatomy) for size in (1.1, 0.95, 1.2, 0.9, 1.0)]
    return np.stack([trunk(KVCT_PIXEL[0], size=0.5), *slices, np.full((160, 160), -1000.0)])


def offsets(scan, kvct):
    (found,) = hu_offsets([scan], kvct, pixel_size=PIXEL, kvct_pixel_size=KVCT_PIXEL)
    return found["fat_offset"], found["soft_tissue_offset"]


@pytest.mark.parametrize("shift", [-90, -30, -12, 0, 30, 90])
def test_shift_is_found_in_both_tissues(scan, shift):
    assert offsets(scan + shift, planning_ct()) == pytest.approx((shift, shift), abs=2)


def test_tissues_are_measured_apart(scan):
    fat = np.stack([trunk(size=size) for size in (0.9, 1.0, 1.1)]) == -100
    assert offsets(scan + 20 * fat, planning_ct()) == pytest.approx((20, 0), abs=2)


@pytest.mark.parametrize(("anatomy", "off"), [({"fat_mm": 15}, 4), ({"organ_hu": 125.0}, 3)])
def test_weight_lost_and_contrast_agent_in_an_organ_are_no_shift(scan, anatomy, off):
    assert offsets(scan, planning_ct(**anatomy)) == pytest.approx((0, 0), abs=off)
    assert offsets(scan + 30, planning_ct(**anatomy)) == pytest.approx((30, 30), abs=off)


def test_another_part_of_the_body_gives_no_offset(scan):
    neck = np.stack([trunk(KVCT_PIXEL[0], size=0.4)])
    assert all(map(math.isnan, offsets(scan, neck)))
    assert all(map(math.isnan, offsets(np.full_like(scan, -1000), planning_ct())))


def test_body_that_the_field_of_view_cuts_is_found_in_the_planning_ct(scan):
    j, i = np.mgrid[:160, :160] - 79.5
    cut = np.where(np.hypot(j - 10, i) < 40, np.roll(scan, 10, axis=1), -1000)[:, 50:130, 40:120]
    assert offsets(cut + 30, planning_ct()) == pytest.approx((30, 30), abs=3)
    assert all(map(math.isnan, offsets(cut + 30, planning_ct()[:1])))


def test_little_fat_gives_no_offset_of_fat(scan):
    fat, soft = offsets(scan, planning_ct(fat_mm=2))
    assert math.isnan(fat) and abs(soft) <= 2


def test_each_scan_has_its_own_offsets(scan):
    enhanced, mvct = hu_offsets([scan, scan - 15], planning_ct(), pixel_size=PIXEL, kvct_pixel_size=KVCT_PIXEL)
    assert enhanced["fat_offset"] - mvct["fat_offset"] == pytest.approx(15, abs=2)


@pytest.mark.thorough
@pytest.mark.parametrize(("name", "fat"), [("abdomen-crlm-1006", True), ("headneck-cthead-stanford", False)])
def test_shift_of_a_real_scan_is_found_by_other_slices_of_half_of_it(real_data, white_noise, name, fat):
    kvct = read_volume(real_data / "kvct" / f"{name}.nrrd", slices_only=True)
    scan = kvct.array[::8] + white_noise(kvct.array[::8].shape, 20)
    sizes = {"pixel_size": kvct.spacing[1::-1], "kvct_pixel_size": kvct.spacing[1::-1]}
    half = kvct.array[1 : len(kvct.array) // 2 : 2]
    for shift in (0, 30):
        (found,) = hu_offsets([scan + shift], half, **sizes)
        assert math.isnan(found["fat_offset"]) != fat
        known = [offset for offset in found.values() if math.isfinite(offset)]
        assert known == pytest.approx([shift] * len(known), abs=5)
