"""Seconds per slice of the paper's network, of a model as it is, in other programs, and of the engine."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from ..model.engine import Engine
from ..model.package import load_model
from ..model.translator import Translator
from ..volume import Volume
from .programs import other_programs

PAPER = "ozaki2022"
AS_AUTHORS, AS_IT_IS, ENGINE = f"{PAPER}, slice by slice", "model, slice by slice", "engine"
PEAK_SIDE = 2048  # of the matrices whose product measures the machine's peak
TURN_SLICES = 2


def time_slices(path: Path, device: torch.device, scan: Volume, rounds: int, threads: int) -> list[dict[str, Any]]:
    """A row for the paper's network and for the model, both slice by slice in plain PyTorch, and for the engine.

    On the processor also one for the exported model in ONNX Runtime and in OpenVINO, where these are installed.
    They take turns, so that what else the computer does meets them all alike; the first turn does not count.
    """
    model = load_model(path)
    as_it_is = Translator(model.plan.preset)  # the engine arranges its own for speed
    as_it_is.load_state_dict(model.translator.state_dict())
    plain = {AS_AUTHORS: Translator(PAPER).to(device).eval(), AS_IT_IS: as_it_is.to(device).eval()}
    engine, part = Engine(model, device), Volume(scan.array[:TURN_SLICES], scan.spacing)
    ways = {name: _slice_by_slice(translator, part, device) for name, translator in plain.items()}
    ways |= other_programs(model, part, threads) if device.type == "cpu" else {}
    ways[ENGINE] = lambda: engine.enhance(part)
    peak = _giga_macs_per_second(device)
    turns = [{name: _seconds(way, device) / TURN_SLICES for name, way in ways.items()} for _ in range(rounds + 1)][1:]
    seconds = {name: median(turn[name] for turn in turns) for name in ways}
    of_model = giga_macs(model.plan.preset)
    macs = dict.fromkeys(ways, of_model) | {AS_AUTHORS: giga_macs(PAPER)}
    return [
        {
            "way": name,
            "threads": threads,
            "seconds": seconds[name],
            "times_paper": seconds[AS_AUTHORS] / seconds[name],
            "giga_macs": macs[name],
            "share_of_peak": macs[name] / seconds[name] / peak,
            "peak_giga_macs_per_s": peak,
        }
        for name in ways
    ]


def time_batches(
    path: Path, device: torch.device, scan: Volume, batches: Sequence[int], rounds: int, threads: int
) -> list[dict[str, Any]]:
    """Seconds per slice of the engine by the slices that go through together."""
    model, part = load_model(path), Volume(scan.array[: max(batches, default=1)], scan.spacing)
    engines = {batch: Engine(model, device, batch=batch) for batch in batches}
    turns = [
        {batch: _seconds(lambda engine=engine: engine.enhance(part), device) for batch, engine in engines.items()}
        for _ in range(rounds + 1)
    ][1:]
    return [
        {"batch": batch, "threads": threads, "seconds": median(turn[batch] for turn in turns) / len(part.array)}
        for batch in batches
    ]


def time_scaling(
    path: Path, device: torch.device, scan: Volume, lengths: Sequence[int], threads: int
) -> list[dict[str, Any]]:
    """Seconds of the engine, warm, by the length of the scan."""
    engine = Engine(load_model(path), device)
    engine.enhance(Volume(scan.array[:1], scan.spacing))
    rows = []
    for length in lengths:
        part = Volume(scan.array[:length], scan.spacing)
        seconds = _seconds(lambda part=part: engine.enhance(part), device)
        rows.append({"slices": length, "threads": threads, "seconds": seconds, "seconds_a_slice": seconds / length})
    return rows


def _slice_by_slice(translator: Translator, scan: Volume, device: torch.device) -> Callable[[], None]:
    """As the authors' code does: one slice after the other, from the scan to HU, nothing arranged for speed."""
    intensities = translator.preset.intensities

    @torch.no_grad()
    def run() -> None:
        for image in scan.array:
            hu = torch.from_numpy(image.astype("float32")).to(device)
            values = intensities.to_network(hu, "mv")[None, None]
            intensities.to_hu(translator.to_kv(values), "kv").cpu()

    return run


def _seconds(run: Callable[[], Any], device: torch.device) -> float:
    _wait_for(device)
    start = time.perf_counter()
    run()
    _wait_for(device)
    return time.perf_counter() - start


def _wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _giga_macs_per_second(device: torch.device) -> float:
    """The best of a few products of two large float32 matrices."""
    matrix = torch.ones(PEAK_SIDE, PEAK_SIDE, device=device)
    return PEAK_SIDE**3 / 1e9 / min(_seconds(lambda: matrix @ matrix, device) for _ in range(6))


def giga_macs(preset: str) -> float:
    """Multiply-accumulates, in billions, of one slice of 512 x 512 from MVCT to kVCT."""
    with torch.device("meta"):  # which counts without computing
        translator, slices = Translator(preset).eval(), torch.empty(1, 1, 512, 512)
    with FlopCounterMode(display=False) as counter:
        translator.to_kv(slices)
    return counter.get_total_flops() / 2 / 1e9
