"""What the node answers to those who send: pynetdicom's own sender and, where they are installed, dcmtk's."""

import shutil
import socket
import subprocess
import threading
import time
from contextlib import contextmanager

import pydicom
import pytest
from MVCTEnhanceLib.node.config import Accepted, Allowed, Destination, Limits, Node, NodeConfig, Tls
from MVCTEnhanceLib.node.spool import Spool
from parties import SENDER, TITLE, free_port

pynetdicom = pytest.importorskip("pynetdicom")

from MVCTEnhanceLib.node.receiver import receiving  # noqa: E402

needs_dcmtk = pytest.mark.skipif(not shutil.which("storescu"), reason="dcmtk is not installed")
ALLOWED = (Allowed(SENDER),)
SUCCESS, NOT_SUPPORTED, FULL, NO_CT = 0x0000, 0x0122, 0xA700, 0xA900


class Receiver:
    """A node that receives, in this process."""

    def __init__(self, folder):
        self.folder, self.port, self.events = folder, free_port(), []

    @contextmanager
    def running(self, *, allow=ALLOWED, tls=None, **limits):
        limits = Limits(**({"free_megabytes": 0, "idle_s": 3.0} | limits))
        node = Node(TITLE, str(self.folder / "spool"), port=self.port)
        place = Destination("PACS", "127.0.0.1", 104)
        config = NodeConfig(node, (Accepted("TomoTherapy"),), (place,), allow=allow, tls=tls, limits=limits)
        self.spool = Spool(config.storage, limits)
        with self.spool.owned(), receiving(config, self.spool, lambda event, **fields: self.events.append(fields)):
            yield self

    def associate(self, title=SENDER, called=TITLE, kinds=("CTImageStorage", "Verification"), tls_args=None):
        entity = pynetdicom.AE(title)
        for kind in kinds:
            entity.add_requested_context(getattr(pynetdicom.sop_class, kind))
        return entity.associate("127.0.0.1", self.port, ae_title=called, tls_args=tls_args)

    def send(self, *datasets, **of_association):
        """The statuses, None where the association was ended."""
        association = self.associate(**of_association)
        assert association.is_established
        statuses = []
        for ds in datasets:
            statuses.append(association.send_c_store(ds).get("Status") if association.is_established else None)
        association.release()
        return statuses

    @property
    def slices(self):
        return [len(series.files) for series in self.spool.series()]


@pytest.fixture
def receiver(tmp_path):
    """Not running yet."""
    return Receiver(tmp_path)


@pytest.fixture
def images(scan_folder):
    """The slices as data sets."""
    return [pydicom.dcmread(path) for path in sorted(scan_folder.iterdir())]


def test_slices_of_two_associations_at_a_time_are_all_there(receiver, images):
    with receiver.running():
        threads = [threading.Thread(target=receiver.send, args=[ds]) for ds in images]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert receiver.slices == [3]
        (series,) = receiver.spool.series()
        stored = {ds.SOPInstanceUID: ds for ds in map(pydicom.dcmread, series.files)}
        assert all(stored[ds.SOPInstanceUID] == ds for ds in images)


def test_other_objects_are_refused_with_a_status(receiver, images):
    other = pydicom.dcmread(images[0].filename)
    other.SOPClassUID = other.file_meta.MediaStorageSOPClassUID = pydicom.uid.MRImageStorage
    lie = pydicom.dcmread(images[0].filename)
    del lie.SeriesInstanceUID
    with receiver.running():
        kinds = ("CTImageStorage", "MRImageStorage")
        assert receiver.send(other, lie, images[0], kinds=kinds) == [NOT_SUPPORTED, NO_CT, SUCCESS]
        assert receiver.slices == [1]


@pytest.mark.parametrize(
    ("allow", "title", "called", "established"),
    [
        (Allowed(SENDER), SENDER, TITLE, True),
        (Allowed(SENDER), "STRANGER", TITLE, False),
        (Allowed(SENDER), SENDER, "ANOTHER", False),
        (Allowed(SENDER, "127.0.0.1"), SENDER, TITLE, True),
        (Allowed(SENDER, "192.0.2.7"), SENDER, TITLE, False),
    ],
)
def test_only_those_who_may_send_get_an_association(receiver, allow, title, called, established):
    with receiver.running(allow=(allow,)):
        association = receiver.associate(title, called)
        assert (association.is_established, association.is_rejected) == (established, not established)
        association.abort()


def test_full_disk_and_too_long_series_are_out_of_resources(receiver, images):
    with receiver.running(free_megabytes=1e12):
        assert receiver.send(images[0]) == [FULL]
    with receiver.running(slices=2):
        assert receiver.send(*images) == [SUCCESS, SUCCESS, FULL]
        assert receiver.send(images[0]) == [SUCCESS]  # it is there
        assert receiver.slices == [2]
    assert "Series 1 has more than 2 slices." in [event.get("message") for event in receiver.events]


def test_data_set_beyond_the_limit_ends_its_association_only(receiver, images):
    large = pydicom.dcmread(images[0].filename)
    large.PixelData = bytes(3 << 20)
    with receiver.running(megabytes=1):
        assert receiver.send(large) == [None]
        assert receiver.send(images[0]) == [SUCCESS]


@pytest.mark.parametrize(
    "sent", [b"", b"\x01\x00\x00", b"\x01\x00\xff\xff\xff\xff" + bytes(100), b"GET / HTTP/1.1\r\n"]
)
def test_silent_or_wrong_connection_is_ended_and_others_go_on(receiver, images, sent):
    with receiver.running(idle_s=1.0), socket.create_connection(("127.0.0.1", receiver.port)) as connection:
        connection.sendall(sent)
        assert receiver.send(images[0]) == [SUCCESS]
        connection.settimeout(60)
        while connection.recv(100):  # an abort maybe, until it is closed
            pass


def test_association_beyond_the_limit_is_rejected(receiver):
    with receiver.running(associations=1, idle_s=60):
        first = receiver.associate()
        second = receiver.associate()
        assert first.is_established and second.is_rejected
        first.release()


@needs_dcmtk
def test_dcmtk_sends_and_asks_for_an_echo(receiver, scan_folder):
    with receiver.running():
        place = ["-aet", SENDER, "-aec", TITLE, "127.0.0.1", str(receiver.port)]
        assert subprocess.run(["echoscu", *place], timeout=60).returncode == 0
        assert subprocess.run(["echoscu", "-aet", "STRANGER", *place[2:]], timeout=60, stderr=-3).returncode != 0
        assert subprocess.run(["storescu", *place, "+sd", str(scan_folder)], timeout=60).returncode == 0
        assert receiver.slices == [3]


@pytest.mark.integration
def test_with_tls_only_those_with_a_certificate_get_an_association(receiver, images, certificates):
    import ssl

    def context(name):
        context = ssl.create_default_context(cafile=certificates / "node.pem")
        if name:
            context.load_cert_chain(certificates / f"{name}.pem", certificates / f"{name}.key")
        return context, "127.0.0.1"

    own = Tls(*(str(certificates / name) for name in ("node.pem", "node.key", "node.pem")))
    with receiver.running(tls=own), socket.create_connection(("127.0.0.1", receiver.port)):  # the latter says nothing
        assert receiver.send(images[0], tls_args=context("node")) == [SUCCESS]
        assert not receiver.associate(tls_args=context("stranger")).is_established
        assert not receiver.associate(tls_args=context(None)).is_established
        assert not receiver.associate().is_established
        assert receiver.send(images[1], tls_args=context("node")) == [SUCCESS]
        assert receiver.slices == [2]


def test_what_is_received_in_a_folder_is_the_same(receiver, scan_folder, tmp_path):
    from MVCTEnhanceLib.node.watch import Watcher

    watched = tmp_path / "watched"
    shutil.copytree(scan_folder, watched / "below")
    (watched / "notes.txt").write_text("nothing to do with it")
    growing = watched / "growing.dcm"
    with receiver.running():
        watcher = Watcher(watched, receiver.spool, 0.2, 1 << 20, lambda event, **fields: None)

        def look(times):
            for _ in range(times):
                growing.write_bytes(growing.read_bytes() + b"\0" if growing.exists() else b"\0")
                watcher.look()
                time.sleep(0.15)

        look(1)
        assert receiver.slices == []
        look(3)
        assert receiver.slices == [3]
        before = (watched.parent / "spool" / "watched.txt").read_text().split()
        assert len(before) == 4  # not the one that grows
        (series,) = receiver.spool.series()
        receiver.spool.close(series)
        receiver.spool.end(series, "other")
        receiver.spool.purge(series, -1)
        again = Watcher(watched, receiver.spool, 0.0, 1 << 20, lambda event, **fields: None)
        for _ in range(2):
            again.look()
        assert receiver.slices == []  # files that were taken are not taken again, by the next node neither
    assert sorted(path.name for path in (watched / "below").iterdir()) == sorted(p.name for p in scan_folder.iterdir())
