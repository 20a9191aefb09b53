"""Fine-tune a shipped model on the pool of simulated scanners, by pairs of MVCT and truth, or distil it.

    nice -n 15 python studies/models/robust.py POOL_FOLDER RUN_FOLDER [--from MODEL] [--steps N] [--contrast HU]
        [--student PRESET]

POOL_FOLDER is what pool.py made of the pool, with a folder for each scanner. RUN_FOLDER gets log.csv, checkpoint.pt
every 250 steps, from which the same command goes on bit for bit (on one thread), and model.safetensors at the end. Only
the way from MVCT to kVCT is trained, where neither truncation nor metal disturbs, by the L1 of network values and of
their means over 5 x 5 pixels, which noise hardly moves and a faint lesion does. Two fifths of the crops are of the
standard scanner, whose resolution the MVCT of all others get, as with a site profile. Half of the crops get lesions:
the truth by their contrast, the MVCT by what the scanner's response (`scanner_response`) leaves of it. With --contrast
these crops are enhanced without their lesions, too: what the lesions change must be kept, and all of it lost costs as
much as an error of so many HU. Crops are flipped and turned by quarters; some get more noise, with the spectrum of
filtered back-projection. Which part of the new weights to take tells part.py. A student is new networks of another
preset, which learn what the model makes of the crops, everywhere.
docs/notebook.md has the plan and the rule to stop.
"""

from __future__ import annotations

import argparse
import csv
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from MVCTEnhanceLib.io import read_volume
from MVCTEnhanceLib.model.card import find_model
from MVCTEnhanceLib.model.package import Model, load_model, save_model
from MVCTEnhanceLib.model.translator import Translator
from MVCTEnhanceLib.physics.density import density_hu_from_kv
from MVCTEnhanceLib.physics.gaussian import gaussian_blur
from MVCTEnhanceLib.training.checkpoint import load_checkpoint, save_checkpoint
from MVCTEnhanceLib.training.start import origin
from pool import PHANTOMS, STANDARD, matched_mvct

SEED = 1
DESCRIPTION = "MVCT simulated from kVCT with 20 scanners (studies/models/scanners.toml), and phantoms"
STEPS, BATCH, CROP_PX, CELL_PX = 3_000, 8, 128, 16
RATE, STUDENT_RATE, FINAL_RATE, AVERAGE = 2e-4, 2e-3, 0.05, 0.998
CHECKPOINT_EVERY, LOG_EVERY = 250, 50
TISSUE_HU = -400.0
SHARES = {"scanners": 0.5, "standard": 0.375, "phantoms": 0.125}  # of the crops
MEANS_PX = 5
NEAR_AIR, NEAR_AIR_PX, SOFT_HU = 4.0, 4, 200.0
NOISIER, MAX_NOISE_HU = 0.25, 15.0
LESIONS, MOST_LESIONS = 0.5, 3
RADIUS_PX, LESION_HU, RIM_PX = (2.5, 14.0), (15.0, 60.0), 0.3
PLACES_HU, SMOOTHING_PX = (-150.0, 100.0), 4.0  # above 100 HU the simulation's density curve takes tissue for bone
RESPONSE_CROPS = 60


@dataclass(frozen=True)
class Pair:
    """A slice: int16 HU of MVCT and truth, where to learn from it, centres of crops (n, 2), the scanner's response."""

    mvct: torch.Tensor
    truth: torch.Tensor
    region: torch.Tensor
    centres: np.ndarray
    response: torch.Tensor


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pool", type=Path)
    parser.add_argument("run", type=Path)
    parser.add_argument("--from", dest="start", default="simulated-anchor", metavar="MODEL")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--contrast", type=float, default=0.0, metavar="HU")
    parser.add_argument("--student", metavar="PRESET")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    arguments.run.mkdir(parents=True, exist_ok=True)
    model = load_model(find_model(arguments.start))
    trainer = Trainer(model, read_pairs(arguments.pool), arguments.steps, arguments.contrast, arguments.student)
    checkpoint = arguments.run / "checkpoint.pt"
    if checkpoint.exists():
        trainer.restore(load_checkpoint(checkpoint))
    while trainer.step < arguments.steps:
        trainer.run_step()
        if trainer.step % CHECKPOINT_EVERY == 0 or trainer.step == arguments.steps:
            save_checkpoint(checkpoint, trainer.state())
            _write_log(arguments.run / "log.csv", trainer.log)
    card = {name: value for name, value in model.card.items() if name not in ("expected", "measured")}
    card["adapted_from"] = origin(find_model(arguments.start), model.card)
    card |= {"name": f"{card['name']}-robust", "step": trainer.step, "seed": SEED}
    slices = sum(map(len, trainer.pairs.values()))
    counts = {"mvct_slices": slices, "kvct_slices": slices}
    card["training_data"] = {"description": DESCRIPTION, "paired_truth_used": True, **counts}
    card["losses"] = {"paired": 1.0, "contrast_hu": arguments.contrast}
    rates = {"generator_rate": trainer.rate, "final_rate": FINAL_RATE, "average": AVERAGE}
    card["schedule"] = {"steps": arguments.steps, "batch": BATCH, **rates}
    plan = replace(model.plan, preset=arguments.student or model.plan.preset)
    save_model(Model(trainer.average, plan, card), arguments.run / "model.safetensors")


def read_pairs(pool: Path) -> dict[str, list[Pair]]:
    """All slices of all scanners with tissue to learn from, by the kinds of `SHARES`."""
    pairs: dict[str, list[Pair]] = {kind: [] for kind in SHARES}
    for folder in sorted(path.parent for path in pool.glob("*/mvct")):
        slices = {kind: list(pair_slices(folder, phantoms=kind)) for kind in (False, True)}
        response = scanner_response(slices[False])
        own = "standard" if folder.name in STANDARD else "scanners"
        for kind, of_kind in ((own, slices[False]), ("phantoms", slices[True])):
            pairs[kind] += [Pair(*one, response) for one in of_kind]
    return pairs


def pair_slices(
    folder: Path, *, phantoms: bool
) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor, np.ndarray]]:
    """MVCT, truth, region and centres of crops of a scanner's slices of phantoms, or of patients."""
    for path in sorted((folder / "mvct").glob("*.nrrd")):
        if (path.stem in PHANTOMS) != phantoms:
            continue
        others = (read_volume(folder / kind / path.name) for kind in ("truth", "region"))
        arrays = (scan.array for scan in (matched_mvct(path), *others))
        for mvct, truth, region in zip(*map(torch.from_numpy, arrays), strict=True):
            cells = F.avg_pool2d(torch.stack((truth, region)).float(), CELL_PX)
            centres = np.argwhere(((cells[0] > TISSUE_HU) & (cells[1] == 1)).numpy()) * CELL_PX + CELL_PX // 2
            if len(centres):
                yield mvct, truth, region.bool(), centres


def scanner_response(slices: Sequence[tuple[torch.Tensor, torch.Tensor, torch.Tensor, np.ndarray]]) -> torch.Tensor:
    """What of the truth reaches the MVCT at each frequency, a ring's mean, shape (CROP_PX, CROP_PX // 2 + 1).

    The cross spectrum of MVCT and truth, both on the density scale, over the truth's power, of crops of a scanner.
    """
    rng = np.random.default_rng(SEED)
    hann = torch.hann_window(CROP_PX)
    cross, power = torch.zeros(2, CROP_PX, CROP_PX // 2 + 1)
    for _ in range(RESPONSE_CROPS):
        mvct, truth, _, centres = slices[rng.integers(len(slices))]
        rows, columns = window(centres[rng.integers(len(centres))], mvct.shape)
        seen, true = (
            torch.fft.rfft2((hu - hu.mean()) * hann[:, None] * hann)
            for hu in (mvct[rows, columns].float(), density_hu_from_kv(truth[rows, columns].float()))
        )
        cross += (seen * true.conj()).real
        power += true.abs().square()
    ring = (_radius() * CROP_PX).round().long()
    sums = [torch.zeros(int(ring.max()) + 1).index_add_(0, ring.flatten(), one.flatten()) for one in (cross, power)]
    return (sums[0] / sums[1]).clamp(0, 1)[ring]


def _radius() -> torch.Tensor:
    """Frequency in cycles per pixel of what rfft2 gives of a crop."""
    axis = torch.fft.fftfreq(CROP_PX)
    return torch.hypot(axis[:, None], axis[None, : CROP_PX // 2 + 1].abs())


def window(centre: np.ndarray, shape: Sequence[int]) -> tuple[slice, slice]:
    """Rows and columns of the crop around a pixel of a slice."""
    starts = (int(np.clip(place - CROP_PX // 2, 0, size - CROP_PX)) for place, size in zip(centre, shape, strict=True))
    return tuple(slice(start, start + CROP_PX) for start in starts)


class Trainer:
    """The network, its running mean and its optimiser; crops of a step depend on its number only."""

    def __init__(
        self,
        model: Model,
        pairs: dict[str, list[Pair]],
        steps: int,
        contrast_hu: float = 0.0,
        student: str | None = None,
    ):
        self.translator, self.teacher, self.rate = model.translator, None, RATE
        if student:
            torch.manual_seed(SEED)
            self.translator, self.teacher, self.rate = Translator(student), model.translator, STUDENT_RATE
        self.translator.train().to(memory_format=torch.channels_last)
        self.intensities = model.plan.intensities
        self.average = Translator(student or model.plan.preset).eval().requires_grad_(False)
        self.average.load_state_dict(self.translator.state_dict())
        parts = (self.translator.encoders["mv"], self.translator.decoders["kv"])
        self.parameters = [parameter for part in parts for parameter in part.parameters()]
        self.optimiser = torch.optim.Adam(self.parameters, betas=(0.5, 0.999))
        self.pairs, self.steps, self.contrast_hu, self.step = pairs, steps, contrast_hu, 0
        self.log: list[list[float]] = []
        self.sum = 0.0

    def run_step(self) -> None:
        """One step of 8 crops."""
        course = (1 + math.cos(math.pi * self.step / self.steps)) / 2
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate * (FINAL_RATE + (1 - FINAL_RATE) * course)
        mvct, truth, region, plain, change = crops(self.pairs, self.step)
        values, wanted = (self.intensities.to_network(hu, kind) for hu, kind in ((mvct, "mv"), (truth, "kv")))
        values = values.contiguous(memory_format=torch.channels_last)
        if self.teacher is not None:
            with torch.no_grad():
                wanted, region = self.teacher.to_kv(values), torch.ones_like(region)
        made = self.translator.to_kv(values)
        errors = (made - wanted) * region * weights(truth)
        loss = (errors.abs().sum() + F.avg_pool2d(errors, MEANS_PX).abs().sum() * MEANS_PX**2) / region.sum()
        if self.contrast_hu:
            lost = (1 - self._kept(made, plain, change)).abs().sum() / BATCH
            loss = loss + self.contrast_hu / self.intensities.half_width_hu * lost
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.optimiser.step()
        self.step += 1
        with torch.no_grad():
            decay = min(AVERAGE, self.step / (self.step + 10))
            for mean, current in zip(self.average.parameters(), self.translator.parameters(), strict=True):
                mean.lerp_(current, 1 - decay)
        self.sum += float(loss.detach()) * self.intensities.half_width_hu
        if self.step % LOG_EVERY == 0:
            self.log.append([self.step, self.sum / LOG_EVERY])
            self.sum = 0.0

    def _kept(self, made: torch.Tensor, plain: torch.Tensor, change: torch.Tensor) -> torch.Tensor:
        """What the enhanced crops with lesions keep of the change of the truth by them, one value for each."""
        some = change.flatten(1).any(1)
        values = self.intensities.to_network(plain[some], "mv").contiguous(memory_format=torch.channels_last)
        difference = (made[some] - self.translator.to_kv(values)) * self.intensities.half_width_hu
        return (difference * change[some]).sum((1, 2, 3)) / change[some].square().sum((1, 2, 3))

    def state(self) -> dict:
        """All that a run goes on from."""
        weights = {"translator": self.translator.state_dict(), "average": self.average.state_dict()}
        return weights | {"optimiser": self.optimiser.state_dict(), "step": self.step, "log": self.log}

    def restore(self, state: dict) -> None:
        """Go on from what `state` gave."""
        self.translator.load_state_dict(state["translator"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step, self.log = state["step"], state["log"]


def weights(truth: torch.Tensor) -> torch.Tensor:
    """1, and more for soft tissue near air; truth in HU, shape (b, 1, j, i)."""
    air = (F.avg_pool2d(truth, 3, 1, 1) < TISSUE_HU).float()
    near = (F.max_pool2d(air, 2 * NEAR_AIR_PX + 1, 1, NEAR_AIR_PX) > 0) & (truth.abs() < SOFT_HU)
    return 1 + (NEAR_AIR - 1) * near


def crops(pairs: dict[str, list[Pair]], step: int) -> tuple[torch.Tensor, ...]:
    """MVCT and truth in HU, where to learn, MVCT without lesions, what they add to the truth, of a step.

    Each has the shape (BATCH, 1, CROP_PX, CROP_PX).
    """
    rng = np.random.default_rng((SEED, step))
    generator = torch.Generator().manual_seed(SEED * 10**9 + step)
    batch = [_crop(pairs, rng, generator) for _ in range(BATCH)]
    return tuple(torch.stack(parts)[:, None] for parts in zip(*batch, strict=True))


def _crop(
    pairs: dict[str, list[Pair]], rng: np.random.Generator, generator: torch.Generator
) -> tuple[torch.Tensor, ...]:
    kinds = [kind for kind in SHARES if pairs[kind]]
    shares = np.array([SHARES[kind] for kind in kinds])
    kind = rng.choice(kinds, p=shares / shares.sum())
    pair = pairs[kind][rng.integers(len(pairs[kind]))]
    centre = pair.centres[rng.integers(len(pair.centres))] + rng.integers(-20, 21, size=2)
    rows, columns = window(centre, pair.mvct.shape)
    parts = [part[rows, columns].float() for part in (pair.mvct, pair.truth, pair.region)]
    plain = parts[:2]
    if kind != "phantoms" and rng.random() < LESIONS:
        parts[:2] = with_lesions(parts[0], parts[1], pair.response, rng)
    parts += [plain[0], parts[1] - plain[1]]
    turns, flipped = int(rng.integers(4)), bool(rng.integers(2))
    parts = [torch.rot90(part.flip(0) if flipped else part, turns) for part in parts]
    if rng.random() < NOISIER:
        noise = rng.uniform(0, MAX_NOISE_HU) * scanner_noise(generator)
        parts[0], parts[3] = parts[0] + noise, parts[3] + noise
    return tuple(parts)


def with_lesions(
    mvct: torch.Tensor, truth: torch.Tensor, response: torch.Tensor, rng: np.random.Generator
) -> list[torch.Tensor]:
    """MVCT and truth with up to three round lesions of one kind in soft tissue or fat, each (CROP_PX, CROP_PX)."""
    smooth = gaussian_blur(truth[None, None], SMOOTHING_PX, 12, padding="reflect")[0, 0]
    places = np.argwhere(((smooth > PLACES_HU[0]) & (smooth < PLACES_HU[1])).numpy())
    planted, axis = truth.clone(), torch.arange(CROP_PX)
    radius, contrast = rng.uniform(*RADIUS_PX), rng.uniform(*LESION_HU)
    for _ in range(rng.integers(1, MOST_LESIONS + 1) if len(places) else 0):
        row, column = places[rng.integers(len(places))]
        inside = radius - torch.hypot(axis[:, None] - float(row), axis - float(column))
        planted += rng.choice((-1, 1)) * contrast * torch.sigmoid(inside / RIM_PX)
    added = density_hu_from_kv(planted) - density_hu_from_kv(truth)
    return [mvct + torch.fft.irfft2(torch.fft.rfft2(added) * response, s=(CROP_PX, CROP_PX)), planted]


def scanner_noise(generator: torch.Generator) -> torch.Tensor:
    """Noise of SD 1 with the power |f| W² of filtered back-projection in a Hamming window, shape of a crop."""
    radius = _radius()
    window = torch.where(radius <= 0.5, 0.54 + 0.46 * torch.cos(2 * math.pi * radius), 0.0)
    spectrum = torch.fft.rfft2(torch.randn(CROP_PX, CROP_PX, generator=generator)) * radius.sqrt() * window
    noise = torch.fft.irfft2(spectrum, s=(CROP_PX, CROP_PX))
    return noise / noise.std()


def _write_log(path: Path, rows: list[list[float]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["step", "paired_l1_hu"], *rows])


if __name__ == "__main__":
    main()
