"""The commands of `mvct-enhance`; the options of each are the fields of its request."""

from __future__ import annotations

import argparse
from typing import Any

from .. import __version__
from ..jobs import requests
from ..jobs.request import Request
from . import commands as run
from . import output as show


def parser() -> argparse.ArgumentParser:
    """The parser of all commands; each sets `request`, its class, `run`, its function, and `show`, which prints the
    result."""
    root = argparse.ArgumentParser(
        prog="mvct-enhance",
        description="MVCT (TomoTherapy) to kVCT quality, with image-quality metrics that say how far to trust it.",
    )
    root.add_argument("--version", action="version", version=f"mvct-enhance {__version__}")
    commands = root.add_subparsers(required=True, metavar="COMMAND")
    for request, runs, shows in (
        (requests.EnhanceRequest, run.enhance, show.show_metrics),
        (requests.EvaluateRequest, run.evaluate, show.show_metrics),
        (requests.RegisterRequest, run.register, show.show_registration),
        (requests.ModelsRequest, run.models, show.show_models),
        (requests.BatchRequest, run.batch, show.show_batch),
        (requests.ServeRequest, run.serve, show.show_node),
        (requests.CourseRequest, run.course, show.show_course),
        (requests.CalibrateRequest, run.calibrate, show.show_calibration),
        (requests.CommissionRequest, run.commission, show.show_commissioning),
        (requests.TwinRequest, run.twin, show.show_twin),
        (requests.AdaptRequest, run.adapt, show.show_adapted),
        (requests.ReportRequest, run.report_again, show.show_nothing),
        (requests.PdfRequest, run.pdf, show.show_nothing),
        (requests.DicomRequest, run.dicom, show.show_nothing),
        (requests.DevicesRequest, run.devices, show.show_devices),
        (requests.BenchmarkRequest, run.benchmark, show.show_benchmark),
        (requests.ExportRequest, run.export, show.show_export),
        (requests.SimulateRequest, run.simulate, show.show_nothing),
        (requests.TrainRequest, run.train, show.show_model),
        (requests.PhantomRequest, run.phantom, show.show_nothing),
        (requests.QARequest, run.qa, show.show_qa),
        (requests.InstallPylinacRequest, run.install_pylinac, show.show_pylinac),
        (requests.DemoRequest, run.demo, show.show_demo),
        (requests.WorkerRequest, run.worker, show.show_nothing),
    ):
        command = _add_command(commands, request)
        command.set_defaults(request=request, run=runs, show=shows)
    return root


def _add_command(commands: Any, request: type[Request]) -> argparse.ArgumentParser:
    summary = request.summary
    command = commands.add_parser(request.command, help=summary, description=f"{summary[0].upper()}{summary[1:]}.")
    request.add_options(command)
    command.add_argument("--json", action="store_true", help="print one JSON object with the result on stdout")
    command.add_argument(
        "--progress",
        choices=("bar", "jsonl", "none"),
        default="bar" if hasattr(request, "device") else "none",  # what runs on a device takes long
        help="bar: on stderr; jsonl: a JSON object a line on stdout, the result last [%(default)s]",
    )
    return command
