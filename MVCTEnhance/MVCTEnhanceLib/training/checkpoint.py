"""Checkpoints: everything a run needs to go on as if it had not stopped."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import torch

from ..errors import InputError, is_out_of_memory
from ..storage.atomic import PARTIAL, atomic_file

CHECKPOINT = "checkpoint.pt"


def remove_left_over(folder: Path) -> None:
    """Remove what a killed run had half written; no other may be at work in the folder."""
    for path in folder.rglob(f"{PARTIAL}*"):
        path.unlink(missing_ok=True)


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write a state atomically: a killed run keeps the checkpoint before."""
    content = io.BytesIO()  # torch hides what the system says of a full disk
    torch.save(state, content)
    with atomic_file(path) as temporary:
        temporary.write_bytes(content.getbuffer())


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a state without running code from the file.

    Raises:
        InputError: the file is damaged or cannot be opened.
        MemoryError: out of memory.
    """
    try:
        with path.open("rb") as file:
            return torch.load(file, map_location="cpu", weights_only=True)
    except OSError as error:
        raise InputError(f"'{path}' cannot be read ({error.strerror}): check its permissions and the disk.") from error
    except Exception as error:
        if is_out_of_memory(error):  # a good checkpoint must not be called damaged, which is to be deleted
            raise MemoryError from error
        raise InputError(f"The checkpoint '{path}' is damaged: delete it to start the training anew.") from error
