"""The twin of a site's scanner, left as a scanner file of `simulate`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..assessment.origin import mvct_warnings
from ..assessment.provenance import PROGRAM
from ..batch.cases import Case, find_cases
from ..errors import InputError, OutputError
from ..io.formats import has_suffix
from ..jobs.requests import TwinRequest
from ..jobs.scans import read_scan, require_absent, require_permission
from ..model.device import choose_device, describe_device
from ..physics.calibration import Calibration
from ..physics.density import density_hu_from_kv
from ..physics.mvct import usable_device
from ..physics.settings import MVCTSettings
from ..qa.phantoms import PHANTOMS
from ..qa.position import find_cylinder
from ..qa.tolerances import PositionLimits
from ..quality.alike_slices import MAX_UNLIKE_HU, smooth_slice
from ..runtime.events import EventHandler, collecting_warnings, ignore_event
from ..site.profile import SiteProfile, read_site
from ..storage.atomic import atomic_file
from ..volume import Volume
from ..volume.grid import axial
from .curves import KINDS, Curves, patient_curves, phantom_curves
from .twin import PARAMETERS, PatientSubject, PhantomSubject, Subject, Twin, fit_twin

SUFFIXES = {"output": ".toml", "picture": ".png"}
MVCT_SLICES, KVCT_SLICES = 8, 120  # of all patients together
SAME_SHARE = 0.01  # by which pixels may differ
VIEWS, SEED = MVCTSettings.views, 0


def make_twin(request: TwinRequest, *, on_event: EventHandler = ignore_event) -> dict[str, Any]:
    """Fit the simulator to a scanner, and write the settings.

    Returns:
        twin, its path; fitted, the settings found; untold, those of them that the scans do not tell; curves, measured
        and simulated; warnings.

    Raises:
        MVCTEnhanceError: with one sentence on the fault and what to do; nothing was written.
    """
    _require_sources(request)
    _require_outputs(request)
    warnings: list[str] = []
    on_event = collecting_warnings(warnings, on_event)
    site, device = read_site(request.site), usable_device(choose_device(request.device))
    on_event("device", device=str(device), name=describe_device(device))
    on_event("stage", stage="read")
    measured, settings, subject = (_of_phantom if request.phantom else _of_patients)(request, site, on_event)
    on_event("stage", stage="twin")
    twin = fit_twin(measured, subject(device), settings, on_event=on_event)
    on_event("stage", stage="write")
    found = told(twin)
    if request.picture:
        from ..report.pictures import curves_png

        with atomic_file(request.picture, overwrite=request.overwrite) as partial:
            partial.write_bytes(curves_png(found["curves"]))
    with atomic_file(request.output, overwrite=request.overwrite) as partial:
        partial.write_text(_toml(twin, site.line), encoding="utf-8", newline="")
    return {"twin": str(request.output), **found, "device": describe_device(device), "warnings": warnings}


def told(twin: Twin) -> dict[str, Any]:
    """What is said of a twin, JSON-serialisable."""
    names = ("photons", *(name for name in PARAMETERS if name in twin.uncertain))
    curves = {
        name: {
            "label": KINDS[name].label,
            "along": KINDS[name].along,
            "relative": KINDS[name].relative,
            "x": curve.x.tolist(),
            "measured": curve.values.tolist(),
            "twin": twin.simulated[name].values.tolist(),
            "deviation": twin.deviation(name),
            "limit": KINDS[name].limit,
        }
        for name, curve in twin.measured.items()
    }
    return {
        "fitted": {name: getattr(twin.settings, name) for name in names},
        "untold": list(twin.untold),
        "curves": curves,
    }


def _require_sources(request: TwinRequest) -> None:
    patients = [request.mvct, request.kvct]
    if bool(request.phantom) == any(patients) or (any(patients) and not all(patients)):
        raise InputError("Give either a phantom, or the folders of MVCTs and planning CTs (--mvct and --kvct).")


def _require_outputs(request: TwinRequest) -> None:
    for name, suffix in SUFFIXES.items():
        output: Path | None = getattr(request, name)
        if output is None:
            continue
        if not has_suffix(output, (suffix,)):
            raise OutputError(f"'{output.name}' has another suffix than {suffix}: end the {name} in it.")
        if request.site and output.resolve() == Path(request.site).resolve():
            raise OutputError(f"'{output}' is an input itself, which is never overwritten: choose another output.")
        require_absent(output, overwrite=request.overwrite)
        require_permission(output)


_Found = tuple[Curves, MVCTSettings, Callable[[torch.device], Subject]]  # measured, the grid, what is to be simulated


def _of_phantom(request: TwinRequest, site: SiteProfile, on_event: EventHandler) -> _Found:
    scan = exact_scan(request.phantom, "phantom's MVCT", request.series_uid, site, on_event)
    cylinder = find_cylinder(scan, PHANTOMS[request.kind], PositionLimits())
    settings = grid_of([scan])
    diameter_mm = PHANTOMS[request.kind].diameter_mm or cylinder.diameter_mm
    measured = phantom_curves(scan, cylinder, request.kind)
    return measured, settings, partial(PhantomSubject, request.kind, diameter_mm, settings)


def _of_patients(request: TwinRequest, site: SiteProfile, on_event: EventHandler) -> _Found:
    mvcts, kvcts = (find_cases(folder, on_event=on_event) for folder in (request.mvct, request.kvct))
    scans = [exact_scan(case.source, "MVCT", case.series_uid, site, on_event) for case in spread(mvcts, MVCT_SLICES)]
    settings = grid_of(scans)
    shown = [image for scan in scans for image in spread(scan.array, -(-MVCT_SLICES // len(scans)))]
    images, alike = _alike([image.astype(np.float32) for image in shown], settings.pixel_mm, kvcts)
    measured = patient_curves(images, settings.pixel_mm)
    return measured, settings, partial(PatientSubject, alike, settings)


def exact_scan(path: Path, role: str, series_uid: str | None, site: SiteProfile, on_event: EventHandler) -> Volume:
    """An MVCT's axial slices in HU of an exact scanner."""
    mvct = read_scan(path, role, series_uid=series_uid)
    for message in (*mvct.warnings, *mvct_warnings(mvct), *site.scanner_warnings(mvct.acquisition)):
        on_event("warning", message=message)
    return axial(site.calibrated(mvct))


def planning_ct(case: Case) -> Volume:
    """Axial slices of a planning CT.

    Raises:
        InputError: by its header it is an MVCT.
    """
    kvct = axial(read_scan(case.source, "planning CT", series_uid=case.series_uid, slices_only=True))
    if kvct.acquisition.is_megavoltage:
        raise InputError(f"'{case.name}' is a megavoltage CT by its header: give planning CTs by --kvct.")
    return kvct


def grid_of(scans: Sequence[Volume]) -> MVCTSettings:
    """Settings on the grid of axial MVCT.

    Raises:
        InputError: their pixels are not square or not of one size.
    """
    sizes = np.array([scan.spacing[:2] for scan in scans])
    if np.ptp(sizes) > SAME_SHARE * sizes.min():
        raise InputError(
            f"The MVCT have pixels of {sizes.min():.3g} to {sizes.max():.3g} mm: give scans of one protocol, with "
            "square pixels."
        )
    matrix = max(max(scan.array.shape[1:]) for scan in scans)
    return MVCTSettings(matrix=matrix, pixel_mm=round(float(sizes.mean()), 4), views=VIEWS, seed=SEED)


def _alike(images: list[np.ndarray], pixel_mm: float, kvcts: Sequence[Case]) -> tuple[list[np.ndarray], list[Volume]]:
    """Slices of the MVCT, and for each the slice of all planning CTs that is most like it."""
    cases = spread(kvcts, KVCT_SLICES)
    best = [(MAX_UNLIKE_HU, None)] * len(images)
    shown = [smooth_slice(image, (pixel_mm, pixel_mm)) for image in images]
    for case in cases:
        kvct = planning_ct(case)
        for k in spread(range(len(kvct.array)), -(-KVCT_SLICES // len(cases))):
            one = smooth_slice(density_hu_from_kv(kvct.array[k].astype(np.float32)), kvct.spacing[1::-1])
            for number, image in enumerate(shown):
                if one is None or image is None:
                    continue
                unlike = one.unlike_hu(image)
                if unlike < best[number][0]:
                    best[number] = unlike, replace(kvct, array=kvct.array[k : k + 1], source=None)
    found = [(image, kvct) for image, (_, kvct) in zip(images, best, strict=True) if kvct]
    if not found:
        raise InputError(
            "No slice of the MVCTs is like one of the planning CTs: give scans of the same part of the body."
        )
    return [image for image, _ in found], [kvct for _, kvct in found]


def spread(items: Sequence, number: int) -> list:
    """So many of some items, evenly over all."""
    number = min(number, len(items))
    return [items[(2 * n + 1) * len(items) // (2 * number)] for n in range(number)]


def _toml(twin: Twin, line: Calibration) -> str:
    """The twin as `simulate` reads it; its HU are the scanner's own."""
    settings = replace(twin.settings, hu_offset=line.offset_hu, hu_slope=line.slope)
    lines = [f"{name} = {value}" for name, value in settings.changed().items()]
    return "\n".join([f"# The twin of a scanner, made by {PROGRAM}; see docs/commissioning.md.", *lines, ""])
