"""Resampling keeps places and values: checked on ramps, whose interpolation is exact, and against scipy."""

import numpy as np
import pytest
import torch
from MVCTEnhanceLib.volume import Volume
from MVCTEnhanceLib.volume.resample import resample_slices, resample_to
from scipy import ndimage


def centred_mm(size, pixel_mm):
    return (torch.arange(size) - (size - 1) / 2) * pixel_mm


def ramp(shape, pixel_mm, per_mm=(3.0, -2.0)):
    """A plane in HU whose value depends on the position in mm only, shape (1, j, i)."""
    j, i = (centred_mm(size, mm) for size, mm in zip(shape, pixel_mm, strict=True))
    return (per_mm[0] * j[:, None] + per_mm[1] * i[None, :])[None].float()


def rotation(angle_deg):
    c, s = np.cos(np.radians(angle_deg)), np.sin(np.radians(angle_deg))
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]) @ np.array([[1, 0, 0], [0, c, -s], [0, s, c]])


@pytest.mark.parametrize("new_mm", [(0.763, 0.763), (1.3, 0.4), (0.5, 2.0)])
def test_linear_ramp_is_reproduced_at_any_pixel_size(new_mm):
    old_shape, old_mm, new_shape = (40, 60), (1.1, 0.9), (21, 13)
    resampled = resample_slices(ramp(old_shape, old_mm), old_mm, new_mm, new_shape)
    assert torch.allclose(resampled, ramp(new_shape, new_mm), atol=2e-3)


def test_rows_and_columns_are_not_mixed_up():
    slices = torch.zeros(1, 8, 12)
    slices[0, :, 6:] = 100
    wide = resample_slices(slices, (1.0, 1.0), (1.0, 0.5), (8, 24))
    assert wide.shape == (1, 8, 24)
    assert torch.allclose(wide[0, :, :10], torch.zeros(8, 10), atol=10)
    assert torch.allclose(wide[0, :, 14:], torch.full((8, 10), 100.0), atol=10)


def test_same_grid_is_the_identity():
    slices = torch.from_numpy(np.random.default_rng(1).normal(0, 300, (3, 51, 64)).astype(np.float32))
    assert torch.allclose(resample_slices(slices, (0.8, 0.8), (0.8, 0.8), (51, 64)), slices, atol=1e-3)


@pytest.mark.parametrize("shape", [(31, 31), (30, 30)])
def test_centre_stays_the_centre(shape):
    blob = torch.exp(-(centred_mm(shape[0], 1.0)[:, None] ** 2 + centred_mm(shape[1], 1.0)[None, :] ** 2) / 30)
    resampled = resample_slices(blob[None], (1.0, 1.0), (0.7, 0.6), (46, 55))[0].numpy()
    assert ndimage.center_of_mass(resampled) == pytest.approx((22.5, 27), abs=0.01)


def test_border_pixel_continues_outside():
    slices = torch.full((1, 6, 6), 70.0)
    assert torch.allclose(resample_slices(slices, (1.0, 1.0), (1.0, 1.0), (20, 20)), torch.full((1, 20, 20), 70.0))


def test_bicubic_interpolation_is_the_cubic_convolution_of_keys():
    """At half a pixel it weighs the four neighbours -1/16, 9/16, 9/16, -1/16."""
    row = torch.tensor([0.0, 0, 0, 16, 0, 0, 0, 0])
    halfway = resample_slices(row.expand(8, 8)[None].clone(), (1.0, 1.0), (1.0, 1.0), (8, 7))[0, 4]
    assert halfway.tolist() == pytest.approx([0, -1, 9, 9, -1, 0, 0], abs=1e-3)


def test_resample_to_agrees_with_scipy_between_oblique_grids():
    rng = np.random.default_rng(2)
    volume = Volume(rng.normal(0, 100, (9, 12, 15)).astype(np.float32), (1.2, 0.9, 2.0), (-8.0, 3.0, 5.0), rotation(20))
    reference = Volume(np.zeros((4, 5, 6), np.int16), (1.5, 1.0, 2.5), (-3.0, 4.0, 9.0), rotation(35))
    result = resample_to(volume, reference)

    kji = np.moveaxis(np.indices(reference.array.shape), 0, -1)
    lps = (kji[..., ::-1] * reference.spacing) @ reference.direction.T + reference.origin
    index = (lps - volume.origin) @ volume.direction / volume.spacing
    expected = ndimage.map_coordinates(volume.array, np.moveaxis(index[..., ::-1], -1, 0), order=1, cval=np.nan)
    inside = np.isfinite(expected)
    assert inside.sum() > 20
    assert np.allclose(result.array[inside], expected[inside], atol=0.01)
    assert result.spacing == reference.spacing and result.origin == reference.origin
    assert np.array_equal(result.direction, reference.direction)


def test_resample_to_is_air_outside_and_keeps_the_warnings():
    volume = Volume(np.full((2, 4, 4), 55, np.int16), warnings=("The scan is odd.",))
    reference = Volume(np.zeros((2, 12, 12), np.int16), origin=(-4.0, -4.0, 0.0))
    result = resample_to(volume, reference)
    assert np.all(result.array[:, 4:8, 4:8] == 55)
    assert result.array[0, 0, 0] == -1000
    assert result.warnings == ("The scan is odd.",)
    assert result.source is None


def test_resample_to_of_a_left_handed_volume_mirrors_nothing():
    flipped = np.diag([1.0, 1.0, -1.0])
    volume = Volume(np.arange(5, dtype=np.float32)[:, None, None] * np.ones((5, 3, 3), np.float32), direction=flipped)
    upright = Volume(np.zeros((5, 3, 3), np.int16), origin=(0.0, 0.0, -4.0))
    assert resample_to(volume, upright).array[:, 1, 1].tolist() == [4, 3, 2, 1, 0]
