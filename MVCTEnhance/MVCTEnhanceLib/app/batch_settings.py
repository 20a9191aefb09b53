"""What the cases of a batch are done with, and where it decides what is done anew."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..imageio.formats import WRITABLE, has_suffix
from .batch_cases import Case

WRITTEN_AS = {".nhdr": ".nrrd", ".mhd": ".mha"}


@dataclass(frozen=True)
class Settings:
    """What all cases are done with; the model counts by its content, since a file of the same name may change.

    Args:
        model: the file.
        model_digest: SHA-256 of its content.
        device, difference, report, format, correction: as in `BatchRequest`.
    """

    model: Path
    model_digest: str
    device: str
    difference: bool
    report: bool
    format: str | None
    correction: bool = False

    def suffix(self, case: Case) -> str:
        """Of the output files of a case; empty for DICOM."""
        if self.format is not None:
            return "" if self.format == "dicom" else f".{self.format}"
        if case.is_dicom:
            return ""
        suffix = next(suffix for suffix in (*WRITABLE, *WRITTEN_AS) if has_suffix(case.source, (suffix,)))
        return WRITTEN_AS.get(suffix, suffix)

    def made_of(self, case: Case) -> dict[str, Any]:
        """What the outputs of a case depend on, JSON-serialisable."""
        return {
            "input": case.fingerprint,
            "model": self.model_digest,
            "suffix": self.suffix(case),
            "difference": self.difference,
            "report": self.report,
        } | ({"correction": True} if self.correction else {})

    def arguments(self, case: Case, folder: Path) -> list[str]:
        """The command line that does a case into a folder."""
        suffix = self.suffix(case)
        arguments = ["enhance", str(case.source), f"--output={folder / f'enhanced{suffix}'}"]
        arguments += [f"--model={self.model}", f"--device={self.device}"]
        arguments += [f"--series-uid={case.series_uid}"] * bool(case.series_uid)
        arguments += [f"--difference={folder / f'difference{suffix}'}"] * self.difference
        arguments += [f"--correction={folder / f'correction{suffix}'}"] * self.correction
        return arguments + [f"--report={folder / 'report'}"] * self.report
