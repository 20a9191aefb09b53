"""A simulated MVCT of a kilovoltage CT on disk."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from ..assessment.provenance import PROGRAM
from ..errors import InputError
from ..io import is_dicom_output, write_volume
from ..io.dicom.writer import placeholder_warnings
from ..model.device import choose_device, describe_device
from ..physics.mvct import simulate_mvct, usable_device
from ..physics.settings import MVCTSettings, random_scanner
from ..physics.truth import disturbed, true_kvct
from ..runtime.events import EventHandler, ignore_event
from ..storage.toml import build, read_toml
from .requests import PhantomRequest, SimulateRequest
from .scans import read_scan, require_apart, require_volume_file, require_writable, write_scan
from .series_texts import INTENDED_USE, SeriesTexts

TEXTS = SeriesTexts(
    "Simulated MVCT",
    f"MVCT simulated from a kVCT by {PROGRAM}",
    f"{INTENDED_USE} Simulated from a kVCT: no scanner measured it.",
)
TRUTH_TEXTS = SeriesTexts(
    "kVCT on the grid of its simulated MVCT",
    f"kVCT resampled by {PROGRAM} to the grid and slice profile of an MVCT simulated from it",
    INTENDED_USE,
)


def simulate_file(request: SimulateRequest, *, on_event: EventHandler = ignore_event) -> dict[str, Any]:
    """Read a kVCT, simulate its MVCT and write that as a file or as a DICOM series without the source's headers.

    Returns:
        settings, device and warnings, JSON-serialisable.

    Raises:
        MVCTEnhanceError: with one sentence on the fault and what to do.
    """
    settings, output = scanner_settings(request), request.output
    _require_outputs(request)
    chosen = usable_device(choose_device(request.device))
    on_event("device", device=str(chosen), name=describe_device(chosen))
    on_event("stage", stage="read")
    kvct = read_scan(request.kvct, "kVCT")
    warnings = [*kvct.warnings, *(placeholder_warnings(kvct) if is_dicom_output(output) else ())]
    for message in warnings:
        on_event("warning", message=message)
    on_event("stage", stage="simulate")
    mvct = simulate_mvct(
        kvct,
        settings,
        device=chosen,
        on_slices=lambda done, total: on_event("progress", stage="simulate", done=done, total=total),
    )
    on_event("stage", stage="write")
    changed = _text(settings)
    texts = replace(TEXTS, comments=f"Settings other than the standard scanner's: {changed}.")
    write_scan(replace(mvct, note=changed), output, texts=texts, overwrite=request.overwrite)
    if request.truth:
        truth = true_kvct(kvct, settings)
        write_scan(replace(truth, note=changed), request.truth, texts=TRUTH_TEXTS, overwrite=request.overwrite)
    if request.region:
        undisturbed = disturbed(kvct, settings)
        write_volume(undisturbed.with_array(undisturbed.array == 0), request.region, overwrite=request.overwrite)
    return {"settings": asdict(settings), "device": describe_device(chosen), "warnings": warnings}


def _require_outputs(request: SimulateRequest) -> None:
    outputs = [path for path in (request.output, request.truth, request.region) if path]
    for path in outputs:
        require_writable(path, request.kvct, overwrite=request.overwrite)
    require_apart(*outputs)
    if request.region:
        require_volume_file(request.region, "mask")


def scanner_settings(request: SimulateRequest | PhantomRequest) -> MVCTSettings:
    """The scanner that a request names.

    Raises:
        InputError: there is none, or its file has a setting that cannot be.
    """
    if request.scanner == "random":
        return random_scanner(request.seed)
    if request.scanner == "standard":
        return MVCTSettings(seed=request.seed)
    if not Path(request.scanner).is_file():
        raise InputError(f"There is no scanner '{request.scanner}': give standard, random or a TOML file.")
    entries = read_toml(Path(request.scanner), "scanner")
    return build(MVCTSettings, {"seed": request.seed} | entries, f"'{request.scanner}'")


def _text(settings: MVCTSettings) -> str:
    """The settings that are not the standard ones, in one line."""
    return ", ".join(f"{name} {value}" for name, value in settings.changed().items()) or "none"
