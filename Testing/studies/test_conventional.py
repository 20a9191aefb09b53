"""Conventional denoisers, their tuning, and what is measured on them beside the library's readouts."""

import csv
import math
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from MVCTEnhanceLib.io import write_volume
from MVCTEnhanceLib.volume import Volume
from scipy import ndimage

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "studies" / "results"))

import methods
from conversion import conventional, conversion_metrics, denoisers, flicker, phantom_errors, speed
from study import Case, Study

MM = 0.763
NOISE_HU = 30.0
# In pixels, and in HU: 0.8 to 1.5 times the noise.
STRENGTHS = {"Gaussian": 1, "median": 3, "bilateral": 45, "non-local means": 27, "total variation": 24, "BM3D": 30}
VARIANTS = [pytest.param(one, id=f"{one.name} {one.variant}") for one in conventional.denoisers()]


@pytest.fixture(scope="module")
def phantom():
    """A disc of soft tissue in air with fat, dense bone of 1500 HU and a gas-filled hole: float32 HU (j, i)."""
    j, i = np.mgrid[:96, :96] - 47.5
    image = np.full((96, 96), -1000.0, np.float32)
    for radius, centre, hu in ((44, (0, 0), 40), (11, (-20, 0), -100), (10, (18, -16), 1500), (8, (18, 18), -1000)):
        image[np.hypot(j - centre[0], i - centre[1]) < radius] = hu
    return image


@pytest.fixture(scope="module")
def noisy(phantom):
    return phantom + np.random.default_rng(1).normal(0, NOISE_HU, phantom.shape).astype(np.float32)


@pytest.mark.parametrize("denoiser", VARIANTS)
def test_noise_falls_and_neither_bone_nor_air_is_clipped(denoiser, phantom, noisy):
    denoised = denoiser.denoise(noisy, STRENGTHS[denoiser.name])
    for hu in (40, 1500, -1000):
        inside = ndimage.binary_erosion(phantom == hu, iterations=4)
        assert denoised[inside].mean() == pytest.approx(hu, abs=6)
    tissue = ndimage.binary_erosion(phantom == 40, iterations=4)
    assert (denoised - phantom)[tissue].std() < 0.6 * NOISE_HU


@pytest.mark.parametrize("denoiser", VARIANTS)
def test_tissue_does_not_depend_on_the_zero_of_the_hu_scale(denoiser, phantom, noisy):
    results = [denoiser.denoise(noisy + shift, STRENGTHS[denoiser.name]) - shift for shift in (0, 1000)]
    tissue = phantom > -1000
    assert np.abs(results[1] - results[0])[tissue].mean() < 0.5


def test_noise_is_measured_in_the_body_and_assumed_where_there_is_none():
    image = np.full((128, 128), -1000.0, np.float32)
    assert conventional.slice_noise(image, (MM, MM)) == conventional.NOISE_HU
    tissue = np.full((128, 128), 40.0) + np.random.default_rng(2).normal(0, NOISE_HU, (128, 128))
    assert conventional.slice_noise(tissue, (MM, MM)) == pytest.approx(NOISE_HU, rel=0.1)


def test_strength_follows_the_noise_of_the_slice_only_where_its_unit_says_so():
    seen = []
    tissue = 40 + np.random.default_rng(2).normal(0, NOISE_HU, (128, 128))
    for unit in (conventional.OF_NOISE, "SD / px"):
        denoiser = conventional.Denoiser("D", "", unit, (), lambda image, strength: seen.append(strength) or image)
        conventional.Tuned(denoiser, 2.0).denoise_slice(tissue, (MM, MM))
    assert seen == [pytest.approx(2 * NOISE_HU, rel=0.1), 2.0]


def test_density_curve_follows_the_denoiser():
    """Bone of 772 HU on the density scale is 1500 HU at kV; noise is taken off before that slope."""
    image = np.full((64, 64), 772, np.int16)
    one = conventional.Tuned(conventional.denoisers()[0], 1.0)
    np.testing.assert_allclose(one.convert(Volume(image[None])), 1500, atol=0.1)


def test_without_its_package_bm3d_is_left_out(monkeypatch):
    monkeypatch.setattr(conventional, "bm3d", None)
    names = {one.name for one in conventional.denoisers()}
    assert names == {"Gaussian", "median", "bilateral", "non-local means", "total variation"}


def test_bm3d_is_there_with_its_package():
    pytest.importorskip("bm3d")
    assert "BM3D" in {one.name for one in conventional.denoisers()}


def test_variant_and_strength_of_the_lowest_error_are_chosen(monkeypatch, tmp_path):
    """The slice of large errors, which would have another strength, does not decide."""
    errors = {1: (10, 100), 2: (5, 110), 3: (7, 90)}
    made = [conventional.Denoiser("D", "", "px", (1, 2, 3), None), conventional.Denoiser("D", "v", "px", (9,), None)]
    monkeypatch.setattr(conventional, "denoisers", lambda: made)
    monkeypatch.setattr(conventional, "_against_truth", lambda one, slices: {"mae": errors.get(one.strength, (6, 110))})
    monkeypatch.setattr(Study, "cases", lambda study, use: [])
    (chosen,) = conventional.tuned(Study(tmp_path, tmp_path, tmp_path))
    assert (chosen.denoiser.variant, chosen.strength) == ("", 2)


def test_tuning_slices_come_from_all_patients_and_regions():
    def case(name, slices):
        volume = Volume(np.arange(slices, dtype=np.int16)[:, None, None] * np.ones((1, 4, 4), np.int16))
        return Case(name, volume, volume)

    cases = [case("a", 30), case("b", 6), *(case(f"s{n}", 1) for n in range(10))]
    picked = conventional.tuning_slices(cases)
    assert [(one.patient, int(one.truth.array[0, 0, 0])) for one in picked] == [
        ("a 10", 10),
        ("a 20", 20),
        ("b 2", 2),
        ("b 4", 4),
        ("s0", 0),
        ("s5", 0),
    ]


def tissue(slices):
    return Volume(np.full((slices, 128, 128), 40, np.int16), (MM, MM, 5.0))


def test_flicker_of_independent_noise_is_its_sd():
    truth = tissue(4)
    scan = truth.array + np.random.default_rng(3).normal(0, 10, truth.array.shape)
    assert flicker.flicker(scan, truth)["flicker"] == pytest.approx(10, rel=0.05)


def test_noise_that_is_the_same_in_all_slices_does_not_flicker():
    truth = tissue(4)
    scan = truth.array + np.random.default_rng(3).normal(0, 10, (1, 128, 128))
    assert flicker.flicker(scan, truth) == pytest.approx({"flicker": 0, "mean_step": 0}, abs=1e-4)


def test_anatomy_that_changes_is_no_flicker_but_a_step_of_the_conversion_is_told():
    truth = tissue(4)
    truth.array[2:] = -100
    steps = np.array([0, 6, 0, 6], np.int16)[:, None, None]
    assert flicker.flicker(truth.array, truth) == pytest.approx({"flicker": 0, "mean_step": 0}, abs=1e-4)
    assert flicker.flicker(truth.array + steps, truth) == pytest.approx({"flicker": 0, "mean_step": 6}, abs=1e-4)


def test_edges_of_either_slice_are_left_out_of_flicker():
    truth = tissue(2)
    truth.array[1, :, 64:] = -100
    assert flicker.flicker(truth.array, truth)["flicker"] == pytest.approx(0, abs=1e-4)


def test_a_single_slice_has_no_flicker():
    assert all(math.isnan(value) for value in flicker.flicker(tissue(1).array, tissue(1)).values())


def test_error_in_soft_tissue_leaves_bone_air_and_their_edges_out(phantom):
    scan = np.where(np.abs(phantom) < 150, phantom + 7, 0)
    edges = ndimage.binary_dilation(np.abs(phantom) >= 150)
    scan[edges] = 5000
    error = phantom_errors.mae_in_soft_tissue(scan[None], Volume(phantom[None], (MM, MM, 5.0)))
    assert error == pytest.approx(7)


def test_best_conventional_may_be_two_methods():
    rows = [{"mae": 20.0, "ssim": 0.8}, {"mae": 21.0, "ssim": 0.9}]
    assert denoisers.best_conventional(rows) == (rows[0], rows[1])


def test_networks_are_those_that_are_there_and_are_kept_by_their_weights(monkeypatch, tmp_path):
    monkeypatch.setattr(methods, "installed_models", dict)
    study = Study(tmp_path, tmp_path, tmp_path)
    assert methods.trained(study) == []
    path = tmp_path / "train" / methods.RUNS["proposed"] / "model.safetensors"
    path.parent.mkdir(parents=True)
    kept = []
    for content in (b"first", b"second"):
        path.write_bytes(bytes(8) + content)
        (network,) = methods.trained(study)
        assert network.name == "proposed"
        kept.append(network.kept.name)
    assert kept[0] != kept[1] and all(name.startswith("proposed ") for name in kept)


def test_speed_is_of_a_slice_on_one_thread(monkeypatch):
    seen = []
    method = methods.Versioned("M", lambda mvct: seen.append(torch.get_num_threads()))
    before = torch.get_num_threads()
    seconds = speed.seconds_a_slice([method], tissue(2), rounds=3)
    assert seen == [1] * 4 and torch.get_num_threads() == before
    assert seconds["M"]["seconds"] >= 0 and seconds["M"]["wall_seconds"] > 0


@pytest.fixture
def small_study(tmp_path, monkeypatch, phantom):
    """Two patients each of 3 small slices, one denoiser, no network."""
    random = np.random.default_rng(5)
    for use in ("train", "test"):
        for patient in "ab":
            truth = phantom + random.normal(0, 8, (3, *phantom.shape))
            mvct = truth + random.normal(0, NOISE_HU, truth.shape)
            for folder, array in (("truth", truth), ("mvct", mvct)):
                path = tmp_path / "data" / use / folder / f"{patient}.nrrd"
                path.parent.mkdir(parents=True, exist_ok=True)
                write_volume(Volume(array.round().astype(np.int16), (MM, MM, 5.0)), path)
    gaussian = conventional.denoisers()[0]
    monkeypatch.setattr(conventional, "denoisers", lambda: [gaussian])
    monkeypatch.setattr(methods, "installed_models", dict)
    study = Study(tmp_path, tmp_path, tmp_path / "results")
    case = study.cases("test")[0]
    monkeypatch.setattr(phantom_errors, "noise_free_phantom", lambda: Case("phantom", case.mvct, case.truth))
    return study


@pytest.mark.integration
def test_study_writes_its_tables_and_picture_and_measures_nothing_twice(small_study, monkeypatch):
    denoisers.run(small_study)
    with (small_study.results / "denoisers.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["method"] for row in rows] == ["MVCT", "MVCT + density curve", "Gaussian", "true kVCT"] * 2
    assert set(conversion_metrics.HEADINGS) | set(denoisers.FLICKER) == set(rows[0]) - {"patient", "method"}
    assert float(rows[3]["mae"]) == 0 and float(rows[3]["flicker_ratio"]) == 1
    assert float(rows[2]["mae"]) < float(rows[1]["mae"])
    made = ["denoisers.md", "denoisers.png", "phantom.md", "speed.md", "tuning.md"]
    assert sorted(path.name for path in small_study.results.iterdir() if path.suffix != ".csv") == made

    def never(*arguments):
        raise AssertionError("measured again")

    for module, name in (
        (denoisers, "measured"),
        (denoisers, "flicker"),
        (phantom_errors, "measured"),
        (speed, "seconds_a_slice"),
    ):
        monkeypatch.setattr(module, name, never)
    monkeypatch.setattr(conventional, "_against_truth", never)
    denoisers.run(small_study)
