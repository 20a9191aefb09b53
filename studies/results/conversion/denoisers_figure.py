"""The figure denoisers: what every conversion makes of a slice of each test patient."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from conversion.conventional import one_slice
from conversion.conversion_metrics import TRUE_KVCT
from methods import methods
from MVCTEnhanceLib.quality.body import body_mask
from MVCTEnhanceLib.storage.atomic import atomic_file
from PIL import Image
from study import Case, Study

LEVEL_HU, WINDOW_HU = 40, 400
ZOOM_MM = 80.0
TILE_INCHES, HEAD_INCHES, DPI = 1.25, 0.36, 100
# Noise does not compress: as many greys as the file has room for.
GREYS, MAX_BYTES = (64, 32, 16, 8), 390_000


def write_picture(study: Study, cases: Sequence[Case]) -> None:
    """Make the figure."""
    rows = [row for case in cases for row in _tiles(study, case)]
    columns = list(rows[0])
    figure, axes = plt.subplots(
        len(rows),
        len(columns),
        figsize=(TILE_INCHES * len(columns), TILE_INCHES * len(rows) + HEAD_INCHES),
        squeeze=False,
    )
    low, high = LEVEL_HU - WINDOW_HU / 2, LEVEL_HU + WINDOW_HU / 2
    for row, line in zip(rows, axes, strict=True):
        for name, cell in zip(columns, line, strict=True):
            cell.imshow(row[name], cmap="gray", vmin=low, vmax=high)
            cell.set_axis_off()
    for name, cell in zip(columns, axes[0], strict=True):
        cell.set_title(name.replace(" + ", "\n+ "), fontsize=7)
    figure.subplots_adjust(0, 0, 1, 1 - HEAD_INCHES / figure.get_figheight(), wspace=0.02, hspace=0.02)
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=DPI)
    plt.close(figure)
    with atomic_file(study.results / "denoisers.png") as temporary:
        temporary.write_bytes(_small_png(Image.open(drawn).convert("L")))


def _small_png(picture: Image.Image) -> bytes:
    for greys in GREYS:
        file = io.BytesIO()
        picture.quantize(greys).save(file, format="png", optimize=True)
        if file.tell() <= MAX_BYTES:
            break
    return file.getvalue()


def _tiles(study: Study, case: Case) -> Iterator[Mapping[str, np.ndarray]]:
    """The middle slice of a patient by method: all of the body, then a detail of its middle."""
    middle = one_slice(case, len(case.mvct.array) // 2)
    images = {
        method.name: study.converted(method.kept, case.patient, case.mvct)[len(case.mvct.array) // 2]
        for method in methods(study)
    }
    images[TRUE_KVCT] = middle.truth.array[0]
    body = body_mask(middle.truth.array[0], pixel_size=(case.truth.spacing[1], case.truth.spacing[0]))
    rows, columns = (np.flatnonzero(body.any(axis=axis)) for axis in (1, 0))
    centre, side = ((rows[0] + rows[-1]) // 2, (columns[0] + columns[-1]) // 2), max(np.ptp(rows), np.ptp(columns)) + 8
    for pixels in (side, round(ZOOM_MM / case.truth.spacing[0])):
        yield {name: _square(image, centre, pixels) for name, image in images.items()}


def _square(image: np.ndarray, centre: tuple[int, int], side: int) -> np.ndarray:
    """A square of that many pixels about a pixel, air where it leaves the image."""
    padded = np.pad(image, side, constant_values=-1000)
    row, column = (int(value) + side - side // 2 for value in centre)
    return padded[row : row + side, column : column + side]
