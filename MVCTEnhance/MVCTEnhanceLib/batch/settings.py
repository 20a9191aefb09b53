"""Settings of a batch, and the results of an earlier run that fit them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..assessment.provenance import PROGRAM
from ..errors import OutputError
from ..io.formats import WRITABLE, has_suffix
from ..jobs.requests import EnhanceRequest
from ..quality.record import FULL_STRENGTH
from .cases import Case

WRITTEN_AS = {".nhdr": ".nrrd", ".mhd": ".mha"}
OUTPUTS = ("difference", "correction", "report")  # that a case has where they are asked for

Note = Mapping[str, Any]  # of a finished case: what it was made of, see `batch_folder`


@dataclass(frozen=True)
class Settings:
    """What all cases are done with; the model counts by its content, since a file of the same name may change.

    Args:
        model: the name of an installed one, or the file.
        model_digest: SHA-256 of its content.
        site, site_digest: the site profile and its SHA-256; None and empty where there is none.
        structures, structures_digest: file of structures and its SHA-256; None and empty where there is none.
        outputs: which of OUTPUTS each case gets.
        device, format, force, strength: as in `BatchRequest`.
    """

    model: str | Path
    model_digest: str
    device: str
    outputs: frozenset[str]
    format: str | None
    force: bool = False
    strength: int = FULL_STRENGTH
    site: Path | None = None
    site_digest: str = ""
    structures: Path | None = None
    structures_digest: str = ""

    def suffix(self, case: Case) -> str:
        """Of the output files of a case; empty for DICOM."""
        if self.format is not None:
            return "" if self.format == "dicom" else f".{self.format}"
        if case.is_dicom:
            return ""
        suffix = next(suffix for suffix in (*WRITABLE, *WRITTEN_AS) if has_suffix(case.source, (suffix,)))
        return WRITTEN_AS.get(suffix, suffix)

    def input_signature(self, case: Case) -> dict[str, Any]:
        """What the outputs of a case depend on, JSON-serialisable."""
        content = {"input": case.fingerprint, "model": self.model_digest, "suffix": self.suffix(case)}
        content |= {"strength": self.strength, "site": self.site_digest, "structures": self.structures_digest}
        return content | {name: name in self.outputs for name in OUTPUTS}

    def differences(self, case: Case, note: Note) -> list[str]:
        """In what an earlier result differs so that it does not belong into one batch with new ones."""
        signature = note["made_of"]
        pairs = {
            "model": (signature["model"], self.model_digest),
            "site profile": (signature.get("site", ""), self.site_digest),
            "file of structures": (signature.get("structures", ""), self.structures_digest),
            "strength": (signature.get("strength", FULL_STRENGTH), self.strength),
            "format": (signature["suffix"], self.suffix(case)),
            "version of the program": (note["made_by"], PROGRAM),
        }
        return [name for name, (before, now) in pairs.items() if before != now]

    def is_finished(self, case: Case, note: Note) -> bool:
        """Whether an earlier result is of this input and has all that is asked for."""
        return (
            note["made_of"]["input"] == case.fingerprint
            and not self.differences(case, note)
            and self.outputs <= _outputs_of(note)
            and not (self.force and note.get("withheld"))
        )

    def extended(self, case: Case, note: Note) -> Settings:
        """These settings with what an earlier result has besides, so that doing the case anew takes nothing away."""
        is_same = note["made_of"]["input"] == case.fingerprint and not self.differences(case, note)
        has_scans = is_same and not note.get("withheld")
        return replace(self, outputs=self.outputs | _outputs_of(note), force=self.force or has_scans)

    def request(self, case: Case, folder: Path) -> EnhanceRequest:
        """What is asked of the child process that does a case into a folder."""
        suffix = self.suffix(case)
        places = {name: folder / (name if name == "report" else f"{name}{suffix}") for name in self.outputs}
        return EnhanceRequest(
            case.source,
            folder / f"enhanced{suffix}",
            model=str(self.model),
            site=self.site and str(self.site),
            structures=self.structures,
            device=self.device,
            series_uid=case.series_uid,
            force=self.force,
            strength=self.strength,
            **places,
        )


def _outputs_of(note: Note) -> frozenset[str]:
    return frozenset(name for name in OUTPUTS if note["made_of"].get(name))


def require_alike(settings: Settings, cases: Sequence[Case], earlier: Mapping[str, Note], output: Path) -> None:
    """Refuse to go on with a batch whose results are of another model, site profile, strength, format or version.

    Args:
        earlier: the results by the cases' keys.

    Raises:
        OutputError: some are.
    """
    unlike = [
        names for case in cases if case.key in earlier and (names := settings.differences(case, earlier[case.key]))
    ]
    if unlike:
        names = " and ".join(dict.fromkeys(name for names in unlike for name in names))
        raise OutputError(
            f"'{output}' holds results of {len(unlike)} cases by another {names}: resume with the same, choose a new "
            "folder, or replace these results by adding --overwrite."
        )
