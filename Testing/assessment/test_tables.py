"""Readouts as rows and columns, without anything but the standard library."""

import csv
import io

from MVCTEnhanceLib.assessment.tables import leaves, readouts_csv


def readout(*values):
    return {"mean": 1.0, "sd": None, "slices": 1, "unit": "HU", "per_slice": list(values)}


READOUTS = {
    "mvct": {"noise_hu": readout(24.5, None)},
    "enhanced": {"noise_hu": readout(10.25, 11.0)},
    "planning_ct": {"noise_hu": readout(1.0, 2.0, 3.0)},
    "comparison": {
        "hu_bias": {"lung": readout(None, None), "fat": readout(-1.5, 2.0)},
        "nselfssim_distance": {"mvct": 0.1, "enhanced": 0.2, "unit": "1"},
    },
    "verdicts": {"mvct": {"noise_hu": {"verdict": "as expected", "reason": "It is."}}},
}


def test_csv_is_a_line_a_slice_of_the_mvct():
    rows = list(csv.DictReader(io.StringIO(readouts_csv(READOUTS))))
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


def test_leaves_are_the_readouts_by_their_own_name():
    assert leaves(READOUTS["comparison"]) == READOUTS["comparison"]["hu_bias"]
    assert leaves(READOUTS["mvct"]) == READOUTS["mvct"]
