"""The study of adapting simulates another scanner, trains unpaired on its scans, and tables before and after."""

import csv
import dataclasses
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from MVCTEnhanceLib.io import write_volume
from MVCTEnhanceLib.model.card import find_model, read_card
from MVCTEnhanceLib.model.package import load_model
from MVCTEnhanceLib.training.config import read_config
from MVCTEnhanceLib.volume import Volume

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "studies" / "results"))

import study as study_module  # noqa: E402
from training import adapting  # noqa: E402

MM = 0.763


def disc(noise_hu, seed, *, slices=16):
    j, i = np.indices((64, 64)) - 31.5
    hu = np.select([np.hypot(j, i) < 6, np.hypot(j, i) < 26], [400.0, 40.0], -1000.0)
    noise = np.random.default_rng(seed).normal(0, noise_hu, (slices, 64, 64))
    return Volume((hu + noise).round().astype(np.int16), (MM, MM, 3.0))


@pytest.fixture
def study(tmp_path):
    """With two training patients of 16 slices in each domain and one test patient of 2 slices."""
    data = tmp_path / "work" / "data"
    for seed, name in enumerate("ab"):
        write_volume(disc(25, seed), data / "train" / "mvct" / f"{name}.nrrd")
        write_volume(disc(5, seed), data / "train" / "truth" / f"{name}.nrrd")
        write_volume(disc(5, seed + 10), data / "train" / "kvct" / f"{name}.nrrd")
    for part, noise in (("mvct", 25), ("truth", 5)):
        write_volume(disc(noise, 7, slices=2), data / "test" / part / "test.nrrd")
    return study_module.Study(tmp_path, tmp_path / "work", tmp_path / "results")


@pytest.fixture
def short(monkeypatch, tmp_path):
    """The configuration cut down to two steps, without VGG; 20 slices for the smaller set."""
    text = adapting.CONFIG.read_text(encoding="utf-8")
    for name, value in (
        ("steps", 3),
        ("cycle_steps", 1),
        ("discriminator_steps", 1),
        ("batch", 1),
        ("validate_every", 1),
    ):
        text, found = re.subn(rf"^{name} = .*$", f"{name} = {value}", text, flags=re.MULTILINE)
        assert found == 1
    text = re.sub(r"^(vgg|perceptual|perceptual_crop_px) = .*\n", "", text, flags=re.MULTILINE)
    text = text.replace("[losses]\n", "[losses]\nperceptual = 0.0\n")
    path = tmp_path / "short.toml"
    path.write_text(text + "validation_slices = 1\n", encoding="utf-8")
    monkeypatch.setattr(adapting, "CONFIG", path)
    monkeypatch.setattr(adapting, "SIZES", {"64": 20, "all": None})


def rows(study):
    with (study.results / "adapting.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.thorough
def test_study_tables_the_model_before_and_after(study, short, monkeypatch):
    adapting.run(study)
    table = rows(study)
    methods = [
        f"{adapting.MODEL}, own scanner",
        "MVCT",
        adapting.BEFORE,
        "adapted, 20 + 20 slices",
        "adapted, 32 + 32 slices",
    ]
    assert [row["method"] for row in table if row["patient"] == "test"] == methods
    assert [row["method"] for row in table if row["patient"] == "mean"] == methods
    folder = study.work / "adapting" / f"{adapting._version()}-every-1"
    card = load_model(folder / "all" / "run" / "model.safetensors").card
    assert card["adapted_from"]["name"] == read_card(find_model(adapting.MODEL))[1]["name"]
    assert not card["training_data"]["paired_truth_used"]
    notes = (study.results / "adapting.md").read_text(encoding="utf-8")
    assert "20 MVCT with 20 kVCT slices" in notes and "simulated" in notes
    assert (study.results / "adapting.png").stat().st_size > 1000

    monkeypatch.setattr(adapting.subprocess, "run", lambda *_, **__: pytest.fail("trained again"))
    monkeypatch.setattr(adapting, "simulate_mvct", lambda *_, **__: pytest.fail("simulated again"))
    adapting.run(study)
    assert rows(study) == table


def test_hu_of_the_other_scanner():
    hu = np.array([-1000, 0, 1000], np.int16)
    air, water, bone = adapting.other_hu(hu).tolist()
    assert (air, water) == (-1000, 20)
    assert bone == round(100 + 0.92 * (1040 - 100))
    ramp = adapting.other_hu(np.arange(-1100, 2000, dtype=np.int16)).astype(int)
    assert (np.diff(ramp) >= 0).all() and ramp.dtype != np.int16


def test_other_scanner_is_noisier_and_shifted(study):
    (case,) = study.cases("test")
    quiet = dataclasses.replace(case, truth=case.truth.with_array(disc(0, 0, slices=2).array))
    name, scan = adapting._scanned(quiet, study.work / "scans", 3)
    assert name == "test" and scan.array.shape == case.truth.array.shape
    assert scan.spacing == pytest.approx(case.truth.spacing)
    j, i = np.indices((64, 64)) - 31.5
    ring = (np.hypot(j, i) > 12) & (np.hypot(j, i) < 20)
    assert scan.array[:, ring].mean() == pytest.approx(1.02 * 1040 - 1000, abs=4)
    own = adapting.simulate_mvct(quiet.truth, adapting.MVCTSettings(matrix=64))
    assert scan.array[:, ring].std() > 1.3 * own.array[:, ring].std()


@pytest.mark.parametrize(("number", "taken"), [(2, [1, 1]), (None, [6, 4, 1]), (99, [6, 4, 1]), (11, [6, 4, 1])])
def test_slices_are_spread_over_all_scans(number, taken):
    scans = [(name, disc(5, seed, slices=slices)) for seed, (name, slices) in enumerate((("a", 6), ("b", 4), ("c", 1)))]
    spread = adapting.spread(scans, number)
    assert [len(scan.array) for _, scan in spread] == taken
    if number is None:
        assert all(np.array_equal(one[1].array, other[1].array) for one, other in zip(spread, scans, strict=True))


def test_configuration_is_unpaired():
    config = read_config(adapting.CONFIG)
    assert config.data.truth == "" and config.losses.paired == 0 and config.schedule.paired_steps == 0


def test_tutorials_configuration_is_the_studys(tmp_path):
    """But for the scans and the VGG, which a user has from torchvision."""
    page = (ROOT / "docs" / "adapting.md").read_text(encoding="utf-8")
    path = tmp_path / "site.toml"
    path.write_text(re.search(r"```toml\n(.*?)```", page, re.DOTALL)[1], encoding="utf-8")
    config, studys = read_config(path, plan=read_card(find_model(adapting.MODEL))[0]), read_config(adapting.CONFIG)
    assert config.schedule == studys.schedule
    assert config.losses == dataclasses.replace(studys.losses, vgg="")
    assert config.data.rotated == studys.data.rotated and config.data.validation
