"""The pool of scanners keeps training and test apart, and the fine-tuning on it resumes exactly."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from MVCTEnhanceLib.io import read_volume, write_volume
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


def trainer(pairs, contrast_hu=20.0):
    return robust.Trainer(load_model(find_model("simulated-anchor")), pairs, 4, contrast_hu)


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
    first, second = pairs["scanners"]
    assert len(pairs["phantoms"]) == 1 and not pairs["standard"]
    assert first.centres[:, 0].min() > 80 > second.centres[:, 0].min()
    assert not first.region[:80].any()


def test_response_is_what_the_scanner_leaves_of_the_truth_at_each_frequency():
    rng = np.random.default_rng(0)
    truth = torch.from_numpy(rng.normal(0, 30, (4, 160, 160))).float()
    frequencies = torch.hypot(torch.fft.fftfreq(160)[:, None], torch.fft.fftfreq(160))
    blurred = torch.fft.ifft2(torch.fft.fft2(truth) * torch.exp(-((frequencies / 0.2) ** 2))).real
    noise = torch.from_numpy(rng.normal(0, 10, truth.shape)).float()
    slices = [(mvct, true, None, np.array([[80, 80]])) for mvct, true in zip(blurred + noise, truth, strict=True)]
    response = robust.scanner_response(slices)
    for cycles in (6, 20, 40):
        assert response[0, cycles] == pytest.approx(np.exp(-((cycles / 128 / 0.2) ** 2)), abs=0.05)


def test_lesions_are_in_the_truth_and_in_the_mvct_as_far_as_the_scanner_shows_them():
    plain, response = torch.zeros(2, 128, 128), torch.ones(128, 65)
    response[robust._radius() > 0.1] = 0
    mvct, truth = robust.with_lesions(*plain, response, np.random.default_rng(2))
    contrast = truth.abs().max()
    assert robust.LESION_HU[0] <= contrast <= robust.LESION_HU[1] + 1 and (truth.abs() < 0.1).float().mean() > 0.7
    # Soft tissue of 0 HU has its density on either scale.
    assert mvct.sum() == pytest.approx(float(truth.sum()), rel=0.01)
    assert mvct.diff(dim=0).abs().max() < 0.6 * truth.diff(dim=0).abs().max()
    assert (robust.with_lesions(plain[0], plain[1] - 1000, response, np.random.default_rng(2))[1] == -1000).all()


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


@pytest.mark.thorough
def test_student_comes_nearer_to_its_teacher_and_leaves_it_as_it_is(pairs):
    student = robust.Trainer(load_model(find_model("simulated-anchor")), pairs, 60, student="density-fast")
    kept = {name: weight.clone() for name, weight in student.teacher.state_dict().items()}
    values = student.intensities.to_network(robust.crops(pairs, 99)[0], "mv")

    def distance():
        with torch.no_grad():
            return float((student.translator.to_kv(values) - student.teacher.to_kv(values)).abs().mean())

    before = distance()
    for _ in range(30):
        student.run_step()
    assert distance() < 0.7 * before
    assert all(torch.equal(kept[name], weight) for name, weight in student.teacher.state_dict().items())


def test_scans_for_other_training_lack_metal_and_are_air_outside_the_field(tmp_path):
    for seed, metal in ((1, ""), (2, "teeth")):
        folder = tmp_path / "pool" / str(seed)
        for kind, value in (("mvct", 10), ("truth", 20), ("region", 1)):
            (folder / kind).mkdir(parents=True)
            hu = np.full((1, 4, 4), value, np.int16)
            hu[0, 0] = 0
            write_volume(Volume(hu), folder / kind / "patient.nrrd")
        (folder / "scanner.json").write_text(f'{{"metal": "{metal}"}}')
    pool.write_undisturbed(tmp_path)
    assert [path.name for path in (tmp_path / "undisturbed" / "mvct").iterdir()] == ["1-patient.nrrd"]
    hu = read_volume(tmp_path / "undisturbed" / "truth" / "1-patient.nrrd").array[0]
    assert (hu[0] == -1000).all() and (hu[1:] == 20).all()
