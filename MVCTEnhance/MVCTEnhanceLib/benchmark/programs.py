"""An exported model in other programs than PyTorch, for what is installed of them."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from io import BytesIO

import numpy as np

from ..model.export import INPUT, onnx_of
from ..model.package import Model
from ..volume import Volume

ONNX_RUNTIME, OPENVINO = "exported, ONNX Runtime", "exported, OpenVINO"
NEEDED = ("onnx", "onnxscript")


def other_programs(model: Model, scan: Volume, threads: int) -> dict[str, Callable[[], None]]:
    """By name, what enhances a scan slice by slice on the processor in float32; empty where nothing is installed."""
    makers = {name: make for name, (package, make) in _MAKERS.items() if find_spec(package)}
    if not makers or not all(map(find_spec, NEEDED)) or model.translator.preset.multiple > 1:
        return {}
    content = onnx_of(model)
    return {name: _slice_by_slice(make(content, threads), scan) for name, make in makers.items()}


def _slice_by_slice(run: Callable[[np.ndarray], object], scan: Volume) -> Callable[[], None]:
    def run_all() -> None:
        for image in scan.array:
            run(image[None].astype(np.float32))

    return run_all


def _onnx_runtime(content: bytes, threads: int) -> Callable[[np.ndarray], object]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    return lambda hu: session.run(None, {INPUT: hu})


def _openvino(content: bytes, threads: int) -> Callable[[np.ndarray], object]:
    import openvino

    settings = {"INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": "f32"}
    core = openvino.Core()
    return core.compile_model(core.read_model(BytesIO(content)), "CPU", settings)


_MAKERS = {ONNX_RUNTIME: ("onnxruntime", _onnx_runtime), OPENVINO: ("openvino", _openvino)}
