"""The errors that reach a user: each message is one sentence that says what, where and what to do."""

import re

_OUT_OF_MEMORY = re.compile(
    "out of memory|MemoryError|allocate memory|memory allocation|bad_alloc|failed to map segment|"
    "could not create a primitive",  # as oneDNN calls it, which makes its code at run time
    re.I,
)


class MVCTEnhanceError(Exception):
    """Base of all errors that the command line and the panel show as they are."""


class InputError(MVCTEnhanceError):
    """A scan, folder or setting given by the user cannot be used."""


class OutputError(MVCTEnhanceError):
    """A result cannot be written; nothing is left under its final name."""


class ModelError(MVCTEnhanceError):
    """A model file is not a model of this program, is damaged, or does not fit the request."""


class DeviceError(MVCTEnhanceError):
    """The computing device asked for is not there or ran out of memory."""


class Cancelled(MVCTEnhanceError):
    """The user cancelled; nothing was written."""


def is_out_of_memory(error: BaseException | str) -> bool:
    """Whether an error, or what a process printed, tells of too little memory.

    Torch, ITK and the system's loader say so in words only.
    """
    in_words = isinstance(error, RuntimeError | ImportError | OSError | str) and _OUT_OF_MEMORY.search(str(error))
    return isinstance(error, MemoryError) or bool(in_words)
