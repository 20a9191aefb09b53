"""mvct-enhance adapt: a model trained on the site's planning CTs as its scanner's twin would scan them."""

import json
from dataclasses import replace

import numpy as np
import pytest
from MVCTEnhanceLib.commissioning import adapt as module
from MVCTEnhanceLib.commissioning.adapt import better
from MVCTEnhanceLib.io import read_volume, write_volume
from MVCTEnhanceLib.model.card import DEFAULT_MODEL, find_model, model_sha256, read_card
from MVCTEnhanceLib.physics.mvct import simulate_mvct
from MVCTEnhanceLib.physics.phantom import head_neck_phantom
from MVCTEnhanceLib.physics.settings import MVCTSettings
from MVCTEnhanceLib.site.profile import Made, Scanner, SiteModel, SiteProfile, read_site, write_site
from MVCTEnhanceLib.training.validation import Validation

SCANNER = MVCTSettings(matrix=96, pixel_mm=2.0, views=60, photons=4000, kernel=0.8)
COMMAND = ("adapt", "--twin", "twin.toml", "--mvct", "mvct", "--kvct", "kvct", "--output", "adapted", "--steps", "10")


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The folder of a site, where two planning CTs give the 16 slices that a training needs."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(module, "BATCH", 1)
    monkeypatch.setattr(module, "JUDGED_SLICES", 2)
    monkeypatch.setattr(module, "VALIDATIONS", 1)
    for name, height in (("a", -40.0), ("b", 20.0)):
        kvct = head_neck_phantom(slices=8, shape=(96, 96), spacing_mm=(2.0, 2.0, 6.0), centre_z_mm=height)
        (tmp_path / "kvct").mkdir(exist_ok=True)
        write_volume(kvct, tmp_path / "kvct" / f"{name}.nrrd")
    (tmp_path / "mvct").mkdir()
    write_volume(simulate_mvct(replace(kvct, array=kvct.array[:2]), SCANNER), tmp_path / "mvct" / "b.nrrd")
    settings = [f"{name} = {value}" for name, value in SCANNER.changed().items()]
    (tmp_path / "twin.toml").write_text("\n".join([*settings, "hu_offset = 30.0"]), encoding="utf-8")
    return tmp_path


@pytest.mark.integration
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
    assert json.loads((here / "adapted" / "adapting.json").read_text(encoding="utf-8"))["kept"] == told["kept"]
    mvct, truth = (read_volume(here / "adapted" / "pairs" / name / "001.nrrd") for name in ("mvct", "truth"))
    soft_tissue = (truth.array > -150) & (truth.array < 100)
    assert (
        abs(np.median((mvct.array - truth.array)[soft_tissue])) < 10
    )  # an exact scanner's HU, without the twin's offset
    model = here / "adapted" / "training" / "model.safetensors"
    card = read_card(model)[1]
    assert (card["name"], card["adapted_from"]["sha256"]) == (f"{DEFAULT_MODEL}-adapted", sha256)
    assert card["training_data"]["paired_truth_used"] and card["training_data"]["mvct_slices"] == 16
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
        ((0.02, 99.5), (0.01, 99.5), "adapted"),
        ((0.01, 99.5), (0.02, 99.5), "given"),
        ((0.02, 99.5), (0.01, 98.9), "given"),
        ((0.02, 98.0), (0.03, 99.5), "adapted"),
        ((0.02, 99.5), (0.02, 99.5), "given"),
        ((None, 99.5), (0.5, 99.5), "adapted"),
    ],
)
def test_kept_is_the_model_nearer_to_planning_cts_that_leaves_air_alone(given, adapted, kept):
    judged = {
        name: Validation(0.9, distance, 1.0, air, 9.0)
        for name, (distance, air) in (("given", given), ("adapted", adapted))
    }
    assert better(judged) == kept
