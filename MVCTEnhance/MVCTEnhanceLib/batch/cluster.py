"""Cases of a batch on the workers of a Dask scheduler: the side of the batch.

A worker takes one case at a time, into the hidden folder that the batch has made for this attempt. The folder `CLAIM`
in it tells both sides who is at work: a worker makes it to begin, which only one can, and the batch removes it to call
the attempt off, so that a worker that was taken for lost and comes back changes nothing.
"""

from __future__ import annotations

import ipaddress
import os
import secrets
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ..assessment.provenance import PROGRAM
from ..errors import Cancelled, DeviceError, InputError, MVCTEnhanceError
from ..runtime.child import DEBUG, JobFailed
from ..runtime.events import EventHandler
from ..runtime.quiet import quiet_dask
from .folder import staging
from .remote import CLAIM, Task, Wanted, enhance, files_below, problem
from .settings import Settings

if TYPE_CHECKING:
    from distributed import Client, Future

CONNECT_S = 30.0
LOOK_S = 1.0  # between two looks at the workers
BUSY_S = 300.0  # for a scheduler to answer whose connection is there
POLL_S = 0.1
CALL_OFF_S = 5.0  # for a worker to end what is called off
RESULT_S = 60.0  # for the metrics of a case to come from the worker
SHARED_S = 120.0  # for the files of another computer to be seen on this one
NO_WORKER_S = 600.0
ATTEMPTS = 3
CERTIFICATES = ("tls_ca_file", "tls_client_cert")  # as Dask's Security calls them; the key may lie in the certificate


class WorkerLost(MVCTEnhanceError):
    """The worker of a case is gone; another one can do the case."""


@contextmanager
def connected(address: str | None) -> Iterator[Client | None]:
    """A block with a connection to a Dask scheduler; with None where no address is given.

    Raises:
        InputError: `distributed` is not installed, or certificates are missing.
        DeviceError: the scheduler does not answer, or takes connections of anybody.
    """
    if address is None:
        yield None
        return
    try:
        import dask
        from distributed import Client, Security
    except ImportError as error:
        raise InputError("scheduler: Dask is missing, install it by 'pip install distributed'.") from error
    is_encrypted = address.startswith("tls:")
    security = Security(require_encryption=is_encrypted)
    if is_encrypted and not all(getattr(security, name) for name in CERTIFICATES):
        raise InputError("scheduler: tls:// needs certificates, set them as docs/batch.md says.")
    with ExitStack() as stack:
        if not os.environ.get(DEBUG):
            stack.enter_context(quiet_dask())
        stack.enter_context(dask.config.set({"distributed.comm.timeouts.connect": CONNECT_S}))
        try:
            client = Client(address, security=security, timeout=CONNECT_S, set_as_default=False)
        except (OSError, ValueError, RuntimeError) as error:
            raise DeviceError(
                f"The scheduler '{address}' does not answer: check that it runs, its address and its certificates."
            ) from error
        stack.callback(_close, client)
        if why := unsafe(client.scheduler_info(n_workers=0)["address"]):
            raise DeviceError(f"The scheduler takes connections from other computers. {why}")
        yield client


def require_safe(address: str) -> None:
    """Refuse the address of a scheduler that is none, or that anybody could reach.

    Raises:
        InputError: it is one of these.
    """
    if why := unsafe(address):
        raise InputError(f"scheduler: {why}")


def unsafe(address: str) -> str:
    """Why a scheduler or worker at this address is not used, in one sentence; empty for one that is safe.

    Whoever reaches a scheduler or worker without TLS can run any program there.
    """
    try:
        parts = urlsplit(address)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port = "", None
    if not (host and port and parts.scheme in ("tcp", "tls")):
        return f"'{address}' is no address: give one such as tls://HOST:8786."
    if parts.scheme == "tls" or host == "localhost":
        return ""
    with suppress(ValueError):
        if ipaddress.ip_address(host).is_loopback:
            return ""
    return (
        f"'{address}' is not encrypted, and whoever reaches it can run programs there: use tls:// with certificates, "
        "or 127.0.0.1 on a single computer."
    )


class Cluster:
    """The workers of a scheduler, which do cases while the block lasts.

    Args:
        settings: of the batch; workers that would do the cases otherwise are not used.
        output: folder of the batch, which all workers must see.
        sample: a file or folder of the input, which they must see, too.
        on_event: told of workers that are not used, or that there is none; only from the thread that calls `capacity`.
    """

    def __init__(self, client: Client, settings: Settings, output: Path, sample: Path, on_event: EventHandler):
        self._client, self._settings, self._sample, self._on_event = client, settings, sample, on_event
        self._topic = f"mvct-enhance-{secrets.token_hex(4)}"
        self._listeners: dict[str, EventHandler] = {}
        self._probe = staging(output)
        self._wanted: Wanted | None = None
        self._known: set[str] = set()
        self._checks: dict[str, Future] = {}
        self._used: set[str] = set()
        self._idle: deque[str] = deque()
        self._look_at = 0.0
        self._last_seen = self._last_used = time.monotonic()
        self._refusal = ""
        self._is_waiting = self._had_any = self._scheduler_lost = self._ended = False

    def __enter__(self) -> Cluster:
        probe = self._probe.__enter__()
        self._wanted = Wanted(PROGRAM, self._settings, str(self._sample), str(probe))
        self._client.subscribe_topic(self._topic, self._hear)
        return self

    def __exit__(self, *error: object) -> None:
        self._ended = True
        until = time.monotonic() + CALL_OFF_S + LOOK_S
        while self._listeners and time.monotonic() < until:  # they use the connection
            time.sleep(POLL_S)
        self._probe.__exit__(None, None, None)

    def capacity(self) -> int:
        """How many cases can be done at a time just now.

        Raises:
            DeviceError: the scheduler is gone, or there is no worker that can be used.
        """
        if self._scheduler_lost or self._client.status != "running":
            raise _scheduler_is_gone()
        now = time.monotonic()
        if now >= self._look_at:
            if self._look():
                self._last_seen = now
            elif now - self._last_seen > BUSY_S:
                raise _scheduler_is_gone()
            self._require_workers(now)
            self._look_at = time.monotonic() + LOOK_S
        return len(self._used)

    def run(self, arguments: Sequence[str], *, folder: Path, number: int, on_event: EventHandler) -> dict[str, Any]:
        """Do one case on a worker that is idle, and wait for it.

        Args:
            arguments: the command and its options.
            folder: new and empty, for the outputs.
            number: of the case, by which Dask's logs know it.
            on_event: called with the name and the fields of each stage, progress and device.

        Returns:
            the fields of the result event.

        Raises:
            JobFailed: it ended without a result.
            WorkerLost: nobody knows how it ended.
            Cancelled: the block has ended, or the scheduler is gone.
        """
        key = f"case-{number}-{secrets.token_hex(4)}"
        self._listeners[key] = on_event
        address = ""
        try:
            address = self._take()
            outcome = self._outcome(address, Task(key, self._topic, tuple(arguments), str(folder)))
            if "failed" in outcome:
                raise JobFailed(outcome["failed"])
            if "result" not in outcome:
                raise WorkerLost(key)
            self._wait_for_files(folder, outcome["files"])
            return outcome["result"]
        finally:
            with suppress(OSError):
                (folder / CLAIM).rmdir()
            if address in self._used:
                self._idle.append(address)
            del self._listeners[key]

    def _take(self) -> str:
        """An idle worker, once there is one."""
        while not self._ended:
            with suppress(IndexError):
                if (address := self._idle.popleft()) in self._used:
                    return address
                continue
            time.sleep(POLL_S)
        raise Cancelled("The work was cancelled.")

    def _outcome(self, address: str, task: Task) -> dict[str, Any]:
        """What a worker says of a case."""
        try:
            future = self._submit(address, enhance, task, key=task.key)
        except Exception as error:
            self._scheduler_lost = True
            raise Cancelled("The scheduler is gone.") from error
        done = threading.Event()
        future.add_done_callback(lambda _: done.set())
        while not done.wait(POLL_S):
            if self._ended:
                with suppress(OSError):
                    (Path(task.folder) / CLAIM).rmdir()
                done.wait(CALL_OFF_S)
                raise Cancelled("The work was cancelled.")
            if address not in self._used:
                raise WorkerLost(task.key)
        if future.status in ("cancelled", "lost"):
            self._scheduler_lost = True
            raise Cancelled("The scheduler is gone.")
        try:
            return future.result(timeout=RESULT_S)
        except Exception as error:  # of Dask, since the task itself raises none
            raise WorkerLost(task.key) from error

    def _submit(self, address: str, work: Any, argument: Any, *, key: str) -> Future:
        return self._client.submit(work, argument, key=key, workers=[address], pure=False)

    def _wait_for_files(self, folder: Path, files: dict[str, int]) -> None:
        """Network disks may show what another computer has written later only."""
        until = time.monotonic() + SHARED_S
        while files_below(folder) != files:
            if self._ended:
                raise Cancelled("The work was cancelled.")
            if time.monotonic() > until:
                raise JobFailed(
                    f"What the worker has written was not seen here within {SHARED_S:.0f} s: check the shared folder."
                )
            time.sleep(POLL_S)

    def _hear(self, event: tuple[float, dict[str, Any]]) -> None:
        """What a worker tells of its case; in the thread of the connection."""
        message = event[1]
        if on_event := self._listeners.get(message["key"]):
            on_event(message["event"], **message["fields"])

    def _look(self) -> bool:
        """Take note of workers that are gone, have come, or have been checked; False where the scheduler is busy."""
        try:
            present = set(self._client.nthreads(callback_timeout=CONNECT_S))
            came = {address: unsafe(address) for address in present - self._known}
            for address in (address for address, why in came.items() if not why):
                check = self._submit(address, problem, self._wanted, key=f"check-{secrets.token_hex(4)}")
                self._checks[address] = check
        except Exception:  # of many kinds; a connection that is lost shows in the client's status
            return False
        self._used &= present
        self._known = present
        for address, why in came.items():
            if why:
                self._refuse(address, why)
        for address, check in tuple(self._checks.items()):
            if address not in present:
                del self._checks[address]
            elif check.done():
                del self._checks[address]
                self._take_in(address, check)
        return True

    def _take_in(self, address: str, check: Future) -> None:
        try:
            why = check.result(timeout=RESULT_S)
        except Exception as error:  # another version may lack anything
            why = f"{PROGRAM} does not run there ({type(error).__name__}), install it as on this computer."
        if why:
            self._refuse(address, why)
        else:
            self._used.add(address)
            self._idle.append(address)
            self._had_any = True

    def _refuse(self, address: str, why: str) -> None:
        self._refusal = f"The worker {address} is not used: {why}"
        self._on_event("warning", message=self._refusal)

    def _require_workers(self, now: float) -> None:
        if self._used:
            self._last_used, self._is_waiting = now, False
        elif self._checks:
            pass
        elif self._known and not self._had_any:
            raise DeviceError(f"No worker can be used. {self._refusal}")
        elif now - self._last_used > NO_WORKER_S:
            raise DeviceError(f"No worker came within {NO_WORKER_S / 60:.0f} minutes: start some, then use --resume.")
        elif not self._is_waiting:
            self._is_waiting = True
            self._on_event("warning", message="The scheduler has no worker: waiting for one.")


def _scheduler_is_gone() -> DeviceError:
    return DeviceError("The scheduler is gone: start it again, and continue with --resume.")


def _close(client: Client) -> None:
    with suppress(Exception):
        client.close(timeout=1)
