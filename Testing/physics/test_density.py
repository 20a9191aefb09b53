"""The curve between kV HU and electron density is the published one, and can be undone."""

import pytest
import torch
from MVCTEnhanceLib.physics.density import KNEE_HU, density_hu_from_kv, kv_hu_from_density

HU = torch.linspace(-1024, 30000, 20001, dtype=torch.float64)


def test_curve_is_continuous_at_its_knee():
    below, above = density_hu_from_kv(torch.tensor([KNEE_HU, KNEE_HU + 1e-3], dtype=torch.float64))
    assert float(above - below) == pytest.approx(0, abs=1e-3)


def test_curve_is_strictly_monotone():
    assert (density_hu_from_kv(HU).diff() > 0).all()
    assert (kv_hu_from_density(HU).diff() > 0).all()


def test_inverse_undoes_the_curve_without_clipping():
    assert torch.allclose(kv_hu_from_density(density_hu_from_kv(HU)), HU, atol=1e-9)
    assert torch.allclose(density_hu_from_kv(kv_hu_from_density(HU)), HU, atol=1e-9)


@pytest.mark.parametrize(
    ("kv_hu", "relative_electron_density"),
    [(-1000, 0.0), (-700, 0.3), (-100, 0.9), (0, 1.0), (50, 1.05), (400, 1.244), (1000, 1.532), (1500, 1.772)],
)
def test_curve_passes_through_the_published_points(kv_hu, relative_electron_density):
    """1 + HU/1000 in soft tissue, 1.052 + 0.00048 HU in bone (Thomas 1999, Saw 2005)."""
    density_hu = density_hu_from_kv(torch.tensor([float(kv_hu)]))
    assert 1 + density_hu.item() / 1000 == pytest.approx(relative_electron_density, abs=1e-6)
