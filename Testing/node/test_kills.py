"""Some of the kills of studies/faults/kill_node.py."""

import pytest

pytest.importorskip("pynetdicom")

from kill_node import study


@pytest.mark.thorough
def test_every_acknowledged_scan_is_delivered_once_however_often_the_node_is_killed(tmp_path):
    kills, wrong = study(tmp_path, times=3, seed=7)
    assert (sum(kills.values()), wrong) == (3, [])
