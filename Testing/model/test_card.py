"""Models are listed, and their cards read, with the standard library alone."""

import json
import struct
import subprocess
import sys

import pytest
from MVCTEnhanceLib.errors import ModelError
from MVCTEnhanceLib.model.card import DEFAULT_MODEL, Plan, find_model, installed_models, read_card
from MVCTEnhanceLib.model.package import save_model
from safetensors import safe_open

HEAVY = ("torch", "safetensors", "pydicom", "SimpleITK", "scipy", "numpy")


@pytest.fixture
def model_file(untrained_model, tmp_path):
    path = tmp_path / "model.safetensors"
    save_model(untrained_model, path)
    return path


def safetensors_file(path, header, *, tensors=b"", length=None):
    content = json.dumps(header).encode() if not isinstance(header, bytes) else header
    path.write_bytes(struct.pack("<Q", len(content) if length is None else length) + content + tensors)
    return path


def test_a_model_is_found_by_name_or_path(model_file):
    name, path = next(iter(installed_models().items()))
    assert find_model(name) == path
    assert find_model(model_file) == model_file
    with pytest.raises(ModelError, match=f"'nothing' is neither an installed model .*{name}.* nor a model file"):
        find_model("nothing")


@pytest.mark.parametrize("module", ["model.card", "quality.record", "report.table", "assessment.verdicts"])
def test_nothing_that_must_be_installed_first_is_imported(module):
    """Where torch and safetensors are missing, the models and their cards are listed all the same."""
    code = f"""
import sys
sys.modules.update(dict.fromkeys({HEAVY!r}))  # whoever asks for one of them fails
import MVCTEnhanceLib.{module}
from MVCTEnhanceLib.model.card import installed_models, read_card
assert [read_card(path)[1]["name"] for path in installed_models().values()]
"""
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert process.returncode == 0, process.stderr


def test_default_model_is_installed():
    assert DEFAULT_MODEL in installed_models()


def test_card_and_plan_are_those_that_safetensors_reads(model_file):
    with safe_open(model_file, framework="pt") as file:
        metadata = file.metadata()
    plan, card = read_card(model_file)
    assert card == json.loads(metadata["card"])
    assert (plan.preset, plan.spacing_mm) == ("density-residual", json.loads(metadata["plan"])["spacing_mm"])


@pytest.mark.parametrize(
    "header",
    [
        b"[1, 2]",
        b"\xff\xfe",
        b"{",
        b"[" * 100_000,
        {"__metadata__": ["format"]},
        {"weights": 1},
        {"weights": {"dtype": "F32", "shape": [1], "data_offsets": []}},
        {"weights": {"dtype": "F32", "shape": [1], "data_offsets": [0, "4"]}},
    ],
)
def test_header_that_is_none_is_refused(tmp_path, header):
    with pytest.raises(ModelError, match=r"'.*odd\.safetensors' is damaged"):
        read_card(safetensors_file(tmp_path / "odd.safetensors", header))


@pytest.mark.parametrize("length", [0, 1, 50, 10**6, 2**63])
def test_wrong_length_of_the_header_is_refused_without_reading_so_much(tmp_path, length):
    with pytest.raises(ModelError, match="damaged"):
        read_card(safetensors_file(tmp_path / "odd.safetensors", {"__metadata__": {}}, length=length))


@pytest.mark.parametrize("change", [-1, 1])
def test_file_with_too_few_or_too_many_weights_is_refused(model_file, change):
    content = model_file.read_bytes()
    model_file.write_bytes(content[:change] if change < 0 else content + b"0")
    with pytest.raises(ModelError, match="damaged"):
        read_card(model_file)


def test_file_that_is_no_model_or_not_there_is_one_sentence(tmp_path):
    with pytest.raises(ModelError, match="not an MVCTEnhance model"):
        read_card(safetensors_file(tmp_path / "other.safetensors", {"__metadata__": {"format": "pt"}}))
    for path in (tmp_path, tmp_path / "none.safetensors"):
        with pytest.raises(ModelError, match=r"cannot be read \(.+\): check the path"):
            read_card(path)


def test_pixels_within_a_percent_are_at_the_models_spacing():
    plan = Plan("density-residual", 0.763, intensities=None)
    assert plan.is_at_spacing((0.763, 0.763, 6.0))
    assert plan.is_at_spacing((0.770, 0.756))
    assert not plan.is_at_spacing((0.763, 0.8))
