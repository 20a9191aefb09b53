"""The command line `mvct-enhance`. What a command needs is imported when it runs, so that --help answers at once."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from .. import __version__
from ..errors import Cancelled, MVCTEnhanceError
from .progress import Report, reporter

EXIT_ERROR = 1
EXIT_CANCELLED = 130
DEBUG = "MVCTENHANCE_DEBUG"

Result = dict[str, Any]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 0 only if all was done, errors are one sentence on stderr."""
    options = _parser().parse_args(arguments)
    # A console that lacks a letter (² in Japan's code page) must not turn finished work into an error.
    sys.stdout.reconfigure(errors="backslashreplace")
    _on_cancel_signals(_interrupt)
    try:
        return _run(options, reporter(options.progress))
    except BrokenPipeError:
        # Python would try again to write when it ends, and complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        print("mvct-enhance: Stopped, since the program that reads the output has ended.", file=sys.stderr)
        return EXIT_ERROR


class _Interrupted(BaseException):
    """The user's or system's wish to end: no handler of ordinary errors swallows it, so that partial outputs go.

    Not KeyboardInterrupt, after which CPython may end with another exit code although it was handled.
    """


def _interrupt(number: int, frame: Any) -> None:
    _on_cancel_signals(lambda number, frame: None)  # timeout(1) and the impatient send several: removal goes on
    raise _Interrupted


def _on_cancel_signals(handler: Any) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) != signal.SIG_IGN:  # as a shell has it for jobs in the background
            signal.signal(number, handler)


def _run(options: argparse.Namespace, report: Report) -> int:
    try:
        result = options.run(options, report)
        if options.progress == "jsonl":
            report("result", **result)
        elif options.json:
            print(json.dumps(result, indent=2, allow_nan=False))
        else:
            options.show(result)
        sys.stdout.flush()  # what cannot be told is not done
        return 0
    except (_Interrupted, Cancelled):
        _on_cancel_signals(signal.SIG_IGN)  # until Python has ended, with this exit code
        return _fail("Cancelled; every file that is there is complete.", EXIT_CANCELLED, report)
    except MVCTEnhanceError as error:
        return _fail(str(error), EXIT_ERROR, report)
    except MemoryError:
        return _fail("The memory of this computer does not suffice: close other programs.", EXIT_ERROR, report)
    except BrokenPipeError:
        raise
    except Exception as error:
        if os.environ.get(DEBUG):
            raise
        return _fail(_unexpected(error), EXIT_ERROR, report)


def _unexpected(error: Exception) -> str:
    """A sentence without the error's own text, in which libraries quote header values and paths."""
    if isinstance(error, OSError):
        return f"The operating system says '{error.strerror}': check the paths and the disk."
    return f"Unexpected {type(error).__name__}: run this again with {DEBUG}=1 set and report what it shows."


def _fail(message: str, code: int, report: Report) -> int:
    report("error", message=message)
    print(f"mvct-enhance: {message}", file=sys.stderr)
    return code


def _enhance(options: argparse.Namespace, report: Report) -> Result:
    from .enhance import DEFAULT_MODEL, EnhanceRequest, enhance

    request = EnhanceRequest(
        input=options.input,
        output=options.output,
        model=options.model or DEFAULT_MODEL,
        device=options.device,
        difference=options.difference,
        report=options.report,
        series_uid=options.series_uid,
        kvct=options.kvct,
    )
    return enhance(request, report=report).readouts


def _evaluate(options: argparse.Namespace, report: Report) -> Result:
    from .evaluate import evaluate_files

    return evaluate_files(
        options.mvct, options.enhanced, kvct_path=options.kvct, truth_path=options.truth, report=report
    )


def _models(options: argparse.Namespace, report: Report) -> Result:
    from ..model.package import installed_models, read_card
    from .enhance import DEFAULT_MODEL

    models = {}
    for name, path in installed_models().items():
        plan, card = read_card(path)
        models[name] = {"preset": plan.preset, "spacing_mm": plan.spacing_mm, "card": card}
    return {"default": DEFAULT_MODEL, "models": models}


def _simulate(options: argparse.Namespace, report: Report) -> Result:
    from ..physics.mvct import MVCTSettings
    from .simulate import simulate_file

    settings = MVCTSettings(seed=options.seed)
    return simulate_file(options.kvct, options.output, settings=settings, device=options.device, report=report)


def _train(options: argparse.Namespace, report: Report) -> Result:
    from ..model.device import choose_device, describe_device
    from ..training.config import read_config
    from ..training.run import train

    config, device = read_config(options.config), choose_device(options.device)
    report("device", device=str(device), name=describe_device(device))
    model = train(config, options.output, device=device, report=report)
    return {"model": str(model)}


def _demo(options: argparse.Namespace, report: Report) -> Result:
    from .demo import run_demo

    readouts = run_demo(options.output, device=options.device, report=report)
    return readouts | {"report": str((options.output / "report" / "report.html").absolute())}


def _show_nothing(result: Result) -> None:
    """For a command whose result is in its output."""


def _show_readouts(readouts: Result) -> None:
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


def _show_models(result: Result) -> None:
    for name, model in result["models"].items():
        print(f"{name}{' (default)' if name == result['default'] else ''}")
        print(f"  preset {model['preset']}, {model['spacing_mm']} mm pixels")
        print(f"  {model['card'].get('intended_use', '')}")


def _show_model(result: Result) -> None:
    print(f"The best model is {result['model']}")


def _show_demo(result: Result) -> None:
    _show_readouts(result)
    print(f"\nThe report is {result['report']}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mvct-enhance", description="MVCT (TomoTherapy) to kVCT quality, with readouts of how far to trust it."
    )
    parser.add_argument("--version", action="version", version=f"mvct-enhance {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_enhance(_command(commands, "enhance", _enhance, _show_readouts, "enhance an MVCT scan", works=True))
    _add_evaluate(_command(commands, "evaluate", _evaluate, _show_readouts, "measure an enhanced scan"))
    _command(commands, "models", _models, _show_models, "list the installed models and their cards")

    simulate = _command(commands, "simulate", _simulate, _show_nothing, "simulate the MVCT of a kVCT", works=True)
    simulate.add_argument("kvct", type=Path, help="volume file or DICOM folder")
    simulate.add_argument("--output", type=Path, required=True, help="volume file, or a new folder for DICOM")
    simulate.add_argument("--seed", type=_seed, default=0, help="of the noise [%(default)s]")

    train = _command(commands, "train", _train, _show_model, "train a model, or go on with one", works=True)
    train.add_argument("config", type=Path, help="TOML file, see docs/training.md")
    train.add_argument("--output", type=Path, required=True, help="folder of the run")

    demo = _command(commands, "demo", _demo, _show_demo, "phantom, simulated MVCT, enhancement, report", works=True)
    demo.add_argument("--output", type=Path, default=Path("demo-output"), help="new folder [%(default)s]")
    return parser


def _add_enhance(enhance: argparse.ArgumentParser) -> None:
    enhance.add_argument("input", type=Path, help="volume file (.nrrd, .nii, .nii.gz, .mha) or DICOM folder")
    enhance.add_argument("--output", type=Path, required=True, help="volume file, or a new folder for DICOM")
    enhance.add_argument("--model", help="installed model or model file [the default of 'mvct-enhance models']")
    enhance.add_argument("--difference", type=Path, help="where to write enhanced - MVCT in HU")
    enhance.add_argument("--report", type=Path, help="folder for report.html, readouts.json and readouts.csv")
    enhance.add_argument("--kvct", type=Path, help="planning CT, whose readouts are what to aim at")
    enhance.add_argument("--series-uid", help="CT series to take where the folder has several")


def _add_evaluate(evaluate: argparse.ArgumentParser) -> None:
    evaluate.add_argument("--mvct", type=Path, required=True, help="the scan before")
    evaluate.add_argument("--enhanced", type=Path, required=True, help="the scan after")
    evaluate.add_argument("--kvct", type=Path, help="planning CT, whose readouts are what to aim at")
    evaluate.add_argument("--truth", type=Path, help="kVCT of the same anatomy, for MAE, PSNR and SSIM")


def _seed(text: str) -> int:
    seed = int(text)
    if not 0 <= seed < 2**32:
        raise argparse.ArgumentTypeError("give a whole number from 0 to 4294967295")
    return seed


def _command(
    commands: Any,
    name: str,
    run: Callable[[argparse.Namespace, Report], Result],
    show: Callable[[Result], None],
    summary: str,
    *,
    works: bool = False,
) -> argparse.ArgumentParser:
    """A command that runs, and shows its result to a person unless JSON is asked for; one that works takes long."""
    command = commands.add_parser(name, help=summary, description=summary[0].upper() + summary[1:] + ".")
    command.set_defaults(run=run, show=show)
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
