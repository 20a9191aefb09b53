"""The benchmark on small slices: what it tells is complete, of one run, and adds up."""

import json
import sys

import numpy as np
import pytest
from MVCTEnhanceLib.benchmark import run as benchmark_module
from MVCTEnhanceLib.benchmark.job import timed_job
from MVCTEnhanceLib.benchmark.programs import ONNX_RUNTIME, OPENVINO
from MVCTEnhanceLib.benchmark.run import benchmark, noisy_phantom
from MVCTEnhanceLib.benchmark.slices import AS_AUTHORS, AS_IT_IS, ENGINE
from MVCTEnhanceLib.cli.output import show_benchmark
from MVCTEnhanceLib.errors import MVCTEnhanceError
from MVCTEnhanceLib.jobs.requests import BenchmarkRequest
from MVCTEnhanceLib.model.card import DEFAULT_MODEL, find_model
from MVCTEnhanceLib.volume import Volume

OTHERS = (ONNX_RUNTIME, OPENVINO)


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(benchmark_module, "SIDE_PX", 96)
    monkeypatch.setattr(benchmark_module, "PIXEL_MM", 2.0)


@pytest.mark.thorough
def test_everything_that_was_asked_for_is_timed_and_written(small, tmp_path, capsys):
    output = tmp_path / "benchmark.json"
    request = BenchmarkRequest(
        device="cpu", threads=(1,), rounds=1, batches=(1, 2), slices=(3,), jobs=(2,), cases=2, output=output
    )
    result = benchmark(request)
    assert json.loads(output.read_text(encoding="utf-8")) == result
    rows = {row["way"]: row for row in result["slices"]}
    assert [way for way in rows if way not in OTHERS] == [AS_AUTHORS, AS_IT_IS, ENGINE]
    assert all(rows[name]["giga_macs"] == rows[ENGINE]["giga_macs"] for name in (AS_IT_IS, *OTHERS) if name in rows)
    assert rows[AS_AUTHORS]["times_paper"] == 1
    for row in rows.values():
        assert row["threads"] == 1 and row["seconds"] > 0
        assert row["times_paper"] == pytest.approx(rows[AS_AUTHORS]["seconds"] / row["seconds"])
        speed = row["giga_macs"] / row["seconds"]
        assert row["share_of_peak"] == pytest.approx(speed / row["peak_giga_macs_per_s"])
    assert [row["batch"] for row in result["batches"]] == [1, 2]
    assert [row["slices"] for row in result["scaling"]] == [3]
    cases = result["cases"]
    assert (cases["cases"], cases["slices"]) == (2, 10)
    assert cases["one_process"] < cases["process_each"]
    assert cases["ratio"] == pytest.approx(cases["one_process"] / cases["process_each"])
    assert result["start_s"] > 0
    show_benchmark(result)
    shown = capsys.readouterr().out
    assert all(
        text in shown
        for text in (AS_AUTHORS, "engine, batches of 2", "whole job, 2 slices", "2 scans of 10 slices", "metrics")
    )


@pytest.mark.integration
def test_stages_of_a_job_are_all_of_its_time(small, tmp_path):
    scan = noisy_phantom(2)
    row = timed_job(scan, tmp_path / "job", find_model(DEFAULT_MODEL), "cpu", threads=1)
    assert sum(row["stages"].values()) == pytest.approx(row["seconds"], rel=0.02)
    assert {"start", "enhance"} <= set(row["stages"])
    assert 0 < row["share_besides_network"] < 1
    assert (tmp_path / "job" / "report" / "report.html").is_file()
    if sys.platform.startswith("linux"):
        assert row["peak_bytes"] > row["above_volume_bytes"] > 1e8  # torch alone takes as much


@pytest.mark.thorough
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems do not tell")
def test_memory_of_a_job_is_not_that_of_the_benchmark(small, tmp_path):
    ballast = np.ones((1500, 1000, 1000), np.uint8)
    row = timed_job(noisy_phantom(1), tmp_path / "job", find_model(DEFAULT_MODEL), "cpu", threads=1)
    assert row["peak_bytes"] < ballast.nbytes


def test_job_that_fails_says_why(tmp_path):
    no_scan = Volume(np.zeros((1, 8, 8), np.int16), (1.0, 1.0, 1.0))
    with pytest.raises(MVCTEnhanceError, match=r"The job of the benchmark failed: .*nothing\.safetensors"):
        timed_job(no_scan, tmp_path / "job", tmp_path / "nothing.safetensors", "cpu", threads=1)


def test_unknown_model_is_refused_before_anything_is_timed():
    with pytest.raises(MVCTEnhanceError, match="nowhere"):
        benchmark(BenchmarkRequest(model="nowhere"))


@pytest.mark.integration
def test_slices_of_a_long_phantom_differ_by_their_noise(small):
    scan = noisy_phantom(benchmark_module.ANATOMY_SLICES + 1).array
    assert scan.dtype == np.int16
    difference = scan[-1].astype(float) - scan[0]
    assert difference.std() == pytest.approx(np.sqrt(2) * benchmark_module.NOISE_HU, rel=0.05)
