"""A training can start from a model's weights, where they fit; a run that goes on does not load them again."""

import csv
import dataclasses
import hashlib

import pytest
import torch
from MVCTEnhanceLib.errors import Cancelled, InputError
from MVCTEnhanceLib.model.card import Plan
from MVCTEnhanceLib.model.intensities import DENSITY
from MVCTEnhanceLib.model.package import Model, load_model, save_model
from MVCTEnhanceLib.model.translator import Translator
from MVCTEnhanceLib.training.checkpoint import load_checkpoint, save_checkpoint
from MVCTEnhanceLib.training.config import completed
from MVCTEnhanceLib.training.run import train
from MVCTEnhanceLib.training.start import read_start

CARD = {"name": "base", "version": "0.9", "credits": ["base data"], "training_data": {"mvct_slices": 99}, "seed": 5}


def silent(event, **fields):
    pass


def save_base(path, *, preset="density-residual", intensities=DENSITY, card=CARD, seed=11):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        save_model(Model(Translator(preset), Plan(preset, 2.0, intensities), card), path)
    return path


@pytest.fixture
def base(tmp_path):
    return save_base(tmp_path / "base.safetensors")


@pytest.fixture
def run(tiny_config, scans, tmp_path):
    """A function that trains in tmp_path/run, on the phantom scans; changes are settings, `start` the model."""

    def train_here(start=None, cancelled=lambda: False, **changes):
        folders = {name: str(scans / name) for name in ("mvct", "kvct")}
        short = {"perceptual": 0.0, "steps": 2, "validate_every": 1, "validation_slices": 1, "credits": ("site",)}
        config = tiny_config(**folders | short | changes)
        path = train(
            config, tmp_path / "run", device=torch.device("cpu"), on_event=silent, start=start, cancelled=cancelled
        )
        return load_model(path)

    return train_here


def validations(tmp_path):
    with (tmp_path / "run" / "validation.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_without_steps_of_the_generators_the_weights_are_the_models(run, base):
    adapted = run(base, discriminator_steps=2)
    for name, tensor in load_model(base).translator.state_dict().items():
        assert torch.equal(tensor, adapted.translator.state_dict()[name])


def test_first_validation_is_of_the_model_as_it_was(run, base, tmp_path):
    run(base, discriminator_steps=2)
    rows = validations(tmp_path)
    assert [row["step"] for row in rows] == ["0", "1", "2"]
    assert rows[0]["chosen"] == "False"
    assert rows[0]["dig"] == rows[1]["dig"]


@pytest.mark.integration
def test_card_tells_of_the_model_that_was_adapted(run, base):
    card = run(base).card
    digest = hashlib.sha256(base.read_bytes()).hexdigest()
    told = {"name": "base", "version": "0.9", "training_data": {"mvct_slices": 99}, "sha256": digest}
    assert card["adapted_from"] == told
    assert card["credits"] == ["site", "base data"]
    assert card["training_data"]["mvct_slices"] == 16


@pytest.mark.integration
def test_adapted_model_can_be_adapted_again_and_tells_of_both(run, base, tmp_path):
    run(base)
    (tmp_path / "run").rename(tmp_path / "first")
    card = run(tmp_path / "first" / "model.safetensors").card
    assert card["adapted_from"]["adapted_from"]["name"] == "base"
    assert card["credits"] == ["site", "base data"]


@pytest.mark.integration
def test_trained_from_scratch_has_no_model_to_tell_of(run, tmp_path):
    assert "adapted_from" not in run().card
    assert [row["step"] for row in validations(tmp_path)] == ["1", "2"]


@pytest.mark.integration
@pytest.mark.parametrize("named_again", [True, False])
def test_resumed_run_does_not_load_the_weights_again(run, base, tmp_path, named_again):
    whole = run(base, steps=4)
    (tmp_path / "run").rename(tmp_path / "whole")
    done = iter([False, True])
    with pytest.raises(Cancelled):
        run(base, steps=4, cancelled=lambda: next(done))
    resumed = run(base if named_again else None, steps=4)
    for name, tensor in whole.translator.state_dict().items():
        assert torch.equal(tensor, resumed.translator.state_dict()[name])
    assert resumed.card == whole.card
    assert [row["step"] for row in validations(tmp_path)] == ["0", "1", "2", "3", "4"]


@pytest.mark.integration
@pytest.mark.parametrize("first", [True, False])
def test_run_that_was_started_from_something_else_is_refused(run, base, tmp_path, first):
    run(base if first else None)
    other = save_base(tmp_path / "other.safetensors", seed=12)
    with pytest.raises(InputError, match="not started from this model"):
        run(other)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"preset": "ozaki2022"}, "the preset is density-residual in the model and ozaki2022"),
        ({"spacing_mm": 1.5}, "spacing_mm is 2.0 in the model and 1.5"),
    ],
)
def test_configuration_that_does_not_fit_the_model_is_refused(run, base, tmp_path, changes, words):
    with pytest.raises(InputError, match=words):
        run(base, **changes)
    assert not (tmp_path / "run").exists()


def test_model_with_other_intensities_is_refused(tiny_config, tmp_path):
    other = dataclasses.replace(DENSITY, half_width_hu=400.0)
    path = save_base(tmp_path / "other.safetensors", intensities=other)
    with pytest.raises(InputError, match="maps HU otherwise"):
        read_start(path, tiny_config())


@pytest.mark.integration
def test_checkpoint_without_settings_that_came_later_still_goes_on(run, tmp_path):
    """As an earlier version wrote it."""
    done = iter([True])
    with pytest.raises(Cancelled):
        run(cancelled=lambda: next(done))
    path = tmp_path / "run" / "checkpoint.pt"
    state = load_checkpoint(path)
    del state["trainer"]["config"]["data"]["validation"], state["start"]
    save_checkpoint(path, state)
    assert run().card["step"] == 2


def test_missing_settings_count_as_their_defaults_and_others_stay(tiny_config):
    config = tiny_config(steps=77).to_dict()
    stored = {**config, "data": {k: v for k, v in config["data"].items() if k != "validation"}}
    del stored["seed"]
    assert completed(stored) == config
    assert completed(stored)["schedule"]["steps"] == 77
