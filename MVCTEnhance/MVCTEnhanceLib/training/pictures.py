"""Pictures of a run: what the translator makes of MVCT slices, and φ as the paper shows it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from matplotlib.image import imsave

from ..model.intensities import Intensities
from ..model.translator import Translator
from ..storage.atomic import atomic_file
from .perceptual import VGGFeatures
from .validation import enhance_slice

DISPLAY_HU = (-160.0, 240.0)
SHOWN_FEATURES = 8


def save_samples(path: Path, translator: Translator, intensities: Intensities, mvct: list[torch.Tensor]) -> None:
    """A row for each slice: MVCT, enhanced, and their difference (±200 HU)."""
    device = next(translator.parameters()).device
    rows = []
    for hu in mvct:
        enhanced = enhance_slice(translator, intensities, hu.to(device)).cpu()
        change = (enhanced - hu.float()) / 400 + 0.5
        rows.append(torch.cat((_grey(hu), _grey(enhanced), change.clamp(0, 1)), dim=1))
    _save(path, rows)


def save_features(path: Path, features: VGGFeatures, intensities: Intensities, slices: dict[str, torch.Tensor]) -> None:
    """A row for each slice of HU (j, i), named "mv" or "kv" domain first (as in "kv enhanced"): some channels of φ."""
    rows = []
    for name, hu in slices.items():
        values = intensities.to_network(hu.float(), "kv" if name.startswith("kv") else "mv")
        with torch.no_grad():
            maps = features(values[None, None].to(features.mean.device))[0].cpu()
        shown = maps[:: len(maps) // SHOWN_FEATURES][:SHOWN_FEATURES]
        rows.append(torch.cat([m / m.amax().clamp(min=1e-6) for m in shown], dim=1))
    _save(path, rows)


def _grey(hu: torch.Tensor) -> torch.Tensor:
    low, high = DISPLAY_HU
    return ((hu.float() - low) / (high - low)).clamp(0, 1)


def _save(path: Path, rows: list[torch.Tensor]) -> None:
    width = max(row.shape[1] for row in rows)
    picture = torch.cat([torch.nn.functional.pad(row, (0, width - row.shape[1])) for row in rows])
    with atomic_file(path) as temporary:
        imsave(temporary, np.asarray(picture), cmap="gray", vmin=0, vmax=1, format="png")
