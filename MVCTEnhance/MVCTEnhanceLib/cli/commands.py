"""Commands of `mvct-enhance`: a request made into one call of the library, whose result comes back.

What a command needs is imported when it runs, so that --help answers at once.
"""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import Any

from ..jobs import requests
from ..runtime.events import EventHandler

Result = dict[str, Any]


def enhance(request: requests.EnhanceRequest, on_event: EventHandler) -> Result:
    """Enhance one scan; of a scan whose DICOM is withheld, the result says so."""
    from ..jobs.enhance import enhance as run
    from ..jobs.outputs import NotTrusted

    try:
        return run(request, on_event=on_event).readouts
    except NotTrusted as error:
        return error.result.readouts | {"withheld": True, "failure": str(error)}


def evaluate(request: requests.EvaluateRequest, on_event: EventHandler) -> Result:
    """Measure the metrics of an enhanced scan."""
    from ..jobs.evaluate import evaluate_files

    return evaluate_files(request, on_event=on_event)


def register(request: requests.RegisterRequest, on_event: EventHandler) -> Result:
    """Register an MVCT and its enhanced scan to the planning CT."""
    from ..jobs.register import register_files

    return register_files(request, on_event=on_event)


def models(request: requests.ModelsRequest, on_event: EventHandler) -> Result:
    """List the installed models and their cards."""
    from ..model.card import DEFAULT_MODEL, installed_models, read_card

    models = {}
    for name, path in installed_models().items():
        plan, card = read_card(path)
        models[name] = {"preset": plan.preset, "spacing_mm": plan.spacing_mm, "card": card}
    return {"default": DEFAULT_MODEL, "models": models}


def batch(request: requests.BatchRequest, on_event: EventHandler) -> Result:
    """Enhance every scan below a folder."""
    from ..batch.cohort import enhance_folder

    result = enhance_folder(request, on_event=on_event)
    failure = {"failure": result.failure} if result.failure else {}
    return asdict(result) | {"summary": result.summary.name} | failure


def serve(request: requests.ServeRequest, on_event: EventHandler) -> Result | None:
    """Run a DICOM node, or tell what is in its spool."""
    from ..node import config, service

    if request.retry:
        return {"retried": service.retry(config.read_node(request.config))}
    if request.status:
        return {"series": service.states(config.read_node(request.config))}
    service.serve(request, on_event=on_event)


def course(request: requests.CourseRequest, on_event: EventHandler) -> Result:
    """Review all daily scans of one patient."""
    from ..course.review import review_course

    return review_course(request, on_event=on_event)


def calibrate(request: requests.CalibrateRequest, on_event: EventHandler) -> Result:
    """Fit a scanner's HU and write its site profile."""
    from ..commissioning.calibrate import calibrate as run

    return run(request, on_event=on_event)


def commission(request: requests.CommissionRequest, on_event: EventHandler) -> Result:
    """Commission a scanner: calibration, quality assurance, patients, site profile, acceptance report."""
    from ..commissioning.commission import commission as run

    return run(request, on_event=on_event)


def twin(request: requests.TwinRequest, on_event: EventHandler) -> Result:
    """Fit the simulator to a scanner."""
    from ..commissioning.make_twin import make_twin

    return make_twin(request, on_event=on_event)


def adapt(request: requests.AdaptRequest, on_event: EventHandler) -> Result:
    """Adapt a model to a scanner by its twin."""
    from ..commissioning.adapt import adapt as run

    return run(request, on_event=on_event)


def report_again(request: requests.ReportRequest, on_event: EventHandler) -> Result:
    """Write the report of stored metrics again."""
    from ..jobs.report import write_report_again

    return write_report_again(request, on_event=on_event)


def pdf(request: requests.PdfRequest, on_event: EventHandler) -> Result:
    """Write a report as an encapsulated PDF."""
    from ..jobs.pdf import write_pdf_report

    return write_pdf_report(request, on_event=on_event)


def dicom(request: requests.DicomRequest, on_event: EventHandler) -> Result:
    """Write an enhanced scan or a map as a DICOM series."""
    from ..jobs.dicom import write_derived_series

    return write_derived_series(request, on_event=on_event)


def devices(request: requests.DevicesRequest, on_event: EventHandler) -> Result:
    """List the computing devices."""
    from ..model.device import describe_device, list_devices

    return {"devices": [{"device": str(device), "name": describe_device(device)} for device in list_devices()]}


def benchmark(request: requests.BenchmarkRequest, on_event: EventHandler) -> Result:
    """Time the networks and the whole job on this computer."""
    from ..benchmark.run import benchmark as run

    return run(request, on_event=on_event)


def export(request: requests.ExportRequest, on_event: EventHandler) -> Result:
    """Export a model as an ONNX file."""
    from ..jobs.export import export_model

    return export_model(request, on_event=on_event)


def simulate(request: requests.SimulateRequest, on_event: EventHandler) -> Result:
    """Simulate the MVCT of a kilovoltage CT."""
    from ..jobs.simulate import simulate_file

    return simulate_file(request, on_event=on_event)


def train(request: requests.TrainRequest, on_event: EventHandler) -> Result | None:
    """Train or resume a model; None in all processes of the training but the first, which returns the result."""
    from ..model.card import find_model, read_card
    from ..model.device import choose_device, describe_device
    from ..training.config import read_config
    from ..training.processes import device_of_process, processes_of_run
    from ..training.run import train as run

    start = find_model(request.start) if request.start else None
    config = read_config(request.config, plan=read_card(start)[0] if start else None)
    device = choose_device(device_of_process(request.device))
    with processes_of_run(device) as processes:
        if processes.is_first:
            on_event("device", device=str(device), name=describe_device(device))
        model = run(config, request.output, device=device, on_event=on_event, start=start, processes=processes)
    return {"model": str(model)} if processes.is_first else None


def worker(request: requests.WorkerRequest, on_event: EventHandler) -> None:
    """Do one job after another; each tells its own result."""
    from .worker import run_jobs

    run_jobs(sys.stdin, on_event)


def phantom(request: requests.PhantomRequest, on_event: EventHandler) -> Result:
    """Make a phantom's planning CT and simulated MVCT."""
    from ..jobs.phantom import write_phantom

    return write_phantom(request, on_event=on_event)


def qa(request: requests.QARequest, on_event: EventHandler) -> Result:
    """Quality assurance of a phantom's scan before and after enhancing."""
    from ..jobs.qa import run_qa

    return run_qa(request, on_event=on_event)


def install_pylinac(request: requests.InstallPylinacRequest, on_event: EventHandler) -> Result:
    """Install pylinac into its folder."""
    from ..qa.pylinac import install

    on_event("stage", stage="install")
    return {"folder": str(install(request.wheels))}


def demo(request: requests.DemoRequest, on_event: EventHandler) -> Result:
    """Make a phantom, enhance it and write its report."""
    from ..jobs.demo import run_demo

    readouts = run_demo(request, on_event=on_event)
    return readouts | {"report": str((request.output / "report" / "report.html").absolute())}
