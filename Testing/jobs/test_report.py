"""The report of readouts that exist already is the one that was written when they were measured."""

import json
import shutil

import pytest
from MVCTEnhanceLib.io import write_volume
from MVCTEnhanceLib.model.card import DEFAULT_MODEL, find_model, read_card
from MVCTEnhanceLib.quality import metrics as quality_metrics
from MVCTEnhanceLib.volume import Volume

FILES = {"report.html", "readouts.json", "readouts.csv"}


@pytest.fixture(scope="module")
def enhanced(tmp_path_factory, mvct):
    """A folder with mvct.nrrd, enhanced.nrrd, their report in first/, and the run's events."""
    from MVCTEnhanceLib.jobs.enhance import enhance
    from MVCTEnhanceLib.jobs.requests import EnhanceRequest

    folder = tmp_path_factory.mktemp("enhanced")
    write_volume(mvct, folder / "mvct.nrrd")
    request = EnhanceRequest(folder / "mvct.nrrd", folder / "enhanced.nrrd", device="cpu", report=folder / "first")
    readouts = enhance(request).readouts
    (folder / "event.json").write_text(json.dumps({"event": "result", **readouts}), encoding="utf-8")
    return folder


@pytest.fixture
def again(main, enhanced, tmp_path):
    """Function: the command with these readouts, and more arguments."""

    def run(readouts, *arguments, output=tmp_path / "again"):
        pair = ["--mvct", enhanced / "mvct.nrrd", "--enhanced", enhanced / "enhanced.nrrd"]
        return main("report", *pair, "--readouts", readouts, "--output", output, *arguments)

    return run


@pytest.fixture
def changed(enhanced, tmp_path):
    """Function: a file with the readouts after a change."""

    def write(change):
        readouts = json.loads((enhanced / "first" / "readouts.json").read_text(encoding="utf-8"))
        change(readouts)
        (tmp_path / "changed.json").write_text(json.dumps(readouts), encoding="utf-8")
        return tmp_path / "changed.json"

    return write


@pytest.mark.integration
@pytest.mark.parametrize("readouts", ["first/readouts.json", "event.json"])
def test_files_are_those_of_the_first_report(again, enhanced, tmp_path, readouts, monkeypatch):
    monkeypatch.setattr(quality_metrics, "evaluate", lambda *_, **__: pytest.fail("measured again"))
    result = again(enhanced / readouts, "--json")
    assert (result.code, result.stderr) == (0, "")
    assert result.json() == {"files": ["report.html", "readouts.json", "readouts.csv"], "warnings": []}
    assert {path.name for path in (tmp_path / "again").iterdir()} == FILES
    for name in FILES:
        assert (tmp_path / "again" / name).read_bytes() == (enhanced / "first" / name).read_bytes()


@pytest.mark.integration
def test_scan_kept_in_another_order_gives_the_same_report(main, enhanced, mvct, tmp_path):
    from MVCTEnhanceLib.io import read_volume

    scan = read_volume(enhanced / "enhanced.nrrd")
    last = scan.origin + scan.direction[:, 2] * scan.spacing[2] * 3
    turned = Volume(scan.array[::-1], scan.spacing, tuple(last), scan.direction * [1, 1, -1])
    write_volume(turned, tmp_path / "turned.nrrd")
    arguments = ["--mvct", enhanced / "mvct.nrrd", "--enhanced", tmp_path / "turned.nrrd"]
    readouts = enhanced / "first" / "readouts.json"
    assert main("report", *arguments, "--readouts", readouts, "--output", tmp_path / "again").code == 0
    assert (tmp_path / "again" / "report.html").read_bytes() == (enhanced / "first" / "report.html").read_bytes()


def test_card_is_that_of_the_model_in_the_readouts(again, enhanced, changed, tmp_path):
    use = read_card(find_model(DEFAULT_MODEL))[1]["training_data"]
    assert again(changed(lambda readouts: readouts["model"].update(version="0.0.0"))).code == 0
    page = (tmp_path / "again" / "report.html").read_text(encoding="utf-8")
    assert "0.0.0" in page
    first = (enhanced / "first" / "report.html").read_text(encoding="utf-8")
    assert str(next(iter(use.values())) if isinstance(use, dict) else use)[:40] in first.replace("&#x27;", "'")


@pytest.mark.parametrize("model", [{"name": "my own"}, {"name": DEFAULT_MODEL, "version": "0.0.0"}, {}])
def test_card_that_is_not_installed_is_missed_aloud(again, changed, tmp_path, model):
    result = again(changed(lambda readouts: readouts.update(model=model)))
    assert result.code == 0
    assert "name the model's file" in result.stderr
    page = (tmp_path / "again" / "report.html").read_text(encoding="utf-8")
    assert all(text in page for text in model.values())


def test_model_can_be_named(again, changed, tmp_path, enhanced, assert_one_sentence):
    shutil.copy(find_model(DEFAULT_MODEL), tmp_path / "mine.safetensors")
    readouts = changed(lambda readouts: readouts.update(model={"name": "my own"}))
    result = again(readouts, "--model", tmp_path / "mine.safetensors")
    assert (result.code, result.stderr) == (0, "")
    result = again(readouts, "--model", tmp_path / "none.safetensors")
    assert result.code == 1
    assert_one_sentence(result.stderr)


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", '"mvct"', "{}", '{"mvct": {}, "enhanced": {}, "comparison": {}, "parameters": {}}', "\xff\xfe"],
)
def test_file_without_readouts_is_one_sentence(again, tmp_path, assert_refused, text):
    (tmp_path / "odd.json").write_bytes(text.encode("latin-1"))
    assert_refused(again(tmp_path / "odd.json"), "odd.json", "give the readouts.json of a report")


def test_readouts_that_are_missing_or_of_another_scan_are_refused(again, changed, tmp_path, assert_refused):
    assert_refused(again(tmp_path / "none.json"), "none.json", "cannot be read")
    other = changed(lambda readouts: [readouts[name]["nselfssim"]["per_slice"].pop() for name in ("mvct", "enhanced")])
    assert_refused(again(other), "metrics of 3 slices", "has 4")
    cut = changed(lambda readouts: readouts["slices"]["z_mm"].pop())
    assert_refused(again(cut), "metrics of 3 slices", "has 4")


def test_inputs_are_never_overwritten(again, enhanced, tmp_path, assert_refused):
    shutil.copytree(enhanced / "first", tmp_path / "first")
    result = again(tmp_path / "first" / "readouts.json", output=tmp_path / "first")
    assert_refused(result, "never overwritten")


def test_scans_of_different_grids_are_refused(main, enhanced, mvct, tmp_path, assert_refused):
    write_volume(Volume(mvct.array, (1.0, 1.0, 6.0)), tmp_path / "other.nrrd")
    arguments = ["--mvct", enhanced / "mvct.nrrd", "--enhanced", tmp_path / "other.nrrd"]
    readouts = enhanced / "first" / "readouts.json"
    result = main("report", *arguments, "--readouts", readouts, "--output", tmp_path / "again")
    assert_refused(result, "different grids")


def test_card_is_that_which_the_verdicts_of_evaluate_took(again, changed, tmp_path):
    result = again(changed(lambda readouts: readouts.update(card=readouts.pop("model"))))
    assert (result.code, result.stderr) == (0, "")
    assert "Visual Geometry Group" in (tmp_path / "again" / "report.html").read_text(encoding="utf-8")
