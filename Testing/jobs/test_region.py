"""The readouts of a region that a user drew; the cycle error; in one run, as the panel asks for them."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from MVCTEnhanceLib.io import read_volume, write_dicom_series, write_volume
from MVCTEnhanceLib.io.reader import read_map
from MVCTEnhanceLib.model.card import DEFAULT_MODEL, find_model
from MVCTEnhanceLib.model.engine import BATCH, Engine
from MVCTEnhanceLib.model.package import load_model
from MVCTEnhanceLib.quality.metrics import evaluate
from MVCTEnhanceLib.volume import Volume

QUIET = ("--json", "--progress", "none")


@pytest.fixture
def region(mvct) -> Volume:
    """Two of the four slices, the left half."""
    inside = np.zeros(mvct.array.shape, np.int16)
    inside[1:3, :, :48] = 1
    return mvct.with_array(inside)


@pytest.fixture
def region_file(tmp_path, region):
    write_volume(region, tmp_path / "region.nrrd")
    return tmp_path / "region.nrrd"


def test_readouts_are_those_of_the_region(main, scan, region, region_file, mvct, tmp_path):
    result = main("enhance", scan, "--output", tmp_path / "e.nrrd", "--region", region_file, *QUIET)
    assert result.code == 0, result.stderr
    enhanced = read_volume(tmp_path / "e.nrrd").array
    expected = evaluate(mvct.array, enhanced, spacing=mvct.spacing, region=region.array).to_dict()
    for group in ("mvct", "enhanced", "comparison"):
        assert result.json()[group] == expected[group]
    assert result.json()["parameters"]["region"] == expected["parameters"]["region"]
    assert expected["parameters"]["region"]["slices"] == 2


def test_the_enhanced_scan_itself_knows_no_region(main, scan, region_file, tmp_path):
    main("enhance", scan, "--output", tmp_path / "a.nrrd")
    main("enhance", scan, "--output", tmp_path / "b.nrrd", "--region", region_file)
    np.testing.assert_array_equal(read_volume(tmp_path / "a.nrrd").array, read_volume(tmp_path / "b.nrrd").array)


def test_region_kept_in_another_order_is_the_same_one(main, scan, region, tmp_path, mvct):
    """A DICOM series is read with its slices upwards; the program that drew the region may have them downwards."""
    last = mvct.origin + mvct.direction[:, 2] * mvct.spacing[2] * 3
    turned = replace(region, array=region.array[::-1], origin=tuple(last), direction=np.diag([1.0, 1.0, -1.0]))
    write_volume(region, tmp_path / "region.nrrd")
    write_volume(turned, tmp_path / "turned.nrrd")
    readouts = [
        main("evaluate", "--mvct", scan, "--enhanced", scan, "--region", tmp_path / name, *QUIET).json()
        for name in ("region.nrrd", "turned.nrrd")
    ]
    assert readouts[0] | {"time": ""} == readouts[1] | {"time": ""}


def test_labels_of_any_number_are_inside(main, scan, region, tmp_path):
    write_volume(region.with_array(region.array * -2000), tmp_path / "labels.nrrd")
    result = main("evaluate", "--mvct", scan, "--enhanced", scan, "--region", tmp_path / "labels.nrrd", *QUIET)
    assert "region" not in result.stderr
    assert result.json()["parameters"]["region"]["voxels"] == np.count_nonzero(region.array)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"array": np.zeros((4, 96, 96), np.int16)}, "is empty"),
        ({"array": np.ones((3, 96, 96), np.int16)}, "another grid than the MVCT"),
        ({"spacing": (2.0, 2.0, 5.0)}, "another grid than the MVCT"),
        ({"origin": (0.0, 0.0, 0.0)}, "another grid than the MVCT"),
    ],
)
def test_region_that_does_not_fit_is_refused_before_the_work(
    main, scan, region, tmp_path, change, words, assert_one_sentence
):
    write_volume(replace(region, **change), tmp_path / "region.nrrd")
    arguments = ["--output", tmp_path / "e.nrrd", "--region", tmp_path / "region.nrrd"]
    result = main("enhance", scan, *arguments, "--progress", "jsonl")
    assert result.code == 1
    assert words in result.stderr and "region.nrrd" in result.stderr
    assert_one_sentence(result.stderr)
    assert '"stage": "enhance"' not in result.stdout
    assert not (tmp_path / "e.nrrd").exists()


def test_region_without_body_and_region_beside_a_planning_ct_are_told(main, scan, region, tmp_path):
    air = np.zeros_like(region.array)
    air[:, :3, :3] = 1
    write_volume(region.with_array(air), tmp_path / "air.nrrd")
    write_volume(region, tmp_path / "region.nrrd")
    pair = ["evaluate", "--mvct", scan, "--enhanced", scan]
    result = main(*pair, "--region", tmp_path / "air.nrrd", *QUIET)
    assert result.json()["warnings"][-1] == "The region holds no part of the body: nothing could be measured in it."
    result = main(*pair, "--region", tmp_path / "region.nrrd", "--kvct", scan, *QUIET)
    assert "not those of the planning CT" in result.json()["warnings"][-1]


def test_region_is_never_overwritten(main, scan, region_file, assert_refused):
    assert_refused(main("enhance", scan, "--output", region_file, "--region", region_file), "never overwritten")


def test_cycle_error_is_how_far_the_way_back_misses_the_mvct(main, scan, mvct, tmp_path):
    output = tmp_path / "new" / "cycle.nrrd"
    result = main("enhance", scan, "--output", tmp_path / "e.nrrd", "--cycle-error", output, "--progress", "jsonl")
    assert result.code == 0, result.stderr
    engine = Engine(load_model(find_model(DEFAULT_MODEL)), torch.device("cpu"))
    back = engine.back_to_mvct(engine.enhance(mvct)).array
    cycle = read_map(output)
    np.testing.assert_array_equal(cycle.array, np.abs(back.astype(int) - mvct.array))
    assert cycle.array.dtype == np.int16 and cycle.array.max() > 0
    assert (cycle.spacing, cycle.origin) == (mvct.spacing, mvct.origin)
    events = [json.loads(line) for line in result.stdout.splitlines()]
    stages = [event["stage"] for event in events if event["event"] == "stage"]
    assert stages == ["read", "enhance", "cycle", "measure", "write"]
    for stage in ("enhance", "cycle"):
        told = [event for event in events if event["event"] == "progress" and event["stage"] == stage]
        assert [(event["done"], event["total"]) for event in told] == [
            (done, 4) for done in range(BATCH["cpu"], 5, BATCH["cpu"])
        ]
        assert told[-1]["eta_s"] == 0


def test_cycle_error_as_dicom_is_derived_from_the_scan(main, dicom_scan, tmp_path):
    outputs = ["--output", tmp_path / "e.nrrd", "--cycle-error", tmp_path / "cycle", "--force"]
    assert main("enhance", dicom_scan, *outputs).code == 0
    assert len(list((tmp_path / "cycle").iterdir())) == 4


def test_way_back_is_not_gone_unless_it_is_asked_for(main, scan, tmp_path, monkeypatch):
    monkeypatch.setattr(Engine, "back_to_mvct", lambda *_: pytest.fail("not asked for"))
    assert main("enhance", scan, "--output", tmp_path / "e.nrrd").code == 0


@pytest.mark.parametrize("other", ["--difference", "--output"])
def test_cycle_error_has_a_place_of_its_own(main, scan, tmp_path, other, assert_refused):
    outputs = {"--output": tmp_path / "e.nrrd", "--cycle-error": tmp_path / "c.nrrd"} | {other: tmp_path / "c.nrrd"}
    arguments = [item for pair in outputs.items() for item in pair]
    assert_refused(main("enhance", scan, *arguments), "give each a place of its own")


def test_region_of_a_dicom_scan(main, dicom_scan, region_file, tmp_path):
    result = main("enhance", dicom_scan, "--output", tmp_path / "e.nrrd", "--region", region_file, *QUIET)
    assert result.code == 0, result.stderr
    assert "region" in result.json()["parameters"]


def test_region_as_a_dicom_folder(main, scan, region, tmp_path):
    write_dicom_series(region, tmp_path / "mask", description="mask")
    result = main("evaluate", "--mvct", scan, "--enhanced", scan, "--region", tmp_path / "mask", *QUIET)
    assert result.json()["parameters"]["region"]["slices"] == 2
