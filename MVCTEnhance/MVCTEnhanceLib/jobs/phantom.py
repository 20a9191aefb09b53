"""A phantom's planning CT and simulated MVCT, for trying things without a patient."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..io import write_volume
from ..model.device import choose_device, describe_device
from ..physics.mvct import simulate_mvct, usable_device
from ..physics.phantom import head_neck_phantom
from ..runtime.events import EventHandler, ignore_event
from ..storage.atomic import atomic_folder
from ..volume import Volume
from ..volume.product import PLANNING_CT, Product
from .requests import PhantomRequest

PLANNING_NOISE_HU = 8.0
PLANNING_CT_FILE, MVCT_FILE = "planning-ct.nrrd", "mvct.nrrd"


def write_phantom(request: PhantomRequest, *, on_event: EventHandler = ignore_event) -> dict[str, Any]:
    """Leave planning-ct.nrrd and mvct.nrrd of a head-and-neck phantom in a folder.

    Args:
        request: its folder is a new one, which appears when both are there; with `overwrite` it may hold these two
            files and nothing else, which are replaced.
        on_event: called with an event's name and its fields.

    Returns:
        planning_ct and mvct: the names of the files; device.

    Raises:
        OutputError: the folder has something in it or cannot be written.
    """
    chosen = usable_device(choose_device(request.device))
    with atomic_folder(
        request.output, may_replace=lambda path: request.overwrite and _holds_phantom_only(path)
    ) as folder:
        on_event("device", device=str(chosen), name=describe_device(chosen))
        planning_ct, mvct = make_phantom(chosen, on_event)
        on_event("stage", stage="write")
        write_volume(planning_ct, folder / PLANNING_CT_FILE)
        write_volume(mvct, folder / MVCT_FILE)
    return {"planning_ct": PLANNING_CT_FILE, "mvct": MVCT_FILE, "device": describe_device(chosen)}


def _holds_phantom_only(folder: Path) -> bool:
    return {path.name for path in folder.iterdir()} <= {PLANNING_CT_FILE, MVCT_FILE}


def make_phantom(device: torch.device, on_event: EventHandler) -> tuple[Volume, Volume]:
    """The planning CT of a phantom and its simulated MVCT, both int16 HU in one frame of reference."""
    on_event("stage", stage="phantom")
    kvct = head_neck_phantom()
    on_event("stage", stage="simulate")
    mvct = simulate_mvct(
        kvct,
        device=device,
        on_slices=lambda done, total: on_event("progress", stage="simulate", done=done, total=total),
    )
    return _planning_ct(kvct), mvct


def _planning_ct(phantom: Volume) -> Volume:
    """With the noise of a kVCT, since a ratio to noise has no meaning without any; known again as no MVCT."""
    noise = np.random.default_rng(0).normal(0, PLANNING_NOISE_HU, phantom.array.shape)
    return replace(phantom, array=np.rint(phantom.array + noise).astype(np.int16), product=Product(PLANNING_CT))
