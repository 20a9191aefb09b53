"""File formats by the suffix of a path."""

from __future__ import annotations

from pathlib import Path

WRITABLE = (".nrrd", ".nii", ".nii.gz", ".mha")
READABLE = (*WRITABLE, ".nhdr", ".mhd")


def has_suffix(path: str | Path, suffixes: tuple[str, ...]) -> bool:
    """Whether a path ends with one of these suffixes, in upper or lower case."""
    return Path(path).name.lower().endswith(suffixes)


def is_dicom_output(path: str | Path) -> bool:
    """Whether an output path means a folder of DICOM slices: it has no suffix of a volume file."""
    return not has_suffix(path, READABLE)
