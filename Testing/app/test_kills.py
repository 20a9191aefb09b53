"""A few of the kills of studies/faults/kill.py, which docs/reliability.md has the figures of."""

import signal
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "studies" / "faults"))

import inputs
import kill

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="processes are found as Linux has them")


@pytest.mark.parametrize(
    ("what", "number", "stage", "fraction"),
    [
        ("enhance", signal.SIGKILL, "write", 0.4),
        ("worker", signal.SIGKILL, "write#1", 0.5),
    ],
)
def test_killed_run_leaves_nothing_wrong_and_the_next_makes_the_same_bytes(tmp_path, what, number, stage, fraction):
    inputs.make_inputs(tmp_path)
    study = kill.Study(what, tmp_path, number)
    assert any(name.endswith("e.nrrd" if what == "enhance" else "enhanced.nrrd") for name in study.reference)
    study.end_one(stage, fraction)
    (row,) = study.rows.values()
    assert (row.ends, row.wrong) == (1, [])
