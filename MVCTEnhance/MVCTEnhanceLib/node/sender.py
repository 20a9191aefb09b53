"""Delivery of results to archives and planning systems by C-STORE, again and again until they are acknowledged."""

from __future__ import annotations

import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pydicom

from ..errors import MVCTEnhanceError
from ..runtime.events import EventHandler
from .config import Destination
from .spool import Series, Spool

if TYPE_CHECKING:
    from pynetdicom.association import Association

POLL_S = 0.1
FIRST_PAUSE_S = 2.0
LONGEST_PAUSE_S = 600.0
CONNECT_S = 10.0
ANSWER_S = 120.0  # for an archive that stores to a slow disk
_STORED = (0x0000, 0xB000, 0xB006, 0xB007)  # success, and warnings on what was stored


class NotSent(MVCTEnhanceError):
    """A result was not acknowledged as a whole; the message says why, without anything of the patient."""


class Sender:
    """Delivers to one destination, one series after another, in a thread of its own.

    After a failure it pauses, each time for longer, and goes on with the series that has failed least.

    Args:
        place: the destination.
        title: AE title of the node.
        attempts: for a series, after which it is given up.
        tls: for destinations with tls.
    """

    def __init__(
        self,
        place: Destination,
        spool: Spool,
        *,
        title: str,
        attempts: int,
        tls: ssl.SSLContext | None,
        on_event: EventHandler,
    ):
        self._place, self._spool, self._title = place, spool, title
        self._attempts, self._tls, self._on_event = attempts, tls if place.tls else None, on_event
        self._failed: Counter[Series] = Counter()
        self._in_a_row = 0

    def run(self, sending: Callable[[], Sequence[Series]], ended: threading.Event) -> None:
        """Deliver until it is over.

        Args:
            sending: tells the series that have a result to be sent.
        """
        while not ended.wait(POLL_S):
            waiting = [series for series in sending() if self._is_open(series)]
            if not waiting:
                continue
            self._deliver(min(waiting, key=lambda series: (self._failed[series], series.number)), ended)
            if self._in_a_row:
                ended.wait(min(FIRST_PAUSE_S * 2 ** (self._in_a_row - 1), LONGEST_PAUSE_S))

    def _is_open(self, series: Series) -> bool:
        is_done = series.has("sent", self._place.key) or series.has("given-up", self._place.key)
        return not is_done and series.version is not None

    def _deliver(self, series: Series, ended: threading.Event) -> None:
        version, start = series.version, time.monotonic()
        if version is None:  # it is made anew
            return
        told = {"series": series.number, "to": self._place.ae_title}
        try:
            files = [path for path in series.outputs if self._place.report or path.parent != series.pdf]
            self._send(files, ended)
        except Exception as error:
            if ended.is_set():
                return
            self._in_a_row = min(self._in_a_row + 1, 30)
            self._failed[series] += 1
            reason = str(error) if isinstance(error, NotSent) else f"Unexpected {type(error).__name__}."
            if self._failed[series] >= self._attempts:
                words = f"{self._place.ae_title}: {reason}"
                self._spool.mark(series, "given-up", self._place.key, version, words)
                self._on_event("series", **told, status="given up", reason=reason)
                del self._failed[series]
            else:
                self._on_event("series", **told, status="not sent", attempt=self._failed[series], reason=reason)
        else:
            self._spool.mark(series, "sent", self._place.key, version)
            self._in_a_row = 0
            del self._failed[series]
            seconds = round(time.monotonic() - start, 1)
            self._on_event("series", **told, status="sent", objects=len(files), seconds=seconds)

    def _send(self, files: Sequence[Path], ended: threading.Event) -> None:
        """Send all files in one association.

        Raises:
            NotSent: not all were acknowledged.
        """
        from pynetdicom import AE
        from pynetdicom.sop_class import CTImageStorage, EncapsulatedPDFStorage

        place = self._place
        entity = AE(self._title)
        entity.connection_timeout = CONNECT_S
        entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = ANSWER_S
        for kind in (CTImageStorage, EncapsulatedPDFStorage):
            for syntax in (pydicom.uid.ExplicitVRLittleEndian, pydicom.uid.ImplicitVRLittleEndian):
                entity.add_requested_context(kind, syntax)  # a context each, so that either will do
        association = entity.associate(
            place.host, place.port, ae_title=place.ae_title, tls_args=(self._tls, place.host) if self._tls else None
        )
        if not association.is_established:
            why = "rejected the association" if association.is_rejected else "does not answer"
            raise NotSent(f"{place.ae_title} at {place.host}:{place.port} {why}.")
        try:
            for path in files:
                if ended.is_set():
                    raise NotSent("The node ends.")
                self._send_one(association, path)
        except BaseException:
            association.abort()
            raise
        association.release()

    def _send_one(self, association: Association, path: Path) -> None:
        name, ds = self._place.ae_title, pydicom.dcmread(path)
        try:
            answer = association.send_c_store(ds)
        except ValueError as error:
            what = "CT images" if ds.Modality == "CT" else "encapsulated PDF: give it report = false in [[send_to]]"
            raise NotSent(f"{name} takes no {what}.") from error
        except RuntimeError as error:
            raise NotSent(f"{name} ended the association.") from error
        if "Status" not in answer:
            raise NotSent(f"{name} ended the association or does not answer.")
        if answer.Status not in _STORED:
            raise NotSent(f"{name} refused an object with the status 0x{answer.Status:04X}.")
