"""What the node does with a series besides enhancing and sending it, which take a process or an archive."""

import threading

import pytest
from MVCTEnhanceLib.node.config import Accepted, Destination, Limits, Node, NodeConfig
from MVCTEnhanceLib.node.service import Service, retry, states
from MVCTEnhanceLib.node.spool import Spool
from parties import ARCHIVE, slices_along, wait_until, write_scan

PLACE = Destination(ARCHIVE, "127.0.0.1", 104)


@pytest.fixture
def config(tmp_path):
    """Of a node that waits for half a second."""
    node = Node("NODE", str(tmp_path / "spool"), quiet_s=0.5)
    return NodeConfig(node, (Accepted("TomoTherapy"),), (PLACE,), limits=Limits(free_megabytes=0))


@pytest.fixture
def spool(config):
    """Owned."""
    spool = Spool(config.storage, config.limits)
    with spool.owned():
        yield spool


@pytest.fixture
def told(config, spool):
    """A service at work; (series, status) of what it tells."""
    told, ended = [], threading.Event()
    service = Service(config, spool, lambda event, **fields: told.append((fields["series"], fields["status"])))
    thread = threading.Thread(target=service.watch_over, args=[ended])
    thread.start()
    yield told
    ended.set()
    thread.join()


def finish(series):
    """What the enhancement leaves."""
    (series.result / "enhanced").mkdir(parents=True)
    (series.result / "done.json").write_text("{}")


def test_series_with_gaps_is_waited_for_longer_than_one_without(spool, told, tmp_path):
    first, second = (slices_along(write_scan(tmp_path / name, slices=5, seed=n)) for n, name in enumerate("ab"))
    with spool.lock:  # so that both are complete at the same time
        for path in (*first[:2], *first[3:], *second):
            spool.receive([path.read_bytes()])
    wait_until(lambda: {(1, "complete"), (2, "complete")} <= set(told), "the end of both")
    assert told.index((2, "complete")) < told.index((1, "complete"))
    assert [series.status for series in spool.series()] == ["waiting"] * 2


def test_what_all_have_acknowledged_is_delivered_and_late_slices_are_told(spool, told, config, tmp_path):
    paths = slices_along(write_scan(tmp_path / "scan"))
    series = spool.receive([paths[0].read_bytes()])
    wait_until(lambda: (1, "complete") in told, "its end")
    finish(series)
    spool.mark(series, "sent", PLACE.key, series.version)
    wait_until(lambda: (1, "delivered") in told, "the delivery")
    spool.receive([paths[1].read_bytes()])
    wait_until(lambda: (1, "late") in told, "word of the late slice")
    assert [(state["status"], state["slices"], state["late"]) for state in states(config)] == [("delivered", 1, 1)]
    assert retry(config) == 1
    wait_until(lambda: told.count((1, "complete")) == 2, "its end with all slices")
    assert [(state["status"], state["slices"], state["late"]) for state in states(config)] == [("waiting", 2, 0)]


def test_series_that_went_bad_in_the_spool_stops_no_other(spool, told, scan_folder, tmp_path):
    series = spool.receive([next(scan_folder.iterdir()).read_bytes()])
    series.files[0].write_bytes(b"\0" * 128 + b"DICM\xff\xff")
    for path in write_scan(tmp_path / "good", seed=1).iterdir():
        spool.receive([path.read_bytes()])
    wait_until(lambda: (2, "complete") in told, "the end of the other")
    wait_until(lambda: spool.series()[0].status == "failed", "its failure")
