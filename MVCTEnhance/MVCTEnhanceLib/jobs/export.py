"""A model exported for other programs, and checked before it is written."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from ..errors import OutputError
from ..io.formats import has_suffix
from ..model.card import find_model
from ..model.export import INPUT, HUToHU, onnx_of
from ..model.package import Model, load_model
from ..runtime.events import EventHandler, ignore_event
from ..storage.atomic import atomic_file
from .requests import ExportRequest
from .scans import require_absent, require_permission

SUFFIX = ".onnx"
CHECKED_SHAPE = (2, 160, 192)
TOLERANCE_HU = 0.5


def export_model(request: ExportRequest, *, on_event: EventHandler = ignore_event) -> dict[str, Any]:
    """Write a model as an ONNX file, see `model.export`.

    Where ONNX Runtime is installed, noise goes through it and through PyTorch first, and both have to agree.

    Returns:
        output, and largest_difference_hu: of the two, None where ONNX Runtime is not installed.

    Raises:
        ModelError, MVCTEnhanceError: see `onnx_of`.
        OutputError: another suffix, a file that exists or cannot be written, or the exported model gives other HU.
    """
    output = request.output
    if not has_suffix(output, (SUFFIX,)):
        raise OutputError(f"'{output.name}' has another suffix than {SUFFIX}: end the output in it.")
    require_absent(output, overwrite=request.overwrite)
    require_permission(output)
    package = load_model(find_model(request.model))
    content = onnx_of(package)
    difference = _difference_hu(package, content)
    if difference is None:
        on_event("warning", message="ONNX Runtime is not installed: the exported model was not run to check it.")
    elif difference > TOLERANCE_HU:
        raise OutputError(
            f"The exported model gives up to {difference:.3g} HU else than in PyTorch, so it was not written: "
            "update onnx, onnxscript and torch."
        )
    with atomic_file(output, overwrite=request.overwrite) as partial:
        partial.write_bytes(content)
    return {"output": str(output), "largest_difference_hu": difference}


def _difference_hu(package: Model, content: bytes) -> float | None:
    try:
        import onnxruntime
    except ImportError:
        return None
    hu = np.random.default_rng(0).normal(0, 400, CHECKED_SHAPE).astype(np.float32)
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    (exported,) = session.run(None, {INPUT: hu})
    with torch.inference_mode():
        plain = HUToHU(package)(torch.from_numpy(hu)).numpy()
    return float(np.abs(exported - plain).max())
