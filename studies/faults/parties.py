"""The parties of a delivery, on loopback and in real DICOM: a scanner, a node, an archive."""

import json
import socket
import threading
import time
from functools import cache
from pathlib import Path

import numpy as np
import pydicom

PATIENCE_S = 300
TITLE, SENDER, ARCHIVE = "NODE", "SCANNER", "ARCHIVE"
SECRETS = {"PatientName": "Secretname^Given", "PatientID": "SECRET-ID-1"}


def wait_until(true, what="it"):
    """Until something holds, however busy the computer is."""
    until = time.monotonic() + PATIENCE_S
    while not (found := true()):
        assert time.monotonic() < until, f"{what} did not happen"
        time.sleep(0.05)
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def write_scan(folder: Path, *, slices=3, size=64, pixel_mm=3.0, seed=5, **texts) -> Path:
    """An MVCT of a patient who must not be told, as one scanner sends it; size: its rows and columns."""
    from MVCTEnhanceLib.io import write_dicom_series

    phantom = _head(slices, size, pixel_mm)
    noise = np.random.default_rng(seed).normal(0, 30, phantom.array.shape)
    write_dicom_series(phantom.with_array(np.rint(phantom.array + noise).astype(np.int16)), folder, description="MVCT")
    for path in folder.iterdir():
        ds = pydicom.dcmread(path)
        for keyword, value in (SECRETS | {"Manufacturer": "TomoTherapy Incorporated", "KVP": "3500"} | texts).items():
            setattr(ds, keyword, value)
        ds.save_as(path)
    return folder


@cache
def _head(slices: int, size: int, pixel_mm: float):
    from MVCTEnhanceLib.physics.phantom import head_neck_phantom

    return head_neck_phantom(slices=slices, shape=(size, size), spacing_mm=(pixel_mm, pixel_mm, 6.0))


def slices_along(folder: Path) -> list[Path]:
    """The files of a scan in the order of their positions."""
    return sorted(folder.iterdir(), key=lambda path: pydicom.dcmread(path).ImagePositionPatient[2])


class Archive:
    """An archive that keeps what it gets, each instance by its UID as often as it came, and takes its time for each.

    Args:
        pdf: whether it takes encapsulated PDF, too.
    """

    def __init__(self, port=None, pause_s=0.0, pdf=True):
        self._pause_s, self._pdf = pause_s, pdf
        self.port = port or free_port()
        self.received: dict[str, list[pydicom.Dataset]] = {}
        self.status = 0x0000
        self._lock = threading.Lock()
        self._server = None

    def start(self, tls=None):
        from pynetdicom import AE, evt
        from pynetdicom.sop_class import CTImageStorage, EncapsulatedPDFStorage, Verification

        entity = AE(ARCHIVE)
        entity.add_supported_context(CTImageStorage)
        if self._pdf:
            entity.add_supported_context(EncapsulatedPDFStorage)
        entity.add_supported_context(Verification)
        handlers = [(evt.EVT_C_STORE, self._keep)]
        place = ("127.0.0.1", self.port)
        self._server = entity.start_server(place, block=False, evt_handlers=handlers, ssl_context=tls)
        return self

    def stop(self):
        if self._server:
            self._server.shutdown()
            self._server = None

    def _keep(self, event):
        time.sleep(self._pause_s)
        with self._lock:
            if self.status == 0x0000:
                self.received.setdefault(event.dataset.SOPInstanceUID, []).append(event.dataset)
            return self.status


class NodeProcess:
    """A node as a process of its own, with its configuration file."""

    def __init__(self, folder: Path, start, archive_port: int):
        self.folder, self._start = folder, start
        self.port = free_port()
        self.file = folder / "node.toml"
        self.spool = folder / "spool"
        self.configure(archive_port)
        self.process = None

    def configure(
        self, archive_port, *, more="", limits="", allow=SENDER, quiet_s=0.5, accept='manufacturer = "TomoTherapy"'
    ):
        self.file.write_text(
            f'[node]\nae_title = "{TITLE}"\nport = {self.port}\nstorage = "spool"\nquiet_s = {quiet_s}\n{more}\n'
            f'[[allow]]\nae_title = "{allow}"\n[[accept]]\n{accept}\n'
            f'[[send_to]]\nae_title = "{ARCHIVE}"\nhost = "127.0.0.1"\nport = {archive_port}\n'
            f"[limits]\nfree_megabytes = 0\nidle_s = 5\n{limits}\n",
            encoding="utf-8",
        )

    def start(self, **options):
        (self.folder / "log.txt").touch()
        started = len(self.events("stage"))
        with (self.folder / "log.txt").open("a", encoding="utf-8") as log:
            self.process = self._start(
                "serve", self.file, "--device", "cpu", "--progress", "jsonl", stdout=log, stderr=log, **options
            )
        wait_until(lambda: self.ended or len(self.events("stage")) > started, "the start of the node")
        assert not self.ended, self.log
        return self

    @property
    def ended(self):
        return self.process.poll() is not None

    def end(self, number=None):
        """By a signal; without one at once, whatever it does."""
        self.process.send_signal(number) if number else self.process.kill()
        return self.process.wait(PATIENCE_S)

    @property
    def log(self):
        return (self.folder / "log.txt").read_text(encoding="utf-8")

    def events(self, name="series", **fields):
        """What it told, of this name and with these values."""
        found = []
        for line in self.log.splitlines():
            try:
                event = json.loads(line)
            except ValueError:
                continue
            if event["event"] == name and fields.items() <= event.items():
                found.append(event)
        return found

    def wait_for(self, status, count=1):
        wait_until(lambda: len(self.events(status=status)) >= count, f"'{status}', see {self.log}")

    @property
    def states(self):
        """What its spool holds."""
        from MVCTEnhanceLib.node import config, service

        return service.states(config.read_node(self.file))

    def associate(self, title=SENDER, called=TITLE, contexts=(), tls=None):
        from pynetdicom import AE
        from pynetdicom.sop_class import CTImageStorage, Verification

        entity = AE(title)
        for context in contexts or (CTImageStorage, Verification):
            entity.add_requested_context(context)
        return entity.associate("127.0.0.1", self.port, ae_title=called, tls_args=tls)

    def send(self, paths, title=SENDER):
        """Statuses of the files, sent one after another; None where there was no answer."""
        association = self.associate(title)
        assert association.is_established, self.log
        statuses = [association.send_c_store(pydicom.dcmread(path)).get("Status") for path in paths]
        association.release()
        return statuses
