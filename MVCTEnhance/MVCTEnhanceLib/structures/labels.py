"""Structures of a label map or of a segmentation of Slicer (.seg.nrrd) on the grid of a scan."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..errors import InputError, OutputError
from ..runtime.quiet import quiet_itk
from ..storage.atomic import atomic_file
from ..volume import Volume
from ..volume.itk import itk_name, to_itk
from .structure import Structure, with_names_of_their_own

MAX_LABELS = 500
NO_LABELS = "holds no labels (whole numbers from 0) but other values: choose a label map or a segmentation, no CT"


def read_labels(path: Path, scan: Volume) -> tuple[list[Structure], tuple[str, ...]]:
    """A structure for each label or segment, by the nearest voxel where it lies on another grid than the scan.

    Args:
        path: volume file of labels, or .seg.nrrd.
        scan: on whose grid they are wanted.

    Returns:
        The structures that lie in the scan, and a warning for each of the others.

    Raises:
        InputError: the file cannot be read, or holds no labels.
    """
    image = _read(path)
    values = sitk.GetArrayViewFromImage(image)
    if not np.issubdtype(values.dtype, np.integer) or values.min() < 0:
        raise InputError(f"'{path}' {NO_LABELS}.")
    layers = _layers(image)
    found = _segments(image) or [
        (f"label {label}", 0, int(label)) for label in np.unique(values) if label and len(layers) == 1
    ]
    if not found:
        raise InputError(f"'{path}' is empty: draw a structure, or choose another file.")
    if len(found) > MAX_LABELS:
        raise InputError(f"'{path}' has {len(found)} labels, more than {MAX_LABELS}: choose a label map, no CT.")
    on_grid = [_on_grid(layer, to_itk(scan)) for layer in layers]
    structures, warnings = [], []
    for name, (_, layer, label) in zip(with_names_of_their_own([name for name, *_ in found]), found, strict=True):
        inside = on_grid[layer] == label
        if inside.any():
            structures.append(Structure.of(name, inside))
        else:
            warnings.append(f"The structure '{name}' is empty or lies outside of the scan: it is left out.")
    return structures, tuple(warnings)


def write_segments(segments: Iterable[tuple[str, Volume]], path: Path) -> None:
    """Write masks (0 and 1) on one grid as a segmentation of Slicer; those that overlap into several layers.

    Args:
        segments: name and mask of each.

    Raises:
        OutputError: it cannot be written.
    """
    layers: list[Volume] = []
    entries: dict[str, str] = {}
    for number, (name, mask) in enumerate(segments):
        inside = mask.array > 0
        free = [layer for layer, volume in enumerate(layers) if not volume.array[inside].any()]
        if not free:
            layers.append(mask.with_array(np.zeros(mask.array.shape, np.uint16)))
        layer = free[0] if free else len(layers) - 1
        layers[layer].array[inside] = number + 1
        for what, value in (("ID", number), ("Name", name), ("Layer", layer), ("LabelValue", number + 1)):
            entries[f"Segment{number}_{what}"] = str(value)
    images = [to_itk(layer) for layer in layers]
    image = sitk.Compose(images) if len(images) > 1 else images[0]
    for key, value in entries.items():
        image.SetMetaData(key, value)
    with atomic_file(path) as partial:
        try:
            with quiet_itk():
                sitk.WriteImage(image, str(partial))
        except RuntimeError as error:
            raise OutputError(f"{path} could not be written completely: free some space on the disk.") from error


def _read(path: Path) -> sitk.Image:
    name = itk_name(path)
    if name is None:
        raise InputError(f"{path} has letters in its name that are no valid text: rename it and its folders.")
    try:
        with quiet_itk():
            image = sitk.ReadImage(name)
    except RuntimeError as error:
        raise InputError(
            f"'{path}' cannot be read: choose an RT Structure Set, .nrrd, .nii.gz or .seg.nrrd."
        ) from error
    if image.GetDimension() != 3:
        raise InputError(f"'{path}' has {image.GetDimension()} dimensions: choose labels of one scan.")
    return image


def _on_grid(labels: sitk.Image, grid: sitk.Image) -> np.ndarray:
    return sitk.GetArrayFromImage(sitk.Resample(labels, grid, sitk.Transform(), sitk.sitkNearestNeighbor))


def _layers(image: sitk.Image) -> list[sitk.Image]:
    """Overlapping segments of Slicer lie in several layers."""
    count = image.GetNumberOfComponentsPerPixel()
    return [image] if count == 1 else [sitk.VectorIndexSelectionCast(image, layer) for layer in range(count)]


def _segments(image: sitk.Image) -> list[tuple[str, int, int]]:
    """Name, layer and label of each segment of Slicer; none where the file is a plain label map."""
    numbers = sorted(
        int(match[1]) for key in image.GetMetaDataKeys() if (match := re.fullmatch(r"Segment(\d+)_LabelValue", key))
    )

    def entry(number: int, what: str, default: str) -> str:
        key = f"Segment{number}_{what}"
        return image.GetMetaData(key) if image.HasMetaDataKey(key) else default

    return [
        (entry(number, "Name", ""), int(entry(number, "Layer", "0")), int(entry(number, "LabelValue", "1")))
        for number in numbers
    ]
