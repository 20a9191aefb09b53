"""The pool of scanners keeps training and test apart, and the fine-tuning on it resumes exactly."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from MVCTEnhanceLib.io import write_volume
from MVCTEnhanceLib.model.card import find_model
from MVCTEnhanceLib.model.package import load_model
from MVCTEnhanceLib.volume import Volume

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "studies" / "models"))

import pool
import robust


@pytest.fixture
def pairs(tmp_path, monkeypatch):
    """Two slices of a scanner and one of a phantom; metal disturbs the upper half of the first."""
    monkeypatch.setattr(robust, "BATCH", 2)
    rng = np.random.default_rng(1)
    region = np.ones((2, 160, 160), np.int16)
    region[0, :80] = 0
    for name, count in (("patient", 2), ("phantom-1", 1)):
        for kind in ("mvct", "truth", "region"):
            (tmp_path / "1" / kind).mkdir(parents=True, exist_ok=True)
            hu = region[:count] if kind == "region" else rng.normal(0, 30, (count, 160, 160)).astype(np.int16)
            write_volume(Volume(hu), tmp_path / "1" / kind / f"{name}.nrrd")
    return robust.read_pairs(tmp_path)


def trainer(pairs):
    return robust.Trainer(load_model(find_model("simulated-anchor")), pairs, 4)


def test_held_back_scanners_are_not_in_the_pool():
    seeds = pool.SEEDS
    assert len(set(seeds["pool"])) == 20 and len(set(seeds["held_back"])) == 5
    assert not set(seeds["pool"]) & set(seeds["held_back"])


def test_scanners_share_the_mvct_slices_of_a_training_patient():
    shares = [pool.training_slices("patient", 92, number) for number in range(5)]
    assert sorted(np.concatenate(shares)) == [k for k in range(92) if k % 10 < 6]


def test_phantoms_hold_air_and_rods_of_all_densities():
    hu = pool.phantom(7).array
    assert hu.shape[0] == 1 and hu.max() > 300 and np.array_equal(hu, pool.phantom(7).array)
    assert not np.array_equal(hu, pool.phantom(8).array)


def test_nothing_is_learned_where_metal_or_truncation_disturbs(pairs):
    first, second = pairs[False]
    assert len(pairs[True]) == 1
    assert first.centres[:, 0].min() > 80 > second.centres[:, 0].min()
    assert not first.region[:80].any()


def test_added_noise_has_the_spectrum_of_back_projection():
    noise = robust.scanner_noise(torch.Generator().manual_seed(0))
    power = torch.fft.fft2(noise).abs() ** 2
    assert noise.std() == pytest.approx(1, abs=1e-4)
    assert (
        power[:3, :3].mean() < 0.3 * power[10:20, 10:20].mean()
        and power[60:68, 60:68].mean() < power[10:20, 10:20].mean()
    )


@pytest.mark.integration
def test_resumed_training_ends_with_the_same_weights(pairs):
    whole, first, second = trainer(pairs), trainer(pairs), trainer(pairs)
    for _ in range(4):
        whole.run_step()
    for _ in range(2):
        first.run_step()
    second.restore(first.state())
    for _ in range(2):
        second.run_step()
    ends = [trained.average.state_dict() for trained in (whole, second)]
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])
    before = trainer(pairs).average.state_dict()
    moved = {name.split(".")[0:2][1] for name in before if not torch.equal(before[name], ends[0][name])}
    assert moved == {"mv", "kv"}
