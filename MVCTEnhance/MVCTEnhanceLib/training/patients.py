"""Comparison of scans by patient, without keeping or naming who that is."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from ..errors import InputError
from ..io.dicom.header import patient_id
from ..io.formats import READABLE
from ..volume import Volume


@dataclass(frozen=True)
class Scan:
    """Where a scan was read from, and what it shares with other scans of its patient.

    Args:
        path: file or folder.
        patient: digest of the DICOM Patient ID; empty where there is none.
        slices: a digest of each slice that shows tissue.
    """

    path: Path
    patient: str
    slices: tuple[str, ...]

    def shows_patient_of(self, other: Scan) -> bool:
        """Whether the Patient IDs agree (where one of them is missing: the names of the files), or any slice does."""
        if self.patient and other.patient:
            same = self.patient == other.patient
        else:
            same = _stem(self.path) == _stem(other.path)
        return same or not set(self.slices).isdisjoint(other.slices)


def scan_of(path: Path, volume: Volume, slices: Sequence[torch.Tensor]) -> Scan:
    """What is kept of a scan; `slices` are its int16 slices (j, i) that show tissue."""
    known = patient_id(volume.source.header(0)).casefold() if volume.source else ""
    return Scan(path, _digest(known.encode()) if known else "", tuple(_digest(hu.numpy().tobytes()) for hu in slices))


def require_other_patients(validation: Sequence[Scan], training: Sequence[Scan]) -> None:
    """Refuse validation scans that show a patient of the training.

    Raises:
        InputError: names the two scans by their paths; nothing of their headers.
    """
    for seen in training:
        for scan in validation:
            if scan.shows_patient_of(seen):
                raise InputError(
                    f"'{scan.path}' of the validation shows a patient of the training, whose scan is '{seen.path}' "
                    "(the same Patient ID, file name or slice): keep all scans of a patient on one side."
                )


def shared_slices(one: Sequence[Scan], other: Sequence[Scan]) -> int:
    """The number of different slices that are in both."""
    sets = [{digest for scan in scans for digest in scan.slices} for scans in (one, other)]
    return len(sets[0] & sets[1])


def _stem(path: Path) -> str:
    name = path.name.casefold()
    return next((name.removesuffix(suffix) for suffix in READABLE if name.endswith(suffix)), name)


def _digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=16).hexdigest()
