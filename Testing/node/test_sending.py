"""Deliveries: each destination by itself, again and again until it has acknowledged everything, and nothing twice."""

import shutil
import threading

import pytest
from parties import ARCHIVE, TITLE, Archive, free_port, wait_until

pytest.importorskip("pynetdicom")

from MVCTEnhanceLib.node import sender as sender_module
from MVCTEnhanceLib.node.config import Destination, Limits
from MVCTEnhanceLib.node.sender import Sender
from MVCTEnhanceLib.node.spool import Spool


@pytest.fixture
def spool(tmp_path, scan_folder):
    """Of two series that have a result."""
    spool = Spool(tmp_path / "spool", Limits(free_megabytes=0))
    with spool.owned():
        for number in (1, 2):
            folder = tmp_path / "spool" / "series" / f"000{number}-{number * 16:016x}"
            shutil.copytree(scan_folder, folder / "scan")
            shutil.copytree(scan_folder, folder / "result" / "enhanced")
            (folder / "result" / "done.json").write_text("{}")
        yield spool


@pytest.fixture
def deliver(spool, monkeypatch):
    """Function (archive, attempts): a sender at work; gives its destination and what it told."""
    monkeypatch.setattr(sender_module, "FIRST_PAUSE_S", 0.05)
    monkeypatch.setattr(sender_module, "LONGEST_PAUSE_S", 0.2)
    ended, threads = threading.Event(), []

    def deliver(archive, attempts=1000):
        place, events = Destination(ARCHIVE, "127.0.0.1", archive.port), []
        sender = Sender(
            place,
            spool,
            title=TITLE,
            attempts=attempts,
            tls=None,
            on_event=lambda event, **fields: events.append(fields),
        )
        threads.append(threading.Thread(target=sender.run, args=[spool.series, ended]))
        threads[-1].start()
        return place, events

    yield deliver
    ended.set()
    for thread in threads:
        thread.join()


def test_archive_that_is_down_gets_everything_once_it_is_there(spool, deliver):
    archive = Archive(free_port())
    place, events = deliver(archive)
    wait_until(lambda: len(events) >= 3, "attempts")
    assert {event["status"] for event in events} == {"not sent"}
    assert "does not answer" in events[0]["reason"]
    archive.start()
    wait_until(lambda: all(series.has("sent", place.key) for series in spool.series()), "the delivery")
    archive.stop()
    assert [len(copies) for copies in archive.received.values()] == [2] * 3  # both series have the same images


def test_one_destination_that_refuses_keeps_no_other_waiting(spool, deliver, archive):
    refusing = Archive().start()
    refusing.status = 0xA700
    good, _ = deliver(archive)
    bad, events = deliver(refusing, attempts=2)
    wait_until(lambda: all(series.has("sent", good.key) for series in spool.series()), "the delivery")
    wait_until(lambda: all(series.has("given-up", bad.key) for series in spool.series()), "the end of the attempts")
    refusing.stop()
    assert [series.status for series in spool.series()] == ["given up"] * 2
    assert spool.series()[0].reason == f"{ARCHIVE}: {ARCHIVE} refused an image with the status 0xA700."
    assert [event["status"] for event in events] == ["not sent", "not sent", "given up", "given up"]
    assert refusing.received == {}


def test_what_was_given_up_is_sent_when_somebody_asks(spool, deliver, archive):
    archive.status = 0xA700
    place, _ = deliver(archive, attempts=1)
    wait_until(lambda: all(series.has("given-up", place.key) for series in spool.series()), "the end of the attempts")
    archive.status = 0x0000
    for series in spool.series():
        spool.retry(series)
    wait_until(lambda: all(series.has("sent", place.key) for series in spool.series()), "the delivery")


def test_result_that_was_taken_away_to_be_made_anew_does_not_count_as_sent(spool, deliver, archive):
    anew, other = spool.series()
    shutil.rmtree(anew.result)
    place, _ = deliver(archive)
    wait_until(lambda: other.has("sent", place.key), "the delivery of the other")
    assert not anew.has("sent", place.key)
