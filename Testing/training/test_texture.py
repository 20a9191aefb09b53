"""The texture term compares how strong local detail is, not what it shows; with the cycle phase it learns the noise."""

import pytest
import torch
import torch.nn.functional as F
from MVCTEnhanceLib.training.losses import texture


def noise(sd, *, seed=0, blur=False):
    field = torch.randn((4, 1, 96, 96), generator=torch.Generator().manual_seed(seed))
    if blur:
        field = F.avg_pool2d(field, 3, stride=1, padding=1)
        field = field / field.std()
    return sd * field


def test_other_noise_of_the_same_strength_is_nearly_no_distance():
    assert texture(noise(0.05), noise(0.05, seed=1)) < 0.1


def test_distance_grows_with_the_ratio_of_the_strengths():
    half, third = (texture(noise(0.06 / part), noise(0.06, seed=1)) for part in (2, 3))
    # The log of the energy falls by 2 log 2 and 2 log 3 in each band.
    assert half == pytest.approx(1.386, rel=0.05)
    assert third == pytest.approx(2.197, rel=0.05)


def test_noise_of_another_fineness_is_told_from_it():
    assert texture(noise(0.05, blur=True), noise(0.05, seed=1)) > 0.5


def test_air_does_not_count():
    air = torch.full((4, 1, 96, 96), -2.0)
    halves = [torch.cat((noise(0.05, seed=seed)[..., :48], air[..., :48]), dim=-1) for seed in (0, 1)]
    wholly = texture(noise(0.05), noise(0.05, seed=1))
    assert texture(*halves) == pytest.approx(wholly.item(), abs=0.15)


def test_crops_of_nothing_but_air_have_no_distance():
    air = torch.full((4, 1, 96, 96), -2.0)
    made = air.clone().requires_grad_()
    loss = texture(made, noise(0.05))
    loss.backward()
    assert loss == 0 and not made.grad.any()


def test_gradient_makes_weak_noise_stronger():
    strength = torch.tensor(0.5, requires_grad=True)
    texture(strength * noise(0.05), noise(0.05, seed=1)).backward()
    assert strength.grad < 0


def test_cycle_phase_teaches_the_way_back_and_the_noise_without_seeing_a_pair(make_trainer):
    trainer = make_trainer(preset="density-physics", texture=1.0, cycle_steps=2)
    assert trainer.phase() == "cycle"
    before = {name: tensor.clone() for name, tensor in trainer.translator.state_dict().items()}
    values = trainer.run_step()
    changed = {
        name.split(".")[0] + "." + name.split(".")[1]
        for name, tensor in trainer.translator.state_dict().items()
        if not torch.equal(tensor, before[name])
    }
    assert set(values) == {"cycle", "texture"}
    assert {"encoders.mv", "decoders.kv", "backward_generator.textures"} <= changed
    assert not {"encoders.kv", "decoders.mv"} & changed


def test_the_way_back_cannot_make_its_task_easier_by_making_less_noise(make_trainer):
    """The cycle alone, without the texture term, leaves the backward generator as it is."""
    weights = {"adversarial": 0.0, "perceptual": 0.0, "air": 0.0, "autoencoder": 0.0, "identity": 0.0}
    trainer = make_trainer(preset="density-physics", **weights)
    noise_weight = trainer.translator.backward_generator.textures
    before = noise_weight.detach().clone()
    trainer.run_step()
    assert torch.equal(noise_weight, before)
