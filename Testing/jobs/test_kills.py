"""One of the kills of studies/faults/kill.py, which docs/reliability.md has the figures of."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "studies" / "faults"))

import inputs
import kill

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="processes are found as Linux has them"),
]


@pytest.mark.thorough
def test_killed_run_leaves_nothing_wrong_and_the_next_makes_the_same_bytes(tmp_path):
    inputs.make_inputs(tmp_path)
    study = kill.Study("enhance", tmp_path)
    assert set(study.reference) >= {"e.nrrd", "d.nrrd", "report/report.html"}
    study.end_one("write", 0.4)
    assert (study.rows["write"].ends, study.rows["write"].wrong) == (1, [])
