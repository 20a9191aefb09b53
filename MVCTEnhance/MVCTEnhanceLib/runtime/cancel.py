"""The wish to end, by a signal or because the program that asked for the work is gone: what is half written goes."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

from ..runtime.events import EventHandler

EXIT_CANCELLED = 130
CANCELLED = "Cancelled. No incomplete files were left."
NOTICE_S = 1.0  # for a library to return, which one that compresses a long scan does not; then the process ends
GRACE_S = 10.0  # for what is half written to be removed; after it the process ends where it stands
TELL_S = 1.0  # for a reader to take the last words
AGAIN_S = 0.05
_IMPORT_SYSTEM = "<frozen importlib._bootstrap>"
_CLEAN_UPS: dict[object, Callable[[], object]] = {}


class Interrupted(BaseException):
    """The user's or system's wish to end: no handler of ordinary errors swallows it, so that partial outputs go.

    Not KeyboardInterrupt, after which CPython may end with another exit code although it was handled.
    """


@contextmanager
def cleaned_up_when_ended(clean_up: Callable[[], object]) -> Iterator[None]:
    """A block of unfinished work: `clean_up` is called where the process ends without leaving the block.

    Args:
        clean_up: waits for no lock, and may be called in any thread.
    """
    key = object()
    _CLEAN_UPS[key] = clean_up
    try:
        yield
    finally:
        del _CLEAN_UPS[key]


class Cancellation:
    """Turns the signals to end into `Interrupted` in the main thread, once, and sees to it that it takes effect.

    `asked` says whether there was one: a library may turn it into an error of its own on the way.

    Args:
        on_event: told of the end where no exception can be raised.
    """

    def __init__(self, on_event: EventHandler):
        self.asked = False
        self._on_event = on_event
        self._timer: threading.Timer | None = None
        self._noticed = False
        self._hook = sys.unraisablehook

    @contextmanager
    def listening(self) -> Iterator[None]:
        """A block in which `start` may be called."""
        self._hook, sys.unraisablehook = sys.unraisablehook, self._after_lost
        try:
            with _told_of_signals(self._end_unless_noticed):
                yield
        finally:
            sys.unraisablehook = self._hook
            if self._timer:
                self._timer.cancel()

    def start(self) -> None:
        """From here on a signal is an exception, to be called where one is handled; before, the system's way holds."""
        _on_signals(self._interrupt)

    def ask(self) -> None:
        """As if SIGTERM came, from any thread."""
        self._end_in_time(GRACE_S)
        _send()

    def done(self) -> None:
        """Signals change nothing any more until Python has ended, so that its exit code stays.

        After a wish to end nobody may be left who reads the last words: the process does not wait for long.
        """
        self._noticed = True
        _on_signals(signal.SIG_IGN)
        if self.asked:
            self._end_in_time(TELL_S)

    def failed(self) -> None:
        """A signal ends the process at once: nothing is half written any more, and what is wrong may find no reader."""
        self._noticed = True
        _on_signals(lambda number, frame: _end_now())

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        if not self._noticed:
            self._noticed = True
            self._end_in_time(GRACE_S)
        if _is_importing(frame):
            if not _CLEAN_UPS:
                self._end_at_once()
            _start_timer(AGAIN_S, _send)
            return
        _on_signals(lambda number, frame: None)  # timeout(1) and the impatient send several: removal goes on
        raise Interrupted

    def _end_at_once(self) -> None:
        self._end_in_time(TELL_S)
        with suppress(Exception):  # a signal may come while the same stream is written to
            self._on_event("error", message=CANCELLED)
        _end_now()

    def _end_unless_noticed(self) -> None:
        """In a thread: no handler runs as long as a library does not return."""
        time.sleep(NOTICE_S)
        if not self._noticed:
            _end_now()

    def _end_in_time(self, seconds: float) -> None:
        self.asked = True
        if self._timer:
            self._timer.cancel()
        self._timer = _start_timer(seconds, _end_now)

    def _after_lost(self, lost: Any) -> None:
        """Raise it again where Python could not pass it on, as in a destructor."""
        if isinstance(lost.exc_value, Interrupted):
            _on_signals(self._interrupt)
            _start_timer(AGAIN_S, _send)
        else:
            self._hook(lost)


def _is_importing(frame: FrameType | None) -> bool:
    """Whether a module is being imported, where torch's C++ code aborts and others take it for an error of theirs."""
    while frame and frame.f_code.co_filename != _IMPORT_SYSTEM:
        frame = frame.f_back
    return frame is not None


def _on_signals(handler: Any) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) != signal.SIG_IGN:  # as a shell has it for jobs in the background
            signal.signal(number, handler)


@contextmanager
def _told_of_signals(tell: Any) -> Iterator[None]:
    """Call `tell`, in a thread, when one of the signals arrives; the system tells it whatever the main thread does."""
    if os.name == "nt" or threading.current_thread() is not threading.main_thread():
        yield
        return
    ours, systems = os.pipe()
    os.set_blocking(systems, False)
    before = signal.set_wakeup_fd(systems, warn_on_full_buffer=False)

    def listen() -> None:
        while number := os.read(ours, 1):
            if number[0] in (signal.SIGINT, signal.SIGTERM):
                tell()
        os.close(ours)

    threading.Thread(target=listen, daemon=True).start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        os.close(systems)


def _send() -> None:
    """SIGTERM to the main thread; os.kill would end the process at once on Windows."""
    if hasattr(signal, "pthread_kill"):
        signal.pthread_kill(threading.main_thread().ident, signal.SIGTERM)
    else:
        signal.raise_signal(signal.SIGTERM)


def _start_timer(seconds: float, action: Any) -> threading.Timer:
    timer = threading.Timer(seconds, action)
    timer.daemon = True
    timer.start()
    return timer


def _end_now() -> None:
    """For work that takes no notice, such as a network drive that hangs; nothing here may wait for a lock."""
    for clean_up in tuple(_CLEAN_UPS.values()):
        with suppress(Exception):
            clean_up()
    words = threading.Thread(target=_tell_stderr, daemon=True)
    words.start()
    words.join(AGAIN_S)  # a pipe that is full takes none
    os._exit(EXIT_CANCELLED)


def _tell_stderr() -> None:
    with suppress(OSError):
        os.write(2, f"mvct-enhance: {CANCELLED}\n".encode())
