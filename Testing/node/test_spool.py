"""The spool: every state of a series follows from what lies on the disk, at whichever moment the node is killed."""

import os
from pathlib import Path

import pydicom
import pytest
from MVCTEnhanceLib.errors import OutputError
from MVCTEnhanceLib.node.config import Limits
from MVCTEnhanceLib.node.spool import Full, NotCT, Spool


@pytest.fixture
def spool(tmp_path):
    """Empty, and owned."""
    spool = Spool(tmp_path / "spool", Limits(slices=5, free_megabytes=0))
    with spool.owned():
        yield spool


@pytest.fixture
def slices(scan_folder):
    """The files of a scan, as bytes."""
    return [path.read_bytes() for path in sorted(scan_folder.iterdir())]


def states(spool):
    """As another process finds them, which has nothing but the disk."""
    return [(series.number, series.status, len(series.files)) for series in Spool(spool.folder, Limits()).series()]


def finish(series):
    """What the enhancement leaves."""
    (series.result / "enhanced").mkdir(parents=True)
    (series.result / "done.json").write_text("{}")


def test_slice_lies_under_its_series_when_it_is_received(spool, slices):
    for content in slices:
        spool.receive([content[:100], content[100:]])
    assert states(spool) == [(1, "arriving", 3)]
    (series,) = spool.series()
    assert sorted(path.read_bytes() for path in series.files) == sorted(slices)
    assert list(spool.incoming.iterdir()) == []


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="open files are found as Linux lists them")
def test_slice_and_its_folders_lie_on_the_disk_before_it_is_acknowledged(spool, slices, monkeypatch):
    synced, fsync = [], os.fsync

    def recording(handle):
        place = Path(f"/proc/self/fd/{handle}").readlink()
        synced.append((place, place.read_bytes() if place.is_file() else sorted(path.name for path in place.iterdir())))
        fsync(handle)

    monkeypatch.setattr(os, "fsync", recording)
    series = spool.receive(slices[:1])
    assert slices[0] in [content for _, content in synced]
    last = dict(synced)  # as they were when they were settled
    assert last[series.arriving] == [series.files[0].name]
    assert "arriving" in last[series.folder] and last[series.folder.parent] == [series.folder.name]


def test_names_in_the_spool_tell_no_uid(spool, slices, scan_folder):
    spool.receive(slices[:1])
    ds = pydicom.dcmread(next(scan_folder.iterdir()))
    names = "".join(str(path) for path in spool.folder.rglob("*"))
    assert str(ds.SeriesInstanceUID) not in names and str(ds.SOPInstanceUID) not in names


def test_slice_that_comes_again_changes_nothing(spool, slices):
    series = spool.receive(slices[:1])
    spool.receive(slices[:1])
    spool.close(series)
    spool.receive(slices[:1])
    assert states(spool) == [(1, "waiting", 1)]


def test_state_goes_on_with_what_lies_there(spool, slices):
    series = spool.receive(slices[:1])
    spool.receive(slices[1:2])
    spool.close(series)
    assert states(spool) == [(1, "waiting", 2)]
    spool.receive(slices[2:])  # before it was enhanced: waited for again
    assert states(spool) == [(1, "arriving", 3)]
    spool.close(series)
    assert states(spool) == [(1, "waiting", 3)]
    finish(series)
    assert states(spool) == [(1, "sending", 3)]
    spool.mark(series, "sent", "pacs", series.version)
    assert series.has("sent", "pacs") and not series.has("sent", "tps")
    spool.end(series, "delivered")
    assert states(spool) == [(1, "delivered", 3)]


def test_failed_series_is_done_again_when_more_slices_come(spool, slices):
    series = spool.receive(slices[:1])
    spool.close(series)
    spool.end(series, "failed", "Slices are missing.")
    assert (series.status, series.reason) == ("failed", "Slices are missing.")
    spool.receive(slices[1:2])
    assert states(spool) == [(1, "arriving", 2)]
    spool.close(series)
    assert states(spool) == [(1, "waiting", 2)]


def test_late_slices_change_a_result_only_when_somebody_asks(spool, slices):
    series = spool.receive(slices[:1])
    spool.close(series)
    finish(series)
    version = series.version
    spool.mark(series, "sent", "pacs", version)
    spool.end(series, "delivered")
    spool.receive(slices[1:2])
    assert (series.status, series.late) == ("delivered", 1)
    spool.ask_retry(series)
    spool.retry(series)
    assert states(spool) == [(1, "arriving", 2)]
    assert not spool.asked_retry(series)
    spool.close(series)
    finish(series)
    spool.mark(series, "sent", "pacs", version)  # by a sender that has sent the earlier result
    assert states(spool) == [(1, "sending", 2)]
    assert not series.has("sent", "pacs")


def test_given_up_destination_is_tried_again_when_somebody_asks(spool, slices):
    series = spool.receive(slices[:1])
    spool.close(series)
    finish(series)
    spool.mark(series, "given-up", "pacs", series.version, "PACS does not answer.")
    assert (series.status, series.reason) == ("given up", "PACS does not answer.")
    spool.retry(series)
    assert series.status == "sending"


def test_what_is_finished_is_removed_after_its_time_and_its_number_not_given_again(spool, slices, scan_folder):
    series = spool.receive(slices[:1])
    assert not spool.purge(series, 0)
    spool.close(series)
    assert not spool.purge(series, 0)
    spool.end(series, "other")
    assert not spool.purge(series, 3600)
    assert spool.purge(series, -1)
    assert states(spool) == []
    spool.receive(slices[:1])
    assert states(spool) == [(2, "arriving", 1)]


@pytest.mark.parametrize("content", [b"", b"text", b"\0" * 128 + b"DICM" + b"\xff" * 100])
def test_what_is_no_dicom_is_refused_and_leaves_nothing(spool, content):
    with pytest.raises(NotCT):
        spool.receive([content])
    assert states(spool) == [] and list(spool.incoming.iterdir()) == []


def test_series_beyond_the_limit_is_refused_and_the_others_stay(spool, slices, scan_folder, tmp_path):
    ds = pydicom.dcmread(next(scan_folder.iterdir()))
    for number in range(6):
        ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = f"1.2.3.{number}"
        ds.save_as(tmp_path / "slice.dcm")
        if number < 5:
            spool.receive([(tmp_path / "slice.dcm").read_bytes()])
    with pytest.raises(Full, match="more than 5 slices"):
        spool.receive([(tmp_path / "slice.dcm").read_bytes()])
    assert states(spool) == [(1, "arriving", 5)]


@pytest.mark.skipif(os.name == "nt", reason="POSIX limits")
def test_full_disk_is_told_and_what_was_received_stays(spool, slices):
    import resource
    import signal

    spool.receive(slices[:1])
    limits, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))  # as a disk with 4 kB left
    try:
        with pytest.raises(Full):
            spool.receive(slices[1:2])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert states(spool) == [(1, "arriving", 1)]
    assert list(spool.incoming.iterdir()) == []


def test_one_node_at_a_time_works_in_a_spool(spool, monkeypatch):
    monkeypatch.setattr("MVCTEnhanceLib.node.spool.LOCK_PATIENCE_S", 0)
    with pytest.raises(OutputError, match="Another run"), Spool(spool.folder, Limits()).owned():
        pass


def test_series_of_which_no_slice_was_received_is_forgotten(tmp_path):
    (tmp_path / "series" / "0007-0123456789abcdef" / "arriving").mkdir(parents=True)
    with Spool(tmp_path, Limits()).owned():
        assert Spool(tmp_path, Limits()).series() == []
