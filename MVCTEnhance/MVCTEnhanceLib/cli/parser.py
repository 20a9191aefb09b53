"""The commands and options of `mvct-enhance`."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .. import __version__
from ..runtime.events import EventHandler
from . import commands as run
from . import output as show
from .commands import Result

OVERWRITE = "replace outputs that exist: files, and folders with nothing but what this program wrote"
FORCE = "write DICOM also where a readout is assessed as 'do not trust'"
IDENTIFY = "name the scan in the report by description and date of its DICOM series"
KINDS = ("enhanced", "difference", "correction", "cycle-error")
REGION = "mask on the MVCT's grid, not zero inside: readouts only there"


def parser() -> argparse.ArgumentParser:
    """The parser of all commands; each sets `run`, the function of the command, and `show`, which prints its result."""
    root = argparse.ArgumentParser(
        prog="mvct-enhance", description="MVCT (TomoTherapy) to kVCT quality, with readouts of how far to trust it."
    )
    root.add_argument("--version", action="version", version=f"mvct-enhance {__version__}")
    commands = root.add_subparsers(required=True, metavar="COMMAND")
    enhance = _command(commands, "enhance", run.enhance, show.show_readouts, "enhance an MVCT scan", works=True)
    _add_enhance(enhance)
    _add_evaluate(_command(commands, "evaluate", run.evaluate, show.show_readouts, "measure an enhanced scan"))
    _command(commands, "models", run.models, show.show_models, "list the installed models and their cards")

    batch = _command(
        commands, "batch", run.batch, show.show_batch, "enhance every scan below a folder, case by case", works=True
    )
    _add_batch(batch)

    report = _command(commands, "report", run.report_again, show.show_nothing, "write the report of readouts again")
    _add_report(report)
    dicom = _command(commands, "dicom", run.dicom, show.show_nothing, "write a volume file as a DICOM series")
    _add_dicom(dicom)
    _command(commands, "devices", run.devices, show.show_devices, "list where the networks can run")

    benchmark = _command(
        commands, "benchmark", run.benchmark, show.show_benchmark, "time networks, engine and whole job", works=True
    )
    _add_benchmark(benchmark)

    export = _command(
        commands, "export", run.export, show.show_export, "write a model as ONNX, for programs without PyTorch"
    )
    export.add_argument("--model", help="installed model or model file [the default of 'mvct-enhance models']")
    export.add_argument("--output", type=Path, required=True, help="file that ends in .onnx")

    simulate = _command(
        commands, "simulate", run.simulate, show.show_nothing, "simulate the MVCT of a kVCT", works=True
    )
    simulate.add_argument("kvct", type=Path, help="volume file or DICOM folder")
    simulate.add_argument("--output", type=Path, required=True, help="volume file, or a new folder for DICOM")
    simulate.add_argument("--seed", type=_seed, default=0, help="of the noise [%(default)s]")

    train = _command(commands, "train", run.train, show.show_model, "train a model, or go on with one", works=True)
    train.add_argument("config", type=Path, help="TOML file, see docs/training.md")
    train.add_argument("--output", type=Path, required=True, help="folder of the run")
    train.add_argument(
        "--from",
        dest="start",
        metavar="MODEL",
        help="installed model or model file to start from, see docs/adapting.md",
    )

    phantom = _command(
        commands, "phantom", run.phantom, show.show_nothing, "make a phantom's planning CT and MVCT", works=True
    )
    phantom.add_argument("output", type=Path, metavar="OUTPUT", help="new folder for planning-ct.nrrd and mvct.nrrd")

    demo = _command(
        commands, "demo", run.demo, show.show_demo, "phantom, simulated MVCT, enhancement, report", works=True
    )
    demo.add_argument("--output", type=Path, default=Path("demo-output"), help="new folder [%(default)s]")
    for command in (enhance, report, dicom, benchmark, export, simulate, phantom):
        command.add_argument("--overwrite", action="store_true", help=OVERWRITE)
    for command in (enhance, report):
        command.add_argument("--identify", action="store_true", help=IDENTIFY)
    for command in (enhance, batch, dicom):
        command.add_argument("--force", action="store_true", help=FORCE)
    return root


def _add_enhance(enhance: argparse.ArgumentParser) -> None:
    enhance.add_argument("input", type=Path, help="volume file (.nrrd, .nii, .nii.gz, .mha) or DICOM folder")
    enhance.add_argument("--output", type=Path, required=True, help="volume file, or a new folder for DICOM")
    enhance.add_argument("--model", help="installed model or model file [the default of 'mvct-enhance models']")
    enhance.add_argument("--difference", type=Path, help="where to write enhanced - MVCT in HU")
    enhance.add_argument("--correction", type=Path, help="where to write what was changed beyond the HU conversion")
    enhance.add_argument(
        "--cycle-error", type=Path, help="where to write |MVCT - enhanced scan turned back into an MVCT| in HU"
    )
    enhance.add_argument("--report", type=Path, help="folder for report.html, readouts.json and readouts.csv")
    enhance.add_argument("--kvct", type=Path, help="planning CT, whose readouts are what to aim at")
    enhance.add_argument("--region", type=Path, help=REGION)
    enhance.add_argument(
        "--series-uid", help="series to take where the folder has several: its UID or one of its files"
    )
    enhance.add_argument("--uncompressed", action="store_true", help="write .nrrd and .mha files faster, and larger")


def _add_batch(batch: argparse.ArgumentParser) -> None:
    batch.add_argument("input", type=Path, metavar="INPUT_DIR", help="folder with DICOM series or volume files below")
    batch.add_argument(
        "output", type=Path, metavar="OUTPUT_DIR", help="new folder for summary.csv and a folder for each case"
    )
    batch.add_argument(
        "--workers",
        type=_count,
        default=1,
        metavar="N",
        help="cases at a time [%(default)s]: each takes 0.6 GB of memory for 100 slices of 512 x 512, 1 GB for 500, "
        "and on a GPU its own share of that; they share the processor's cores",
    )
    batch.add_argument("--resume", action="store_true", help="do only what OUTPUT_DIR lacks, and what failed")
    batch.add_argument("--model", help="installed model or model file [the default of 'mvct-enhance models']")
    batch.add_argument("--difference", action="store_true", help="write enhanced - MVCT in HU for each case, too")
    batch.add_argument(
        "--correction", action="store_true", help="write what was changed beyond the HU conversion for each case, too"
    )
    batch.add_argument("--report", action="store_true", help="write a report for each case, too")
    batch.add_argument(
        "--format", choices=("nrrd", "nii", "nii.gz", "mha", "dicom"), help="of all scans [that of each input]"
    )
    batch.add_argument(
        "--overwrite", action="store_true", help="do anew what OUTPUT_DIR has of another model, format or version"
    )


def _add_benchmark(benchmark: argparse.ArgumentParser) -> None:
    benchmark.add_argument("--model", help="installed model or model file [the default of 'mvct-enhance models']")
    benchmark.add_argument("--output", type=Path, help="JSON file for the figures")
    benchmark.add_argument("--rounds", type=_count, default=5, help="the figures are medians over them [%(default)s]")
    for name, default, what in (
        ("threads", [1, 2], "numbers of threads of the processor"),
        ("batches", [1, 2, 4], "slices that go through the networks together"),
        ("slices", [10, 100], "lengths of scan for the engine alone"),
        ("jobs", [10, 100], "lengths of scan for the whole job, DICOM to DICOM with a report"),
    ):
        shown = " ".join(map(str, default))
        benchmark.add_argument(
            f"--{name}", type=_count, nargs="*", default=default, metavar="N", help=f"{what} [{shown}]"
        )


def _add_evaluate(evaluate: argparse.ArgumentParser) -> None:
    evaluate.add_argument("--mvct", type=Path, required=True, help="the scan before")
    evaluate.add_argument("--enhanced", type=Path, required=True, help="the scan after")
    evaluate.add_argument("--kvct", type=Path, help="planning CT, whose readouts are what to aim at")
    evaluate.add_argument("--truth", type=Path, help="kVCT of the same anatomy, for MAE, PSNR and SSIM")
    evaluate.add_argument("--region", type=Path, help=REGION)
    evaluate.add_argument("--model", help="model that made the enhanced scan, whose card says what to expect [default]")


def _add_report(report: argparse.ArgumentParser) -> None:
    report.add_argument("--mvct", type=Path, required=True, help="the scan before")
    report.add_argument("--enhanced", type=Path, required=True, help="the scan after")
    report.add_argument("--readouts", type=Path, required=True, help="JSON file of their readouts")
    report.add_argument(
        "--output", type=Path, required=True, help="folder for report.html, readouts.json and readouts.csv"
    )
    report.add_argument("--model", help="whose card is shown [the installed one that the readouts name]")


def _add_dicom(dicom: argparse.ArgumentParser) -> None:
    dicom.add_argument("scan", type=Path, metavar="SCAN", help="volume file: enhanced scan or one of the maps")
    dicom.add_argument("--output", type=Path, required=True, help="new folder")
    dicom.add_argument("--source", type=Path, help="folder of the MVCT's series, whose headers are kept")
    dicom.add_argument("--series-uid", help="series to take where the source has several: its UID or one of its files")
    dicom.add_argument("--readouts", type=Path, help="readouts.json, whose assessment goes into the Image Comments")
    dicom.add_argument("--kind", choices=KINDS, help="which output the scan is [what its file says, or enhanced]")
    dicom.add_argument("--description", help="Series Description of the new series")
    dicom.add_argument("--derivation", help="Derivation Description: how the values were made")


def _count(text: str) -> int:
    count = int(text)
    if count < 1:
        raise argparse.ArgumentTypeError("give a whole number from 1")
    return count


def _seed(text: str) -> int:
    seed = int(text)
    if not 0 <= seed < 2**32:
        raise argparse.ArgumentTypeError("give a whole number from 0 to 4294967295")
    return seed


def _command(
    commands: Any,
    name: str,
    runs: Callable[[argparse.Namespace, EventHandler], Result],
    shows: Callable[[Result], None],
    summary: str,
    *,
    works: bool = False,
) -> argparse.ArgumentParser:
    """A command that runs, and shows its result to a person unless JSON is asked for; one that works takes long."""
    command = commands.add_parser(name, help=summary, description=summary[0].upper() + summary[1:] + ".")
    command.set_defaults(run=runs, show=shows)
    command.add_argument("--json", action="store_true", help="print one JSON object with the result on stdout")
    command.add_argument(
        "--progress",
        choices=("bar", "jsonl", "none"),
        default="bar" if works else "none",
        help="bar: on stderr; jsonl: a JSON object a line on stdout, the result last [%(default)s]",
    )
    if works:
        command.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps [%(default)s]")
    return command
