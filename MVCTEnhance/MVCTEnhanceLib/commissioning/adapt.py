"""A model adapted to a scanner by its twin: the site's planning CTs, simulated through it, are pairs to train on."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import fmean
from types import MappingProxyType
from typing import Any

import numpy as np
import torch

from ..batch.cases import Case, find_cases
from ..errors import InputError
from ..io import write_volume
from ..jobs.requests import AdaptRequest
from ..jobs.scans import read_scan, require_permission
from ..model.card import Plan, model_sha256, read_card
from ..model.device import choose_device, describe_device
from ..model.engine import Engine
from ..model.package import Model, load_model, save_model
from ..physics.mvct import simulate_mvct, usable_device
from ..physics.settings import MVCTSettings
from ..physics.truth import true_kvct
from ..quality.body import body_mask
from ..quality.metrics import evaluate
from ..quality.nselfssim import nselfssim
from ..quality.paired import mae
from ..runtime.events import EventHandler, collecting_warnings, ignore_event
from ..site.profile import NO_SITE, SiteModel, SiteProfile, read_site, write_site
from ..storage.atomic import atomic_file, atomic_folder
from ..storage.toml import build, read_toml
from ..training.config import DataConfig, LossConfig, ScheduleConfig, TrainingConfig
from ..training.inputs import MIN_SLICES
from ..training.run import train
from ..volume import Volume
from ..volume.grid import axial
from .make_twin import exact_scan, planning_ct, spread

INPUTS, RESULT, PROFILE = "inputs.json", "adapting.json", "site-profile.toml"
MODEL = "adapted.safetensors"
PAIRED_SLICES, JUDGED_SLICES = 64, 16
HELD, HELD_BACK = 4, "held-back"  # every fourth, in a folder of that name
REAL = (("enhanced", "nselfssim"), ("comparison", "air_agreement"))
REAL += (("comparison", "soft_tissue"), ("comparison", "fat"), ("enhanced", "edge_width_mm"))
#: By which a criterion on real MVCT may be worse than the other model's: %, HU, HU, mm.
MAX_WORSE = MappingProxyType({"air_agreement": 1.0, "soft_tissue": 5.0, "fat": 8.0, "edge_width_mm": 0.5})
DESCRIPTION = "MVCT simulated by the twin of a site's scanner from the site's planning CTs"
BATCH, RATE, FINAL_RATE, VALIDATIONS = 8, 2e-4, 0.05, 4
AVERAGED = 1 / 3  # of the steps


def adapt(request: AdaptRequest, *, on_event: EventHandler = ignore_event) -> dict[str, Any]:
    """Adapt a model to a scanner, and keep the better of both; the same request goes on where it was stopped.

    Returns:
        kept, "adapted" or "given"; model, the file of that; judged, the criteria of both; against, those on real MVCT
        by which the adapted one loses; max_worse, their limits; profile, where the adapted one was kept and a site
        profile given; warnings.

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
    require_slices(kvcts)
    # The HU of the site's MVCT are those of an exact scanner before a network sees them, and so are the twin's.
    twin = replace(read_twin(request.twin), hu_offset=0.0, hu_slope=1.0)
    require_permission(folder / RESULT)
    resolution = site.resolution and asdict(site.resolution)
    planned = [case.fingerprint for case in kvcts]
    _require_same(folder, [asdict(twin), resolution, model_sha256(given), request.steps, planned])
    if not (folder / "pairs").exists():
        _write_pairs(folder / "pairs", kvcts, twin, site, usable_device(device), on_event)
    config = configuration(folder / "pairs", read_card(given)[0], read_card(given)[1]["name"], request.steps)
    trained = train(config, folder / "training", device=device, on_event=on_event, start=given)
    adapted = folder / MODEL
    save_model(_with_ranges(load_model(trained), read_card(given)[1]), adapted)
    on_event("stage", stage="compare")
    shown = [exact_scan(case.source, "MVCT", case.series_uid, site, on_event) for case in spread(mvcts, JUDGED_SLICES)]
    judged = judge({"given": given, "adapted": adapted}, shown, folder / "pairs", device, site)
    kept = better(judged)
    result = {"kept": kept, "judged": {name: asdict(values) for name, values in judged.items()}}
    result |= {"against": judged["adapted"].faults_beside(judged["given"]), "max_worse": dict(MAX_WORSE)}
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
            average=max(0.0, 1 - 1 / (AVERAGED * steps)),
            validate_every=max(1, steps // VALIDATIONS),
        ),
        name=f"{name}-adapted",
        preset=plan.preset,
        seed=1,
    )


def _with_ranges(adapted: Model, given: Mapping[str, Any]) -> Model:
    """The model with the expected ranges on the card of the one that it was adapted from, marked as such."""
    expected = dict(given.get("expected") or {})
    if measured_on := expected.get("measured_on"):
        expected["measured_on"] = f"of the model that it was adapted from: {measured_on}"
    return replace(adapted, card={**adapted.card, "expected": expected})


@dataclass(frozen=True)
class Judgement:
    """What a model is judged by; None where no slice shows it.

    Args:
        error_hu: mean |enhanced - truth| in the body, of planning CTs that the twin scanned and no training saw.
        nselfssim_distance: of real enhanced MVCT from the planning CTs; shown, but it judges nothing.
        air_agreement: of real MVCT, in percent.
        soft_tissue, fat: HU change of real MVCT, whose HU there are those of a kVCT.
        edge_width_mm: of the skin in real enhanced MVCT.
    """

    error_hu: float
    nselfssim_distance: float | None = None
    air_agreement: float | None = None
    soft_tissue: float | None = None
    fat: float | None = None
    edge_width_mm: float | None = None

    def faults_beside(self, other: Judgement) -> list[str]:
        """The criteria on real MVCT that are worse than another model's by more than `MAX_WORSE`."""
        found = []
        for name, limit in MAX_WORSE.items():
            here, there = (getattr(one, name) for one in (self, other))
            if here is not None and there is not None and _cost(name, here) > _cost(name, there) + limit:
                found.append(name)
        return found


def _cost(name: str, value: float) -> float:
    return -value if name == "air_agreement" else abs(value)


def judge(
    models: Mapping[str, Path], mvcts: Sequence[Volume], pairs: Path, device: torch.device, site: SiteProfile = NO_SITE
) -> dict[str, Judgement]:
    """How well each model does: on pairs that were held back, and on real MVCT, where there is no truth.

    Args:
        models: their files.
        mvcts: axial scans with the HU of an exact scanner.
        pairs: folder of the simulated pairs, as the models see them.
        device: where to compute.
        site: profile of the scanner.
    """
    each = -(-JUDGED_SLICES // len(mvcts))
    real = [replace(scan, array=scan.array[spread(range(len(scan.array)), each)], source=None) for scan in mvcts]
    held = [
        tuple(axial(read_scan(pairs / HELD_BACK / name / path.name, "pair")) for name in ("mvct", "truth"))
        for path in sorted((pairs / HELD_BACK / "truth").iterdir())
    ]
    target = _mean([nselfssim(image, body_mask(image, pixel_size=p)) for image, p in _images([t for _, t in held])])
    judged = {}
    for name, file in models.items():
        engine = Engine(load_model(file), device)
        errors = [
            mae(made, truth, body_mask(truth, pixel_size=size))
            for mvct, true in held
            for (made, size), (truth, _) in zip(_images([engine.enhance(mvct)]), _images([true]), strict=True)
        ]
        seen = [(scan, engine.enhance(site.matched(scan))) for scan in real]
        records = [evaluate(scan.array, made.array, spacing=scan.spacing) for scan, made in seen]
        means = {
            metric: _mean([value for record in records for value in record.group(group)[metric].per_slice])
            for group, metric in REAL
        }
        made = means.pop("nselfssim")
        distance = None if made is None or target is None else abs(made - target)
        judged[name] = Judgement(_mean(errors), distance, **means)
    return judged


def better(judged: Mapping[str, Judgement]) -> str:
    """The name of the better of two models: of the smaller error on held-back pairs, unless real MVCT speak against it.

    Those do where a criterion is worse than the other model's by more than `MAX_WORSE`.
    """
    first, second = sorted(judged, key=lambda name: judged[name].error_hu)
    return second if judged[first].faults_beside(judged[second]) else first


def _images(scans: Iterable[Volume]) -> Iterator[tuple[np.ndarray, tuple[float, float]]]:
    for scan in scans:
        for image in scan.array:
            yield image.astype(np.float32), scan.spacing[1::-1]


def _mean(values: Iterable[float]) -> float | None:
    numbers = [value for value in values if math.isfinite(value)]
    return fmean(numbers) if numbers else None


def read_twin(path: Path) -> MVCTSettings:
    """The settings in a twin's file.

    Raises:
        InputError: it cannot be read, or holds something else.
    """
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


def require_slices(kvcts: Sequence[Case]) -> None:
    """Refuse to adapt with few planning CTs.

    Raises:
        InputError: less than what a training needs remains when every fourth slice is held back.
    """
    count, needed = 0, -(-MIN_SLICES * HELD // (HELD - 1))
    for case in kvcts:
        count += len(planning_ct(case).array)
        if count >= needed:
            return
    raise InputError(
        f"The planning CTs have {count} slices, but at least {needed} are needed to adapt a model: add scans."
    )


def _write_pairs(
    folder: Path,
    kvcts: Sequence[Case],
    twin: MVCTSettings,
    site: SiteProfile,
    device: torch.device,
    on_event: EventHandler,
) -> None:
    """Simulated MVCT, as a model sees them, and truth of some slices of the planning CTs, a file each.

    Every fourth planning CT is held back or, where there are fewer than four, every fourth slice.
    """
    enough = len(kvcts) >= HELD
    trained, held = (spread(part, PAIRED_SLICES) for part in (_parts(kvcts) if enough else (kvcts, kvcts)))
    work = [("", case, PAIRED_SLICES / len(trained)) for case in trained]
    work += [(HELD_BACK, case, JUDGED_SLICES / len(held)) for case in spread(held, JUDGED_SLICES)]
    with atomic_folder(folder) as partial:
        for number, (part, case, wanted) in enumerate(work):
            on_event("progress", stage="simulate", done=number, total=len(work))
            kvct = planning_ct(case)
            places = range(len(kvct.array)) if enough else _parts(range(len(kvct.array)))[part == HELD_BACK]
            chosen = spread(places, math.ceil(wanted))
            kvct = replace(kvct, array=kvct.array[chosen], source=None, product=None, warnings=())
            settings = replace(twin, seed=number)
            for name, made in (
                ("mvct", site.matched(simulate_mvct(kvct, settings, device=device))),
                ("truth", true_kvct(kvct, settings)),
            ):
                (partial / part / name).mkdir(parents=True, exist_ok=True)
                write_volume(made, partial / part / name / f"{number + 1:03d}.nrrd")
        on_event("progress", stage="simulate", done=len(work), total=len(work))


def _parts(items: Sequence) -> tuple[list, list]:
    """What is trained on, and every fourth, which is held back."""
    return [item for n, item in enumerate(items) if n % HELD != HELD - 1], list(items[HELD - 1 :: HELD])


def _write_profile(site: SiteProfile, folder: Path, adapted: Path) -> Path:
    """The site's profile with the adapted model; ranges and quality assurance were the other model's."""
    path = folder / PROFILE
    model = SiteModel(adapted.name, model_sha256(adapted))
    write_site(replace(site, model=model, expected={}, qa=None), path, overwrite=True)
    return path
