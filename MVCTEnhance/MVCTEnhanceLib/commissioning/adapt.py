"""A model adapted to a scanner by its twin: the site's planning CTs, simulated through it, are pairs to train on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from ..batch.cases import Case, find_cases
from ..errors import InputError
from ..io import write_volume
from ..jobs.requests import AdaptRequest
from ..jobs.scans import read_scan, require_permission
from ..model.card import Plan, model_sha256, read_card
from ..model.device import choose_device, describe_device
from ..model.package import load_model
from ..physics.mvct import simulate_mvct, usable_device
from ..physics.settings import MVCTSettings
from ..physics.truth import true_kvct
from ..runtime.events import EventHandler, collecting_warnings, ignore_event
from ..site.profile import NO_SITE, SiteModel, SiteProfile, read_site, write_site
from ..storage.atomic import atomic_file, atomic_folder
from ..storage.toml import build, read_toml
from ..training.config import DataConfig, LossConfig, ScheduleConfig, TrainingConfig
from ..training.data import at_spacing
from ..training.run import train
from ..training.validation import MIN_AIR_AGREEMENT, Validation, mean_nselfssim, validate
from ..volume import Volume
from ..volume.grid import axial
from .make_twin import exact_scan, planning_ct, spread

INPUTS, RESULT, PROFILE = "inputs.json", "adapting.json", "site-profile.toml"
PAIRED_SLICES, JUDGED_SLICES = 64, 16
DESCRIPTION = "MVCT simulated by the twin of a site's scanner from the site's planning CTs"
BATCH, RATE, FINAL_RATE, AVERAGE, VALIDATIONS = 8, 2e-4, 0.05, 0.998, 4


def adapt(request: AdaptRequest, *, on_event: EventHandler = ignore_event) -> dict[str, Any]:
    """Adapt a model to a scanner, and keep the better of both; the same request goes on where it was stopped.

    Returns:
        kept, "adapted" or "given"; model, the file of that; judged, the criteria of both; profile, where the adapted
        one was kept and a site profile given; warnings.

    Raises:
        MVCTEnhanceError: with one sentence on the fault and what to do.
    """
    warnings: list[str] = []
    on_event = collecting_warnings(warnings, on_event)
    site, device, folder = read_site(request.site), choose_device(request.device), request.output
    on_event("device", device=str(device), name=describe_device(device))
    given, of_model = site.model_file(request.model)
    for message in of_model:
        on_event("warning", message=message)
    on_event("stage", stage="search")
    mvcts, kvcts = (find_cases(each, on_event=on_event) for each in (request.mvct, request.kvct))
    # The HU of the site's MVCT are those of an exact scanner before a network sees them, and so are the twin's.
    twin = replace(_twin(request.twin), hu_offset=0.0, hu_slope=1.0)
    require_permission(folder / RESULT)
    _require_same(folder, [asdict(twin), model_sha256(given), request.steps, [case.fingerprint for case in kvcts]])
    if not (folder / "pairs").exists():
        _write_pairs(folder / "pairs", kvcts, twin, usable_device(device), on_event)
    config = configuration(folder / "pairs", read_card(given)[0], read_card(given)[1]["name"], request.steps)
    adapted = train(config, folder / "training", device=device, on_event=on_event, start=given)
    on_event("stage", stage="compare")
    shown = [exact_scan(case.source, "MVCT", case.series_uid, site, on_event) for case in spread(mvcts, JUDGED_SLICES)]
    judged = judge({"given": given, "adapted": adapted}, shown, folder / "pairs" / "truth", device)
    kept = better(judged)
    result = {"kept": kept, "judged": {name: asdict(values) for name, values in judged.items()}}
    result["model"] = str(adapted if kept == "adapted" else given)
    if kept == "adapted" and site is not NO_SITE:
        result["profile"] = str(_write_profile(site, folder, adapted))
    with atomic_file(folder / RESULT) as partial:
        partial.write_text(json.dumps(result, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    return result | {"device": describe_device(device), "warnings": warnings}


def configuration(pairs: Path, plan: Plan, name: str, steps: int) -> TrainingConfig:
    """A training on pairs alone, of which it takes the paired term."""
    folders = {"mvct": str(pairs / "mvct"), "kvct": str(pairs / "truth"), "truth": str(pairs / "truth")}
    terms = ("adversarial", "cycle", "autoencoder", "perceptual", "air", "identity")
    return TrainingConfig(
        DataConfig(**folders, description=DESCRIPTION, spacing_mm=plan.spacing_mm, rotated=0.0, turned=True),
        LossConfig(**dict.fromkeys(terms, 0.0), paired=1.0),
        ScheduleConfig(
            steps=steps,
            paired_steps=steps,
            batch=BATCH,
            generator_rate=RATE,
            beta_1=0.5,
            final_rate=FINAL_RATE,
            average=AVERAGE,
            validate_every=max(1, steps // VALIDATIONS),
        ),
        name=f"{name}-adapted",
        preset=plan.preset,
        seed=1,
    )


def judge(models: dict[str, Path], mvcts: Sequence[Volume], truth: Path, device: torch.device) -> dict[str, Validation]:
    """What tells without truth how well each model does on real MVCT.

    Args:
        models: their files, which have one plan.
        mvcts: axial scans with the HU of an exact scanner.
        truth: folder of planning CTs.
        device: where to compute.
    """
    spacing_mm = read_card(next(iter(models.values())))[0].spacing_mm
    each = -(-JUDGED_SLICES // len(mvcts))
    slices = [
        image
        for scan in mvcts
        for image in at_spacing(replace(scan, array=scan.array[spread(range(len(scan.array)), each)]), spacing_mm)
    ]
    planned = [axial(read_scan(path, "planning CT")) for path in spread(sorted(truth.iterdir()), JUDGED_SLICES)]
    target = mean_nselfssim(
        [image for scan in planned for image in at_spacing(scan, spacing_mm)[:1]], spacing_mm=spacing_mm
    )
    judged = {}
    for name, file in models.items():
        model = load_model(file)
        translator = model.translator.to(device).eval()
        judged[name] = validate(translator, model.plan.intensities, slices, target=target, spacing_mm=spacing_mm)
    return judged


def better(judged: dict[str, Validation]) -> str:
    """The name of the better model: air agreement of 99 %, then the smaller distance of NSelfSSIM to planning CTs."""

    def rank(values: Validation) -> tuple[bool, float]:
        agrees = values.air_agreement is not None and values.air_agreement >= MIN_AIR_AGREEMENT
        distance = values.nselfssim_distance
        return not agrees, float("inf") if distance is None else distance

    return min(judged, key=lambda name: rank(judged[name]))


def _twin(path: Path) -> MVCTSettings:
    return build(MVCTSettings, read_toml(path, "twin"), f"the twin '{path}'")


def _require_same(folder: Path, inputs: list[Any]) -> None:
    """Note what a folder is made from, or refuse another one's.

    Raises:
        InputError: it was made from something else.
    """
    digest = hashlib.sha256(json.dumps(inputs).encode()).hexdigest()
    path, content = folder / INPUTS, {"sha256": digest}
    if path.exists():
        if (folder / "pairs").exists() and json.loads(path.read_text(encoding="utf-8")) != content:
            raise InputError(
                f"'{folder}' was begun with another twin, model, number of steps or other planning CTs: give those "
                "again, or another folder."
            )
    elif folder.is_dir() and any(folder.iterdir()):
        raise InputError(f"'{folder}' holds other files: choose a new folder.")
    with atomic_file(path, overwrite=True) as partial:
        partial.write_text(json.dumps(content) + "\n", encoding="utf-8")


def _write_pairs(
    folder: Path, kvcts: Sequence[Case], twin: MVCTSettings, device: torch.device, on_event: EventHandler
) -> None:
    """Simulated MVCT and truth of some slices of the planning CTs, a file each."""
    cases = spread(kvcts, PAIRED_SLICES)
    with atomic_folder(folder) as partial:
        for name in ("mvct", "truth"):
            (partial / name).mkdir()
        for number, case in enumerate(cases):
            on_event("progress", stage="simulate", done=number, total=len(cases))
            kvct = planning_ct(case)
            chosen = spread(range(len(kvct.array)), -(-PAIRED_SLICES // len(cases)))
            part = replace(kvct, array=kvct.array[chosen], source=None, product=None, warnings=())
            settings = replace(twin, seed=number)
            file = f"{number + 1:03d}.nrrd"
            write_volume(simulate_mvct(part, settings, device=device), partial / "mvct" / file)
            write_volume(true_kvct(part, settings), partial / "truth" / file)
        on_event("progress", stage="simulate", done=len(cases), total=len(cases))


def _write_profile(site: SiteProfile, folder: Path, adapted: Path) -> Path:
    """The site's profile with the adapted model; ranges and quality assurance were the other model's."""
    path = folder / PROFILE
    model = SiteModel(adapted.relative_to(folder).as_posix(), model_sha256(adapted))
    write_site(replace(site, model=model, expected={}, qa=None), path, overwrite=True)
    return path
