"""The record of an enhancement, as JSON and as CSV."""

import csv
import io
import math

import pytest
from MVCTEnhanceLib.quality.record import Distance, EnhancementRecord
from MVCTEnhanceLib.report.table import metrics_csv


def readout(*values):
    count = len(values) - values.count(None)
    return {"mean": 1.0, "sd": None, "slices": count, "unit": "HU", "per_slice": list(values)}


READOUTS = {
    "mvct": {"noise_hu": readout(24.5, None)},
    "enhanced": {"noise_hu": readout(10.25, 11.0)},
    "planning_ct": {"noise_hu": readout(1.0, 2.0, 3.0)},
    "comparison": {
        "hu_bias": {"lung": readout(None, None), "fat": readout(-1.5, 2.0)},
        "nselfssim_distance": {"mvct": 0.1, "enhanced": 0.2, "unit": "1"},
        "fat_offset": {"mvct": None, "enhanced": -3.0, "unit": "HU"},
    },
    "verdicts": {"mvct": {"noise_hu": {"verdict": "as expected", "reason": "It is."}}},
}


def test_csv_is_a_line_a_slice_of_the_mvct():
    rows = list(csv.DictReader(io.StringIO(metrics_csv(EnhancementRecord.from_dict(READOUTS)))))
    assert rows == [
        {
            "slice": "1",
            "mvct.noise_hu": "24.5",
            "enhanced.noise_hu": "10.25",
            "comparison.hu_bias.lung": "",
            "comparison.hu_bias.fat": "-1.5",
        },
        {
            "slice": "2",
            "mvct.noise_hu": "",
            "enhanced.noise_hu": "11.0",
            "comparison.hu_bias.lung": "",
            "comparison.hu_bias.fat": "2.0",
        },
    ]


def test_json_that_is_read_and_written_is_the_same():
    whole = READOUTS | {
        "truth": {"mvct": {"mae_hu": readout(1.0, None)}, "enhanced": {"mae_hu": readout(0.5, None)}},
        "parameters": {"dig": {"gradient": "forward differences"}},
        "slices": {"z_mm": [-3.0, 0.0], "planning_ct_z_mm": [1.0, 2.0, 3.0]},
        "program": "MVCTEnhance 1.2",
        "input": {"sha256": "b2"},
        "time": "2026-01-02T03:04:05+01:00",
        "model": {"name": "mine", "version": "3"},
        "device": "CPU",
        "warnings": [],
        "scan": {"date": "2026-01-02"},
        "of a later program": {"kept": 1},
    }
    for found in (READOUTS, whole):
        assert EnhancementRecord.from_dict(found).to_dict() == found


def test_values_by_tissue_have_their_own_name_and_the_path_of_the_table():
    comparison = EnhancementRecord.from_dict(READOUTS).groups["comparison"]
    assert {name: values.path for name, values in comparison.items()} == {"lung": "hu_bias.lung", "fat": "hu_bias.fat"}


def test_distances_from_the_planning_ct_are_of_whole_scans():
    distances = EnhancementRecord.from_dict(READOUTS).distances
    assert distances["nselfssim_distance"] == Distance(0.1, 0.2)
    assert distances["fat_offset"].unit == "HU" and math.isnan(distances["fat_offset"].mvct)


def test_slices_are_called_by_number_and_place():
    record = EnhancementRecord.from_dict(READOUTS | {"slices": {"z_mm": [-3.0, 0.5]}})
    assert record.slice_names() == ["slice 1 of 2, z = -3.0 mm", "slice 2 of 2, z = 0.5 mm"]
    assert record.slice_names("planning_ct") == ["slice 1 of 3", "slice 2 of 3", "slice 3 of 3"]


@pytest.mark.parametrize(
    "found",
    [
        {},
        [],
        None,
        "text",
        {"mvct": {}, "enhanced": {}},
        READOUTS | {"mvct": 3},
        READOUTS | {"mvct": {"noise_hu": {"per_slice": [1.0]}}},
        READOUTS | {"verdicts": {"mvct": {"noise_hu": "good"}}},
        READOUTS | {"slices": []},
    ],
)
def test_anything_else_is_no_record(found):
    with pytest.raises(ValueError, match="no metrics"):
        EnhancementRecord.from_dict(found)
