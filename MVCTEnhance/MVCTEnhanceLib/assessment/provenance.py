"""The provenance of a record: which program, model, input and time it is of."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from .. import __version__
from ..model.card import Plan, model_identity, model_sha256
from ..quality.record import EnhancementRecord, Provenance
from ..volume import Volume

NOT_IDENTIFIED = "The MVCT is no DICOM series with a description or date by which the report could name it."
PROGRAM = f"MVCTEnhance {__version__}"


def provenance(input_digest: str, **known: Any) -> Provenance:
    """The provenance of a record that is made now by this program.

    Args:
        input_digest: of the MVCT as it was read, see `volume.grid.digest`.
        known: its other fields.
    """
    now = datetime.now().astimezone()
    return Provenance(PROGRAM, input_digest, now.isoformat(timespec="seconds"), **known)


def model_provenance(path: Path, plan: Plan, card: Mapping[str, Any]) -> dict[str, Any]:
    """What a record says of the model: its name, version and seed, its preset, the program, and its file's SHA-256.

    Raises:
        ModelError: the file cannot be read.
    """
    return model_identity(card) | {"preset": plan.preset, "program": PROGRAM, "sha256": model_sha256(path)}


def identity(scan: Volume) -> dict[str, str]:
    """By what a person knows a scan again: description and date of its DICOM series; empty where it has none."""
    return identity_of_series(scan.source.description, scan.source.date) if scan.source else {}


def identity_of_series(description: str, date: str) -> dict[str, str]:
    """The same of a series' description and date as DICOM writes it, YYYYMMDD."""
    day = "-".join((date[:4], date[4:6], date[6:])) if len(date) == len("YYYYMMDD") else date
    return {name: text for name, text in (("description", description), ("date", day)) if text}


def provenance_rows(record: EnhancementRecord) -> dict[str, str]:
    """Program, model, site, strength, digests and time by their names in tables; empty where the record says none."""
    made, strength = record.provenance, record.strength
    version = f" {made.model['version']}" if made.model.get("version") else ""
    return {
        "program": made.program or made.model.get("program", ""),
        "model": f"{made.model.get('name', '')}{version}",
        "site": made.site.get("name", ""),
        "strength": "" if strength is None else f"{strength} %",
        "model_sha256": made.model.get("sha256", ""),
        "site_sha256": made.site.get("sha256", ""),
        "input_sha256": made.input_sha256,
        "time": made.time,
    }
