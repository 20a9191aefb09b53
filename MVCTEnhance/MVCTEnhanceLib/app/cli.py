"""The command line `mvct-enhance`. What a command needs is imported when it runs, so that --help answers at once."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .. import __version__
from ..errors import Cancelled, MVCTEnhanceError
from .progress import Report, reporter

EXIT_ERROR = 1
EXIT_CANCELLED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 0 only if all was done, errors are one sentence on stderr."""
    options = _parser().parse_args(arguments)
    # As Ctrl+C: an exception that no handler of ordinary errors swallows, so that partial outputs are removed.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    report = reporter(options.progress)
    try:
        result = options.command(options, report)
        if result is not None and options.progress == "jsonl":
            report("result", **result)
        elif result is not None and options.json:
            print(json.dumps(result, indent=2, allow_nan=False), flush=True)
        return 0
    except (KeyboardInterrupt, Cancelled):
        return _fail("Cancelled; no partial file was left.", options, report, EXIT_CANCELLED)
    except MVCTEnhanceError as error:
        return _fail(str(error), options, report, EXIT_ERROR)
    except MemoryError:
        return _fail("The memory of this computer does not suffice: close other programs.", options, report, EXIT_ERROR)
    except BrokenPipeError:
        return EXIT_ERROR


def _fail(message: str, options: argparse.Namespace, report: Report, code: int) -> int:
    if options.progress == "jsonl":
        report("error", message=message)
    print(f"mvct-enhance: {message}", file=sys.stderr)
    return code


def _enhance(options: argparse.Namespace, report: Report) -> dict[str, Any]:
    from .enhance import EnhanceRequest, enhance

    request = EnhanceRequest(
        input=options.input,
        output=options.output,
        model=options.model,
        device=options.device,
        difference=options.difference,
        report=options.report,
        series_uid=options.series_uid,
        kvct=options.kvct,
    )
    readouts = enhance(request, report=report).readouts
    if options.progress == "bar" and not options.json:
        _print_readouts(readouts)
    return readouts


def _evaluate(options: argparse.Namespace, report: Report) -> dict[str, Any]:
    from .evaluate import evaluate_files

    readouts = evaluate_files(
        options.mvct, options.enhanced, kvct_path=options.kvct, truth_path=options.truth, report=report
    )
    if not options.json:
        _print_readouts(readouts)
    return readouts


def _models(options: argparse.Namespace, report: Report) -> dict[str, Any]:
    from ..model.package import installed_models, read_card

    models = {}
    for name, path in installed_models().items():
        plan, card = read_card(path)
        models[name] = {"preset": plan.preset, "spacing_mm": plan.spacing_mm, "card": card}
    if not options.json:
        for name, model in models.items():
            print(f"{name}\n  preset {model['preset']}, {model['spacing_mm']} mm pixels")
            print(f"  {model['card'].get('intended_use', '')}")
    return {"models": models}


def _simulate(options: argparse.Namespace, report: Report) -> None:
    from ..physics.mvct import MVCTSettings
    from .simulate import simulate_file

    settings = MVCTSettings(seed=options.seed)
    simulate_file(options.kvct, options.output, settings=settings, device=options.device, report=report)


def _train(options: argparse.Namespace, report: Report) -> dict[str, Any]:
    from ..model.device import choose_device, describe_device
    from ..training.config import read_config
    from ..training.run import train

    device = choose_device(options.device)
    report("device", device=str(device), name=describe_device(device))
    model = train(read_config(options.config), options.output, device=device, report=report)
    return {"model": str(model)}


def _demo(options: argparse.Namespace, report: Report) -> None:
    from .demo import run_demo

    readouts = run_demo(options.output, device=options.device, report=report).readouts
    _print_readouts(readouts)
    print(f"\nThe report is {(options.output / 'report' / 'report.html').resolve()}")


def _print_readouts(readouts: dict[str, Any]) -> None:
    """The means and SDs of all readouts, a line each."""
    for group in ("mvct", "enhanced", "planning_ct", "comparison", "truth"):
        for name, readout in _flat(readouts.get(group, {})):
            if readout["mean"] is not None:
                spread = "" if readout["sd"] is None else f" ± {readout['sd']:.3g}"
                unit = "" if readout["unit"] == "1" else f" {readout['unit']}"
                print(f"{group:12} {name:22} {readout['mean']:.4g}{spread}{unit}")


def _flat(group: dict[str, Any], prefix: str = "") -> list[tuple[str, dict[str, Any]]]:
    rows = []
    for name, entry in group.items():
        if "per_slice" in entry:
            rows.append((prefix + name, entry))
        elif all(isinstance(part, dict) for part in entry.values()):
            rows += _flat(entry, f"{prefix}{name} ")
    return rows


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mvct-enhance", description="MVCT (TomoTherapy) to kVCT quality, with readouts of how far to trust it."
    )
    parser.add_argument("--version", action="version", version=f"mvct-enhance {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    enhance = _command(commands, "enhance", _enhance, "enhance an MVCT scan", progress="bar", device=True)
    enhance.add_argument("input", type=Path, help="volume file (.nrrd, .nii, .nii.gz, .mha) or DICOM folder")
    enhance.add_argument("--output", type=Path, required=True, help="volume file, or a new folder for DICOM")
    enhance.add_argument("--model", default="simulated-anchor", help="installed model or model file [%(default)s]")
    enhance.add_argument("--difference", type=Path, help="where to write enhanced - MVCT in HU")
    enhance.add_argument("--report", type=Path, help="folder for report.html, readouts.json and readouts.csv")
    enhance.add_argument("--kvct", type=Path, help="planning CT, whose readouts are what to aim at")
    enhance.add_argument("--series-uid", help="CT series to take where the folder has several")

    evaluate = _command(commands, "evaluate", _evaluate, "measure an enhanced scan")
    evaluate.add_argument("--mvct", type=Path, required=True, help="the scan before")
    evaluate.add_argument("--enhanced", type=Path, required=True, help="the scan after")
    evaluate.add_argument("--kvct", type=Path, help="planning CT, whose readouts are what to aim at")
    evaluate.add_argument("--truth", type=Path, help="kVCT of the same anatomy, for MAE, PSNR and SSIM")

    _command(commands, "models", _models, "list the installed models and their cards")

    simulate = _command(commands, "simulate", _simulate, "simulate the MVCT of a kVCT", progress="bar", device=True)
    simulate.add_argument("kvct", type=Path, help="volume file or DICOM folder")
    simulate.add_argument("--output", type=Path, required=True, help="volume file, or a new folder for DICOM")
    simulate.add_argument("--seed", type=int, default=0, help="of the noise [%(default)s]")

    train = _command(commands, "train", _train, "train a model, or go on with one", progress="bar", device=True)
    train.add_argument("config", type=Path, help="TOML file, see docs/training.md")
    train.add_argument("--output", type=Path, required=True, help="folder of the run")

    demo = _command(
        commands, "demo", _demo, "phantom, simulated MVCT, enhancement, report", progress="bar", device=True
    )
    demo.add_argument("--output", type=Path, default=Path("demo-output"), help="new folder [%(default)s]")
    return parser


def _command(
    commands: Any, name: str, function: Any, summary: str, *, progress: str = "none", device: bool = False
) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=summary, description=summary[0].upper() + summary[1:] + ".")
    command.set_defaults(command=function)
    command.add_argument("--json", action="store_true", help="print one JSON object with the result on stdout")
    command.add_argument(
        "--progress", choices=("bar", "jsonl", "none"), default=progress, help="how to show progress [%(default)s]"
    )
    if device:
        command.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps [%(default)s]")
    return command
