"""All conversions of MVCT to kVCT that the study compares, under the names that they have in its tables."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import numpy as np
import torch
from conversion import conventional as denoising
from MVCTEnhanceLib.model.card import installed_models, read_card
from MVCTEnhanceLib.model.engine import Engine
from MVCTEnhanceLib.model.package import load_model
from MVCTEnhanceLib.volume import Volume
from study import Method, Study, weights_digest

# Name in the tables -> run in WORK/train; the first seed of each.
RUNS = {"plain CycleGAN": "plain-cyclegan-1", "proposed": "proposed-1"}


@dataclass(frozen=True)
class Versioned(Method):
    """A method of which there may be others of that name: its figures are kept under name and version.

    Args:
        version: strength of a denoiser, or digest of a model's file.
    """

    version: str = ""

    @property
    def kept(self) -> Method:
        """The same under the name that its results are kept by."""
        return Method(f"{self.name} {self.version}".strip(), self.convert)


def methods(study: Study) -> list[Versioned]:
    """The conventional conversions, then the trained networks."""
    return conventional(study) + trained(study)


def conventional(study: Study) -> list[Versioned]:
    """The MVCT as it is, through the density curve, and through each denoiser at its tuned strength and the curve."""
    return [
        Versioned("MVCT", lambda mvct: mvct.array),
        Versioned("MVCT + density curve", lambda mvct: denoising.density_curve(mvct.array)),
        *(
            Versioned(one.denoiser.name, one.convert, f"{one.denoiser.variant} {one.strength:g}".strip())
            for one in denoising.tuned(study)
        ),
    ]


def trained(study: Study) -> list[Versioned]:
    """The networks that the study trained, those of them that are there, and the shipped models by their names."""
    return [_network(name, path) for name, path in model_files(study).items()]


def model_files(study: Study) -> dict[str, Path]:
    """The files of the trained networks by their names in the tables."""
    own = {name: study.work / "train" / run / "model.safetensors" for name, run in RUNS.items()}
    return {name: path for name, path in own.items() if path.is_file()} | installed_models()


def described(study: Study) -> str:
    """Data, seed and steps of each network by its card, one line each, for the notes of tables."""
    lines = []
    for name, path in model_files(study).items():
        plan, card = read_card(path)
        data = card["training_data"]
        pairs = "simulated pairs too" if data["paired_truth_used"] else "unpaired slices only"
        lines.append(
            f"- {name}: preset {plan.preset}, step {card['step']} of {card['schedule']['steps']}, batches of "
            f"{card['schedule']['batch']}, seed {card['seed']}, {data['mvct_slices']} MVCT and "
            f"{data['kvct_slices']} kVCT slices, {pairs}, trained on: {card['device']}"
        )
    return "\n".join(lines)


def _network(name: str, path: Path) -> Versioned:
    digest = weights_digest(path)
    return Versioned(name, partial(_enhance, path, digest), digest)


def _enhance(path: Path, digest: str, mvct: Volume) -> np.ndarray:
    return _engine(path, digest).enhance(mvct).array


@cache
def _engine(path: Path, digest: str) -> Engine:
    return Engine(load_model(path), torch.device("cpu"))
