"""The map beyond the HU conversion: nothing where only HU were converted, in bone too, and what else was changed."""

import numpy as np
import pytest
import torch
from MVCTEnhanceLib.physics.density import correction, density_hu_from_kv, difference, kv_hu_from_density
from MVCTEnhanceLib.physics.phantom import head_neck_phantom


@pytest.fixture(scope="module")
def kvct():
    """Two slices with bone of a head, int16 HU."""
    return head_neck_phantom(slices=2, shape=(128, 128), spacing_mm=(2.0, 2.0, 6.0), centre_z_mm=0).array


@pytest.mark.parametrize("dtype", [np.int16, np.float32])
def test_bone_is_in_the_difference_and_not_beyond_the_conversion(kvct, dtype):
    mvct = density_hu_from_kv(kvct.astype(np.float32)).round().astype(dtype)
    bone = kvct > 800
    assert bone.any() and np.abs(difference(mvct, kvct)[bone]).min() > 300
    assert np.abs(correction(mvct, kvct)).max() <= 0.5


def test_what_else_was_changed_is_left_in_density(kvct):
    mvct = density_hu_from_kv(kvct.astype(np.float32)) - 25
    np.testing.assert_allclose(correction(mvct, kvct), 25, atol=1e-3)


def test_numpy_and_torch_follow_one_curve():
    hu = np.linspace(-1100, 4000, 5000, dtype=np.float32)
    for curve in (density_hu_from_kv, kv_hu_from_density):
        values = curve(hu)
        assert values.dtype == np.float32
        np.testing.assert_array_equal(values, curve(torch.from_numpy(hu)).numpy())
