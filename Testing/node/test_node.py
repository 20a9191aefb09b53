"""A node as a process, who sends to it and what it delivers to: whole ways of scans."""

import signal

import pydicom
import pytest

pytest.importorskip("pynetdicom")

pytestmark = pytest.mark.integration


def slices_of(folder):
    return sorted(folder.iterdir())


def test_scan_is_enhanced_and_delivered_once(node, archive, scan_folder):
    node.configure(archive.port, more="send_untrusted = true\ndifference = true")
    node.start()
    association = node.associate()
    assert association.send_c_echo().Status == 0x0000
    association.release()
    assert node.send(slices_of(scan_folder)) == [0x0000] * 3
    node.wait_for("delivered")
    assert len(archive.received) == 6  # with those of the difference map
    assert {len(copies) for copies in archive.received.values()} == {1}
    (state,) = node.states
    assert state == {"series": 1, "status": "delivered", "slices": 3, "late": 0, "waiting": [], "reason": ""}
    assert node.end(signal.SIGTERM) == 130
    for secret in ("Secretname", "SECRET-ID-1", str(pydicom.dcmread(slices_of(scan_folder)[0]).SeriesInstanceUID)):
        assert secret not in node.log
