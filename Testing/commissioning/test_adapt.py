"""mvct-enhance adapt: a model trained on the site's planning CTs as its scanner's twin would scan them."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from MVCTEnhanceLib.batch.cases import find_cases
from MVCTEnhanceLib.commissioning import adapt as module
from MVCTEnhanceLib.commissioning.adapt import Judgement, better
from MVCTEnhanceLib.io import read_volume, write_volume
from MVCTEnhanceLib.model.card import DEFAULT_MODEL, find_model, model_sha256, read_card
from MVCTEnhanceLib.physics.mvct import simulate_mvct
from MVCTEnhanceLib.physics.phantom import head_neck_phantom
from MVCTEnhanceLib.physics.settings import MVCTSettings
from MVCTEnhanceLib.runtime.events import ignore_event
from MVCTEnhanceLib.site.profile import NO_SITE, Made, Scanner, SiteModel, SiteProfile, read_site, write_site

SCANNER = MVCTSettings(matrix=96, pixel_mm=2.0, views=60, photons=4000, kernel=0.8)
COMMAND = ("adapt", "--twin", "twin.toml", "--mvct", "mvct", "--kvct", "kvct", "--output", "adapted", "--steps", "10")


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The folder of a site, where two planning CTs give the 16 slices that a training needs, and some to hold back."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(module, "BATCH", 1)
    monkeypatch.setattr(module, "JUDGED_SLICES", 2)
    monkeypatch.setattr(module, "VALIDATIONS", 1)
    grid = {"slices": 11, "shape": (96, 96), "spacing_mm": (2.0, 2.0, 6.0), "supersample": 1}
    for name, height in (("a", -40.0), ("b", 20.0)):
        kvct = head_neck_phantom(**grid, centre_z_mm=height)
        (tmp_path / "kvct").mkdir(exist_ok=True)
        write_volume(kvct, tmp_path / "kvct" / f"{name}.nrrd")
    (tmp_path / "mvct").mkdir()
    write_volume(simulate_mvct(replace(kvct, array=kvct.array[:2]), SCANNER), tmp_path / "mvct" / "b.nrrd")
    settings = [f"{name} = {value}" for name, value in SCANNER.changed().items()]
    (tmp_path / "twin.toml").write_text("\n".join([*settings, "hu_offset = 30.0"]), encoding="utf-8")
    return tmp_path


@pytest.mark.thorough
def test_model_is_adapted_compared_and_gone_on_with(main, here, assert_refused):
    sha256 = model_sha256(find_model(DEFAULT_MODEL))
    site = SiteProfile(
        Scanner("Bunker 2"), Made("2026-11-30T10:00:00+01:00", "", ""), model=SiteModel(DEFAULT_MODEL, sha256)
    )
    write_site(site, here / "site.toml")
    result = main(*COMMAND, "--site", "site.toml", "--device", "cpu", "--json", "--progress", "none")
    assert result.code == 0, result.stderr
    told = result.json()
    assert set(told["judged"]) == {"given", "adapted"} and told["kept"] in told["judged"]
    assert all(10 < judged["error_hu"] < 300 and judged["air_agreement"] > 90 for judged in told["judged"].values())
    assert json.loads((here / "adapted" / "adapting.json").read_text(encoding="utf-8"))["kept"] == told["kept"]
    mvct, truth = (read_volume(here / "adapted" / "pairs" / name / "001.nrrd") for name in ("mvct", "truth"))
    soft_tissue = (truth.array > -150) & (truth.array < 100)
    shift = np.median((mvct.array - truth.array)[soft_tissue])
    assert abs(shift) < 10  # an exact scanner's HU, without the twin's offset
    model = here / "adapted" / "adapted.safetensors"
    card, own = read_card(model)[1], read_card(find_model(DEFAULT_MODEL))[1]["expected"]
    assert (card["name"], card["adapted_from"]["sha256"]) == (f"{DEFAULT_MODEL}-adapted", sha256)
    assert card["training_data"]["paired_truth_used"] and card["training_data"]["mvct_slices"] == 18
    assert card["expected"]["enhanced"] == own["enhanced"]
    assert card["expected"]["measured_on"] == f"of the model that it was adapted from: {own['measured_on']}"
    if told["kept"] == "adapted":
        profile = read_site(here / told["profile"])
        assert (profile.name, profile.model_file(None)[0]) == ("Bunker 2", model)

    again = main(*COMMAND, "--site", "site.toml", "--device", "cpu", "--json", "--progress", "none")
    assert again.json() == told
    others = [*COMMAND[:-1], "11"]
    assert_refused(main(*others, "--device", "cpu", "--progress", "none"), "begun with another twin, model, number of")


def test_folder_with_something_else_is_refused(main, here, assert_refused):
    (here / "adapted").mkdir()
    (here / "adapted" / "notes.txt").write_text("mine")
    assert_refused(main(*COMMAND, "--device", "cpu", "--progress", "none"), "holds other files")


@pytest.mark.parametrize(
    ("given", "adapted", "kept"),
    [
        ((20.0, {}), (19.0, {}), "adapted"),
        ((19.0, {}), (20.0, {}), "given"),
        ((20.0, {}), (20.0, {}), "given"),
        ((20.0, {"air_agreement": 99.5}), (15.0, {"air_agreement": 98.4}), "given"),
        ((20.0, {"air_agreement": 99.5}), (15.0, {"air_agreement": 99.1}), "adapted"),
        ((20.0, {"soft_tissue": 2.0}), (15.0, {"soft_tissue": -8.0}), "given"),
        ((20.0, {"soft_tissue": 20.0}), (15.0, {"soft_tissue": -8.0}), "adapted"),
        ((20.0, {"edge_width_mm": 2.0}), (15.0, {"edge_width_mm": 2.6}), "given"),
        ((20.0, {"nselfssim_distance": 0.0}), (15.0, {"nselfssim_distance": 0.5}), "adapted"),
        ((20.0, {"fat": None}), (15.0, {"fat": 50.0}), "adapted"),
        ((15.0, {"fat": 30.0}), (20.0, {"fat": 1.0}), "adapted"),
    ],
)
def test_kept_is_the_model_of_smaller_error_unless_real_mvct_speak_against_it(given, adapted, kept):
    judged = {name: Judgement(error, **real) for name, (error, real) in (("given", given), ("adapted", adapted))}
    assert better(judged) == kept


def test_too_few_slices_are_refused(main, here, assert_refused):
    (here / "kvct" / "a.nrrd").unlink()
    assert_refused(
        main(*COMMAND, "--device", "cpu", "--progress", "none"), "planning CTs have 11 slices, but at least 22"
    )


def test_every_fourth_planning_ct_is_held_back(here, monkeypatch):
    monkeypatch.setattr(module, "JUDGED_SLICES", 2)
    monkeypatch.setattr(module, "PAIRED_SLICES", 3)
    monkeypatch.setattr(module, "simulate_mvct", lambda kvct, settings, device: kvct)
    for name in ("c", "d"):
        write_volume(
            head_neck_phantom(slices=3, shape=(8, 8), spacing_mm=(24.0, 24.0, 6.0)), here / "kvct" / f"{name}.nrrd"
        )
    cases = find_cases(here / "kvct")
    module._write_pairs(here / "pairs", cases, SCANNER, NO_SITE, torch.device("cpu"), ignore_event)
    counts = {
        part: [len(read_volume(path).array) for path in sorted((here / "pairs" / part).iterdir())]
        for part in ("mvct", "held-back/mvct")
    }
    assert counts == {"mvct": [1, 1, 1], "held-back/mvct": [2]}
