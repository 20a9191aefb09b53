"""The command `register` from many known misalignments, by MVCT and by enhanced scan: right, wrong or refused.

MVCT and planning CT come from the same kVCT, so that the true motion is the one that the planning CT was given.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import SimpleITK as sitk
import torch
from methods import trained
from MVCTEnhanceLib.errors import InputError
from MVCTEnhanceLib.io import read_volume, write_volume
from MVCTEnhanceLib.jobs.phantom import make_phantom
from MVCTEnhanceLib.model.card import DEFAULT_MODEL
from MVCTEnhanceLib.registration.motion import RigidMotion, difference
from MVCTEnhanceLib.registration.rigid import Body
from MVCTEnhanceLib.registration.search import Finder
from MVCTEnhanceLib.volume import Volume
from robustness.registration import BASE, PATIENTS, part
from robustness.rigid import ROTATION_DEG, SHIFT_MM, START_SEED, random_starts
from study import Row, Study

PHANTOM = "phantom"
LIMIT_MM, LIMIT_DEG = 0.3, 0.3
WRONG_MM, WRONG_DEG = 1.0, 1.0


@dataclass(frozen=True)
class Setting:
    """Which slices are registered to which, each as parts of the whole scan.

    Args:
        key: names what is kept of it.
        text: for the table.
        starts: how many.
        mvct, planning: (first, last) of each, from 0 to 1.
        slices: of the MVCT from its first on; 0 for all.
    """

    key: str
    text: str
    starts: int
    mvct: tuple[float, float] = (0, 1)
    planning: tuple[float, float] = (0, 1)
    slices: int = 0


SETTINGS = (
    Setting("whole", "whole scan", 50),
    Setting("third", "overlap by a third", 4, (0, 0.6), (0.4, 1)),
    Setting("3-slices", "3 slices", 4, (0.4, 1), slices=3),
    Setting("1-slice", "1 slice", 4, (0.4, 1), slices=1),
    Setting("tenth", "overlap by a tenth", 4, (0, 0.5), (0.45, 1)),
)
COLUMNS = {
    "setting": "setting",
    "patient": "patient",
    "scan": "registered by",
    "starts": "starts",
    "within": f"within {LIMIT_MM:g} mm and {LIMIT_DEG:g}°",
    "wrong": f"beyond {WRONG_MM:g} mm or {WRONG_DEG:g}°",
    "refused": "refused",
    "median_mm": "error: median / mm",
    "max_mm": "largest / mm",
    "max_deg": "largest / °",
}


def run(study: Study) -> None:
    """Table "starts"."""
    pairs = {case.patient: (case.mvct, case.truth) for case in study.cases("test") if case.patient in PATIENTS}
    pairs[PHANTOM] = _phantom(study)
    rows = [row for setting in SETTINGS for patient in pairs for row in _rows(study, setting, patient, *pairs[patient])]
    study.write_table("starts", rows, COLUMNS, title="Registration from known misalignments", notes=_notes())


def _phantom(study: Study) -> tuple[Volume, Volume]:
    paths = [study.work / "registration" / f"{PHANTOM}-{name}.nrrd" for name in ("mvct", "planning-ct")]
    if not all(path.exists() for path in paths):
        planning_ct, mvct = make_phantom(torch.device("cpu"), lambda event, **fields: None)
        for path, scan in zip(paths, (mvct, planning_ct), strict=True):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_volume(scan, path)
    return read_volume(paths[0]), read_volume(paths[1])


def _rows(study: Study, setting: Setting, patient: str, mvct: Volume, planning_ct: Volume) -> list[Row]:
    slices = _slices(mvct, setting.mvct, setting.slices)
    planned, body = part(planning_ct, _slices(planning_ct, setting.planning)), Body(part(mvct, slices))
    starts = random_starts(max(1, setting.starts // study.every))
    rows = []
    model = next(method for method in trained(study) if method.name == DEFAULT_MODEL)
    kept_as = f"registration-{patient}" if patient == PHANTOM else patient  # another phantom is kept as "phantom"
    enhanced = mvct.with_array(study.converted(model.kept, kept_as, mvct))
    for name, kept, whole in ((BASE, BASE, mvct), (model.name, model.kept.name, enhanced)):
        error = partial(_error, body, part(whole, slices), planned)
        key = f"starts/{patient}-{setting.key}/{kept}"
        found = [study.once(f"{key}/{n}", partial(error, start)) for n, start in enumerate(starts)]
        rows.append({"setting": setting.text, "patient": patient, "scan": name, **_summary(found)})
    return rows


def _summary(found: Sequence[Sequence[float] | None]) -> Row:
    errors = np.array([error for error in found if error] or np.empty((0, 2)))
    return {
        "starts": len(found),
        "within": int((errors <= (LIMIT_MM, LIMIT_DEG)).all(axis=1).sum()),
        "wrong": int((errors > (WRONG_MM, WRONG_DEG)).any(axis=1).sum()),
        "refused": len(found) - len(errors),
        **({"median_mm": float(np.median(errors[:, 0]))} if len(errors) else {}),
        **(dict(zip(("max_mm", "max_deg"), errors.max(axis=0).tolist(), strict=True)) if len(errors) else {}),
    }


def _slices(volume: Volume, ends: tuple[float, float], slices: int = 0) -> range:
    first, last = (round(end * len(volume.array)) for end in ends)
    return range(first, min(last, first + slices) if slices else last)


def _error(body: Body, scan: Volume, planning_ct: Volume, start: Sequence[float]) -> tuple[float, float] | None:
    """What is left of a misalignment in mm (mean over the body) and degrees; None where the registration is refused."""
    transform = sitk.Euler3DTransform()
    transform.SetCenter(body.centre.tolist())
    transform.SetParameters([float(value) for value in start])
    truth = RigidMotion.of_itk(transform)
    away = replace(
        planning_ct,
        origin=tuple(truth.moved(np.array(planning_ct.origin)).tolist()),
        direction=truth.rotation @ planning_ct.direction,
    )
    try:
        return difference(Finder(body, away).find(scan, "scan"), truth, body.points)
    except InputError:
        return None


def _notes() -> str:
    data = " and ".join(PATIENTS)
    lines = [
        "What `mvct-enhance register` finds where the planning CT is moved by a known motion: rotations uniform within "
        f"±{ROTATION_DEG:g}° about each axis through the centre of the body, shifts uniform within ±{SHIFT_MM:g} mm "
        f"along each axis (seed {START_SEED}).",
        "",
        f"**Data.** Simulated MVCT of {data}, test patients that nothing was trained on, and the real kVCT that it was "
        "simulated from, on the same slices; the phantom of `mvct-enhance phantom`, whose planning CT has noise of its "
        "own. The enhanced scan is what the default model makes of the whole MVCT. Both scans show the same anatomy, "
        "without breathing, bowel gas or another posture, and the patients' planning CT has the noise that is in the "
        "MVCT: a clinic is harder.",
        "",
        "**Error.** Mean distance of the body's points from where they belong, and the angle of the rotation that is "
        "left. Refused: the command ends with a sentence, and nothing is written.",
    ]
    return "\n".join(lines)
