"""Commands of `mvct-enhance`: their options turned into one call of the library, whose result comes back.

What a command needs is imported when it runs, so that --help answers at once.
"""

from __future__ import annotations

import argparse
from typing import Any

from ..runtime.events import EventHandler

Result = dict[str, Any]


def enhance(options: argparse.Namespace, on_event: EventHandler) -> Result:
    """Enhance one scan; of a scan whose DICOM is withheld, the result says so."""
    from ..jobs.enhance import enhance as run
    from ..jobs.request import EnhanceRequest, NotTrusted
    from ..model.card import DEFAULT_MODEL

    request = EnhanceRequest(
        input=options.input,
        output=options.output,
        model=options.model or DEFAULT_MODEL,
        device=options.device,
        difference=options.difference,
        report=options.report,
        series_uid=options.series_uid,
        kvct=options.kvct,
        cycle_error=options.cycle_error,
        region=options.region,
        correction=options.correction,
        compress=not options.uncompressed,
        overwrite=options.overwrite,
        force=options.force,
        identify=options.identify,
    )
    try:
        return run(request, on_event=on_event).readouts
    except NotTrusted as error:
        return error.result.readouts | {"withheld": True, "failure": str(error)}


def batch(options: argparse.Namespace, on_event: EventHandler) -> Result:
    """Enhance every scan below a folder."""
    from dataclasses import asdict

    from ..batch.cohort import BatchRequest, enhance_folder
    from ..model.card import DEFAULT_MODEL

    request = BatchRequest(
        input=options.input,
        output=options.output,
        workers=options.workers,
        resume=options.resume,
        model=options.model or DEFAULT_MODEL,
        device=options.device,
        difference=options.difference,
        correction=options.correction,
        report=options.report,
        format=options.format,
        overwrite=options.overwrite,
        force=options.force,
    )
    result = enhance_folder(request, on_event=on_event)
    failure = {"failure": result.failure} if result.failure else {}
    return asdict(result) | {"summary": result.summary.name} | failure


def evaluate(options: argparse.Namespace, on_event: EventHandler) -> Result:
    """Measure the metrics of an enhanced scan."""
    from ..jobs.evaluate import evaluate_files

    return evaluate_files(
        options.mvct,
        options.enhanced,
        kvct_path=options.kvct,
        truth_path=options.truth,
        region_path=options.region,
        model=options.model,
        on_event=on_event,
    )


def report_again(options: argparse.Namespace, on_event: EventHandler) -> Result:
    """Write the report of stored metrics again."""
    from ..jobs.report import ReportRequest, write_report_again

    request = ReportRequest(
        options.mvct,
        options.enhanced,
        options.readouts,
        options.output,
        options.model,
        options.overwrite,
        options.identify,
    )
    return write_report_again(request, on_event=on_event)


def dicom(options: argparse.Namespace, on_event: EventHandler) -> Result:
    """Write an enhanced scan or a map as a DICOM series."""
    from ..jobs.dicom import DicomRequest, write_derived_series

    request = DicomRequest(
        options.scan,
        options.output,
        source=options.source,
        series_uid=options.series_uid,
        description=options.description or "",
        derivation=options.derivation or "",
        overwrite=options.overwrite,
        kind=(options.kind or "").replace("-", " "),
        readouts=options.readouts,
        force=options.force,
    )
    return write_derived_series(request, on_event=on_event)


def devices(options: argparse.Namespace, on_event: EventHandler) -> Result:
    """List the computing devices."""
    from ..model.device import describe_device, list_devices

    return {"devices": [{"device": str(device), "name": describe_device(device)} for device in list_devices()]}


def benchmark(options: argparse.Namespace, on_event: EventHandler) -> Result:
    """Time the networks and the whole job on this computer."""
    from ..benchmark.run import BenchmarkRequest
    from ..benchmark.run import benchmark as run
    from ..model.card import DEFAULT_MODEL

    request = BenchmarkRequest(
        model=options.model or DEFAULT_MODEL,
        device=options.device,
        threads=tuple(options.threads),
        rounds=options.rounds,
        batches=tuple(options.batches),
        slices=tuple(options.slices),
        jobs=tuple(options.jobs),
        output=options.output,
        overwrite=options.overwrite,
    )
    return run(request, on_event=on_event)


def export(options: argparse.Namespace, on_event: EventHandler) -> Result:
    """Export a model as an ONNX file."""
    from ..jobs.export import export_model
    from ..model.card import DEFAULT_MODEL

    return export_model(options.model or DEFAULT_MODEL, options.output, overwrite=options.overwrite, on_event=on_event)


def models(options: argparse.Namespace, on_event: EventHandler) -> Result:
    """List the installed models and their cards."""
    from ..model.card import DEFAULT_MODEL, installed_models, read_card

    models = {}
    for name, path in installed_models().items():
        plan, card = read_card(path)
        models[name] = {"preset": plan.preset, "spacing_mm": plan.spacing_mm, "card": card}
    return {"default": DEFAULT_MODEL, "models": models}


def simulate(options: argparse.Namespace, on_event: EventHandler) -> Result:
    """Simulate the MVCT of a kilovoltage CT."""
    from ..jobs.simulate import simulate_file
    from ..physics.mvct import MVCTSettings

    settings = MVCTSettings(seed=options.seed)
    return simulate_file(
        options.kvct,
        options.output,
        settings=settings,
        device=options.device,
        overwrite=options.overwrite,
        on_event=on_event,
    )


def train(options: argparse.Namespace, on_event: EventHandler) -> Result:
    """Train or resume a model."""
    from ..model.card import find_model, read_card
    from ..model.device import choose_device, describe_device
    from ..training.config import read_config
    from ..training.processes import device_of_process, processes_of_run
    from ..training.run import train as run

    start = find_model(options.start) if options.start else None
    config = read_config(options.config, plan=read_card(start)[0] if start else None)
    device = choose_device(device_of_process(options.device))
    with processes_of_run(device) as processes:
        if processes.is_first:
            on_event("device", device=str(device), name=describe_device(device))
        else:  # the first process tells the result
            options.progress, options.json, options.show = "none", False, lambda result: None
        model = run(config, options.output, device=device, on_event=on_event, start=start, processes=processes)
    return {"model": str(model)}


def phantom(options: argparse.Namespace, on_event: EventHandler) -> Result:
    """Make a phantom's planning CT and simulated MVCT."""
    from ..jobs.phantom import write_phantom

    return write_phantom(options.output, device=options.device, overwrite=options.overwrite, on_event=on_event)


def demo(options: argparse.Namespace, on_event: EventHandler) -> Result:
    """Make a phantom, enhance it and write its report."""
    from ..jobs.demo import run_demo

    readouts = run_demo(options.output, device=options.device, on_event=on_event)
    return readouts | {"report": str((options.output / "report" / "report.html").absolute())}
