"""Readouts of a scan that was enhanced earlier, by the command line."""

from datetime import datetime

import numpy as np
import pytest
from MVCTEnhanceLib import __version__
from MVCTEnhanceLib.assessment.verdicts import judge
from MVCTEnhanceLib.errors import InputError
from MVCTEnhanceLib.io import write_dicom_series, write_volume
from MVCTEnhanceLib.jobs.evaluate import evaluate_files
from MVCTEnhanceLib.jobs.requests import EvaluateRequest
from MVCTEnhanceLib.model.card import DEFAULT_MODEL, find_model, read_card
from MVCTEnhanceLib.quality.metrics import evaluate
from MVCTEnhanceLib.quality.record import EnhancementRecord
from MVCTEnhanceLib.volume import Volume
from MVCTEnhanceLib.volume.grid import digest

JSON = ("--json", "--progress", "none")


@pytest.fixture
def scans(tmp_path, mvct):
    """Files of an MVCT and an 'enhanced' one with half the contrast; the arrays."""
    enhanced = mvct.with_array((mvct.array // 2).astype(np.int16))
    write_volume(mvct, tmp_path / "mvct.nrrd")
    write_volume(enhanced, tmp_path / "enhanced.nrrd")
    return mvct.array, enhanced.array


def test_values_are_those_of_the_library(scans, tmp_path, mvct):
    readouts = evaluate_files(EvaluateRequest(tmp_path / "mvct.nrrd", tmp_path / "enhanced.nrrd"))
    expected = evaluate(*scans, spacing=mvct.spacing).to_dict()
    expected["parameters"]["field_of_view_mm"] = [192.0, 192.0]
    assert {name: readouts[name] for name in expected} == expected


def test_program_input_and_time_are_told(scans, tmp_path, mvct):
    readouts = evaluate_files(EvaluateRequest(tmp_path / "mvct.nrrd", tmp_path / "enhanced.nrrd"))
    assert readouts["program"] == f"MVCTEnhance {__version__}"
    assert readouts["input"] == {"sha256": digest(mvct)}
    assert abs(datetime.now().astimezone() - datetime.fromisoformat(readouts["time"])).total_seconds() < 60


def test_verdicts_and_warnings_are_those_of_the_run_that_made_the_scan(main, scan, tmp_path):
    planning_ct = ["--kvct", scan]
    made = main("enhance", scan, "--output", tmp_path / "enhanced.nrrd", *planning_ct, *JSON, "--device", "cpu").json()
    pair = ["--mvct", scan, "--enhanced", tmp_path / "enhanced.nrrd"]
    result = main("evaluate", *pair, *planning_ct, "--model", DEFAULT_MODEL, *JSON)
    assert result.json()["verdicts"] == made["verdicts"]
    assert result.json()["warnings"] == made["warnings"] != []
    assert result.stderr.splitlines() == [f"Warning: {message}" for message in made["warnings"]]


def test_card_is_that_of_the_model_named(scans, tmp_path):
    pair = tmp_path / "mvct.nrrd", tmp_path / "enhanced.nrrd"
    readouts = evaluate_files(EvaluateRequest(*pair, model="unpaired"))
    card = read_card(find_model("unpaired"))[1]
    assert readouts["card"]["name"] == "unpaired"
    record = EnhancementRecord.from_dict(readouts)
    assert record.assessments == judge(record, card)


def test_that_no_model_was_named_is_a_warning(main, scans, tmp_path):
    pair = ["--mvct", tmp_path / "mvct.nrrd", "--enhanced", tmp_path / "enhanced.nrrd"]
    result = main("evaluate", *pair)
    assert "Warning: No model was named: " in result.stderr and f"default model, {DEFAULT_MODEL}." in result.stderr
    assert f"Verdicts by the card of the model {DEFAULT_MODEL}\n" in result.stdout
    assert "do not trust: Mean " in result.stdout
    named = main("evaluate", *pair, "--model", DEFAULT_MODEL)
    assert "No model was named" not in named.stderr and "do not trust" in named.stdout


def test_model_that_is_not_there_is_named(main, scans, tmp_path, assert_refused):
    pair = ["--mvct", tmp_path / "mvct.nrrd", "--enhanced", tmp_path / "enhanced.nrrd"]
    assert_refused(main("evaluate", *pair, "--model", "none"), "'none' is neither an installed model")


@pytest.mark.integration
def test_json_is_one_object(main, scans, tmp_path):
    pair = ["--mvct", tmp_path / "mvct.nrrd", "--enhanced", tmp_path / "enhanced.nrrd"]
    result = main("evaluate", *pair, "--json")
    assert result.code == 0
    readouts = result.json()
    told = {"slices", "verdicts", "card", "warnings", "program", "input", "time"}
    assert set(readouts) == {"mvct", "enhanced", "comparison", "parameters"} | told


def test_readouts_are_shown_to_a_person(main, scans, tmp_path):
    result = main("evaluate", "--mvct", tmp_path / "mvct.nrrd", "--enhanced", tmp_path / "enhanced.nrrd")
    assert result.code == 0
    assert "comparison   hu_bias soft_tissue" in result.stdout


def test_dicom_and_file_of_one_scan_lie_on_one_grid(scans, tmp_path, mvct):
    write_dicom_series(mvct, tmp_path / "dicom", description="test")
    readouts = evaluate_files(EvaluateRequest(tmp_path / "dicom", tmp_path / "mvct.nrrd"))
    assert readouts["comparison"]["dig"]["mean"] == 0


@pytest.mark.parametrize(
    "change",
    [
        {"spacing": (2.0, 2.0, 5.0)},
        {"origin": (1.0, 0.0, 0.0)},
        {"direction": np.diag([-1.0, 1.0, 1.0])},
        {"array": np.zeros((3, 96, 96), np.int16)},
    ],
)
def test_scans_of_different_grids_are_refused(main, scans, tmp_path, mvct, change, assert_refused):
    base = {"array": scans[1], "spacing": mvct.spacing, "origin": mvct.origin, "direction": mvct.direction}
    write_volume(Volume(**(base | change)), tmp_path / "other.nrrd")
    result = main("evaluate", "--mvct", tmp_path / "mvct.nrrd", "--enhanced", tmp_path / "other.nrrd", "--json")
    assert_refused(result, "different grids", "mvct.nrrd", "other.nrrd")


def test_truth_on_the_same_grid_is_taken_as_it_is(scans, tmp_path):
    readouts = evaluate_files(
        EvaluateRequest(tmp_path / "mvct.nrrd", tmp_path / "enhanced.nrrd", truth=tmp_path / "enhanced.nrrd")
    )
    assert not any("truth" in text for text in readouts["warnings"])
    assert readouts["truth"]["enhanced"]["mae_hu"]["mean"] == 0
    assert readouts["truth"]["mvct"]["mae_hu"]["mean"] > 10


def test_truth_on_another_grid_is_resampled_with_a_warning(main, tmp_path):
    """HU that are linear in the place come through a linear resampling unchanged."""
    x = np.arange(64) - 31.5
    ramp = np.tile(10.0 * x, (3, 64, 1))  # HU; 10 per mm
    write_volume(Volume(np.rint(ramp).astype(np.int16), (1, 1, 5), (-31.5, -31.5, 0)), tmp_path / "scan.nrrd")
    fine = np.tile(10.0 * (np.arange(160) / 2 - 40), (3, 160, 1))
    write_volume(Volume(np.rint(fine).astype(np.int16), (0.5, 0.5, 5), (-40, -40, 0)), tmp_path / "truth.nrrd")
    pair = ["--mvct", tmp_path / "scan.nrrd", "--enhanced", tmp_path / "scan.nrrd"]
    result = main("evaluate", *pair, "--truth", tmp_path / "truth.nrrd", "--json")
    warning = "The truth was resampled linearly to the grid of the enhanced scan."
    assert warning in result.json()["warnings"]
    assert f"Warning: {warning}\n" in result.stderr
    assert result.json()["truth"]["enhanced"]["mae_hu"]["mean"] < 0.5


def test_planning_ct_may_have_any_grid(scans, tmp_path):
    write_volume(Volume(np.zeros((2, 40, 50), np.int16), (1, 1, 3)), tmp_path / "kvct.nrrd")
    readouts = evaluate_files(
        EvaluateRequest(tmp_path / "mvct.nrrd", tmp_path / "enhanced.nrrd", kvct=tmp_path / "kvct.nrrd")
    )
    assert len(readouts["planning_ct"]["nselfssim"]["per_slice"]) == 2
    assert readouts["comparison"]["nselfssim_distance"]["unit"] == "1"


def test_warnings_call_each_scan_by_its_role(scans, tmp_path, mvct):
    odd = mvct.array.copy()
    odd[0, 0, 0] = -3000
    write_volume(mvct.with_array(odd), tmp_path / "Secretname.nrrd")
    names = {"truth": tmp_path / "Secretname.nrrd", "kvct": tmp_path / "Secretname.nrrd"}
    warnings = evaluate_files(EvaluateRequest(tmp_path / "Secretname.nrrd", tmp_path / "enhanced.nrrd", **names))[
        "warnings"
    ]
    assert [text.split(" has ")[0] for text in warnings[:3]] == ["The MVCT", "The planning CT", "The truth"]
    assert "Secretname" not in "".join(warnings)


def test_scan_that_is_missing_is_named(scans, tmp_path):
    with pytest.raises(InputError, match=r"none\.nrrd does not exist"):
        evaluate_files(EvaluateRequest(tmp_path / "mvct.nrrd", tmp_path / "none.nrrd"))
