"""Deliveries: each destination by itself, again and again until it has acknowledged everything, and nothing twice."""

import shutil
import subprocess
import threading
from types import SimpleNamespace

import pydicom
import pytest
from parties import ARCHIVE, TITLE, Archive, free_port, wait_until

pytest.importorskip("pynetdicom")

from MVCTEnhanceLib.io import read_volume
from MVCTEnhanceLib.io.dicom.encapsulated_pdf import write_encapsulated_pdf
from MVCTEnhanceLib.node import sender as sender_module
from MVCTEnhanceLib.node.config import Destination, Limits, Tls
from MVCTEnhanceLib.node.receiver import tls_context
from MVCTEnhanceLib.node.sender import Sender
from MVCTEnhanceLib.node.spool import Spool
from MVCTEnhanceLib.volume.product import Product


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
def reports(spool, scan_folder):
    """Both results have the same one."""
    texts = {"product": Product("report"), "title": "Report", "key": (), "identifies": False, "overwrite": False}
    one, other = spool.series()
    write_encapsulated_pdf(one.pdf, b"%PDF-1.4", source=read_volume(scan_folder).source, **texts)
    shutil.copytree(one.pdf, other.pdf)


@pytest.fixture
def deliver(spool, monkeypatch):
    """Function (archive, attempts, **of Destination): a sender at work; gives its destination and what it told."""
    monkeypatch.setattr(sender_module, "FIRST_PAUSE_S", 0.05)
    monkeypatch.setattr(sender_module, "LONGEST_PAUSE_S", 0.2)
    ended, threads = threading.Event(), []

    def deliver(archive, attempts=1000, tls=None, **more):
        place, events = Destination(ARCHIVE, "127.0.0.1", archive.port, tls=bool(tls), **more), []
        sender = Sender(
            place,
            spool,
            title=TITLE,
            attempts=attempts,
            tls=tls,
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
    assert spool.series()[0].reason == f"{ARCHIVE}: {ARCHIVE} refused an object with the status 0xA700."
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


@pytest.mark.parametrize("report", [True, False])
def test_report_goes_along_where_it_is_wanted_and_its_refusal_is_told(spool, reports, deliver, report):
    archive, images_only = Archive().start(), Archive(pdf=False).start()
    good, told = deliver(archive, report=report)
    wait_until(lambda: all(series.has("sent", good.key) for series in spool.series()), "the delivery")
    assert {event["objects"] for event in told} == {3 + report}
    kinds = [copies[0].Modality for copies in archive.received.values()]
    assert sorted(kinds) == ["CT"] * 3 + ["DOC"] * report
    other, told = deliver(images_only, attempts=1, report=report)
    wait_until(lambda: told and spool.series()[0].has("given-up" if report else "sent", other.key), "its end")
    archive.stop()
    images_only.stop()
    assert report == ("takes no encapsulated PDF: give it report = false" in told[0].get("reason", ""))


@pytest.mark.skipif(not shutil.which("storescp"), reason="dcmtk is not installed")
def test_dcmtk_takes_images_and_report_as_they_are(spool, reports, deliver, tmp_path):
    received, port = tmp_path / "received", free_port()
    received.mkdir()
    process = subprocess.Popen(["storescp", "-aet", ARCHIVE, "-od", received, str(port)])
    try:
        place, _ = deliver(SimpleNamespace(port=port))
        wait_until(lambda: all(series.has("sent", place.key) for series in spool.series()), "the delivery")
    finally:
        process.kill()
        process.wait()
    back = {ds.SOPInstanceUID: ds for ds in map(pydicom.dcmread, received.iterdir())}
    sent = {ds.SOPInstanceUID: ds for ds in map(pydicom.dcmread, spool.series()[0].outputs)}
    assert back == sent and len(sent) == 4


@pytest.mark.integration
def test_with_tls_only_an_archive_of_the_same_authority_gets_it(spool, deliver, certificates):
    def context(name, *, is_server):
        files = (str(certificates / file) for file in (f"{name}.pem", f"{name}.key", "node.pem"))
        return tls_context(SimpleNamespace(tls=Tls(*files)), is_server=is_server)

    stranger = Archive().start(tls=context("stranger", is_server=True))
    archive = Archive().start(tls=context("node", is_server=True))
    own = context("node", is_server=False)
    refused, told = deliver(stranger, attempts=1, tls=own)
    good, _ = deliver(archive, tls=own)
    wait_until(lambda: all(series.has("sent", good.key) for series in spool.series()), "the delivery")
    wait_until(lambda: told and spool.series()[0].has("given-up", refused.key), "the end of the attempts")
    archive.stop()
    stranger.stop()
    assert len(archive.received) == 3 and stranger.received == {}
