"""Figures, ranges, name and version go onto a model's card without a change of its weights, plan or the rest of it."""

import json
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from MVCTEnhanceLib.model.card import DEFAULT_MODEL, find_model, read_card

SCRIPT = Path(__file__).resolve().parents[2] / "studies" / "models" / "ship.py"
RANGES = {"expected": {"mvct": {}}}


@pytest.fixture
def ship(tmp_path):
    def run(*arguments):
        source, target = find_model(DEFAULT_MODEL), tmp_path / "shipped.safetensors"
        command = [sys.executable, SCRIPT, source, target, *arguments]
        process = subprocess.run(command, capture_output=True, text=True)
        return source, target, process

    return run


def parts(path):
    """Tensors' table and bytes, and plan, of a safetensors file."""
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    metadata = header.pop("__metadata__")
    return header, content[8 + length :], metadata["plan"]


@pytest.mark.integration
def test_ranges_replace_those_of_the_card_and_nothing_else(ship, tmp_path):
    (tmp_path / "ranges.json").write_text(json.dumps(RANGES))
    source, target, process = ship("--ranges", tmp_path / "ranges.json", "--version", "9.9")
    assert process.returncode == 0, process.stderr
    assert parts(target) == parts(source)
    assert read_card(target)[1] == read_card(source)[1] | RANGES | {"name": "shipped", "version": "9.9"}


@pytest.mark.integration
def test_figures_of_the_test_patients_are_those_of_the_table(ship, tmp_path):
    table = tmp_path / "measured.csv"
    table.write_text("patient,method,mae,cnr\na,MVCT,99,1\na,simulated-anchor,16.68912,nan\n")
    source, target, process = ship("--measured", table)
    assert process.returncode == 0, process.stderr
    assert parts(target) == parts(source)
    card = read_card(target)[1]
    assert card["measured"]["test_patients_simulated_mvct"] == {"a": {"mae": 16.69, "cnr": None}}
    kept = {name: value for name, value in read_card(source)[1]["measured"].items() if "test_patients" not in name}
    assert kept.items() <= card["measured"].items()


@pytest.mark.integration
def test_table_without_the_model_ships_nothing(ship, tmp_path):
    table = tmp_path / "measured.csv"
    table.write_text("patient,method,mae\na,MVCT,99\n")
    _, target, process = ship("--measured", table)
    assert process.returncode == 1 and "no row for the method 'simulated-anchor'" in process.stderr
    assert not target.exists()
