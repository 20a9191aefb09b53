"""DIG and MAE against the number of training slices, plain CycleGAN and proposed, all at the same steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from MVCTEnhanceLib.io import read_volume, write_volume
from MVCTEnhanceLib.model.card import read_card
from MVCTEnhanceLib.quality.body import body_mask
from MVCTEnhanceLib.training.config import TrainingConfig
from MVCTEnhanceLib.volume import Volume
from study import Row, Study, mean_and_sd
from training.measures import (
    QUANTITIES,
    TRUE_KVCT,
    data_notes,
    measures,
    measures_of_kvct,
    model_method,
    references,
    summary,
    thinned,
)
from training.train_runs import ENDS, PLAIN_CYCLEGAN, PROPOSED, SEEDS, Run, all_trained, described, devices, end_runs

MIN_BODY_MM2 = 5000.0  # enough of the patient for training to take crops of the slice
COLOURS = {PLAIN_CYCLEGAN: "tab:orange", PROPOSED: "tab:blue"}
COLUMNS = {"slices_mvct": "MVCT slices", "slices_kvct": "kVCT slices", "method": "method", "seed": "seed"} | QUANTITIES


@dataclass(frozen=True)
class Subset:
    """A part of the training slices.

    Args:
        slices: of each domain.
        patients: that they are taken from; None for as many as there are.
    """

    slices: int
    patients: int | None = None


# The paper's 16 slices were of two patients.
SUBSETS = (Subset(16, patients=2), Subset(64), Subset(256))


def run(study: Study) -> None:
    """Train, measure, and write the table and figure "data_size"."""
    runs, missing = _runs(study)
    models = all_trained(study, {name: one.config for name, one in runs.items()})
    study = thinned(study)
    cases = study.cases("test")
    kvct = measures_of_kvct(study, cases)
    rows = []
    for name, one in runs.items():
        slices = read_card(models[name])[1]["training_data"]
        head = {key: slices[entry] for key, entry in (("slices_mvct", "mvct_slices"), ("slices_kvct", "kvct_slices"))}
        values = measures(study, cases, model_method(name, models[name]))
        rows.append(head | {"method": one.label, "seed": one.config.seed} | summary(values, kvct))
    baselines = {method.name: summary(measures(study, cases, method), kvct) for method in references()}
    limits = baselines | {TRUE_KVCT: summary(kvct, kvct)}
    configs = {label: runs[f"{name}-1"].config for name, label in ENDS.items()}
    notes = "\n\n".join(
        (data_notes(cases), _how(configs, missing, devices(models.values())), verdict(rows), _limits(limits))
    )
    study.write_table("data_size", rows, COLUMNS, title="DIG against data size", notes=notes)
    draw(rows, limits, study.results / "data_size.png")


def subset_folder(study: Study, subset: Subset) -> Path | None:
    """WORK/data/subset-N with the subset's volumes in mvct and kvct, made unless it is there.

    None where either domain has too few slices.
    """
    source, target = study.work / "data" / "train", study.work / "data" / f"subset-{subset.slices}"
    chosen = {}
    for domain in ("mvct", "kvct"):
        paths = sorted((source / domain).glob("*.nrrd"))
        usable = study.once(f"usable-slices/{domain}", lambda paths=paths: {p.name: _usable_slices(p) for p in paths})
        if sum(map(len, usable.values())) < subset.slices:
            return None
        chosen[domain] = chosen_slices(usable, subset)
    for domain, slices_of in chosen.items():
        for name, slices in slices_of.items():
            path = target / domain / name
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                write_volume(_part(read_volume(source / domain / name), slices), path)
    return target


def chosen_slices(usable: Mapping[str, Sequence[int]], subset: Subset) -> dict[str, list[int]]:
    """Scan -> indices k of the slices of a subset, out of the usable ones of each scan.

    The scans with the most slices are taken, as many as the subset has patients (there is one scan of each); every one
    gives the same number of slices, as far as it has them, evenly spread over the scan.
    """
    scans = sorted(usable, key=lambda name: (-len(usable[name]), name))[: subset.patients]
    shares = dict.fromkeys(scans, 0)
    while sum(shares.values()) < subset.slices:
        with_more = [name for name in scans if shares[name] < len(usable[name])]
        if not with_more:
            raise ValueError(f"{len(scans)} scans have fewer than {subset.slices} slices")
        for name in with_more[: subset.slices - sum(shares.values())]:
            shares[name] += 1
    return {name: _spread(usable[name], share) for name, share in shares.items() if share}


def verdict(rows: Sequence[Row]) -> str:
    """Whether the paper's claim holds here: the proposed method's DIG is lower than plain CycleGAN's, and flatter.

    Lower: at every size, each seed of the proposed is below each of plain CycleGAN. Flatter: its mean over the seeds
    varies less over the sizes.
    """
    sizes = sorted({row["slices_mvct"] for row in rows})
    values = {
        method: [[r["dig"] for r in rows if r["slices_mvct"] == size and r["method"] == method] for size in sizes]
        for method in (PLAIN_CYCLEGAN, PROPOSED)
    }
    plain, proposed = values[PLAIN_CYCLEGAN], values[PROPOSED]
    lower_at = [size for size, a, b in zip(sizes, proposed, plain, strict=True) if max(a) < min(b)]
    spans = {method: float(np.ptp([np.mean(seeds) for seeds in by_size])) for method, by_size in values.items()}
    flatter = spans[PROPOSED] < spans[PLAIN_CYCLEGAN]
    lower = len(lower_at) == len(sizes)
    outcome = "is confirmed here" if lower and flatter else "is not confirmed here"
    where = "every size" if lower else f"{len(lower_at)} of {len(sizes)} sizes"
    between_seeds = max(float(np.ptp(seeds)) for by_size in values.values() for seeds in by_size)
    return (
        f"The paper's claim, that the proposed method's DIG is lower than plain CycleGAN's and stays flat as the data "
        f"shrink, **{outcome}** for what is called proposed here: the paper's losses with the physical backward "
        f"generator. Lower for all seeds: at {where}. Over the sizes the mean DIG varies by "
        f"{spans[PROPOSED]:.3g} HU²/px² (proposed) and {spans[PLAIN_CYCLEGAN]:.3g} (plain CycleGAN), so the proposed "
        f"is {'flatter' if flatter else 'not flatter'}; two seeds of the same size differ by up to {between_seeds:.3g}."
    )


def draw(rows: Sequence[Row], limits: Mapping[str, Row], path: Path) -> None:
    """DIG and MAE against the number of MVCT slices: seeds as points, their mean as a line, SD over slices as bars."""
    sizes = sorted({row["slices_mvct"] for row in rows})
    figure, panels = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    for axes, quantity, heading in zip(panels, ("dig", "mae"), ("DIG / HU² px⁻²", "MAE / HU"), strict=True):
        for shift, method in zip((0.96, 1.04), (PLAIN_CYCLEGAN, PROPOSED), strict=True):
            own = [[row for row in rows if row["method"] == method and row["slices_mvct"] == size] for size in sizes]
            _draw_method(axes, np.array(sizes) * shift, own, quantity, method)
        curve = limits["MVCT + density curve"][quantity]
        axes.axhline(curve, color="0.4", linestyle="--", label="MVCT + density curve, no network")
        axes.set(xscale="log", xlabel="MVCT slices in training", ylabel=heading, ylim=(0, None))
        axes.set_xticks(sizes, [str(size) for size in sizes])
        axes.minorticks_off()
    panels[0].legend()
    figure.suptitle("Simulated MVCT of the test patients; bars: SD over their slices")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    plt.close(figure)


def _draw_method(
    axes: plt.Axes, places: np.ndarray, rows_by_size: Sequence[Sequence[Row]], quantity: str, method: str
) -> None:
    means = [mean_and_sd(row[quantity] for row in rows)[0] for rows in rows_by_size]
    bars = [mean_and_sd(row[f"{quantity}_sd"] for row in rows)[0] for rows in rows_by_size]
    axes.errorbar(places, means, bars, color=COLOURS[method], capsize=4, label=method)
    for place, rows in zip(places, rows_by_size, strict=True):
        axes.plot([place] * len(rows), [row[quantity] for row in rows], "o", color=COLOURS[method], mfc="none")


def _runs(study: Study) -> tuple[dict[str, Run], list[Subset]]:
    """The runs by the names of their folders, those on all slices being the ablation's; and the sizes not to be had."""
    folders = {subset: subset_folder(study, subset) for subset in SUBSETS}
    runs = {}
    for subset, scans in folders.items():
        runs |= end_runs(study, scans=scans, size=f"-{subset.slices}") if scans else {}
    runs |= end_runs(study)
    return runs, [subset for subset, folder in folders.items() if not folder]


def _how(configs: Mapping[str, TrainingConfig], missing: Sequence[Subset], trained_on: str) -> str:
    absent = "".join(
        f" There are fewer than {subset.slices} training slices in one domain or both, so this size could not be had."
        for subset in missing
    )
    trainings = ". ".join(f"{label[0].upper()}{label[1:]}: {described(config)}" for label, config in configs.items())
    few = "; ".join(f"{s.slices} of {s.patients} patients" for s in SUBSETS if s.patients)
    return (
        f"Training, from random weights and unpaired, on: {trained_on}. {trainings}. The weights are those of the last "
        f"step, of {len(SEEDS)} seeds at each size. Subsets have the same number of slices of both domains, evenly "
        f"spread over the patients and their slices, except that few slices also mean few patients, as in the paper "
        f"({few}): the two effects are not told apart."
        f"{absent} The last size is all of the training slices."
    )


def _limits(limits: Mapping[str, Row]) -> str:
    values = "; ".join(f"{name}: DIG {row['dig']:.4g}, MAE {row['mae']:.4g} HU" for name, row in limits.items())
    return (
        f"For scale: {values}. A low DIG is no merit by itself: it is 0 for a method that changes nothing, and the "
        "right answer has the true kVCT's. SD: over the slices; a difference between methods has to be larger than the "
        "one between seeds, too."
    )


def _usable_slices(path: Path) -> list[int]:
    volume = read_volume(path)
    pixel_size = (volume.spacing[1], volume.spacing[0])
    least = MIN_BODY_MM2 / (pixel_size[0] * pixel_size[1])
    return [k for k, hu in enumerate(volume.array) if body_mask(hu, pixel_size=pixel_size).sum() >= least]


def _spread(indices: Sequence[int], number: int) -> list[int]:
    """So many of the indices, evenly over all."""
    return [indices[(2 * n + 1) * len(indices) // (2 * number)] for n in range(number)]


def _part(volume: Volume, slices: Sequence[int]) -> Volume:
    """A bag of slices, whose positions along k no longer mean anything."""
    return Volume(volume.array[list(slices)], volume.spacing, volume.origin, volume.direction)
