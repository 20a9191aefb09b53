"""The provenance of readouts: which program, model, input and time they are of."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from .. import __version__
from ..model.card import Plan, model_identity, model_sha256
from ..volume import Volume

NOT_IDENTIFIED = "The MVCT is no DICOM series with a description or date by which the report could name it."
PROGRAM = f"MVCTEnhance {__version__}"


def provenance(input_digest: str) -> dict[str, Any]:
    """What readouts say of their making, JSON-serialisable.

    Args:
        input_digest: of the MVCT as it was read, see `volume.grid.digest`.

    Returns:
        program: name and version; input: {"sha256": the digest}; time: now, ISO 8601 with the offset from UTC.
    """
    now = datetime.now().astimezone()
    return {"program": PROGRAM, "input": {"sha256": input_digest}, "time": now.isoformat(timespec="seconds")}


def model_provenance(path: Path, plan: Plan, card: Mapping[str, Any]) -> dict[str, Any]:
    """What readouts say of the model: its name, version and seed, its preset, the program, and its file's SHA-256.

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


def provenance_rows(readouts: Mapping[str, Any]) -> dict[str, str]:
    """Program, model, digests and time of readouts by their names in tables; empty where they do not say."""
    model, given = readouts.get("model") or {}, readouts.get("input") or {}
    version = f" {model['version']}" if model.get("version") else ""
    return {
        "program": readouts.get("program") or model.get("program", ""),
        "model": f"{model.get('name', '')}{version}",
        "model_sha256": model.get("sha256", ""),
        "input_sha256": given.get("sha256", ""),
        "time": readouts.get("time", ""),
    }
