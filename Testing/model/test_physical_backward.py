"""The physical backward generator blurs, adds noise of its own, and cannot hide the kVCT in what it makes."""

import pytest
import torch
from MVCTEnhanceLib.model.physical_backward import PhysicalBackward
from MVCTEnhanceLib.model.translator import Translator
from scipy import ndimage


def normal(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def backward():
    torch.manual_seed(3)
    return PhysicalBackward().eval().requires_grad_(False)


def test_without_noise_it_is_a_gaussian_blur_of_the_learned_width(backward):
    backward.blur_px.fill_(1.10517)
    slices = normal(2, 1, 40, 40)
    expected = ndimage.gaussian_filter(slices.numpy(), (0, 0, 1.10517, 1.10517), mode="nearest", radius=(0, 0, 4, 4))
    assert backward(slices).numpy() == pytest.approx(expected, abs=1e-5)


def test_a_constant_slice_keeps_its_value(backward):
    assert backward(torch.full((1, 1, 32, 48), 0.3)) == pytest.approx(0.3, abs=1e-6)


def test_stretch_moves_tissue_away_from_air_which_stays(backward):
    backward.stretch.fill_(1.02)
    water, air = torch.zeros(1, 1, 32, 32), torch.full((1, 1, 32, 32), -2.0)
    assert backward(water) == pytest.approx(0.04, abs=1e-5)  # 20 HU in network values
    assert backward(air) == pytest.approx(-2.0, abs=1e-5)


def test_the_noise_of_a_kvct_is_never_amplified(backward):
    """Else its noise could pass for an MVCT's, and the way back would restore the kVCT instead of removing noise."""
    kvct_noise = 0.02 * normal(1, 1, 64, 64)
    assert backward(kvct_noise).std() < kvct_noise.std()


def test_added_noise_is_independent_of_the_slice(backward):
    slices, noise = 0.1 * normal(1, 1, 96, 96), normal(1, 1, 96, 96, seed=1)
    added = backward(slices, noise) - backward(slices)
    correlation = torch.corrcoef(torch.stack((added.flatten(), slices.flatten())))[0, 1]
    assert added.std() > 0
    assert abs(correlation) < 0.05


def test_other_noise_gives_another_scan_of_the_same_patient(backward):
    slices = torch.zeros(1, 1, 64, 64)
    first, second = (backward(slices, normal(1, 1, 64, 64, seed=seed)) for seed in (1, 2))
    assert not torch.equal(first, second)


@pytest.mark.parametrize("shape", [(64, 64), (17, 33), (16, 50)])
def test_any_size_of_slice_is_kept(backward, shape):
    assert backward(normal(2, 1, *shape), normal(2, 1, *shape, seed=1)).shape == (2, 1, *shape)


def test_the_preset_goes_from_kvct_to_mvct_by_it_alone():
    torch.manual_seed(0)
    translator = Translator("density-physics").eval().requires_grad_(False)
    slices, noise = normal(1, 1, 32, 32), normal(1, 1, 32, 32, seed=1)
    assert torch.equal(translator.to_mv(slices, noise), translator.backward_generator(slices, noise))


def test_presets_without_it_have_no_weights_of_it():
    assert not any(name.startswith("backward") for name in Translator("density-residual").state_dict())


def test_each_slice_is_blurred_by_its_own_width(backward):
    slices = torch.zeros(2, 1, 33, 33)
    slices[..., 16, 16] = 1.0
    blurred = backward(slices, widths=torch.tensor([1.0, 1.5])[:, None, None, None])
    backward.blur_px *= 1.5
    assert torch.equal(blurred[1], backward(slices)[1])
    backward.blur_px /= 1.5
    assert torch.equal(blurred[0], backward(slices)[0])
    assert blurred[1].max() < blurred[0].max()
