"""The table of a batch."""

import csv

import pytest
from MVCTEnhanceLib.batch.summary import COLUMNS, MEANS, CaseRow, values_of, write_summary
from MVCTEnhanceLib.jobs.evaluate import measure
from MVCTEnhanceLib.quality.record import EnhancementRecord


@pytest.fixture(scope="module")
def readouts(mvct):
    enhanced = mvct.with_array(mvct.array // 2)
    measured = measure(mvct, enhanced, on_event=lambda event, **fields: None)
    return measured.to_dict() | {
        "warnings": ["one", "two"],
        "program": "MVCTEnhance 1.2",
        "model": {"name": "mine", "version": "3", "sha256": "a1"},
        "input": {"sha256": "b2"},
        "time": "2026-01-02T03:04:05+01:00",
        "verdicts": {
            "mvct": {"noise_hu": {"verdict": "as expected", "reason": "."}},
            "enhanced": {
                "noise_hu": {"verdict": "look closer", "reason": "."},
                "nselfssim": {"verdict": "look closer", "reason": "."},
            },
            "comparison": {"lung": {"verdict": "not applicable", "reason": "."}},
        },
    }


def read(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_every_readout_has_a_column(readouts):
    groups = EnhancementRecord.from_dict(readouts).groups
    assert set(MEANS) == {f"{group}.{values.path}" for group, of in groups.items() for values in of.values()}


def test_values_are_the_means_and_counts(readouts):
    values = values_of(EnhancementRecord.from_dict(readouts))
    assert float(values["mvct.noise_hu"]) == pytest.approx(readouts["mvct"]["noise_hu"]["mean"], rel=1e-5)
    bone = readouts["comparison"]["hu_bias"]["bone"]["mean"]
    assert float(values["comparison.hu_bias.bone"]) == pytest.approx(bone, rel=1e-5)
    assert values["slices"] == "4" and values["warnings"] == "2"
    counts = ("not_applicable", "as_expected", "look_closer", "do_not_trust")
    assert [values[name] for name in counts] == ["1", "1", "2", "0"]
    assert set(values) <= set(COLUMNS)


def test_row_tells_program_model_input_and_time(readouts):
    values = values_of(EnhancementRecord.from_dict(readouts))
    told = [values[name] for name in ("program", "model", "model_sha256", "input_sha256", "time")]
    assert told == ["MVCTEnhance 1.2", "mine 3", "a1", "b2", "2026-01-02T03:04:05+01:00"]


def test_what_was_not_measured_is_empty(readouts, tmp_path):
    nothing = {"mean": None, "sd": None, "unit": "1", "per_slice": [None, None]}
    partly = readouts | {"mvct": readouts["mvct"] | {"nselfssim": nothing}}
    del partly["verdicts"]
    write_summary(tmp_path / "s.csv", [CaseRow("a", "done", values=values_of(EnhancementRecord.from_dict(partly)))])
    (row,) = read(tmp_path / "s.csv")
    assert row["mvct.nselfssim"] == row["as_expected"] == ""
    assert float(row["mvct.noise_hu"]) > 0


def test_table_has_one_row_a_case_with_all_columns(tmp_path):
    rows = [
        CaseRow('a,"quoted"\n.nrrd', "failed", "No, it could not.", 1.25),
        CaseRow("b", "done", seconds=3, output="b", values={"slices": "4"}),
        CaseRow("c"),
    ]
    write_summary(tmp_path / "s.csv", rows)
    table = read(tmp_path / "s.csv")
    assert list(table[0]) == list(COLUMNS)
    assert [row["case"] for row in table] == ['a,"quoted"\n.nrrd', "b", "c"]
    assert [row["status"] for row in table] == ["failed", "done", "waiting"]
    assert (table[0]["reason"], table[0]["seconds"], table[1]["slices"]) == ("No, it could not.", "1.2", "4")


def test_file_name_that_is_no_text_is_no_error(tmp_path):
    write_summary(tmp_path / "s.csv", [CaseRow("sc\udcffn.nrrd")])
    assert read(tmp_path / "s.csv")[0]["case"] == "sc\\udcffn.nrrd"
