"""The networks have the size and cost stated for them and take slices of any size."""

import pytest
import torch
from MVCTEnhanceLib.benchmark.slices import giga_macs
from MVCTEnhanceLib.errors import ModelError
from MVCTEnhanceLib.model.translator import PRESETS, Translator
from torch import nn


def parameters(module):
    return sum(parameter.numel() for parameter in module.parameters())


def test_paper_preset_has_the_papers_parameters():
    translator = Translator("ozaki2022")
    for source, target in (("mv", "kv"), ("kv", "mv")):
        assert parameters(translator.encoders[source]) + parameters(translator.decoders[target]) == 2_853_537
    assert parameters(PRESETS["ozaki2022"].discriminator()) == 2_762_689


def test_paper_preset_costs_what_the_paper_preset_costs():
    assert giga_macs("ozaki2022") == pytest.approx(51.6, abs=0.05)


def test_default_preset_costs_a_sixth_of_the_papers():
    assert giga_macs("density-residual") <= giga_macs("ozaki2022") / 6


def test_fast_preset_costs_less_than_4_gmac():
    assert giga_macs("density-fast") < 4


@pytest.mark.parametrize("preset", ["density-residual", "density-fast"])
def test_nothing_beyond_its_reach_changes_what_a_preset_makes_of_a_pixel(preset):
    reach = PRESETS[preset].reach_px
    side = 2 * reach + 21
    translator, slices = Translator(preset).eval(), torch.randn(1, 1, side, side)
    other = slices.clone()
    middle = side // 2
    other[..., middle, middle] += 1
    with torch.no_grad():
        changed = (translator.to_kv(other) != translator.to_kv(slices))[0, 0].nonzero() - middle
    assert reach - 2 <= changed.abs().max() <= reach  # at the ends the change may be below what float32 holds


def test_default_preset_normalises_nothing_by_what_else_is_in_the_field():
    kinds = {type(module) for module in Translator("density-residual").modules()}
    assert not kinds & {nn.InstanceNorm2d, nn.BatchNorm2d, nn.GroupNorm, nn.LayerNorm}


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (2, 3), (15, 16), (16, 16), (17, 33), (33, 47), (64, 50)])
def test_any_slice_size_works(preset, shape):
    with torch.inference_mode():
        slices = torch.rand(2, 1, *shape) - 0.5
        for source, target in (("mv", "kv"), ("kv", "mv"), ("mv", "mv")):
            result = Translator(preset).eval()(slices, source, target)
            assert result.shape == slices.shape
            assert result.isfinite().all()


def test_correction_of_the_default_preset_stays_within_its_limit():
    translator = Translator("density-residual").eval()
    with torch.no_grad():
        for parameter in translator.parameters():
            parameter *= 20
        slices = 10 * torch.randn(1, 1, 48, 48)
        change = (translator.to_kv(slices) - slices).abs().max()
    assert 0.5 < change <= PRESETS["density-residual"].correction_limit + 1e-5


def test_paper_preset_stays_within_its_window():
    with torch.no_grad():
        made = Translator("ozaki2022").to_kv(5 * torch.randn(1, 1, 48, 48))
    assert made.abs().max() <= 1


@pytest.mark.parametrize("preset", PRESETS)
def test_same_input_gives_the_same_output_again(preset):
    """Nothing accumulates: not in the latent, not in buffers, not in the input."""
    translator, slices = Translator(preset), torch.randn(1, 1, 32, 32).clamp(-1, 1)
    noise = torch.randn(1, 1, 32, 32) if PRESETS[preset].noisy_backward else None
    before = slices.clone()
    with torch.no_grad():
        first, again = translator.to_mv(slices, noise), translator.to_mv(slices, noise)
    assert torch.equal(first, again)
    assert torch.equal(slices, before)


def test_noise_enters_the_way_back_but_leaves_the_latent_as_it_is():
    preset = PRESETS["density-residual"]
    encoder, decoder = preset.encoder(), preset.decoder()
    with torch.no_grad():
        latent = encoder(torch.randn(1, 1, 32, 32))
        kept = latent.clone()
        quiet, noisy = decoder(latent), decoder(latent, torch.randn(1, 1, 32, 32))
        assert torch.equal(latent, kept)
        assert torch.equal(decoder(latent), quiet)
    assert not torch.allclose(quiet, noisy)


def test_paper_preset_takes_no_noise():
    with pytest.raises(ValueError, match="no noise input"), torch.no_grad():
        Translator("ozaki2022").to_mv(torch.zeros(1, 1, 32, 32), torch.zeros(1, 1, 32, 32))


@pytest.mark.parametrize("preset", PRESETS)
def test_discriminator_gives_a_score_for_each_patch(preset):
    discriminator = PRESETS[preset].discriminator()
    with torch.no_grad():
        assert discriminator(torch.zeros(2, 1, 32, 32)).shape[:2] == (2, 1)
        assert discriminator(torch.zeros(1, 1, 64, 64)).shape[-1] > 1


def test_default_discriminator_sees_noise_apart_from_the_anatomy():
    """Its score answers much more to fine noise than to a smooth slope of the same SD."""
    torch.manual_seed(0)
    discriminator = PRESETS["density-residual"].discriminator()
    noise = torch.randn(1, 1, 64, 64)
    slope = torch.linspace(-1, 1, 64).expand(1, 1, 64, 64)
    slope = slope / slope.std() * noise.std()
    with torch.no_grad():
        flat = discriminator(torch.zeros(1, 1, 64, 64))
        answers = [(discriminator(0.05 * image) - flat)[..., 4:-4, 4:-4].abs().mean() for image in (noise, slope)]
    assert answers[0] > 2 * answers[1]


def test_unknown_preset_is_named_with_the_known_ones():
    with pytest.raises(ModelError, match=r"'unet'.*density-residual, density-physics, density-fast, ozaki2022"):
        Translator("unet")
