"""φ, the output of VGG's second layer that the perceptual loss compares: the figure and the table features.

The figure shows the same channels of φ of MVCT, enhanced MVCT and true kVCT, each channel in one grey scale.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import torch
from methods import Versioned, conventional, described, methods, trained
from MVCTEnhanceLib.model.card import installed_models
from MVCTEnhanceLib.model.intensities import PAPER_WINDOW
from MVCTEnhanceLib.quality.body import body_mask
from MVCTEnhanceLib.storage.atomic import atomic_file
from MVCTEnhanceLib.training.perceptual import VGGFeatures
from PIL import Image
from robustness.field_of_view import spread
from study import Case, Row, Study, mean_and_sd

WEIGHTS = "vgg19_conv1_2_imagenet.pth"
SLICES = 4
SHOWN_OF_A_KIND = 3
SHOWN_PX = 128
DISPLAY_HU = (-160.0, 240.0)
GREYS = 64  # more make the file larger, and show no more
TRUTH = "true kVCT"


def run(study: Study) -> None:
    """Make the figure and the table."""
    vgg = VGGFeatures(weights_file(study))
    cases = study.cases("test")
    _figure(study, vgg, cases[0])
    _table(study, vgg, cases)


def weights_file(study: Study) -> Path | None:
    """The file of VGG's layers in WORK, or beside DATA; None, which is torchvision's download, without one."""
    places = (study.work / WEIGHTS, study.data.parent / "weights" / WEIGHTS)
    return next((path for path in places if path.is_file()), None)


@torch.inference_mode()
def phi(vgg: VGGFeatures, hu: np.ndarray) -> torch.Tensor:
    """φ of a slice: HU (j, i) in the paper's window -> (64, j, i)."""
    values = PAPER_WINDOW.to_network(torch.from_numpy(hu.astype(np.float32)), "kv")
    return vgg(values[None, None])[0]


def shown_channels(mvct: torch.Tensor, kvct: torch.Tensor, body: np.ndarray) -> tuple[list[int], list[int]]:
    """Which channels are shown: those of the largest difference, then of the others those of the largest variance.

    Args:
        mvct, kvct: φ, shape (channels, j, i).
        body: bool, shape (j, i); all is taken inside.

    Returns:
        channels with the largest mean squared difference between MVCT and kVCT, and with the largest variance of kVCT.
    """
    inside = torch.from_numpy(body)
    change = (mvct - kvct)[:, inside].square().mean(dim=1)
    variance = kvct[:, inside].var(dim=1)
    changed = change.argsort(descending=True)[:SHOWN_OF_A_KIND].tolist()
    varied = [channel for channel in variance.argsort(descending=True).tolist() if channel not in changed]
    return changed, varied[:SHOWN_OF_A_KIND]


def phi_difference(vgg: VGGFeatures, image: np.ndarray, truth: np.ndarray, body: np.ndarray) -> dict[str, float]:
    """Mean over the channels of the squared difference of φ, over the whole slice as in the loss, and in the body.

    Args:
        image, truth: HU, shape (j, i).
        body: bool, shape (j, i).
    """
    squared = (phi(vgg, image) - phi(vgg, truth)).square().mean(dim=0).numpy()
    return {"slice": float(squared.mean()), "body": float(squared[body].mean())}


def _figure(study: Study, vgg: VGGFeatures, case: Case) -> None:
    k = len(case.mvct.array) // 2
    body = _body(case, k)
    slices = {"MVCT": case.mvct.array[k]}
    for method in trained(study):
        if method.name in installed_models():
            slices[method.name] = study.converted(method.kept, case.patient, case.mvct)[k]
    slices[TRUTH] = case.truth.array[k]
    maps = {name: phi(vgg, image) for name, image in slices.items()}
    changed, varied = shown_channels(maps["MVCT"], maps[TRUTH], body)
    titles = {channel: f"channel {channel}\nlargest difference" for channel in changed}
    titles |= {channel: f"channel {channel}\nlargest variance" for channel in varied}
    columns, window = {"HU": (slices, DISPLAY_HU)}, _window(body)
    for channel, title in titles.items():
        shown = {name: of[channel].numpy() for name, of in maps.items()}
        columns[title] = (shown, (0.0, float(np.quantile(shown[TRUTH][window], 0.99))))
    _draw(study.results / "features.png", columns, window)


def _draw(
    path: Path, columns: Mapping[str, tuple[Mapping[str, np.ndarray], tuple[float, float]]], window: tuple[slice, slice]
) -> None:
    """A row for each scan, a column for each picture of it; each column in one grey scale."""
    rows = list(next(iter(columns.values()))[0])
    size = (1.35 * len(columns) + 0.4, 1.35 * len(rows) + 0.5)
    figure, axes = plt.subplots(len(rows), len(columns), figsize=size, squeeze=False, layout="constrained")
    for column, (title, (pictures, (low, high))) in enumerate(columns.items()):
        axes[0, column].set_title(title, fontsize="x-small")
        for row, name in enumerate(rows):
            axis = axes[row, column]
            axis.imshow(pictures[name][window], cmap="gray", vmin=low, vmax=high)
            axis.set(xticks=[], yticks=[])
            if column == 0:
                axis.set_ylabel(name, fontsize="x-small")
    figure.set_dpi(100)
    figure.canvas.draw()
    grey = Image.fromarray(np.asarray(figure.canvas.buffer_rgba())).convert("L").quantize(GREYS)
    with atomic_file(path) as temporary:
        grey.save(temporary, optimize=True)
    plt.close(figure)


def _window(body: np.ndarray) -> tuple[slice, slice]:
    """Rows and columns about the centre of the body."""
    corner = [
        min(max(int(places.mean()) - SHOWN_PX // 2, 0), max(size - SHOWN_PX, 0))
        for places, size in zip(np.nonzero(body), body.shape, strict=True)
    ]
    return tuple(slice(start, start + SHOWN_PX) for start in corner)


def _table(study: Study, vgg: VGGFeatures, cases: Sequence[Case]) -> None:
    rows = [_row(study, vgg, cases, method) for method in methods(study)]
    of_mvct = next(row for row in rows if row["method"] == "MVCT")
    for row in rows:
        row["part_of_mvct"] = row["body"] / of_mvct["body"]
    columns = {
        "method": "method",
        "slice": "whole slice",
        "body": "body",
        "part_of_mvct": "body, part of the MVCT's",
        **{f"body {case.patient}": f"body, {case.patient}" for case in cases},
    }
    study.write_table(
        "features", rows, columns, title="Difference of φ to the true kVCT's", notes=_notes(study, cases, rows)
    )


def _row(study: Study, vgg: VGGFeatures, cases: Sequence[Case], method: Versioned) -> Row:
    """Means over the patients, and the body of each."""
    found = {
        case.patient: study.once(
            f"features/{case.patient}/{method.kept.name}", lambda case=case: _differences(study, vgg, case, method)
        )
        for case in cases
    }
    means = {part: mean_and_sd(one[part] for one in found.values())[0] for part in ("slice", "body")}
    return {"method": method.name, **means, **{f"body {patient}": one["body"] for patient, one in found.items()}}


def _differences(study: Study, vgg: VGGFeatures, case: Case, method: Versioned) -> dict[str, float]:
    converted = study.converted(method.kept, case.patient, case.mvct)
    found = [
        phi_difference(vgg, converted[k], case.truth.array[k], _body(case, k))
        for k in spread(len(converted), SLICES).tolist()
    ]
    return {part: mean_and_sd(one[part] for one in found)[0] for part in ("slice", "body")}


def _body(case: Case, k: int) -> np.ndarray:
    return body_mask(case.truth.array[k], pixel_size=(case.truth.spacing[1], case.truth.spacing[0]))


def _notes(study: Study, cases: Sequence[Case], rows: Sequence[Row]) -> str:
    file = weights_file(study)
    lines = [
        "Mean squared difference of φ to that of the true kVCT, over all 64 channels: φ is VGG-19's conv1_2 after "
        f"its ReLU, trained on ImageNet ({file.name if file else 'of torchvision'}), of HU in the paper's window of "
        "-600 to 400 HU for every scan, as the perceptual loss has it. (That loss compares a scan with its own "
        "translation, and a model may be trained in another window.)",
        "",
        f"Up to {SLICES} evenly spread slices of each test patient ({', '.join(case.patient for case in cases)}); "
        "means over the slices, then over the patients. MVCT is simulated; no randomness beyond that of the "
        "simulated scans.",
        "",
        "The true kVCT has noise of its own, which no method can know: part of every value is that noise, and a "
        "result without any is nearer to it than one with other noise of the same strength. So this is no measure "
        "of how alike two scans look.",
        "",
        _conclusion(study, rows),
        "",
        "![φ](features.png)",
        "",
        f"The figure: the middle slice of {cases[0].patient}, {SHOWN_PX} pixels square about the centre of the body; "
        f"the {SHOWN_OF_A_KIND} channels in which MVCT and true kVCT differ most (mean square in the body), then the "
        f"{SHOWN_OF_A_KIND} others in which the true kVCT varies most. Each column has one grey scale, whose white "
        "is the 99th percentile of the true kVCT.",
        "",
        "The networks:",
        "",
        described(study),
    ]
    return "\n".join(lines)


def _conclusion(study: Study, rows: Sequence[Row]) -> str:
    part = {row["method"]: row["part_of_mvct"] for row in rows}
    best = min((method.name for method in conventional(study)), key=part.__getitem__)
    networks = ", ".join(f"{method.name} {part[method.name]:.2f}" for method in trained(study))
    return (
        f"In the body, as a part of the MVCT's: {best} {part[best]:.2f}, the lowest of the conventional methods; "
        f"networks: {networks or 'none yet'}."
    )
