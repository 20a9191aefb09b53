"""Signs of where a model errs: a small network, the edges of its output, other passes and another model.

    nice -n 15 python studies/models/uncertainty.py MODEL POOL_FOLDER TEST_FOLDER RUN_FOLDER [--every N]

MODEL is an installed model or a file, POOL_FOLDER what pool.py made of the pool, TEST_FOLDER the folder `test` of
prepare.py. RUN_FOLDER gets what was read out of each scan, from which the same command goes on, and figures.csv.

The head estimates the absolute error near a pixel (mean of 3 x 3) from 23 features of MVCT and enhanced scan within 16
pixels. It is fitted on nine scanners of the pool, and a factor that makes of it a band that holds 90 % of the errors on
two more; another two and the test patients check both. Two further fits say what can be had at best: for each test
patient one on the other two, whose scanner is the same, and one on this patient itself.
"""

from __future__ import annotations

import argparse
import csv
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from MVCTEnhanceLib.io import read_volume
from MVCTEnhanceLib.model.card import find_model, model_sha256
from MVCTEnhanceLib.model.engine import Engine
from MVCTEnhanceLib.model.package import load_model
from MVCTEnhanceLib.physics.density import density_hu_from_kv
from MVCTEnhanceLib.quality.body import body_mask
from MVCTEnhanceLib.storage.atomic import atomic_file
from MVCTEnhanceLib.volume import Volume
from pool import PHANTOMS
from scipy.ndimage import maximum_filter, minimum_filter, uniform_filter
from scipy.stats import spearmanr
from torch import nn

SEED = 1
FIT, CALIBRATE, CHECK = (3, 4, 5, 6, 7, 8, 9, 10, 13), (16, 17), (18, 19)  # scanners of the pool
PIXELS, MIN_PIXELS = 5_000, 1_000  # of a slice: that are drawn, below which it is left out
STEPS, BATCH, RATE, FINAL_RATE, CHANNELS = 1_500, 2_048, 4e-3, 0.02, 32
LEAST_HU = 2.0  # in logarithms: what lies below is all the same
COVERAGE = 0.9
OTHER_MODEL = "unpaired"
FLIPS = ((0,), (1,), (0, 1))
RIVALS = ("gradient", "gradient_3px", "passes", "difference")

Columns = dict[str, np.ndarray]  # by name, one value or row a pixel


@dataclass(frozen=True)
class Scan:
    """A simulated MVCT with its truth; `region` is 1 where a comparison is fair, None for everywhere."""

    mvct: Path
    truth: Path
    region: Path | None = None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("pool", type=Path)
    parser.add_argument("test", type=Path)
    parser.add_argument("run", type=Path)
    parser.add_argument("--every", type=int, default=6, metavar="N", help="take every N-th slice of a scan [6]")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    model = find_model(arguments.model)
    reader = Reader(model, arguments.run / model_sha256(model)[:8], arguments.every)
    scanners = {seed: reader.read(pool_scans(arguments.pool / str(seed))) for seed in (*FIT, *CALIBRATE, *CHECK)}
    paths = sorted(arguments.test.glob("mvct/*.nrrd"))
    test = {path.stem: reader.read([Scan(path, arguments.test / "truth" / path.name)], rivals=True) for path in paths}
    head = Head.fitted([scanners[seed] for seed in FIT])
    head.calibrate([scanners[seed] for seed in CALIBRATE])
    rows = [{"scan": f"scanner {seed}", **figures(head, scanners[seed])} for seed in (*CALIBRATE, *CHECK)]
    for patient, drawn in test.items():
        bounds = {
            "head_of_the_other_two": Head.fitted([other for name, other in test.items() if name != patient]),
            "head_of_itself": Head.fitted([drawn]),
        }
        best = {name: rank(fitted.scale(drawn), drawn) for name, fitted in bounds.items()}
        rows.append({"scan": patient, **figures(head, drawn), **best})
    write_figures(rows, arguments.run / "figures.csv")


def pool_scans(folder: Path) -> list[Scan]:
    """The patients of a scanner of the pool."""
    paths = [path for path in sorted(folder.glob("mvct/*.nrrd")) if path.stem not in PHANTOMS]
    return [Scan(path, folder / "truth" / path.name, folder / "region" / path.name) for path in paths]


class Reader:
    """Draws pixels in the body, with the features, the errors and what else tells of them.

    Args:
        model: file of the model whose errors they are.
        kept: folder for what was read, of this model.
        every: takes every n-th slice.
    """

    def __init__(self, model: Path, kept: Path, every: int):
        self.kept, self.every = kept, every
        self.engine, self.other = (
            Engine(load_model(path), torch.device("cpu")) for path in (model, find_model(OTHER_MODEL))
        )

    def read(self, scans: list[Scan], *, rivals: bool = False) -> Columns:
        """features, error, local_error, gradient, gradient_3px; with `rivals` passes and difference, too."""
        parts = []
        for scan in scans:
            path = self.kept / f"{scan.mvct.parents[1].name}-{scan.mvct.stem}-{self.every}.npz"
            if not path.exists():
                columns = self._read(scan, rivals=rivals)
                with atomic_file(path) as temporary, temporary.open("wb") as file:
                    np.savez(file, **columns)
                print(path.stem, flush=True)
            with np.load(path) as found:
                parts.append(dict(found))
        return joined([part for part in parts if part])

    def _read(self, scan: Scan, *, rivals: bool) -> Columns:
        rng, slices = np.random.default_rng(SEED), []
        mvct, truth = read_volume(scan.mvct), read_volume(scan.truth).array
        fair = read_volume(scan.region).array == 1 if scan.region else np.ones(truth.shape, bool)
        for k in range(0, len(truth), self.every):
            body = body_mask(truth[k], pixel_size=mvct.spacing[1::-1]) & fair[k]
            if body.sum() < MIN_PIXELS:
                continue
            before = mvct.array[k]
            after = enhanced(self.engine, mvct, before)
            error, edges = np.abs(after - truth[k]), gradient(after)
            maps = {"error": error, "local_error": uniform_filter(error, 3), "gradient": edges}
            maps["gradient_3px"] = uniform_filter(edges, 3)
            if rivals:
                passes = [np.flip(enhanced(self.engine, mvct, np.flip(before, axes)), axes) for axes in FLIPS]
                difference = np.abs(after - enhanced(self.other, mvct, before))
                maps["passes"] = uniform_filter(np.std([after, *passes], axis=0), 3)
                maps["difference"] = uniform_filter(difference, 3)
            pixels = rng.choice(np.flatnonzero(body), PIXELS)
            drawn = {name: values.ravel()[pixels].astype(np.float32) for name, values in maps.items()}
            slices.append(drawn | {"features": features(before.astype(np.float32), after)[pixels]})
        return joined(slices) if slices else {}


def enhanced(engine: Engine, scan: Volume, image: np.ndarray) -> np.ndarray:
    """An axial slice of the scan through a model: HU, float32, shape (j, i)."""
    single = Volume(np.ascontiguousarray(image)[None], scan.spacing, direction=scan.direction)
    return engine.enhance(single).array[0].astype(np.float32)


def gradient(image: np.ndarray) -> np.ndarray:
    """Its size per pixel, by central differences."""
    return np.hypot(*np.gradient(image))


def features(mvct: np.ndarray, output: np.ndarray) -> np.ndarray:
    """What the head sees of a slice: HU of MVCT and enhanced scan, shape (j, i), to float32, shape (pixels, 23).

    On the density scale: value, means and extremes; as logarithms range, edges, fine detail, and what was removed.
    """
    output = density_hu_from_kv(output)
    edges, removed = gradient(output), mvct - output
    amount = np.abs(removed)
    high, low = maximum_filter(output, 5), minimum_filter(output, 5)
    values = [output, *(uniform_filter(output, side) for side in (7, 31)), high, low]
    values += [maximum_filter(output, 15), minimum_filter(output, 15)]
    sizes = [high - low, *(uniform_filter(edges, side) for side in (1, 3, 7, 15, 31))]
    sizes += [np.abs(output - uniform_filter(output, 3)), *(maximum_filter(edges, side) for side in (3, 7, 15))]
    sizes += [uniform_filter(amount, side) for side in (3, 7, 15, 31)]
    sizes += [np.abs(uniform_filter(removed, side)) for side in (3, 7)]
    values += [np.log(np.maximum(size, 0) + LEAST_HU) for size in sizes]
    return np.stack([value.ravel() for value in values], axis=1).astype(np.float32)


class Head:
    """A network of two hidden layers, pixel by pixel, from features to the scale of the errors."""

    def __init__(self, seen: torch.Tensor):
        self.mean, self.sd, self.factor = seen.mean(0), seen.std(0), 1.0
        torch.manual_seed(SEED)
        self.layers = nn.Sequential(
            nn.Linear(seen.shape[1], CHANNELS),
            nn.ReLU(),
            nn.Linear(CHANNELS, CHANNELS),
            nn.ReLU(),
            nn.Linear(CHANNELS, 1),
        )

    @classmethod
    def fitted(cls, drawn: list[Columns]) -> Head:
        """By least squares of the logarithm of the local error."""
        columns = joined(drawn)
        seen = torch.from_numpy(columns["features"])
        wanted = torch.from_numpy(np.log(columns["local_error"] + LEAST_HU))
        head = cls(seen)
        optimiser = torch.optim.Adam(head.layers.parameters())
        for step in range(STEPS):
            course = (1 + math.cos(math.pi * step / STEPS)) / 2
            for group in optimiser.param_groups:
                group["lr"] = RATE * (FINAL_RATE + (1 - FINAL_RATE) * course)
            chosen = torch.randint(len(seen), (BATCH,))
            loss = ((head._log_scale(seen[chosen]) - wanted[chosen]) ** 2).mean()
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
        return head

    def calibrate(self, drawn: list[Columns]) -> None:
        """Set the factor by which the scale becomes the half-width of a band that holds the share COVERAGE."""
        columns = joined(drawn)
        self.factor = float(np.quantile(columns["error"] / self.scale(columns), COVERAGE))

    @torch.inference_mode()
    def scale(self, drawn: Columns) -> np.ndarray:
        """HU, one value a pixel."""
        return self._log_scale(torch.from_numpy(drawn["features"])).exp().numpy()

    def _log_scale(self, seen: torch.Tensor) -> torch.Tensor:
        return self.layers((seen - self.mean) / self.sd)[:, 0]


def joined(drawn: list[Columns]) -> Columns:
    """One after the other."""
    return {name: np.concatenate([part[name] for part in drawn]) for name in drawn[0]}


def rank(values: np.ndarray, drawn: Columns) -> float:
    """Spearman's correlation with the local error."""
    return float(spearmanr(values, drawn["local_error"]).statistic)


def figures(head: Head, drawn: Columns) -> dict[str, float]:
    """MAE, rank correlations, the share of the errors within the band, and its half-width in HU."""
    scale = head.scale(drawn)
    half_width = head.factor * scale
    return {
        "mae_hu": float(drawn["error"].mean()),
        **{name: rank(drawn[name], drawn) for name in RIVALS if name in drawn},
        "head": rank(scale, drawn),
        "covered": float((drawn["error"] <= half_width).mean()),
        "half_width_median_hu": float(np.median(half_width)),
    }


def write_figures(rows: list[dict], path: Path) -> None:
    """As CSV, and on the screen."""
    names = dict.fromkeys(name for row in rows for name in row)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(names))
        writer.writeheader()
        writer.writerows(rows)
    for row in rows:
        print(", ".join(f"{name} {v:.3f}" if isinstance(v, float) else v for name, v in row.items()), flush=True)


if __name__ == "__main__":
    main()
