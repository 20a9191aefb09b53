"""Plan and card of a model file, read without the packages that run it.

Only the standard library is needed, so that the models can be listed where neither torch nor safetensors are installed.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from ..errors import ModelError
from .card_checks import is_version, read_json, require_card, require_plan
from .intensities import Intensities, Kind

FORMAT = "mvct-enhance"
PLAN_VERSION = 1
DEFAULT_MODEL = "simulated-anchor"
SHIPPED_MODELS = Path(__file__).resolve().parents[1] / "Models"
_LENGTH_BYTES = 8
_CHUNK_BYTES = 1 << 20
_MAX_HEADER_BYTES = 10_000_000  # a card is a thousandth of that: a damaged length or a flood of text takes no memory


@dataclass(frozen=True)
class Plan:
    """What running the weights takes.

    Args:
        preset: name of the networks.
        spacing_mm: pixel size that they were trained at; other scans are resampled to it and back.
        intensities: the mapping from HU.
        version: of this plan's layout.
    """

    preset: str
    spacing_mm: float
    intensities: Intensities
    version: int = PLAN_VERSION

    def is_at_spacing(self, spacing: tuple[float, ...]) -> bool:
        """Whether in-plane pixel sizes in mm are the trained one, within 1 %, so that nothing is resampled."""
        return all(math.isclose(mm, self.spacing_mm, rel_tol=1e-2) for mm in spacing[:2])


def installed_models() -> dict[str, Path]:
    """The shipped models: name -> file."""
    return {path.stem: path for path in sorted(SHIPPED_MODELS.glob("*.safetensors"))}


def find_model(name_or_path: str | Path) -> Path:
    """The file of an installed model, or the path given where it is a file.

    Raises:
        ModelError: neither.
    """
    models = installed_models()
    if str(name_or_path) in models:
        return models[str(name_or_path)]
    path = Path(name_or_path)
    if path.is_file():
        return path
    raise ModelError(
        f"'{name_or_path}' is neither an installed model ({', '.join(models) or 'there is none'}) nor a model file."
    )


def read_card(path: Path) -> tuple[Plan, dict[str, Any]]:
    """The plan and card of a model, without its weights.

    Raises:
        ModelError: the file is not a model of this program, is damaged, or is of a newer version.
    """
    metadata = _read_metadata(path)
    if metadata.get("format") != FORMAT:
        raise ModelError(
            f"'{path}' is not an MVCTEnhance model: choose a .safetensors file made by mvct-enhance train."
        )
    try:
        entries = read_json(metadata["plan"])
        version = entries["version"]
        if not is_version(version):
            raise ValueError("no version")
        if version > PLAN_VERSION:
            raise ModelError(
                f"The model '{path}' has a plan of version {version}, this program reads up to {PLAN_VERSION}: "
                "update MVCTEnhance."
            )
        require_plan(entries)
        plan = Plan(**{**entries, "intensities": Intensities(**entries["intensities"])})
        card = read_json(metadata["card"])
        require_card(card)
        if plan.intensities.kind not in get_args(Kind):
            raise ValueError("no such intensities")
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise ModelError(f"The plan or card of the model '{path}' cannot be read: get the file again.") from error
    return plan, card


def model_identity(card: dict[str, Any]) -> dict[str, Any]:
    """Name, version and seed, by which a card is found again; only those that it has."""
    card = {"name": "unnamed"} | card
    return {key: card[key] for key in ("name", "version", "seed") if key in card}


def model_sha256(path: Path) -> str:
    """SHA-256 of a model file's content, in hexadecimal digits.

    Raises:
        ModelError: it cannot be read.
    """
    content = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                content.update(chunk)
    except OSError as error:
        raise _unreadable(path, error) from error
    return content.hexdigest()


def damaged(path: Path) -> ModelError:
    """The error for a file that is no whole safetensors file."""
    return ModelError(f"The model file '{path}' is damaged or is no safetensors file: get it again.")


def _unreadable(path: Path, error: OSError) -> ModelError:
    return ModelError(f"The model file '{path}' cannot be read ({error.strerror}): check the path and its permissions.")


def _read_metadata(path: Path) -> dict[str, str]:
    """The texts in the header of a safetensors file: its length in 8 bytes, the header as JSON, then the tensors."""
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
            if not 2 <= length <= min(_MAX_HEADER_BYTES, path.stat().st_size):
                raise damaged(path)
            header = json.loads(file.read(length).decode("utf-8"))
        metadata = header.pop("__metadata__", None) or {}
        ends = [tensor["data_offsets"][1] for tensor in header.values()]
        if not isinstance(metadata, dict) or _LENGTH_BYTES + length + max(ends, default=0) != path.stat().st_size:
            raise damaged(path)
    except OSError as error:
        raise _unreadable(path, error) from error
    except (ValueError, AttributeError, KeyError, IndexError, TypeError, RecursionError) as error:
        raise damaged(path) from error
    return metadata
