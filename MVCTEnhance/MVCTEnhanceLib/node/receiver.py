"""What the node takes over the network: C-ECHO and C-STORE of CT images, from those who may send, within limits."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from ..errors import InputError, OutputError
from ..runtime.events import EventHandler
from .config import NodeConfig
from .spool import Full, NotCT, Spool

if TYPE_CHECKING:
    from pynetdicom.events import Event

SUCCESS = 0x0000
SOP_CLASS_NOT_SUPPORTED = 0x0122
OUT_OF_RESOURCES = 0xA700
NO_CT = 0xA900
CANNOT_UNDERSTAND = 0xC000
_REJECTED, _BY_USER, _CALLING_TITLE = 0x01, 0x01, 0x03
_MAX_PDU = 1 << 20  # bytes: what this node asks for is below, and an association request with all there is, too
_OWN_PDU = 1 << 17
_MAX_WAITING = 4  # messages that a sender has sent without waiting for an answer
_COMMAND_BYTES = 1 << 16  # beside the data set
_PREAMBLE = b"\0" * 128 + b"DICM"


def require_pynetdicom() -> Any:
    """The package pynetdicom, quiet: its log has header values.

    Raises:
        InputError: it is not installed.
    """
    try:
        import pynetdicom
    except ModuleNotFoundError as error:
        raise InputError(
            "The node needs the package pynetdicom: install it by 'pip install pynetdicom', or with this program by "
            "its extra 'node'."
        ) from error
    pynetdicom._config.LOG_HANDLER_LEVEL = "none"
    return pynetdicom


def tls_context(config: NodeConfig, *, is_server: bool) -> ssl.SSLContext | None:
    """For the connections of a node; both sides have to show a certificate. None where there is no [tls].

    Raises:
        InputError: one of the files cannot be used.
    """
    if config.tls is None:
        return None
    purpose = ssl.PROTOCOL_TLS_SERVER if is_server else ssl.PROTOCOL_TLS_CLIENT
    context = (_LazyContext if is_server else ssl.SSLContext)(purpose)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_mode = ssl.CERT_REQUIRED
    try:
        context.load_cert_chain(config.tls.certificate, config.tls.key)
        context.load_verify_locations(config.tls.ca)
    except OSError as error:  # as errors of ssl are, too
        raise InputError(
            f"The files of [tls] cannot be used ({error.strerror or 'no PEM files that belong together'}): check "
            "certificate, key and ca."
        ) from error
    return context


class _LazyContext(ssl.SSLContext):
    """Whose handshakes take place when data come, in the association's thread: a silent peer would stop all others."""

    def wrap_socket(self, sock: socket.socket, **options: Any) -> ssl.SSLSocket:
        return super().wrap_socket(sock, do_handshake_on_connect=False, **options)


@contextmanager
def receiving(config: NodeConfig, spool: Spool, on_event: EventHandler) -> Iterator[None]:
    """A block in which scans are received over the network; without [[allow]] nothing is.

    Raises:
        InputError: pynetdicom or a file of [tls] is missing.
        OutputError: the port is taken.
    """
    if not config.allow:
        yield
        return
    from pynetdicom import AE, AllStoragePresentationContexts, evt
    from pynetdicom.sop_class import CTImageStorage, Verification

    from ..io.dicom.codecs import READABLE_SYNTAXES

    receiver = _Receiver(config, spool, on_event)
    entity = AE(config.node.ae_title)
    entity.maximum_pdu_size = _OWN_PDU
    entity.require_called_aet = True
    entity.maximum_associations = config.limits.associations
    entity.network_timeout = entity.acse_timeout = entity.dimse_timeout = config.limits.idle_s
    for context in AllStoragePresentationContexts:  # others than CT are refused one by one, with a status
        entity.add_supported_context(context.abstract_syntax)
    entity.add_supported_context(CTImageStorage, READABLE_SYNTAXES)
    entity.add_supported_context(Verification)
    handlers = [
        (evt.EVT_CONN_OPEN, receiver.bound),
        (evt.EVT_REQUESTED, receiver.reject_strangers),
        (evt.EVT_DATA_RECV, receiver.count),
        (evt.EVT_DIMSE_RECV, receiver.count_message),
        (evt.EVT_C_STORE, receiver.store),
    ]
    try:
        server = entity.start_server(
            (config.node.host, config.node.port),
            block=False,
            ssl_context=tls_context(config, is_server=True),
            evt_handlers=handlers,
        )
    except OSError as error:
        raise OutputError(
            f"Port {config.node.port} of {config.node.host} cannot be opened ({error.strerror}): is another node "
            "running? Else choose another port."
        ) from error
    server.handle_error = lambda *connection: None
    told, threading.excepthook = threading.excepthook, lambda problem: None  # of a connection, which ends with it
    try:
        yield
    finally:
        server.shutdown()
        threading.excepthook = told


class _Receiver:
    """Handlers of events; those that pynetdicom calls in a connection's thread may end it by closing its socket."""

    def __init__(self, config: NodeConfig, spool: Spool, on_event: EventHandler):
        self._config, self._spool, self._on_event = config, spool, on_event
        self._warned: set[str] = set()
        self._lock = threading.Lock()

    def bound(self, event: Event) -> None:
        """A connection that is silent ends, and so does one that sends more than an association can need."""
        association = event.assoc
        association.received_bytes = 0
        connection = association.dul.socket
        connection.socket.settimeout(self._config.limits.idle_s)
        if len(association._server.active_associations) > 2 * self._config.limits.associations:
            _close(association)
        receive = connection.recv

        def receive_bounded(count: int) -> bytearray:
            if count > _MAX_PDU:
                _close(association)
                raise OSError
            return receive(count)

        connection.recv = receive_bounded

    def reject_strangers(self, event: Event) -> None:
        """Reject a request that is not by one of [[allow]]."""
        requestor = event.assoc.requestor
        title, address = requestor.primitive.calling_ae_title.strip(), requestor.address_info.address
        if not any(one.ae_title == title and one.address in ("", address) for one in self._config.allow):
            event.assoc.acse.send_reject(_REJECTED, _BY_USER, _CALLING_TITLE)
            event.assoc.kill()
            self._warn("A sender that is not among [[allow]] was rejected.")

    def count(self, event: Event) -> None:
        """End an association whose message grows beyond the limit."""
        event.assoc.received_bytes += len(event.data)
        if event.assoc.received_bytes > (self._config.limits.megabytes << 20) + _COMMAND_BYTES:
            self._warn("A data set of more than [limits] megabytes was refused.")
            _close(event.assoc)

    def count_message(self, event: Event) -> None:
        """End an association that does not wait for answers."""
        event.assoc.received_bytes = 0
        if event.assoc.dimse.msg_queue.qsize() > _MAX_WAITING:
            _close(event.assoc)

    def store(self, event: Event) -> int:
        """Take a CT image; the status that tells the sender what became of it."""
        from pynetdicom.dsutils import encode_file_meta
        from pynetdicom.sop_class import CTImageStorage

        try:
            if event.request.AffectedSOPClassUID != CTImageStorage:
                return SOP_CLASS_NOT_SUPPORTED
            head = _PREAMBLE + encode_file_meta(event.file_meta)
            self._spool.receive((head, event.request.DataSet.getbuffer()))
        except NotCT:
            return NO_CT
        except Full as error:
            self._warn(str(error))
            return OUT_OF_RESOURCES
        except MemoryError:
            return OUT_OF_RESOURCES
        except Exception:  # what pydicom makes of a broken message
            return CANNOT_UNDERSTAND
        return SUCCESS

    def _warn(self, message: str) -> None:
        """Once, since a sender may try again for hours."""
        with self._lock:
            is_new = message not in self._warned
            self._warned.add(message)
        if is_new:
            self._on_event("warning", message=message)


def _close(association: Any) -> None:
    """At once, so that what the sender still sends is not even read."""
    if connection := association.dul.socket.socket:
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
        connection.close()
