"""Models as ONNX: what other programs make of them is what the engine makes, and no other file is left."""

import builtins
import json

import numpy as np
import pytest
from MVCTEnhanceLib.benchmark.programs import ONNX_RUNTIME, other_programs
from MVCTEnhanceLib.jobs import export as export_module
from MVCTEnhanceLib.jobs.export import export_model
from MVCTEnhanceLib.jobs.requests import ExportRequest
from MVCTEnhanceLib.model.card import DEFAULT_MODEL, Plan, find_model
from MVCTEnhanceLib.model.engine import Engine
from MVCTEnhanceLib.model.intensities import PAPER_WINDOW
from MVCTEnhanceLib.model.package import Model, load_model, save_model
from MVCTEnhanceLib.model.translator import Translator
from MVCTEnhanceLib.volume import Volume

pytestmark = pytest.mark.integration

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """The default model as a file, and what was said of it."""
    path = tmp_path_factory.mktemp("exported") / "model.onnx"
    return path, export_model(ExportRequest(path))


def test_exported_model_gives_the_engines_hu_on_slices_of_any_size(exported, mvct):
    path, result = exported
    assert result["largest_difference_hu"] < 0.01
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    package = load_model(find_model(DEFAULT_MODEL))
    for array in (mvct.array, mvct.array[:1, :70, :], mvct.array[1:, 10:26, 5:50]):
        (hu,) = session.run(None, {"mvct_hu": array.astype(np.float32)})
        spacing = (package.plan.spacing_mm, package.plan.spacing_mm, 6.0)
        engine = Engine(package, export_module.torch.device("cpu")).enhance(Volume(array, spacing)).array
        assert np.abs(hu - engine).max() <= 0.51
        assert np.abs(engine - array.astype(int)).max() > 20


def test_file_is_one_that_tells_its_plan_and_card(exported):
    path, _ = exported
    assert [other.name for other in path.parent.iterdir()] == [path.name]
    texts = {entry.key: entry.value for entry in onnx.load(path).metadata_props}
    assert json.loads(texts["plan"])["spacing_mm"] == load_model(find_model(DEFAULT_MODEL)).plan.spacing_mm
    assert "Research" in json.loads(texts["card"])["intended_use"]


@pytest.mark.thorough
def test_other_programs_are_timed_with_the_exported_model(mvct):
    ways = other_programs(load_model(find_model(DEFAULT_MODEL)), mvct, threads=1)
    ways[ONNX_RUNTIME]()


def test_exported_model_that_gives_other_hu_is_not_written(exported, tmp_path, main, assert_refused, monkeypatch):
    monkeypatch.setattr(export_module, "onnx_of", lambda package: exported[0].read_bytes())
    monkeypatch.setattr(export_module, "_difference_hu", lambda package, content: 0.7)
    assert_refused(main("export", "--output", tmp_path / "model.onnx"), "0.7 HU", "not written")


@pytest.mark.thorough
def test_model_that_could_not_be_run_is_written_with_a_warning(tmp_path, main, monkeypatch):
    monkeypatch.setattr(export_module, "_difference_hu", lambda package, content: None)
    result = main("export", "--output", tmp_path / "model.onnx", "--json")
    assert result.code == 0 and "was not run" in result.stderr
    assert result.json()["largest_difference_hu"] is None
    assert (tmp_path / "model.onnx").is_file()


def test_other_suffix_is_refused(tmp_path, main, assert_refused):
    assert_refused(main("export", "--output", tmp_path / "model.pt"), "model.pt", ".onnx")


def test_networks_that_need_sizes_of_a_multiple_are_refused(tmp_path, main, assert_refused):
    save_model(Model(Translator("ozaki2022"), Plan("ozaki2022", 0.763, PAPER_WINDOW)), tmp_path / "paper.safetensors")
    output = tmp_path / "model.onnx"
    assert_refused(main("export", "--model", tmp_path / "paper.safetensors", "--output", output), "multiple of 4")
    assert other_programs(load_model(tmp_path / "paper.safetensors"), None, 1) == {}


def test_missing_package_is_named(tmp_path, main, assert_refused, monkeypatch):
    real = builtins.__import__

    def without_onnxscript(name, *more):
        if name == "onnxscript":
            raise ImportError(name)
        return real(name, *more)

    monkeypatch.setattr(builtins, "__import__", without_onnxscript)
    assert_refused(main("export", "--output", tmp_path / "model.onnx"), "pip install onnx onnxscript")
