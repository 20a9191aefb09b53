"""The slices of a run, refused where they are too few or show the same patients on both sides."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..runtime.events import EventHandler
from .config import DataConfig
from .data import Slices, load_slices
from .patients import require_other_patients, shared_slices
from .trained_on import TrainedOn

MIN_SLICES = 16  # the smallest set of Ozaki et al., of two patients
UNDESCRIBED = "MVCT of the training"


@dataclass(frozen=True)
class Inputs:
    """What a run reads.

    Args:
        mvct: slices of the MV domain, with their truth where there is one.
        kvct: slices of the kV domain.
        validation: MVCT slices that validations look at.
        trained_on: what the MVCT scans of the training are like, for the card.
    """

    mvct: Slices
    kvct: Slices
    validation: Slices
    trained_on: dict[str, Any]


def read_inputs(config: DataConfig, *, on_event: EventHandler) -> Inputs:
    """All slices of a configuration.

    Args:
        config: names the folders.
        on_event: told by a "warning" of each scan that is left out, and of slices that are in both domains.

    Raises:
        InputError: a domain has fewer than 16 slices, a validation scan shows a patient of the training, or as
            `load_slices`.
    """
    trained_on = TrainedOn()
    truth = Path(config.truth) if config.truth else None
    mvct = load_slices(
        Path(config.mvct), config.spacing_mm, truth_folder=truth, on_scan=trained_on.add, on_event=on_event
    )
    kvct = load_slices(Path(config.kvct), config.spacing_mm, on_event=on_event)
    for folder, slices in ((config.mvct, mvct), (config.kvct, kvct)):
        _require_enough(folder, slices)
    validation = mvct
    if config.validation:
        validation = load_slices(Path(config.validation), config.spacing_mm, on_event=on_event)
        require_other_patients(validation.scans, mvct.scans + kvct.scans)
    if shared := shared_slices(mvct.scans, kvct.scans):
        on_event(
            "warning",
            message=f"{shared} slices are in '{config.mvct}' and in '{config.kvct}' as well: check that one folder "
            "holds MVCT and the other kVCT.",
        )
    return Inputs(mvct, kvct, validation, trained_on.to_card(config.description or UNDESCRIBED))


def _require_enough(folder: str, slices: Slices) -> None:
    if len(slices) < MIN_SLICES:
        raise InputError(
            f"'{folder}' has {len(slices)} slices that show a patient, but at least {MIN_SLICES} are needed, and a "
            "few hundred are better: add scans."
        )
