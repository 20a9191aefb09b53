"""Silence for libraries that talk past Python."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def quiet_itk() -> Iterator[None]:
    """Drop what ITK's C libraries write to stderr: the same comes as an exception, which gets one clear sentence.

    They write to the file descriptor itself, so that neither `sys.stderr` nor ITK's own switch stops them.
    """
    try:
        saved = os.dup(2)
    except OSError:  # an application without a console has no stderr
        yield
        return
    try:
        with Path(os.devnull).open("wb") as nothing:
            os.dup2(nothing.fileno(), 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)


@contextmanager
def quiet_dask() -> Iterator[None]:
    """Drop what Dask and Tornado log to stderr of connections that end: who waits for them says it in a sentence."""
    names = [name for name in logging.root.manager.loggerDict if name.split(".")[0] in ("distributed", "tornado")]
    levels = {log: log.level for log in map(logging.getLogger, {*names, "distributed", "tornado"})}
    try:
        for log in levels:
            log.setLevel(logging.CRITICAL + 1)
        yield
    finally:
        for log, level in levels.items():
            log.setLevel(level)


@contextmanager
def quiet_pydicom() -> Iterator[None]:
    """Drop pydicom's warnings and log: they quote header values, which may be a patient's name."""
    log = logging.getLogger("pydicom")
    was_disabled = log.disabled
    log.disabled = True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.disabled = was_disabled
