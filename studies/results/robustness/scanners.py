"""The table scanners: simulated scanners that no model was trained on.

WORK/held-back is what `python studies/models/pool.py DATA WORK --for held-back --every 6` makes; each scanner gets its
twin there, fitted to a cheese phantom, by which its resolution is matched.
WORK/own/SEED.safetensors, where it is there, is a model that robust.py fine-tuned on that scanner alone.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory

import numpy as np
import torch
from conversion import conventional as denoising
from conversion.conventional import NOTE_ON_BM3D, Tuned, density_curve
from conversion.inserts import shipped
from MVCTEnhanceLib.commissioning.adapt import read_twin
from MVCTEnhanceLib.commissioning.commission import largest_matched_noise
from MVCTEnhanceLib.commissioning.make_twin import make_twin
from MVCTEnhanceLib.io import read_volume, write_volume
from MVCTEnhanceLib.jobs.requests import TwinRequest
from MVCTEnhanceLib.model.card import find_model, read_card
from MVCTEnhanceLib.model.engine import Engine
from MVCTEnhanceLib.model.package import load_model
from MVCTEnhanceLib.physics.mvct import simulate_mvct
from MVCTEnhanceLib.physics.qa_phantoms import cheese_phantom
from MVCTEnhanceLib.physics.resolution import Resolution
from MVCTEnhanceLib.physics.settings import MVCTSettings
from MVCTEnhanceLib.quality.body import body_mask
from MVCTEnhanceLib.quality.paired import mae, ssim
from MVCTEnhanceLib.volume import Volume
from scipy import ndimage
from study import Row, Study, weights_digest

STRENGTHS = (1.0, 1.25, 1.5, 2.0, 2.5, 3.0)  # of BM3D, in noise SD
MARGIN_PX = 16  # around the body, outside of which nothing is denoised
COLUMNS = {"scanner": "scanner", "method": "method", "mae": "MAE / HU", "to_bm3d": "part of BM3D's", "ssim": "SSIM"}
Convert = Callable[[Volume], np.ndarray]


@dataclass(frozen=True)
class Scan:
    """MVCT and truth of a patient, and where neither truncation nor metal disturbs (bool, shape (k, j, i))."""

    patient: str
    mvct: Volume
    truth: Volume
    region: np.ndarray


def run(study: Study) -> None:
    """Write the table."""
    rows = []
    for folder in sorted((study.work / "held-back").iterdir()):
        rows += _of_scanner(study, folder)
    tried = ", ".join(f"{strength:g}" for strength in STRENGTHS)
    notes = f"""
Scanners that were drawn at random (`studies/models/scanners.toml`) and held back: no model saw them, and they were
measured when a training was over (docs/notebook.md says how often). Test patients, every sixth slice; HU offset and
slope left out; all MVCT is simulated. Mean absolute error and SSIM in the body against the true kVCT, which is averaged
over the slice's own profile, without what truncation and metal disturb; means over the slices. "Resolution matched": by
a site profile whose twin was fitted to a scan of the cheese phantom, with the noise that `commission` allows each
model. BM3D has, for each scanner, the strength of the
lowest MAE on the patients' middle slices (of {tried} times the noise), and the exact density curve. {NOTE_ON_BM3D}
"""
    study.write_table("scanners", rows, COLUMNS, title="Scanners that were never seen", notes=notes)


def _of_scanner(study: Study, folder: Path) -> list[Row]:
    scans = [
        Scan(
            path.stem,
            read_volume(path),
            read_volume(folder / "truth" / path.name),
            read_volume(folder / "region" / path.name).array > 0,
        )
        for path in sorted((folder / "mvct").glob("*.nrrd"))
    ]
    converts: dict[str, tuple[str, Convert]] = {
        "MVCT + density curve": ("curve", lambda mvct: density_curve(mvct.array)),
        **{method.name: (method.kept.name, method.convert) for method in shipped(study)},
    }
    own = study.work / "own" / f"{folder.name}.safetensors"
    if own.exists():
        converts["fine-tuned on it alone"] = (f"own {weights_digest(own)}", partial(_enhance, own))
    rows = {
        name: study.once(f"scanners/{folder.name}/{key}", lambda convert=convert: _measured(convert, scans))
        for name, (key, convert) in converts.items()
    }
    for method in shipped(study):
        max_noise = largest_matched_noise(read_card(find_model(method.name))[1])
        matched = replace(resolution(folder), max_noise=max_noise).matched
        rows[f"{method.name}, resolution matched"] = study.once(
            f"scanners/{folder.name}/{method.kept.name} matched to noise {max_noise:g}",
            lambda convert=method.convert, matched=matched: _measured(lambda mvct: convert(matched(mvct)), scans),
        )
    if denoising.bm3d:
        rows["BM3D"] = _best_bm3d(study, folder.name, scans)
    best = rows.get("BM3D", {"mae": math.nan})["mae"]
    return [
        {"scanner": folder.name, "method": name} | row | {"to_bm3d": row["mae"] / best} for name, row in rows.items()
    ]


def resolution(folder: Path) -> Resolution:
    """That of the scanner's twin, which is fitted to a cheese phantom in it."""
    twin = folder / "twin.toml"
    if not twin.exists():
        settings = MVCTSettings(**json.loads((folder / "scanner.json").read_text(encoding="utf-8")))
        phantom = cheese_phantom(slices=10, shape=(700, 700), spacing_mm=(0.5, 0.5, 3.0))
        with TemporaryDirectory() as scratch:
            scan = Path(scratch) / "phantom.nrrd"
            write_volume(simulate_mvct(phantom, replace(settings, metal="")), scan)
            make_twin(TwinRequest(twin, phantom=scan, device="cpu"))
    return Resolution.of(read_twin(twin))


def _best_bm3d(study: Study, scanner: str, scans: list[Scan]) -> Row:
    """At the strength that is best on the middle slice of each patient."""
    profile = next(one for one in denoising.denoisers() if one.variant == "profile 'vn'")
    middle = [_one_slice(scan, len(scan.region) // 2) for scan in scans]

    def at(strength: float, some: list[Scan]) -> Row:
        return _measured(partial(_denoised, Tuned(profile, strength)), some)

    tried = {}
    for strength in STRENGTHS:
        key = f"scanners/{scanner}/BM3D tuning {strength:g}"
        tried[strength] = study.once(key, lambda strength=strength: at(strength, middle))
    best = min(tried, key=lambda strength: tried[strength]["mae"])
    return study.once(f"scanners/{scanner}/BM3D {best:g}", lambda: at(best, scans)) | {"strength": best}


def _one_slice(scan: Scan, k: int) -> Scan:
    mvct, truth = (replace(volume, array=volume.array[k : k + 1]) for volume in (scan.mvct, scan.truth))
    return Scan(scan.patient, mvct, truth, scan.region[k : k + 1])


def _denoised(one: Tuned, mvct: Volume) -> np.ndarray:
    """What is around the body stays as it is: BM3D takes its time for every pixel."""
    pixel_size = (mvct.spacing[1], mvct.spacing[0])
    result = mvct.array.astype(np.float32)
    for image in result:
        body = ndimage.binary_dilation(body_mask(image, pixel_size=pixel_size), iterations=MARGIN_PX)
        box = ndimage.find_objects(body.astype(int))[0]
        image[box] = one.denoise_slice(image[box], pixel_size)
    return density_curve(result)


def _measured(convert: Convert, scans: list[Scan]) -> Row:
    maes, ssims = [], []
    for scan in scans:
        pixel_size = (scan.truth.spacing[1], scan.truth.spacing[0])
        for image, truth, region in zip(convert(scan.mvct), scan.truth.array, scan.region, strict=True):
            body = body_mask(truth, pixel_size=pixel_size) & region
            maes.append(mae(image, truth, body))
            ssims.append(ssim(image, truth, body))
    return {"mae": fmean(maes), "ssim": fmean(ssims), "slices": len(maes)}


def _enhance(path: Path, mvct: Volume) -> np.ndarray:
    return Engine(load_model(path), torch.device("cpu")).enhance(mvct).array
