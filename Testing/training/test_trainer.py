"""A step trains what its phase says, by the terms that have a weight; plain CycleGAN is a choice of weights."""

import math

import pytest
import torch
from MVCTEnhanceLib.training.trainer import ImageBuffer

TERMS = ("adversarial", "cycle", "autoencoder", "perceptual", "air", "identity")
SCORES = {"discriminator_mv", "discriminator_kv", "score_mv", "score_kv", "score_made_mv", "score_made_kv"}


def weights(module):
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def changed(before, module):
    return {name for name, tensor in module.state_dict().items() if not torch.equal(tensor, before[name])}


@pytest.mark.parametrize("preset", ["density-residual", "ozaki2022"])
def test_full_step_has_every_term_and_trains_all_networks(make_trainer, preset):
    trainer = make_trainer(preset=preset)
    before = weights(trainer.translator), weights(trainer.discriminators)
    values = trainer.run_step()
    assert set(values) == set(TERMS) | SCORES
    assert all(math.isfinite(value) for value in values.values())
    assert all(values[term] > 0 for term in TERMS)
    for network in ("encoders.mv", "encoders.kv", "decoders.mv", "decoders.kv"):
        assert any(name.startswith(network) for name in changed(before[0], trainer.translator))
    assert {name[:2] for name in changed(before[1], trainer.discriminators)} == {"mv", "kv"}


@pytest.mark.parametrize("term", TERMS)
def test_weight_zero_removes_its_term(make_trainer, term):
    assert set(make_trainer(**{term: 0.0}).run_step()) == set(TERMS) - {term} | SCORES


@pytest.mark.parametrize("term", TERMS)
def test_term_grows_in_proportion_to_its_weight(make_trainer, term):
    single, triple = (make_trainer(**{term: weight}).run_step()[term] for weight in (1.0, 3.0))
    assert triple == pytest.approx(3 * single, rel=1e-5)


@pytest.mark.parametrize("term", TERMS)
def test_each_term_alone_trains_the_generators(make_trainer, term):
    """Among them the perceptual term, which is worth nothing without a gradient."""
    alone = dict.fromkeys(TERMS, 0.0) | {term: 1.0}
    trainer = make_trainer(**alone)
    before = weights(trainer.translator)
    trainer.run_step()
    assert len(changed(before, trainer.translator)) > len(before) / 3


def test_plain_cyclegan_is_its_three_terms_and_nothing_else(make_trainer):
    trainer = make_trainer(preset="ozaki2022", perceptual=0.0, autoencoder=0.0, air=0.0, identity=0.5)
    to_network = trainer.intensities.to_network
    mv, kv = (to_network(trainer.samplers[domain].crops(0, 2)[0], domain) for domain in ("mv", "kv"))
    translate, judge = trainer.translator, trainer.discriminators
    with torch.no_grad():
        fake_kv, fake_mv = translate.to_kv(mv), translate.to_mv(kv)
        expected = {
            "adversarial": ((judge["kv"](fake_kv) - 1) ** 2).mean() + ((judge["mv"](fake_mv) - 1) ** 2).mean(),
            "cycle": 10 * ((translate.to_mv(fake_kv) - mv).abs().mean() + (translate.to_kv(fake_mv) - kv).abs().mean()),
            "identity": 0.5 * ((translate.to_mv(mv) - mv).abs().mean() + (translate.to_kv(kv) - kv).abs().mean()),
        }
    assert trainer.features is None
    values = trainer.run_step()
    assert set(values) == set(expected) | SCORES
    for term, value in expected.items():
        assert values[term] == pytest.approx(value.item(), rel=1e-4)


def test_air_term_of_the_paper_window_sees_air_that_the_window_clipped(make_trainer):
    """-600 HU is the window's lower end, which no clipped value lies below."""
    trainer = make_trainer(preset="ozaki2022")
    assert trainer.run_step()["air"] > 0.05


def test_paired_phase_trains_the_way_to_kv_only(make_trainer):
    trainer = make_trainer(truth="truth", paired=4.0, paired_steps=1)
    assert trainer.phase() == "paired"
    before = weights(trainer.translator), weights(trainer.discriminators)
    crops, truth = trainer.samplers["mv"].crops(0, 2)
    to_network = trainer.intensities.to_network
    with torch.no_grad():
        made = trainer.translator.to_kv(to_network(crops, "mv"))
    values = trainer.run_step()
    assert values == pytest.approx({"paired": 4 * (made - to_network(truth, "kv")).abs().mean().item()}, rel=1e-4)
    assert {name.rsplit(".")[1] for name in changed(before[0], trainer.translator) if "encoders" in name} == {"mv"}
    assert {name.rsplit(".")[1] for name in changed(before[0], trainer.translator) if "decoders" in name} == {"kv"}
    assert not changed(before[1], trainer.discriminators)


def test_paired_phase_can_precede_an_unpaired_one(make_trainer):
    trainer = make_trainer(truth="truth", paired=0.0, paired_steps=1)
    assert trainer.run_step()["paired"] > 0
    assert "paired" not in trainer.run_step()


def test_discriminator_phase_leaves_the_generators_alone(make_trainer):
    trainer = make_trainer(discriminator_steps=2)
    assert trainer.phase() == "discriminators"
    before = weights(trainer.translator), weights(trainer.discriminators)
    assert set(trainer.run_step()) == SCORES
    assert not changed(before[0], trainer.translator)
    assert changed(before[1], trainer.discriminators)


def test_phases_follow_one_another(make_trainer):
    trainer = make_trainer(truth="truth", paired=1.0, paired_steps=2, discriminator_steps=1, steps=5)
    phases = []
    for _ in range(4):
        phases.append(trainer.phase())
        trainer.run_step()
    assert phases == ["paired", "paired", "discriminators", "full"]


def test_paired_term_stays_as_an_anchor_in_the_full_phase(make_trainer):
    assert "paired" in make_trainer(truth="truth", paired=1.0).run_step()


def test_discriminators_learn_to_tell_the_domains_apart(make_trainer):
    """30 HU of noise against 5 HU: the scores of real and made slices part."""
    trainer = make_trainer(discriminator_steps=60, steps=60, discriminator_rate=1e-3, beta_1=0.5, target_jitter=0.0)
    for _ in range(40):
        values = trainer.run_step()
    assert values["score_kv"] - values["score_made_kv"] > 0.3


def test_rates_fall_along_one_cosine(make_trainer):
    trainer = make_trainer(steps=4, generator_rate=1.0e-3, discriminator_rate=1e-4, final_rate=0.2)
    rates = []
    for _ in range(4):
        trainer.run_step()
        rates.append([trainer.optimisers[which].param_groups[0]["lr"] for which in ("generators", "discriminators")])
    factors = [0.2 + 0.8 * (1 + math.cos(math.pi * step / 4)) / 2 for step in range(4)]
    assert rates == [pytest.approx([1e-3 * factor, 1e-4 * factor]) for factor in factors]


def test_average_follows_the_weights(make_trainer):
    none, some = make_trainer(average=0.0), make_trainer(average=0.9)
    for trainer in (none, some):
        for _ in range(3):
            trainer.run_step()
    assert not changed(weights(none.translator), none.average)
    assert changed(weights(some.translator), some.average)


def test_same_seed_makes_the_same_steps_and_another_seed_others(make_trainer):
    runs = [make_trainer(seed=seed) for seed in (1, 1, 2)]
    torch.manual_seed(99)  # the surrounding program's generator plays no part
    values = [trainer.run_step() for trainer in runs]
    assert values[0] == values[1]
    assert values[0] != values[2]
    assert not changed(weights(runs[0].translator), runs[1].translator)


def test_training_leaves_the_programs_random_generator_alone(make_trainer):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    make_trainer().run_step()
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.integration
@pytest.mark.parametrize("mixed", [False, pytest.param(True, marks=pytest.mark.thorough)])
def test_restored_trainer_goes_on_bit_for_bit(make_trainer, mixed):
    settings = {"truth": "truth", "paired": 1.0, "paired_steps": 1, "discriminator_steps": 1, "mixed_precision": mixed}
    through, stopped, fresh = (make_trainer(**settings) for _ in range(3))
    for _ in range(3):
        through.run_step()
        stopped.run_step()
    fresh.restore(stopped.state())
    for _ in range(2):
        assert through.run_step() == fresh.run_step()
    for part in ("translator", "average", "discriminators"):
        assert not changed(weights(getattr(through, part)), getattr(fresh, part))
    assert all(
        torch.equal(*pair) for pair in zip(through.buffers["kv"].images, fresh.buffers["kv"].images, strict=True)
    )


def test_every_step_draws_noise_and_jitter_of_its_own(make_trainer):
    """On the same crops, with discriminators that stand still."""
    trainer = make_trainer(discriminator_steps=3, discriminator_rate=0.0, buffer=0)
    for sampler in trainer.samplers.values():
        crops = sampler.crops(0, 2)
        sampler.crops = lambda step, batch, crops=crops: crops
    first, second = trainer.run_step(), trainer.run_step()
    assert first["score_kv"] == second["score_kv"]
    assert first["score_made_mv"] != second["score_made_mv"]
    assert first["discriminator_kv"] != second["discriminator_kv"]


@pytest.mark.integration
def test_mixed_precision_comes_close_to_full_precision(make_trainer):
    full, mixed = (make_trainer(mixed_precision=mixed).run_step() for mixed in (False, True))
    assert full != mixed
    for term in TERMS:
        assert mixed[term] == pytest.approx(full[term], rel=0.05, abs=0.01)


def test_perceptual_crop_is_a_part_of_the_crop(make_trainer):
    whole, part = (make_trainer(perceptual_crop_px=side).run_step() for side in (0, 16))
    assert whole["perceptual"] != part["perceptual"]
    assert part["perceptual"] == pytest.approx(whole["perceptual"], rel=1.0)
    assert make_trainer(perceptual_crop_px=32).run_step()["perceptual"] == whole["perceptual"]


def numbered(first, number=1):
    return torch.arange(first, first + number, dtype=torch.float32).reshape(-1, 1, 1, 1).expand(-1, 1, 4, 4).clone()


def test_buffer_shows_the_newest_until_it_is_full():
    buffer, generator = ImageBuffer(3), torch.Generator().manual_seed(0)
    for number in range(3):
        assert torch.equal(buffer.exchange(numbered(number), generator), numbered(number))
    assert [int(image[0, 0, 0]) for image in buffer.images] == [0, 1, 2]


def test_buffer_shows_an_older_image_every_second_time():
    buffer, generator = ImageBuffer(10), torch.Generator().manual_seed(0)
    old = 0
    for number in range(410):
        seen = int(buffer.exchange(numbered(number), generator)[0, 0, 0, 0])
        old += seen != number
    assert len(buffer.images) == 10
    assert old / 400 == pytest.approx(0.5, abs=0.08)


def test_buffer_keeps_copies():
    buffer, made = ImageBuffer(2), numbered(1)
    buffer.exchange(made, torch.Generator())
    made += 5
    assert buffer.images[0].unique().tolist() == [1]


def test_buffer_of_size_zero_is_no_buffer():
    buffer = ImageBuffer(0)
    for number in range(5):
        assert torch.equal(buffer.exchange(numbered(number, 2), torch.Generator()), numbered(number, 2))
    assert not buffer.images
