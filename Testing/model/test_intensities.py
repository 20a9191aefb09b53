"""HU go to network values and back: nothing is lost on the density scale, the paper's window clips as it says."""

import pytest
import torch
from MVCTEnhanceLib.model.intensities import DENSITY, PAPER_WINDOW
from MVCTEnhanceLib.physics.density import density_hu_from_kv

HU = torch.linspace(-3000, 30000, 3301)


@pytest.mark.parametrize("domain", ["mv", "kv"])
def test_density_scale_clips_nothing(domain):
    assert torch.allclose(DENSITY.to_hu(DENSITY.to_network(HU, domain), domain), HU, atol=0.02)


def test_a_tissue_has_the_same_density_value_in_both_domains():
    kv_hu = torch.tensor([-1000.0, -100, 0, 60, 400, 1500])
    assert torch.allclose(DENSITY.to_network(kv_hu, "kv"), DENSITY.to_network(density_hu_from_kv(kv_hu), "mv"))


def test_density_values_are_of_order_one_in_tissue():
    assert DENSITY.to_network(torch.tensor([-1000.0, 0.0, 500.0]), "mv").tolist() == [-2, 0, 1]


@pytest.mark.parametrize("domain", ["mv", "kv"])
def test_paper_window_is_minus_600_to_400(domain):
    values = PAPER_WINDOW.to_network(torch.tensor([-3000.0, -600, -100, 150, 400, 30000]), domain)
    assert values.tolist() == pytest.approx([-1, -1, 0, 0.5, 1, 1])


def test_paper_window_comes_back_clipped_and_not_curved():
    hu = torch.tensor([-1000.0, -600, 0, 300, 2000])
    assert PAPER_WINDOW.to_hu(PAPER_WINDOW.to_network(hu, "kv"), "kv").tolist() == pytest.approx(
        [-600, -600, 0, 300, 400], abs=1e-3
    )
