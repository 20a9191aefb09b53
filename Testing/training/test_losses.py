"""The loss terms have the values of their definitions, worked out by hand, and the gradients that training needs."""

import math

import numpy as np
import pytest
import torch
from MVCTEnhanceLib.model.translator import PRESETS, Translator
from MVCTEnhanceLib.training import losses
from MVCTEnhanceLib.training.perceptual import VGGFeatures
from scipy import ndimage


def image(*rows):
    return torch.tensor(rows, dtype=torch.float32)[None, None]


def test_adversarial_term_is_the_squared_distance_to_1():
    assert losses.adversarial(image([1, 0, -1, 3])).item() == pytest.approx((0 + 1 + 4 + 4) / 4)


def test_discriminator_wants_1_for_real_and_0_for_made():
    assert losses.discriminator(image([1, 1]), image([0, 0])).item() == 0
    assert losses.discriminator(image([0, 2]), image([3, 1])).item() == pytest.approx((1 + (9 + 1) / 2) / 2)


def test_jitter_moves_the_discriminators_targets():
    assert losses.discriminator(image([1.25]), image([-0.5]), (0.25, -0.5)).item() == pytest.approx(0)
    assert losses.discriminator(image([1.0]), image([0.0]), (0.2, 0.4)).item() == pytest.approx((0.04 + 0.16) / 2)


def test_l1_is_the_mean_absolute_difference():
    assert losses.l1(image([1, -2], [0, 4]), image([0, 0], [0, 1])).item() == pytest.approx((1 + 2 + 0 + 3) / 4)


def test_blurred_l1_without_blur_is_l1():
    a, b = torch.randn(2, 1, 20, 20), torch.randn(2, 1, 20, 20)
    assert losses.blurred_l1(a, b, 0.0) == losses.l1(a, b)


def test_blurred_l1_blurs_as_scipy_does():
    a, b = (torch.from_numpy(np.random.default_rng(seed).normal(0, 1, (1, 1, 40, 40))) for seed in (0, 1))
    expected = np.abs(ndimage.gaussian_filter((a - b)[0, 0].numpy(), 2.0, truncate=3.0, mode="mirror")).mean()
    assert losses.blurred_l1(a, b, 2.0).item() == pytest.approx(expected, rel=1e-6)


def test_blurred_l1_hardly_sees_noise_but_sees_a_shift():
    torch.manual_seed(0)
    a = torch.zeros(1, 1, 64, 64)
    assert losses.blurred_l1(a, a + torch.randn_like(a), 2.0) < 0.2 * losses.l1(a, a + torch.randn_like(a))
    assert losses.blurred_l1(a, a + 0.5, 2.0).item() == pytest.approx(0.5)


C = -1.2  # -600 HU


def test_air_term_sees_a_difference_where_both_are_air():
    """An XOR of the two masks would be zero here."""
    assert losses.air_region(image([-1.5]), image([-2.0]), C).item() == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("translated", "original", "expected"),
    [(-2.0, -2.0, 0), (0.3, -2.0, 2.0), (-1.9, 0.3, 1.9), (0.3, 0.9, 0), (-1.2, 0.0, 0), (-1.2, -1.3, 1.3)],
)
def test_air_term_follows_its_definition(translated, original, expected):
    assert losses.air_region(image([translated]), image([original]), C).item() == pytest.approx(expected)


def test_air_term_is_a_mean_over_pixels_and_pulls_air_back():
    translated = image([-1.5, 0.0, 0.0, -2.2]).requires_grad_()
    loss = losses.air_region(translated, image([-2.0, 0.0, 0.1, -2.0]), C)
    assert loss.item() == pytest.approx((0.5 + 0.2) / 4)
    loss.backward()
    assert translated.grad[0, 0, 0].tolist() == pytest.approx([0.25, 0, 0, -0.25])


def test_perceptual_term_is_the_mean_squared_distance_of_features(vgg_file):
    features = VGGFeatures(vgg_file)
    a, b = torch.rand(2, 1, 12, 10), torch.rand(2, 1, 12, 10)
    distance = (features(a) - features(b)).square()
    by_hand = sum(distance[n].sum() / (12 * 10 * 64) for n in range(2)) / 2
    assert losses.perceptual(features, a, b).item() == pytest.approx(by_hand.item(), rel=1e-5)
    assert losses.perceptual(features, a, a).item() == 0


@pytest.mark.parametrize("preset", PRESETS)
def test_perceptual_term_has_a_gradient_for_every_generator_weight(vgg_file, preset):
    translator, slices = Translator(preset), 0.5 * torch.randn(1, 1, 32, 32)
    losses.perceptual(VGGFeatures(vgg_file), translator.to_kv(slices), slices).backward()
    for name, parameter in (
        *translator.encoders["mv"].named_parameters(),
        *translator.decoders["kv"].named_parameters(),
    ):
        if not name.startswith("noise"):
            assert parameter.grad is not None and parameter.grad.isfinite().all()
    gradients = [p.grad.abs().sum() for p in translator.parameters() if p.grad is not None]
    assert sum(gradient > 0 for gradient in gradients) >= len(gradients) / 2


def test_perceptual_gradient_is_that_of_the_finite_difference(vgg_file):
    features = VGGFeatures(vgg_file).double()
    torch.manual_seed(1)
    a, b = 0.5 * torch.rand(1, 1, 6, 6, dtype=torch.float64), 0.5 * torch.rand(1, 1, 6, 6, dtype=torch.float64)
    a.requires_grad_()
    losses.perceptual(features, a, b).backward()
    step = torch.zeros_like(a)
    step[0, 0, 2, 3] = 1e-3
    with torch.no_grad():
        numeric = (losses.perceptual(features, a + step, b) - losses.perceptual(features, a - step, b)).item() / 2e-3
    assert not math.isclose(numeric, 0)
    assert a.grad[0, 0, 2, 3].item() == pytest.approx(numeric, rel=1e-2)
