"""Model files that are wrong by error or ill will: refused in one sentence, never opened as pickles."""

import json
import pickle
import struct
import subprocess
import sys
import tracemalloc
import zipfile
from pathlib import Path

import pytest
import torch
from MVCTEnhanceLib.errors import ModelError
from MVCTEnhanceLib.model.card import find_model, read_card
from MVCTEnhanceLib.model.package import load_model
from safetensors import safe_open
from safetensors.torch import save_file

LITTLE = 50_000_000  # bytes


@pytest.fixture
def model_file(tmp_path):
    """A copy of a shipped model."""
    path = tmp_path / "model.safetensors"
    path.write_bytes(find_model("simulated-anchor").read_bytes())
    return path


def refusal(path, read=load_model):
    """The sentence with which a file is refused, for which little memory is taken."""
    tracemalloc.start()
    try:
        with pytest.raises(ModelError) as caught:
            read(path)
        assert tracemalloc.get_traced_memory()[1] < LITTLE
    finally:
        tracemalloc.stop()
    message = str(caught.value)
    assert path.name in message and message.endswith(".") and message.isprintable()
    return message


def rewrite(path, *, tensors=None, plan=None, card=None):
    """Change weights, or values of the plan (a function of it) or the text of the card."""
    with safe_open(path, framework="pt") as file:
        state = {name: file.get_tensor(name) for name in file.keys()} | (tensors or {})  # noqa: SIM118
        metadata = file.metadata()
    if plan:
        entries = json.loads(metadata["plan"])
        plan(entries)
        metadata["plan"] = json.dumps(entries)
    if card is not None:
        metadata["card"] = card
    save_file(state, path, metadata)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64, torch.int64, torch.bool], ids=str)
def test_weights_of_another_type_are_refused(model_file, dtype):
    with safe_open(model_file, framework="pt") as file:
        name = sorted(file.keys())[0]
        rewrite(model_file, tensors={name: file.get_tensor(name).to(dtype)})
    assert "not those of the preset" in refusal(model_file)


NUMBERS = [float("nan"), float("inf"), -float("inf"), 1e300, 10**400, "1", None, True, [1], {}]


@pytest.mark.parametrize("value", [*NUMBERS, 0, -0.763, 1e-9, 1e6], ids=lambda value: str(value)[:8])
def test_a_pixel_size_that_cannot_be_is_refused(model_file, value):
    rewrite(model_file, plan=lambda entries: entries.update(spacing_mm=value))
    assert "plan or card" in refusal(model_file)


@pytest.mark.parametrize("name", ["centre_hu", "half_width_hu"])
@pytest.mark.parametrize("value", NUMBERS, ids=lambda value: str(value)[:8])
def test_intensities_that_cannot_be_are_refused(model_file, name, value):
    rewrite(model_file, plan=lambda entries: entries["intensities"].update({name: value}))
    assert "plan or card" in refusal(model_file)


@pytest.mark.parametrize("value", [0, -500, 1e-300])
def test_a_width_that_nothing_can_be_divided_by_is_refused(model_file, value):
    rewrite(model_file, plan=lambda entries: entries["intensities"].update(half_width_hu=value))
    assert "plan or card" in refusal(model_file)


@pytest.mark.parametrize("value", [float("nan"), 0, -1, True, "1", 1.5, None])
def test_a_version_that_is_none_is_refused(model_file, value):
    rewrite(model_file, plan=lambda entries: entries.update(version=value))
    assert "plan or card" in refusal(model_file)


@pytest.mark.parametrize("value", [None, 1, [], {}, ["density-residual"]])
def test_a_preset_that_is_no_name_is_refused(model_file, value):
    rewrite(model_file, plan=lambda entries: entries.update(preset=value))
    assert "plan or card" in refusal(model_file)


@pytest.mark.parametrize("name", ["preset", "spacing_mm", "intensities", "version"])
def test_a_plan_that_lacks_an_entry_is_refused(model_file, name):
    rewrite(model_file, plan=lambda entries: entries.pop(name))
    assert "plan or card" in refusal(model_file)


@pytest.mark.parametrize(
    "card",
    [
        "",
        "null",
        '"a card"',
        '{"version": NaN}',
        '{"seed": Infinity}',
        '{"measured": {"mae": [1, 1e999]}}',
        '{"a": ' * 100_000,
        '{"a": ' * 5000 + "1" + "}" * 5000,
        '{"trained_on": {"hu": "wide"}}',
        '{"trained_on": {"hu": [1]}}',
        '{"trained_on": {"hu": [null, 1]}}',
        '{"trained_on": {"field_of_view_mm": ["a", "b"]}}',
        '{"trained_on": {"noise_hu": [40, 20]}}',
        '{"trained_on": [1]}',
        '{"expected": [1]}',
        '{"expected": {"mvct": {"noise_hu": {"expected": ["a", "b"], "trusted": [1, 2]}}}}',
        '{"expected": {"mvct": {"noise_hu": {"expected": [1, 2]}}}}',
        '{"expected": {"mvct": {"noise_hu": 5}}}',
    ],
    ids=lambda card: card[:40],
)
def test_a_card_that_cannot_be_worked_with_is_refused(model_file, card):
    rewrite(model_file, card=card)
    assert "plan or card" in refusal(model_file)
    refusal(model_file, read_card)


def test_a_card_without_ranges_is_a_card(model_file):
    rewrite(model_file, card='{"name": "mine", "expected": {"measured_on": "nothing"}}')
    assert load_model(model_file).card["name"] == "mine"


@pytest.mark.parametrize("length", [1 << 30, (1 << 63) - 1, (1 << 64) - 1, 99_000_000])
@pytest.mark.parametrize("real", [False, True], ids=["claimed", "real"])
def test_a_header_of_a_gigabyte_is_never_read(tmp_path, length, real):
    path = tmp_path / "large.safetensors"
    with path.open("wb") as file:
        file.write(struct.pack("<Q", length) + b'{"__metadata__":{}')
        if real:
            file.truncate(8 + min(length, 1 << 30))  # a file with a hole: it takes no disk
    assert "damaged" in refusal(path)
    refusal(path, read_card)


def test_weights_of_gigabytes_are_refused_before_they_are_read(model_file):
    data = model_file.read_bytes()
    (length,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8 : 8 + length])
    end = max(tensor["data_offsets"][1] for name, tensor in header.items() if name != "__metadata__")
    header["more"] = {"dtype": "F32", "shape": [1 << 30], "data_offsets": [end, end + (4 << 30)]}
    text = json.dumps(header).encode()
    with model_file.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data[8 + length :])
        file.truncate(8 + len(text) + end + (4 << 30))
    assert "not those of the preset" in refusal(model_file)


class LeavesATrace:
    def __init__(self, trace):
        self.trace = trace

    def __reduce__(self):
        return Path.touch, (self.trace,)


def write_pickle(path, kind, trace):
    content = pickle.dumps(LeavesATrace(trace))
    if kind == "pickle":
        path.write_bytes(content)
    elif kind == "torch":
        torch.save({"weights": LeavesATrace(trace)}, path)
    elif kind == "old torch":
        torch.save({"weights": LeavesATrace(trace)}, path, _use_new_zipfile_serialization=False)
    else:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("archive/data.pkl", content)
            archive.writestr("archive/version", "3")


@pytest.mark.parametrize("kind", ["pickle", "torch", "old torch", "zip"])
@pytest.mark.parametrize("suffix", [".safetensors", ".pt", ".pkl"])
def test_a_pickle_by_any_name_is_refused_and_never_opened(tmp_path, kind, suffix):
    path, trace = tmp_path / f"evil{suffix}", tmp_path / "trace"
    write_pickle(path, kind, trace)
    assert "damaged or is no safetensors file" in refusal(path)
    refusal(path, read_card)
    assert not trace.exists()
    if kind == "pickle":  # the trap works
        pickle.loads(path.read_bytes())
        assert trace.exists()


@pytest.mark.integration
def test_a_pickle_is_never_opened_by_the_program(tmp_path):
    path, trace = tmp_path / "evil.safetensors", tmp_path / "trace"
    write_pickle(path, "torch", trace)
    arguments = ["enhance", path, "--output", tmp_path / "e.nrrd", "--model", path, "--progress", "none"]
    command = [sys.executable, "-m", "MVCTEnhanceLib", *map(str, arguments)]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 1 and result.stderr.count("\n") == 1 and "evil.safetensors' is damaged" in result.stderr
    assert not trace.exists()
