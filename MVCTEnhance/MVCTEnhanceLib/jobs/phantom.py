"""A phantom's planning CT and simulated MVCT, for trying things without a patient."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..errors import InputError
from ..io import write_volume
from ..model.device import choose_device, describe_device
from ..physics.mvct import simulate_mvct, usable_device
from ..physics.phantom import SPACING_MM, centred, density_inserts, head_neck_phantom
from ..physics.qa_phantoms import WATER_DIAMETER_MM, catphan_phantom, cheese_phantom
from ..physics.settings import MVCTSettings
from ..runtime.events import EventHandler, ignore_event
from ..storage.atomic import atomic_folder
from ..volume import Volume
from ..volume.product import PLANNING_CT, Product
from .requests import CATPHAN, CHEESE, HEAD_NECK, HEAD_SLICES, WATER, PhantomRequest
from .scans import write_scan
from .simulate import TEXTS, scanner_settings

PLANNING_NOISE_HU = 8.0
PLANNING_CT_FILE, MVCT_FILE, MVCT_SERIES = "planning-ct.nrrd", "mvct.nrrd", "mvct-dicom"
STANDARD = MVCTSettings()
STRETCH, HEIGHTS_MM = 0.08, (-70.0, -10.0)  # of other patients than the first
QA_SLICES = 12  # of the cheese phantom and water; pylinac wants ten


def write_phantom(request: PhantomRequest, *, on_event: EventHandler = ignore_event) -> dict[str, Any]:
    """Leave planning-ct.nrrd and mvct.nrrd of a phantom in a folder; of one for quality assurance mvct-dicom, too.

    Args:
        request: its folder is a new one, which appears when all are there; with `overwrite` it may hold what this job
            writes and nothing else, which is replaced.
        on_event: called with an event's name and its fields.

    Returns:
        planning_ct and mvct: the names of the files; device.

    Raises:
        OutputError: the folder has something in it or cannot be written.
    """
    if request.slices != HEAD_SLICES and request.kind != HEAD_NECK:
        raise InputError(f"The number of slices is that of {HEAD_NECK}, but a {request.kind} phantom has a fixed one.")
    settings, chosen = scanner_settings(request), usable_device(choose_device(request.device))
    with atomic_folder(
        request.output, may_replace=lambda path: request.overwrite and _holds_phantom_only(path)
    ) as folder:
        on_event("device", device=str(chosen), name=describe_device(chosen))
        grid = {} if request.slices == HEAD_SLICES else {"slices": request.slices}
        planning_ct, mvct = make_phantom(chosen, on_event, request.kind, settings=settings, **grid)
        on_event("stage", stage="write")
        write_volume(planning_ct, folder / PLANNING_CT_FILE)
        write_volume(mvct, folder / MVCT_FILE)
        if request.kind != HEAD_NECK:
            write_scan(mvct, folder / MVCT_SERIES, texts=TEXTS)
    return {"planning_ct": PLANNING_CT_FILE, "mvct": MVCT_FILE, "device": describe_device(chosen)}


def _holds_phantom_only(folder: Path) -> bool:
    files = [path.relative_to(folder) for path in folder.rglob("*")]
    left = (PLANNING_CT_FILE, MVCT_FILE, MVCT_SERIES, f"{MVCT_SERIES}/CT[0-9][0-9][0-9][0-9].dcm")
    return all(any(file.match(name) for name in left) for file in files)


def make_phantom(
    device: torch.device,
    on_event: EventHandler,
    kind: str = HEAD_NECK,
    *,
    settings: MVCTSettings = STANDARD,
    **grid: Any,
) -> tuple[Volume, Volume]:
    """The planning CT of a phantom and its simulated MVCT, both int16 HU in one frame of reference.

    Args:
        device: to simulate on.
        on_event: called with an event's name and its fields.
        kind: of phantom.
        settings: the scanner, whose seed makes another patient of the head from 1 on.
        grid: of the head, see `head_neck_phantom`.
    """
    on_event("stage", stage="phantom")
    kvct = _patient(settings.seed, **grid) if kind == HEAD_NECK else _kvct(kind)
    on_event("stage", stage="simulate")
    mvct = simulate_mvct(
        kvct,
        **({} if settings == STANDARD else {"settings": settings}),
        device=device,
        on_slices=lambda done, total: on_event("progress", stage="simulate", done=done, total=total),
    )
    return _planning_ct(kvct), mvct


def _kvct(kind: str) -> Volume:
    if kind == CHEESE:
        return cheese_phantom(slices=QA_SLICES)
    if kind == CATPHAN:
        return catphan_phantom()
    if kind == WATER:
        return density_inserts(inserts_hu=(), diameter_mm=WATER_DIAMETER_MM, slices=QA_SLICES)[0]
    raise ValueError(kind)


def _patient(seed: int, **grid: Any) -> Volume:
    """The head or, from a seed of 1 on, one that is stretched along each axis and scanned at another height."""
    if not seed:
        return head_neck_phantom(**grid)
    draw = np.random.default_rng(seed)
    stretch, height = draw.uniform(1 - STRETCH, 1 + STRETCH, 3), draw.uniform(*HEIGHTS_MM)
    drawn = tuple(float(size) for size in SPACING_MM / stretch)
    head = head_neck_phantom(spacing_mm=drawn, centre_z_mm=height / stretch[2], **grid)
    return centred(head.array, SPACING_MM, height)


def _planning_ct(phantom: Volume) -> Volume:
    """With the noise of a kVCT, since a ratio to noise has no meaning without any; known again as no MVCT."""
    noise = np.random.default_rng(0).normal(0, PLANNING_NOISE_HU, phantom.array.shape)
    return replace(phantom, array=np.rint(phantom.array + noise).astype(np.int16), product=Product(PLANNING_CT))
