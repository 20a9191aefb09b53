"""A node as a process, who sends to it and what it delivers to: whole ways of scans."""

import json
import os
import shutil
import signal

import pydicom
import pytest
from parties import SECRETS, slices_along, wait_until, write_scan

pytest.importorskip("pynetdicom")

pytestmark = [pytest.mark.integration, pytest.mark.skipif(os.name == "nt", reason="POSIX signals")]


def slices_of(folder):
    return sorted(folder.iterdir())


def sources_of(archive):
    """The slices that the received images were made of."""
    images = (copies[0] for copies in archive.received.values())
    return sorted(ds.SourceImageSequence[0].ReferencedSOPInstanceUID for ds in images)


def uids_of(folder):
    return sorted(pydicom.dcmread(path).SOPInstanceUID for path in slices_of(folder))


def test_scans_are_enhanced_and_delivered_once_and_nothing_else_is(node, archive, scan_folder, tmp_path, main):
    """Killed before it was enhanced, too; a planning CT is none of its business."""
    node.configure(archive.port, more="send_untrusted = true\ndifference = true", quiet_s=1.0)
    node.start()
    assert node.send(slices_of(scan_folder)) == [0x0000] * 3
    node.end()
    node.start()
    planning = write_scan(tmp_path / "kv", Manufacturer="Siemens", KVP="120")
    assert node.send(slices_of(planning)) == [0x0000] * 3
    node.wait_for("delivered")
    node.wait_for("other")
    assert sources_of(archive) == sorted(uids_of(scan_folder) * 2)  # with the difference map
    assert {len(copies) for copies in archive.received.values()} == {1}
    assert node.send(slices_of(scan_folder)) == [0x0000] * 3  # once more changes nothing
    states = main("serve", node.file, "--status", "--json").json()["series"]
    assert [(state["series"], state["status"], state["slices"]) for state in states] == [
        (1, "delivered", 3),
        (2, "other", 3),
    ]
    assert "series 1      delivered      3 slices" in main("serve", node.file, "--status").stdout
    assert node.end(signal.SIGTERM) == 130
    for secret in (*SECRETS.values(), pydicom.dcmread(slices_of(scan_folder)[0]).SeriesInstanceUID):
        assert secret not in node.log
    assert "Unexpected" not in node.log


@pytest.mark.thorough
def test_what_is_not_to_be_trusted_is_sent_only_when_it_is_asked_for(node, archive, scan_folder, main):
    """As so few and small slices are not."""
    node.start()
    node.send(slices_of(scan_folder))
    node.wait_for("withheld")
    assert archive.received == {}
    (state,) = node.states
    assert state["status"] == "withheld"
    assert state["reason"].endswith("is 'do not trust', so it is not sent without send_untrusted.")
    node.end(signal.SIGTERM)
    node.configure(archive.port, more="send_untrusted = true")
    node.start()
    assert main("serve", node.file, "--retry").code == 0
    node.wait_for("delivered")
    assert sources_of(archive) == uids_of(scan_folder)


@pytest.mark.thorough
def test_gap_is_waited_for_once_more_and_then_reported(node, archive, tmp_path):
    whole = write_scan(tmp_path / "whole", slices=5)
    node.configure(archive.port, more="send_untrusted = true", quiet_s=2.0)
    node.start()
    paths = slices_along(whole)
    node.send([*paths[:2], *paths[3:]])
    node.wait_for("failed")
    (state,) = node.states
    assert "lacks 1 slice" in state["reason"] and "eries 1 " in state["reason"]
    assert pydicom.dcmread(paths[0]).SeriesInstanceUID not in json.dumps(node.states)
    node.send(paths[2:3])  # it comes after all
    node.wait_for("delivered")
    assert sources_of(archive) == uids_of(whole)


@pytest.mark.thorough
def test_late_slices_are_reported_and_enhanced_when_somebody_asks(node, archive, tmp_path, main):
    whole = write_scan(tmp_path / "whole", slices=4)
    node.configure(archive.port, more="send_untrusted = true")
    node.start()
    paths = slices_along(whole)
    node.send(paths[:3])
    node.wait_for("delivered")
    node.send(paths[3:])
    node.wait_for("late")
    assert [(state["status"], state["late"]) for state in node.states] == [("delivered", 1)]
    assert main("serve", node.file, "--retry", "--json").json() == {"retried": 1}
    node.wait_for("delivered", count=2)
    assert len({copies[0].SeriesInstanceUID for copies in archive.received.values()}) == 2
    assert sources_of(archive)[-1] and len(archive.received) == 3 + 4


@pytest.mark.thorough
def test_files_of_a_watched_folder_go_the_same_way(node, archive, scan_folder, tmp_path):
    watched = tmp_path / "watched"
    watched.mkdir()
    node.configure(archive.port, more="send_untrusted = true")
    with node.file.open("a") as file:
        file.write("[watch]\nfolder = 'watched'\n")
    node.start()
    shutil.copytree(scan_folder, watched / "scan")
    node.wait_for("delivered")
    assert sources_of(archive) == uids_of(scan_folder) == uids_of(watched / "scan")


@pytest.mark.thorough
def test_result_is_the_same_when_it_is_made_again(node, archive, scan_folder):
    """In another spool, so that nothing is known of the first."""
    node.configure(archive.port, more="send_untrusted = true")
    for count in (1, 2):
        node.start()
        node.send(slices_of(scan_folder))
        node.wait_for("delivered", count=count)
        node.end()
        shutil.rmtree(node.spool)
    assert [len(copies) for copies in archive.received.values()] == [2] * 3
    assert all(one.PixelData == other.PixelData for one, other in archive.received.values())


@pytest.mark.thorough
def test_signal_ends_it_while_it_enhances_and_the_next_goes_on(node, archive, scan_folder):
    node.configure(archive.port, more="send_untrusted = true")
    node.start()
    node.send(slices_of(scan_folder))
    node.wait_for("enhancing")
    assert node.end(signal.SIGTERM) == 130
    assert [state["status"] for state in node.states] == ["waiting"]
    node.start()
    node.wait_for("delivered")
    wait_until(lambda: len(archive.received) == 3)
