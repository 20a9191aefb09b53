"""Results in the scene as an enhancement leaves them, but made without the worker, for tests of what comes after it."""

import functools
from dataclasses import replace

import numpy as np
from slicerui.scans import SPACING, head, noisy_head


@functools.cache
def readouts(*, planning_ct: bool = True) -> dict:
    """Real readouts of a head whose noise was halved, with the verdicts of the shipped model."""
    from MVCTEnhanceLib.assessment.verdicts import judge
    from MVCTEnhanceLib.jobs.evaluate import measure
    from MVCTEnhanceLib.model.card import DEFAULT_MODEL, find_model, read_card
    from MVCTEnhanceLib.volume import Volume

    mvct, enhanced = (Volume(array, SPACING) for array in (noisy_head(), half_as_noisy()))
    kvct = Volume(noisy_head(seed=8), SPACING) if planning_ct else None
    record = measure(mvct, enhanced, kvct=kvct, on_event=lambda event, **fields: None)
    record = replace(record, assessments=judge(record, read_card(find_model(DEFAULT_MODEL))[1]))
    others = {"model": {"name": DEFAULT_MODEL}, "device": "CPU", "warnings": ["The pixels are resampled."]}
    return record.to_dict() | others


def record_of(found: dict):
    """The EnhancementRecord of readouts."""
    from MVCTEnhanceLib.quality.record import EnhancementRecord

    return EnhancementRecord.from_dict(found)


def verdicts(gravest: str) -> dict:
    """Those of `readouts`, but the enhanced scan's noise is assessed as told, and nothing else as 'do not trust'."""
    found = {
        group: {
            name: entry | {"verdict": entry["verdict"].replace("do not trust", "look closer")}
            for name, entry in of.items()
        }
        for group, of in readouts()["verdicts"].items()
    }
    found["enhanced"]["noise_hu"]["verdict"] = gravest
    return found


@functools.cache
def half_as_noisy() -> np.ndarray:
    """HU of shape (4, 96, 96), int16."""
    return np.rint((noisy_head().astype(float) + head()) / 2).astype(np.int16)


def add_result(app, mvct, *, planning_ct: bool = True, correction: bool = False, enhanced_id: str = "", **changes):
    """The EnhanceResult of an MVCT node in the scene; `changes` replace entries of its readouts.

    Without a correction it is as in scenes of older versions. An enhanced volume named by its ID is filled anew.
    """
    from MVCTEnhanceLib.slicerui.scene.outputs import Voxels, put_into_scene
    from MVCTEnhanceLib.slicerui.scene.request import SceneRequest

    difference = half_as_noisy() - noisy_head()
    beyond = difference // 2 if correction else None
    voxels = Voxels(half_as_noisy(), difference, None, readouts(planning_ct=planning_ct) | changes, beyond)
    return put_into_scene(SceneRequest(mvct.GetID(), enhanced=enhanced_id), mvct, voxels)
