"""The phantom as a planning CT and its simulated MVCT."""

from functools import partial

import pytest
import torch
from MVCTEnhanceLib.assessment.origin import mvct_warnings, planning_ct_warnings
from MVCTEnhanceLib.batch.cases import find_cases
from MVCTEnhanceLib.io import read_volume
from MVCTEnhanceLib.jobs import phantom
from MVCTEnhanceLib.jobs.requests import PhantomRequest
from MVCTEnhanceLib.model.card import find_model, read_card
from MVCTEnhanceLib.physics.mvct import MVCTSettings, simulate_mvct
from MVCTEnhanceLib.physics.phantom import density_inserts, head_neck_phantom
from MVCTEnhanceLib.physics.qa_phantoms import cheese_phantom
from MVCTEnhanceLib.quality.body import body_mask
from MVCTEnhanceLib.quality.edges import bone_edge_width, skin_edge_width
from MVCTEnhanceLib.quality.noise import noise_sd


@pytest.fixture
def small_phantom(monkeypatch):
    """2 of the phantom's 24 slices, which take seconds."""
    monkeypatch.setattr(phantom, "head_neck_phantom", partial(head_neck_phantom, slices=2))


@pytest.fixture
def tiny_phantom(monkeypatch):
    """2 coarse slices, which take a moment."""
    grid = {"slices": 2, "shape": (96, 96), "spacing_mm": (2.0, 2.0, 6.0)}
    monkeypatch.setattr(phantom, "head_neck_phantom", partial(head_neck_phantom, **grid))
    settings = MVCTSettings(matrix=96, pixel_mm=2.0, views=60)
    monkeypatch.setattr(phantom, "simulate_mvct", partial(simulate_mvct, settings=settings))


@pytest.mark.integration
@pytest.mark.thorough
def test_planning_ct_and_noisier_mvct_of_one_place_are_left(main, small_phantom, tmp_path):
    folder = tmp_path / "new" / "phantom"
    result = main("phantom", folder, "--device", "cpu", "--json", "--progress", "none")
    assert (result.code, result.stderr) == (0, "")
    assert {path.name for path in folder.iterdir()} == {"planning-ct.nrrd", "mvct.nrrd"}
    assert result.json()["planning_ct"] == "planning-ct.nrrd" and result.json()["mvct"] == "mvct.nrrd"
    planning_ct, mvct = (read_volume(folder / name) for name in ("planning-ct.nrrd", "mvct.nrrd"))
    assert mvct.spacing[:2] == pytest.approx((0.763, 0.763))
    assert mvct.origin[2] == planning_ct.origin[2] and len(mvct.array) == len(planning_ct.array) == 2
    assert [case.source.name for case in find_cases(folder)] == ["mvct.nrrd"]  # a batch leaves the planning CT out
    assert mvct_warnings(mvct) == planning_ct_warnings(planning_ct, mvct) == []
    (warning,) = mvct_warnings(planning_ct)
    assert "is the planning CT of a phantom that this program made: choose the MVCT of the phantom" in warning
    noise = []
    for scan in (planning_ct, mvct):
        pixel_size = (scan.spacing[1], scan.spacing[0])
        noise.append(noise_sd(scan.array[0], body_mask(scan.array[0], pixel_size=pixel_size), pixel_size=pixel_size))
    assert noise[0] == pytest.approx(8, rel=0.2)
    assert noise[1] > 2 * noise[0]


@pytest.mark.thorough
def test_edges_are_as_wide_as_a_patients(monkeypatch):
    monkeypatch.setattr(phantom, "head_neck_phantom", partial(head_neck_phantom, slices=1))
    expected = read_card(find_model("simulated-anchor"))[1]["expected"]
    for name, scan in zip(
        ("planning_ct", "mvct"), phantom.make_phantom(torch.device("cpu"), lambda event, **fields: None), strict=True
    ):
        pixel_size = (scan.spacing[1], scan.spacing[0])
        body = body_mask(scan.array[0], pixel_size=pixel_size)
        for readout, width in (("edge_width_mm", skin_edge_width), ("bone_edge_width_mm", bone_edge_width)):
            low, high = expected[name][readout]["expected"]
            assert low < width(scan.array[0], body, pixel_size=pixel_size) < high, (name, readout)


def test_progress_tells_of_every_slice(tiny_phantom, tmp_path):
    events = []
    phantom.write_phantom(
        PhantomRequest(tmp_path / "p", device="cpu"),
        on_event=lambda event, **fields: events.append((event, fields.get("stage"), fields)),
    )
    assert [stage for event, stage, _ in events if event == "stage"] == ["phantom", "simulate", "write"]
    assert [fields["done"] for event, _, fields in events if event == "progress"][-1] == 2


@pytest.mark.parametrize("kind", ["cheese", "water"])
def test_phantom_for_quality_assurance_is_a_dicom_series_too_and_can_be_made_again(main, tmp_path, monkeypatch, kind):
    grid = {"shape": (96, 96), "spacing_mm": (4.0, 4.0, 6.0)}
    monkeypatch.setattr(phantom, "cheese_phantom", partial(cheese_phantom, **grid))
    monkeypatch.setattr(phantom, "density_inserts", partial(density_inserts, **grid))
    settings = MVCTSettings(matrix=96, pixel_mm=4.0, views=60)
    monkeypatch.setattr(phantom, "simulate_mvct", partial(simulate_mvct, settings=settings))
    for more in ((), ("--overwrite",)):
        result = main("phantom", tmp_path / "p", "--kind", kind, "--progress", "none", *more)
        assert (result.code, result.stderr) == (0, "")
    mvct, series = (read_volume(tmp_path / "p" / name) for name in ("mvct.nrrd", "mvct-dicom"))
    assert len(series.array) == 12 and (mvct.array == series.array).all()
    assert abs(int(series.array[6, 48, 48])) < 150 and series.array[6, 2, 2] < -900
    (tmp_path / "p" / "mvct-dicom" / "notes.txt").write_text("mine")
    assert main("phantom", tmp_path / "p", "--kind", kind, "--overwrite", "--progress", "none").code == 1


def test_folder_with_something_in_it_is_refused_at_once(main, tmp_path, monkeypatch, assert_refused):
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "letter.txt").write_text("kept")
    monkeypatch.setattr(phantom, "head_neck_phantom", lambda: pytest.fail("work was begun"))
    assert_refused(main("phantom", tmp_path / "kept"), "is not empty")


def test_phantom_that_fails_leaves_nothing(main, tiny_phantom, tmp_path, assert_refused, monkeypatch):
    monkeypatch.setattr(phantom, "simulate_mvct", lambda *_, **__: 1 / 0)
    assert main("phantom", tmp_path / "p", "--device", "cpu").code == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.integration
def test_another_seed_is_another_patient_on_the_scanner_that_is_named(main, tmp_path):
    (tmp_path / "scanner.toml").write_text("matrix = 64\npixel_mm = 3.0\nviews = 40\nphotons = 0\nhu_offset = 12\n")
    coarse = ("--scanner", tmp_path / "scanner.toml", "--slices", 1, "--device", "cpu", "--progress", "none")
    plans, mvcts = [], []
    for seed in (1, 2):
        assert main("phantom", tmp_path / f"p{seed}", "--seed", seed, *coarse).code == 0
        plans.append(read_volume(tmp_path / f"p{seed}" / "planning-ct.nrrd"))
        mvcts.append(read_volume(tmp_path / f"p{seed}" / "mvct.nrrd"))
    widths = [int((plan.array > -300).any(axis=(0, 1)).sum()) for plan in plans]
    assert widths[0] != widths[1] and plans[0].origin[2] != plans[1].origin[2]
    assert mvcts[0].array.shape == (1, 64, 64) and mvcts[0].origin[2] == plans[0].origin[2]
    refused = main("phantom", tmp_path / "w", "--kind", "water", "--slices", 3)
    assert refused.code == 1 and "a water phantom has a fixed one" in refused.stderr
