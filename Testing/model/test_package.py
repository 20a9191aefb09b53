"""A model file brings back what was put in, and everything that is no whole model is refused in one sentence."""

import json
import pickle

import pytest
import torch
from MVCTEnhanceLib.errors import ModelError, OutputError
from MVCTEnhanceLib.model.card import PLAN_VERSION, Plan, installed_models, read_card
from MVCTEnhanceLib.model.intensities import PAPER_WINDOW
from MVCTEnhanceLib.model.package import Model, load_model, save_model
from MVCTEnhanceLib.model.translator import Translator
from safetensors import safe_open
from safetensors.torch import save_file


@pytest.fixture
def model_file(untrained_model, tmp_path):
    path = tmp_path / "model.safetensors"
    save_model(untrained_model, path)
    return path


def rewrite(path, *, tensors=None, **metadata):
    """Change tensors (None removes one) and metadata of a model file."""
    with safe_open(path, framework="pt") as file:
        state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        entries = file.metadata()
    state |= tensors or {}
    entries |= metadata
    save_file({n: t for n, t in state.items() if t is not None}, path, {n: e for n, e in entries.items() if e})


def plan_of(path, **changes):
    with safe_open(path, framework="pt") as file:
        return json.dumps(json.loads(file.metadata()["plan"]) | changes)


def refusal(path):
    """The sentence with which a file is refused."""
    with pytest.raises(ModelError) as caught:
        load_model(path)
    message = str(caught.value)
    assert path.name in message
    assert message.endswith(".") and "\n" not in message
    return message


def test_model_comes_back_with_weights_plan_and_card(tmp_path):
    translator = Translator("ozaki2022")
    card = {"name": "a", "credits": ["Ä, 中"], "measured": {"mae": 1.5}}
    save_model(Model(translator, Plan("ozaki2022", 1.25, PAPER_WINDOW), card), tmp_path / "a.safetensors")
    loaded = load_model(tmp_path / "a.safetensors")
    assert loaded.card == card
    assert loaded.plan == Plan("ozaki2022", 1.25, PAPER_WINDOW)
    assert not loaded.translator.training
    for name, tensor in translator.state_dict().items():
        assert torch.equal(loaded.translator.state_dict()[name], tensor)
    assert read_card(tmp_path / "a.safetensors") == (loaded.plan, card)


def test_saving_again_replaces_the_model_in_one_step(untrained_model, tmp_path, monkeypatch):
    path = tmp_path / "model.safetensors"
    save_model(untrained_model, path)
    before = path.read_bytes()

    def full_disk(*arguments, **named):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full_disk)
    with pytest.raises(OutputError, match="disk is full"):
        save_model(untrained_model, path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["model.safetensors"]


class Dangerous:
    def __reduce__(self):
        return pytest.fail, ("the file was unpickled",)


def test_a_pickle_is_refused_unread(tmp_path):
    path = tmp_path / "evil.safetensors"
    path.write_bytes(pickle.dumps(Dangerous()))
    assert "damaged" in refusal(path)
    torch.save({"weights": torch.zeros(3)}, path)
    assert "damaged" in refusal(path)


@pytest.mark.parametrize("fraction", [0.0, 0.01, 0.5, 0.999])
def test_a_file_cut_short_is_refused(model_file, fraction):
    content = model_file.read_bytes()
    model_file.write_bytes(content[: int(fraction * len(content))])
    assert "damaged" in refusal(model_file)


def test_a_text_file_is_refused(tmp_path):
    path = tmp_path / "notes.safetensors"
    path.write_text("These are notes on the model, and not the model.\n" * 20)
    assert "damaged or is no safetensors file" in refusal(path)


def test_another_safetensors_file_is_refused(tmp_path):
    path = tmp_path / "other.safetensors"
    save_file({"weights": torch.zeros(3)}, path)
    assert "not an MVCTEnhance model" in refusal(path)


@pytest.mark.parametrize(
    "tensors",
    [
        {"encoders.mv.layers.0.bias": None},
        {"surplus": torch.zeros(1)},
        {"encoders.mv.layers.0.bias": torch.zeros(5)},
    ],
    ids=["missing", "superfluous", "wrong shape"],
)
def test_weights_of_another_network_are_refused(model_file, tensors):
    rewrite(model_file, tensors=tensors)
    assert "not those of the preset 'density-residual'" in refusal(model_file)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_refused(model_file, value):
    name = "encoders.mv.layers.0.bias"
    with safe_open(model_file, framework="pt") as file:
        bias = file.get_tensor(name)
    bias[2] = value
    rewrite(model_file, tensors={name: bias})
    assert "not all finite" in refusal(model_file)


@pytest.mark.parametrize(
    "metadata",
    [
        {"card": "{not JSON"},
        {"card": "[1, 2]"},
        {"card": None},
        {"plan": "{}"},
        {"plan": "[]"},
        {"plan": None},
        {"plan": '{"version": "one"}'},
    ],
)
def test_a_plan_or_card_that_cannot_be_read_is_refused(model_file, metadata):
    rewrite(model_file, **metadata)
    assert "plan or card" in refusal(model_file)


@pytest.mark.parametrize(
    "changes", [{"intensities": {"kind": "log", "centre_hu": 0, "half_width_hu": 1}}, {"spacing_mm": 0}, {"extra": 1}]
)
def test_a_plan_that_this_program_cannot_follow_is_refused(model_file, changes):
    rewrite(model_file, plan=plan_of(model_file, **changes))
    assert "plan or card" in refusal(model_file)


def test_a_newer_plan_asks_for_an_update(model_file):
    rewrite(model_file, plan=plan_of(model_file, version=PLAN_VERSION + 1, more="entries"))
    assert "update MVCTEnhance" in refusal(model_file)


def test_an_unknown_preset_is_refused(model_file):
    rewrite(model_file, plan=plan_of(model_file, preset="unet"))
    with pytest.raises(ModelError, match="no preset 'unet'"):
        load_model(model_file)


def test_every_shipped_model_loads_and_its_card_is_complete():
    assert installed_models()
    for path in installed_models().values():
        card = load_model(path).card
        for entry in ("name", "intended_use", "training_data", "credits", "losses", "seed", "version", "measured"):
            assert card[entry] not in ("", None), f"{path.name} has no {entry}"
        json.dumps(card, allow_nan=False)
