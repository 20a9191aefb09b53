"""Cases of a batch on the workers of a Dask scheduler: the side of a worker.

Nothing is raised here, and nothing that Dask logs or shows has a path or a name.
"""

from __future__ import annotations

import secrets
import shutil
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..assessment.provenance import PROGRAM
from ..errors import Cancelled, MVCTEnhanceError
from ..model.card import find_model, model_sha256
from ..runtime.child import THREADS, Child
from ..site.profile import read_site
from .settings import Settings

CLAIM = ".claim"
POLL_S = 0.5
SHARED_S = 60.0  # for what another computer has made to be seen on this one
FIELDS = {"stage": ("stage",), "progress": ("stage", "done", "total"), "device": ("device", "name")}
_IDLE: list[Child] = []  # which have their libraries loaded


@dataclass(frozen=True, repr=False)
class Task:
    """One attempt at a case.

    Args:
        key: what Dask calls it.
        topic: of the events.
        arguments: of the child process.
        folder: for the outputs.
    """

    key: str
    topic: str
    arguments: tuple[str, ...]
    folder: str


@dataclass(frozen=True, repr=False)
class Wanted:
    """What a worker must have.

    Args:
        program: its name and version.
        settings: of the batch.
        sample: a file or folder of the input.
        probe: a folder in the output.
    """

    program: str
    settings: Settings
    sample: str
    probe: str


def problem(wanted: Wanted) -> str:
    """Why this worker would not do cases as they are wanted, in one sentence; empty where it would."""
    settings = wanted.settings
    if wanted.program != PROGRAM:
        return f"it has {PROGRAM}, not {wanted.program}."
    try:
        if model_sha256(find_model(settings.model)) != settings.model_digest:
            return "its model is another one under the same name, copy the model to it."
        if read_site(settings.site).sha256 != settings.site_digest:
            return "its site profile is another one under the same name, copy the profile to it."
    except MVCTEnhanceError:
        return "it does not see the model or the site profile, put them into the shared folder."
    if not Path(wanted.sample).exists():
        return "it does not see the input folder under the same path."
    if not _appears(Path(wanted.probe)):
        return "it does not see the output folder under the same path."
    try:
        mine = Path(wanted.probe) / secrets.token_hex(6)
        mine.mkdir()
        mine.rmdir()
    except OSError:
        return "it may not write to the output folder."
    if settings.device not in ("auto", "cpu") and not _has_device(settings.device):
        return f"it has no device '{settings.device}'."
    return ""


def enhance(task: Task) -> dict[str, Any]:
    """Do one attempt at a case in a child process.

    Returns:
        "result", the fields of the result event, and "files", the sizes of the outputs; or "failed", the reason; or
        neither where the attempt was begun elsewhere or is not wanted any more.
    """
    folder = Path(task.folder)
    try:
        if not _claim(folder):
            return {}
        outcome = _enhance(task, folder)
        if outcome and _is_wanted(folder):
            return outcome
        shutil.rmtree(folder, ignore_errors=True)
        return {}
    except OSError as error:
        return {"failed": f"The operating system of the worker says '{error.strerror}': check the shared folder."}
    except Exception as error:
        return {"failed": f"Unexpected {type(error).__name__} on the worker: run the batch again with --resume."}


def files_below(folder: Path) -> dict[str, int]:
    """Sizes of the files by their paths, relative to the folder."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.stat().st_size for path in files}


def _claim(folder: Path) -> bool:
    """Whether this attempt is for this worker: Dask may give a task to several, one after another."""
    if not _appears(folder):
        return False
    try:
        (folder / CLAIM).mkdir()
    except (FileExistsError, FileNotFoundError):
        return False
    return True


def _enhance(task: Task, folder: Path) -> dict[str, Any]:
    from distributed import get_worker

    dask_worker = get_worker()

    def tell(event: str, **fields: Any) -> None:
        if event in FIELDS:
            known = {name: fields[name] for name in FIELDS[event] if name in fields}
            dask_worker.log_event(task.topic, {"key": task.key, "event": event, "fields": known})

    child, over = _child(), threading.Event()

    def watch() -> None:
        while not over.wait(POLL_S):
            if not _is_wanted(folder):
                child.end()
                return

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        return {"result": child.run(task.arguments, on_event=tell), "files": files_below(folder)}
    except Cancelled:
        return {}
    except MVCTEnhanceError as error:
        return {"failed": str(error)}
    finally:
        over.set()
        watcher.join()
        if not child.is_ended:
            _IDLE.append(child)


def _child() -> Child:
    """One that waits for a job, or a new one, with the cores that Dask gives this worker."""
    from distributed import get_worker

    with suppress(IndexError):
        return _IDLE.pop()
    return Child(threads=dict.fromkeys(THREADS, str(get_worker().state.nthreads)))


def _has_device(device: str) -> bool:
    with Child() as child:
        found = child.run(("devices",))["devices"]
    return ("cuda:0" if device == "cuda" else device) in [one["device"] for one in found]


def _is_wanted(folder: Path) -> bool:
    try:
        (folder / CLAIM).stat()
    except FileNotFoundError:
        return False
    except OSError:  # a network disk has its moments
        return True
    return True


def _appears(path: Path) -> bool:
    until = time.monotonic() + SHARED_S
    while not path.exists():
        if time.monotonic() > until:
            return False
        time.sleep(POLL_S)
    return True
