"""Field of view, dose and slice thickness change what they should, and φ is compared and shown by rule."""

import csv
import re
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from MVCTEnhanceLib.io import write_volume
from MVCTEnhanceLib.physics.density import density_hu_from_kv
from MVCTEnhanceLib.physics.mvct import MVCTSettings, simulate_mvct
from MVCTEnhanceLib.volume import Volume
from scipy import ndimage

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "studies" / "results"))

from conversion import features
from methods import Versioned
from robustness import dose, field_of_view, resimulated, robustness, slice_thickness
from study import Study

SIZE = 128
SPACING = (1.0, 1.0, 2.0)
SCANNER = MVCTSettings(matrix=SIZE, pixel_mm=1.0, views=90)
BONE_HU = 1000

RAW = Versioned("MVCT", lambda mvct: mvct.array)
SMOOTH = Versioned("smooth", lambda mvct: ndimage.gaussian_filter(mvct.array.astype(float), (0, 1.5, 1.5)))
NETWORK = Versioned("network", lambda mvct: mvct.array + 200, "abc")


def body(slices):
    """kVCT of a round body with a square of bone, HU (k, j, i)."""
    j, i = np.indices((SIZE, SIZE)) - (SIZE - 1) / 2
    image = np.where(np.hypot(j, i) < 48, 40, -1000)
    image[70:80, 50:70] = BONE_HU
    return Volume(np.stack([image] * slices).astype(np.int16), SPACING)


@pytest.fixture
def study(tmp_path, monkeypatch):
    """A test patient and the patient with thin slices, a small scanner, two conventional methods and a bad network."""
    kvct = body(3)
    for name, scan in (("patient", kvct), (slice_thickness.PATIENT, body(5))):
        write_volume(scan, tmp_path / "data" / "kvct" / f"{name}.nrrd")
    test = tmp_path / "work" / "data" / "test"
    write_volume(simulate_mvct(kvct, SCANNER), test / "mvct" / "patient.nrrd")
    write_volume(kvct, test / "truth" / "patient.nrrd")
    for module in (resimulated, dose, slice_thickness):
        monkeypatch.setattr(module, "SCANNER", SCANNER)
    monkeypatch.setattr(resimulated, "SLICES", 1)
    monkeypatch.setattr(slice_thickness, "SLICES", 1)
    for module in (resimulated, dose, field_of_view, features):
        for name, value in (
            ("methods", [RAW, SMOOTH, NETWORK]),
            ("conventional", [RAW, SMOOTH]),
            ("trained", [NETWORK]),
            ("described", "- network: a stand-in"),
        ):
            if hasattr(module, name):
                monkeypatch.setattr(module, name, lambda study, value=value: value)
    return Study(tmp_path / "data", tmp_path / "work", tmp_path / "results")


def table(study, name):
    with (study.results / f"{name}.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def notes(study, name):
    return (study.results / f"{name}.md").read_text(encoding="utf-8")


def changes(convert):
    """Field of view and start -> statistics of the interior and of all pixels."""
    counts = field_of_view.change_counts(Versioned("method", convert), body(1))
    return {
        key: {pixels: field_of_view.change_statistics([entry[pixels]]) for pixels in ("interior", "all")}
        for key, entry in counts.items()
    }


def test_method_of_single_pixels_does_not_depend_on_the_field_of_view():
    found = changes(lambda mvct: mvct.array * 2 + 7)
    assert {key.split(",")[0] for key in found} == {"crop 64²", "padded with air"}
    assert {key.split(", ")[1] for key in found} == {"even", "odd"}
    assert all(part["max"] == 0 for one in found.values() for part in one.values())
    assert all(0 < one["interior"]["pixels"] < one["all"]["pixels"] for one in found.values())


def test_filter_changes_hu_along_the_border_of_a_crop_only():
    found = changes(lambda mvct: ndimage.uniform_filter(mvct.array.astype(float), (0, 9, 9), mode="constant"))
    for start in ("even", "odd"):
        crop = found[f"crop 64², {start}"]
        assert crop["interior"]["max"] == 0
        assert crop["all"]["max"] > 10


def test_method_that_takes_the_whole_field_into_account_is_found_out():
    found = changes(lambda mvct: mvct.array - mvct.array.mean())
    for one in found.values():
        assert one["interior"]["mean"] > 20


def test_grid_that_begins_elsewhere_in_odd_crops_is_found_out():
    found = changes(lambda mvct: mvct.array + 50 * (np.arange(mvct.array.shape[2]) % 2))
    assert found["crop 64², even"]["interior"]["max"] == 0
    assert found["crop 64², odd"]["interior"]["mean"] == 50


def test_statistics_of_counts_are_those_of_their_pixels_together():
    values = [np.random.default_rng(seed).poisson(3 + seed, 700) for seed in range(2)]
    counts = [{str(value): int((part == value).sum()) for value in np.unique(part)} for part in values]
    together = np.concatenate(values)
    found = field_of_view.change_statistics(counts)
    assert found["mean"] == pytest.approx(together.mean())
    assert found["p99"] == np.percentile(together, 99, method="inverted_cdf")
    assert (found["max"], found["pixels"]) == (together.max(), together.size)


def test_verdict_on_the_field_of_view_follows_the_interior(study, monkeypatch):
    field_of_view.run(study)
    assert "- network: independent;" in notes(study, "field_of_view")
    shifting = Versioned("network", lambda mvct: mvct.array - mvct.array.mean(), "other weights")
    for name in ("methods", "trained"):
        monkeypatch.setattr(field_of_view, name, lambda study: [shifting])
    field_of_view.run(study)
    assert "- network: **not independent**;" in notes(study, "field_of_view")


def test_thick_slices_average_density_for_mvct_and_hu_for_kvct():
    hu = np.array([0, 2000, 400, 100], np.int16)
    kvct = Volume(np.tile(hu[:, None, None], (1, 2, 2)), SPACING)
    seen, thick = slice_thickness.thick_slices(kvct, np.array([1, 2]), 2)
    assert thick.array[:, 0, 0].tolist() == [1200, 250]
    expected = density_hu_from_kv(torch.tensor([[2000.0, 400.0], [400.0, 100.0]])).mean(dim=1)
    assert torch.allclose(density_hu_from_kv(torch.from_numpy(seen.array[:, 0, 0])), expected)
    single, same = slice_thickness.thick_slices(kvct, np.array([1]), 1)
    assert same.array[0, 0, 0] == 2000
    assert single.array[0, 0, 0] == pytest.approx(2000)
    assert slice_thickness.thick_slices(kvct, np.array([1]), 3)[1].array[0, 0, 0] == pytest.approx(800)


def test_quarter_of_the_photons_doubles_the_noise_and_the_network_is_judged_by_its_error(study):
    rows = {(row["method"], row["mvct_noise"]): row for row in dose.run(study)}
    standard = rows["MVCT", "standard"]["noise"]
    assert rows["MVCT", "double"]["noise"] == pytest.approx(2 * standard, rel=0.15)
    assert rows["MVCT", "half"]["noise"] == pytest.approx(standard / 2, rel=0.15)
    assert rows["true kVCT", "double"]["mae"] == 0
    text = notes(study, "dose")
    assert "**higher than it at half, standard, double**" in text
    assert "- network: patient at half noise, patient at standard noise, patient at double noise" in text
    bias = re.search(r"- network: (\S+) HU \(patient, (half|standard|double) noise\)", text)
    assert float(bias[1]) == pytest.approx(200, abs=10)
    assert len(table(study, "dose_patients")) == 3 * 4


@pytest.mark.integration
def test_second_call_simulates_nothing_and_a_new_network_is_measured(study, monkeypatch):
    first = dose.run(study)
    monkeypatch.setattr(resimulated, "simulate_mvct", lambda *_: pytest.fail("simulated again"))
    assert dose.run(study) == first
    simulated = []
    monkeypatch.setattr(resimulated, "simulate_mvct", lambda *given: simulated.append(1) or simulate_mvct(*given))
    retrained = replace(NETWORK, version="def", convert=RAW.convert)
    monkeypatch.setattr(resimulated, "methods", lambda study: [RAW, SMOOTH, retrained])
    changed = {row["method"]: row for row in dose.run(study)}["network"]
    assert abs(changed["bias_soft_tissue"]) < 10
    assert len(simulated) == len(dose.DOSES)


@pytest.mark.thorough
def test_thicker_slices_have_less_noise_only_where_the_counts_are_in_proportion(study):
    robustness.run(study)
    rows = table(study, "slice_thickness")
    noise = {(row["counts"], int(row["thickness_mm"])): float(row["noise"]) for row in rows if row["method"] == "MVCT"}
    assert noise["alike", 6] == pytest.approx(noise["alike", 2], rel=0.1)
    assert noise["in proportion", 2] / noise["in proportion", 6] == pytest.approx(3**0.5, rel=0.15)
    assert noise["alike", 4] == noise["in proportion", 4]
    alone = {row["thickness_mm"]: float(row["noise"]) for row in table(study, "slice_thickness_noise")[:3]}
    assert alone["2"] / alone["6"] == pytest.approx(3**0.5, rel=0.15)
    assert "training patient" in notes(study, "slice_thickness")
    assert (study.results / "robustness.png").stat().st_size < 400_000


@pytest.fixture
def vgg_file(study):
    torch.manual_seed(0)
    shapes = {"features.0": (64, 3, 3, 3), "features.2": (64, 64, 3, 3)}
    state = {f"{name}.weight": torch.randn(shape) / 10 for name, shape in shapes.items()}
    state |= {f"{name}.bias": torch.zeros(64) for name in shapes}
    path = study.data.parent / "weights" / features.WEIGHTS
    path.parent.mkdir()
    torch.save(state, path)
    return path


def test_phi_of_the_truth_itself_has_no_difference_and_a_closer_scan_less_than_the_mvct(study, vgg_file, monkeypatch):
    perfect = Versioned("network", lambda mvct: body(3).array)
    closer = Versioned("closer", lambda mvct: (mvct.array + body(3).array) / 2)
    monkeypatch.setattr(features, "methods", lambda study: [RAW, closer, perfect])
    monkeypatch.setattr(features, "conventional", lambda study: [RAW, closer])
    monkeypatch.setattr(features, "trained", lambda study: [perfect])
    monkeypatch.setattr(features, "installed_models", lambda: {"network": None})
    features.run(study)
    rows = {row["method"]: row for row in table(study, "features")}
    assert float(rows["network"]["body"]) == float(rows["network"]["slice"]) == 0
    assert float(rows["MVCT"]["part_of_mvct"]) == 1
    assert 0 < float(rows["closer"]["body"]) < float(rows["MVCT"]["body"])
    assert re.search(
        r"closer 0\.\d\d, the lowest of the conventional methods; networks: network 0\.00", notes(study, "features")
    )
    assert (study.results / "features.png").stat().st_size < 400_000


def test_shown_channels_differ_most_then_vary_most_inside_the_body():
    mvct, kvct = torch.zeros(64, 8, 8), torch.zeros(64, 8, 8)
    inside = np.zeros((8, 8), bool)
    inside[2:6, 2:6] = True
    for rank, channel in enumerate((9, 4, 30)):
        mvct[channel] = 10.0 - rank
    for rank, channel in enumerate((5, 50, 33)):
        mvct[channel] = kvct[channel] = torch.arange(8.0) * (3 - rank) / 10
    kvct[60, :2] = mvct[61, 6:] = 1000.0
    assert features.shown_channels(mvct, kvct, inside) == ([9, 4, 30], [5, 50, 33])


def test_vgg_layers_in_the_work_folder_come_before_those_beside_the_data(study, vgg_file):
    assert features.weights_file(study) == vgg_file
    own = study.work / features.WEIGHTS
    own.write_bytes(vgg_file.read_bytes())
    assert features.weights_file(study) == own
    own.unlink()
    vgg_file.unlink()
    assert features.weights_file(study) is None
