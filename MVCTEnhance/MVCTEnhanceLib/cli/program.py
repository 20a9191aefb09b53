"""The command line `mvct-enhance`: one command run to its end, its result or one sentence on the error."""

from __future__ import annotations

import argparse
import gc
import json
import logging
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from ..errors import Cancelled, MVCTEnhanceError, is_out_of_memory
from ..runtime.cancel import CANCELLED, EXIT_CANCELLED, Cancellation, Interrupted
from ..runtime.events import EventHandler, event_handler
from ..runtime.machine import tune_malloc, use_passive_omp
from ..runtime.parent import end_with_parent
from .parser import parser

EXIT_ERROR = 1
EXIT_FAILED_QA = 3
DEBUG = "MVCTENHANCE_DEBUG"


def command() -> None:
    """`main` as a process of its own, which ends with its exit code at once.

    For Python to take apart torch and the other libraries takes a second, in which nothing is done any more. To look
    for garbage while they are imported takes half a second, and there is none.
    """
    tune_malloc()
    use_passive_omp()
    gc.disable()
    code = main()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):
            stream.flush()
    os._exit(code)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 0 only if all was done, errors are one sentence on stderr.

    Quality assurance that was done, but whose values are out of tolerance, ends with 3.
    """
    options = parser().parse_args(arguments)
    # A console that lacks a letter (² in Japan's code page) must not turn finished work into an error.
    sys.stdout.reconfigure(errors="backslashreplace")
    on_event = event_handler(options.progress)
    cancellation = Cancellation(on_event)
    with cancellation.listening(), _quiet_libraries():
        try:
            return _run(options, on_event, cancellation)
        except BrokenPipeError:
            cancellation.failed()
            # Python would try again to write when it ends, and complain.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            _say("Stopped, since the program that reads the output has ended.")
            return EXIT_CANCELLED if cancellation.asked else EXIT_ERROR


@contextmanager
def _quiet_libraries() -> Iterator[None]:
    """Python's warnings and logs of libraries are for developers, and name files of this computer."""
    if os.environ.get(DEBUG):
        yield
        return
    nowhere = logging.NullHandler()
    logging.getLogger().addHandler(nowhere)
    try:
        with warnings.catch_warnings():
            warnings.showwarning = lambda *warning, **more: None
            yield
    finally:
        logging.getLogger().removeHandler(nowhere)


def _run(options: argparse.Namespace, on_event: EventHandler, cancellation: Cancellation) -> int:
    try:
        cancellation.start()
        end_with_parent(cancellation.ask)
        result = options.run(options.request.from_namespace(options), _collecting_from_now(on_event))
        if result is None:
            pass  # another process tells it, or each job of a worker its own
        elif options.progress == "jsonl":
            on_event("result", **result)
        elif options.json:
            print(json.dumps(result, indent=2, allow_nan=False))
        else:
            options.show(result)
        sys.stdout.flush()  # what cannot be told is not done
        cancellation.done()
        # A batch of which some cases failed has its result all the same.
        if result and "failure" in result:
            return _fail(result["failure"], EXIT_ERROR, on_event)
        return EXIT_FAILED_QA if result and result.get("passed") is False else 0
    except (Interrupted, Cancelled):
        return _cancelled(cancellation, on_event)
    except BrokenPipeError:
        raise
    except Exception as error:
        if cancellation.asked:  # a library that was stopped half-way ends in errors of many kinds
            return _cancelled(cancellation, on_event)
        if os.environ.get(DEBUG) and not isinstance(error, MVCTEnhanceError):
            raise
        cancellation.failed()
        return _fail(_sentence(error), EXIT_ERROR, on_event)


def _collecting_from_now(on_event: EventHandler) -> EventHandler:
    """Python collects garbage again from the first event of a job on: by then all is imported."""

    def tell(event: str, **fields: Any) -> None:
        if event != "ready" and not gc.isenabled():
            gc.freeze()
            gc.enable()
        on_event(event, **fields)

    return tell


def _sentence(error: Exception) -> str:
    """The error on one line; of an unexpected error without its text, in which libraries quote header values."""
    if isinstance(error, MVCTEnhanceError):
        return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in str(error))
    if is_out_of_memory(error):
        return "Out of memory: close other programs."
    if isinstance(error, OSError):
        return f"The operating system says '{error.strerror}': check the paths and the disk."
    return f"Unexpected {type(error).__name__}: run this again with {DEBUG}=1 set and report what it shows."


def _cancelled(cancellation: Cancellation, on_event: EventHandler) -> int:
    cancellation.done()
    return _fail(CANCELLED, EXIT_CANCELLED, on_event)


def _fail(message: str, code: int, on_event: EventHandler) -> int:
    on_event("error", message=message)
    _say(message)
    return code


def _say(message: str) -> None:
    try:
        print(f"mvct-enhance: {message}", file=sys.stderr, flush=True)
    except BrokenPipeError:  # nobody is left who would read it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())
