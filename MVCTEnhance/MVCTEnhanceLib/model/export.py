"""A model as an ONNX file, for programs that run networks without PyTorch."""

from __future__ import annotations

import dataclasses
import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from io import StringIO

import torch
from torch import nn

from ..errors import ModelError, MVCTEnhanceError
from .package import Model

INPUT, OUTPUT = "mvct_hu", "kvct_hu"
SIDE_PX = 64  # of the slices that the graph is traced with; it takes others, too


def onnx_of(model: Model) -> bytes:
    """The content of an ONNX file with G_MV→kV, from HU to HU.

    Its input `mvct_hu` and output `kvct_hu` are float32 HU of shape (n, j, i), of any n and at least 16 rows and
    columns, with pixels of the plan's spacing: to resample, round and clip is up to the program that runs it. Plan and
    card travel along as metadata of the file.

    Raises:
        ModelError: the networks need slices of sizes that an ONNX file has no way to insist on.
        MVCTEnhanceError: the packages onnx and onnxscript are not installed.
    """
    if model.translator.preset.multiple > 1:
        raise ModelError(
            f"Models of the preset '{model.plan.preset}' cannot be exported, since their networks need slices of a "
            f"multiple of {model.translator.preset.multiple} pixels: export one of another preset."
        )
    onnx = _require_onnx()
    graph, smallest = HUToHU(model).eval(), model.translator.MIN_SIDE_PX
    sizes = {axis: torch.export.Dim(name, min=least) for axis, name, least in _axes(smallest)}
    with _quiet():
        program = torch.onnx.export(
            graph,
            (torch.zeros(2, SIDE_PX, SIDE_PX + 16),),
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_shapes=(sizes,),
            dynamo=True,
        )
    proto = program.model_proto
    texts = {"plan": json.dumps(dataclasses.asdict(model.plan)), "card": json.dumps(model.card)}
    onnx.helper.set_model_props(proto, texts)
    onnx.checker.check_model(proto)
    return proto.SerializeToString()


def _axes(smallest: int) -> tuple[tuple[int, str, int], ...]:
    return (0, "slices", 1), (1, "rows", smallest), (2, "columns", smallest)


class HUToHU(nn.Module):
    """G_MV→kV of a model, from HU to HU: float32, shape (n, j, i), at the plan's spacing."""

    def __init__(self, model: Model):
        super().__init__()
        self.translator, self.intensities = model.translator, model.plan.intensities

    def forward(self, hu: torch.Tensor) -> torch.Tensor:
        """HU of MVCT to HU of kVCT, both float32, shape (n, j, i)."""
        values = self.intensities.to_network(hu, "mv")[:, None]
        return self.intensities.to_hu(self.translator.to_kv(values), "kv")[:, 0]


def _require_onnx():
    try:
        import onnx
        import onnxscript  # noqa: F401 - torch needs it
    except ImportError as error:
        raise MVCTEnhanceError(
            "To export a model, the Python packages onnx and onnxscript are needed: install them with "
            "'pip install onnx onnxscript'."
        ) from error
    return onnx


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what the exporter has to say to developers of exporters."""
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), redirect_stdout(StringIO()), redirect_stderr(StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)
