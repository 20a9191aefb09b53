"""The command line as a program: help, exit codes, events, errors, cancel."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace

import MVCTEnhanceLib
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from MVCTEnhanceLib.io import write_volume
from MVCTEnhanceLib.jobs import simulate
from MVCTEnhanceLib.model import card
from MVCTEnhanceLib.model.card import DEFAULT_MODEL
from MVCTEnhanceLib.model.device import describe_device, list_devices
from MVCTEnhanceLib.model.package import load_model
from MVCTEnhanceLib.physics.phantom import density_inserts
from MVCTEnhanceLib.volume import Volume

COMMANDS = [
    "enhance", "evaluate", "register", "models", "batch", "report", "dicom", "devices", "benchmark", "simulate",
    "train", "phantom", "demo", "worker",
]  # fmt: skip
only_posix = pytest.mark.skipif(os.name == "nt", reason="POSIX signals, pipes and limits")


def test_help_and_version_load_no_heavy_library(run):
    code = (
        "import sys\n"
        "from MVCTEnhanceLib.cli.program import main\n"
        "for line in sys.argv[1:]:\n"
        "    print(line)\n"
        "    try: main(line.split())\n"
        "    except SystemExit as end: assert end.code == 0\n"
        "    heavy = {'torch', 'numpy', 'scipy', 'SimpleITK', 'pydicom', 'matplotlib', 'tqdm'} & set(sys.modules)\n"
        "    assert not heavy, f'{line} has loaded {heavy}'\n"
    )
    lines = ["--help", "--version", *(f"{name} --help" for name in COMMANDS)]
    result = run(*lines, python=("-c", code))
    assert result.code == 0, result.stderr
    assert result.stdout.count("usage: mvct-enhance") == len(lines) - 1
    assert all(f"usage: mvct-enhance {name} " in result.stdout for name in COMMANDS)


def test_what_runs_no_network_starts_without_torch(run):
    """Which takes seconds to be imported: where a batch, a node or a course waits for children, only they need it.

    SciPy's statistics, which few jobs need, take another one.
    """
    code = (
        "import importlib, sys\n"
        "for name in sys.argv[1:]:\n"
        "    importlib.import_module(f'MVCTEnhanceLib.{name}')\n"
        "    assert not {'torch', 'scipy.stats'} & set(sys.modules), name\n"
    )
    waiting = ("batch.cohort", "batch.remote", "node.service", "course.review")
    result = run(
        *waiting,
        "jobs.register",
        "jobs.qa",
        "jobs.evaluate",
        "jobs.report",
        "jobs.dicom",
        "commissioning.calibrate",
        python=("-c", code),
    )
    assert (result.code, result.stderr) == (0, "")


def test_version_is_that_of_the_library(run):
    assert run("--version").stdout == f"mvct-enhance {MVCTEnhanceLib.__version__}\n"


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["enlarge"],
        ["enhance"],
        ["enhance", "scan.nrrd"],
        ["enhance", "scan.nrrd", "--output", "a.nrrd", "--progress", "loud"],
        ["enhance", "scan.nrrd", "--output", "a.nrrd", "--colour"],
        ["simulate", "scan.nrrd", "--output", "a.nrrd", "--seed", "one"],
        ["simulate", "scan.nrrd", "--output", "a.nrrd", "--seed", "-1"],
        ["evaluate", "--mvct", "a.nrrd"],
        ["report", "--mvct", "a.nrrd", "--enhanced", "b.nrrd", "--output", "r"],
        ["dicom", "a.nrrd"],
        ["phantom"],
    ],
)
def test_wrong_usage_is_2(main, arguments):
    result = main(*arguments)
    assert result.code == 2
    assert result.stderr.startswith("usage: mvct-enhance") and result.stdout == ""


def test_models_lists_what_is_shipped(main):
    result = main("models", "--json")
    assert result.code == 0
    assert result.json()["default"] == DEFAULT_MODEL
    assert set(result.json()["models"]) == set(card.installed_models())
    assert {"preset", "spacing_mm", "card"} == set(result.json()["models"][DEFAULT_MODEL])
    assert f"{DEFAULT_MODEL} (default)" in main("models").stdout


def test_devices_are_listed_by_name_with_the_cpu_last(main):
    result = main("devices", "--progress", "jsonl")
    (event,) = (json.loads(line) for line in result.stdout.splitlines())
    expected = [{"device": str(device), "name": describe_device(device)} for device in list_devices()]
    assert event == {"event": "result", "devices": expected}
    assert expected[-1]["device"] == "cpu"
    assert main("devices").stdout.splitlines()[-1].split()[:2] == ["cpu", "CPU,"]


@pytest.mark.parametrize("extra", [[], ["--json"]])
def test_jsonl_is_json_in_each_line_of_every_command(main, extra):
    lines = main("models", "--progress", "jsonl", *extra).stdout.splitlines()
    assert [json.loads(line)["event"] for line in lines] == ["result"]


@pytest.mark.integration
def test_console_without_the_letters_is_no_error(run, scan, tmp_path):
    result = run("evaluate", "--mvct", scan, "--enhanced", scan, env={"PYTHONIOENCODING": "ascii"})
    assert result.code == 0, result.stderr
    assert "HU\\xb2/px\\xb2" in result.stdout


def test_a_fault_of_the_program_is_one_sentence_without_its_text(main, monkeypatch):
    def fail():
        raise ValueError("bad value of PatientName: 'Secretname^Given'")

    monkeypatch.setattr(card, "installed_models", fail)
    result = main("models")
    assert result.code == 1
    assert result.stdout == ""
    advice = "run this again with MVCTENHANCE_DEBUG=1 set and report what it shows."
    assert result.stderr == f"mvct-enhance: Unexpected ValueError: {advice}\n"


LIBRARY_THAT_WARNS = (
    "import logging, sys, warnings\n"
    "import numpy as np\n"
    "from scipy.optimize import curve_fit\n"
    "from MVCTEnhanceLib.cli import program, commands\n"
    "def models(request, on_event):\n"
    "    on_event('warning', message='told by this program')\n"
    "    curve_fit(lambda x, a: 0 * x, [0.0, 1.0], [0.0, 1.0])\n"  # OptimizeWarning: no covariance
    "    logging.getLogger('matplotlib').warning('no folder %s', __file__)\n"
    "    return {'default': '', 'models': {}}\n"
    "commands.models = models\n"
    "sys.exit(program.main(['models']))\n"
)


@pytest.mark.parametrize("debug", ["", "1"])
def test_warnings_of_libraries_are_for_debugging_only(run, tmp_path, debug):
    """They name files of the computer."""
    (tmp_path / "warns.py").write_text(LIBRARY_THAT_WARNS)
    result = run(python=[tmp_path / "warns.py"], env={"MVCTENHANCE_DEBUG": debug})
    assert result.code == 0
    assert ("OptimizeWarning" in result.stderr and "warns.py" in result.stderr) == bool(debug)
    if not debug:
        assert result.stderr == "Warning: told by this program\n"


def test_debugging_shows_where_a_fault_is(main, monkeypatch):
    monkeypatch.setenv("MVCTENHANCE_DEBUG", "1")
    monkeypatch.setattr(card, "installed_models", lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        main("models")


@pytest.mark.parametrize(
    ("error", "words"), [(MemoryError(), "memory"), (OSError(5, "Input/output error"), "'Input/output error'")]
)
def test_errors_of_the_system_are_one_sentence(main, monkeypatch, assert_one_sentence, error, words):
    def fail():
        raise error

    monkeypatch.setattr(card, "installed_models", fail)
    result = main("models")
    assert result.code == 1
    assert_one_sentence(result.stderr)
    assert words in result.stderr


def test_error_is_an_event_too(main, tmp_path):
    result = main("enhance", tmp_path / "none.nrrd", "--output", tmp_path / "e.nrrd", "--progress", "jsonl")
    last = json.loads(result.stdout.splitlines()[-1])
    assert result.code == 1
    assert last["event"] == "error"
    assert result.stderr == f"mvct-enhance: {last['message']}\n"


@pytest.mark.integration
@only_posix
@pytest.mark.parametrize(
    "shown",
    [
        ["--progress", "jsonl"],
        pytest.param(["--progress", "none"], marks=pytest.mark.thorough),
        pytest.param(["--progress", "none", "--json"], marks=pytest.mark.thorough),
    ],
)
def test_reader_that_goes_away_ends_the_work(start, scan, tmp_path, shown, assert_one_sentence):
    ours, theirs = os.pipe()
    process = start("enhance", scan, "--output", tmp_path / "e.nrrd", *shown, stdout=theirs)
    os.close(theirs)
    os.close(ours)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert_one_sentence("".join(line for line in err.splitlines(keepends=True) if not line.startswith("Warning: ")))
    assert not list(tmp_path.rglob(".partial*"))


@only_posix
def test_result_without_a_reader_is_an_error(start, assert_one_sentence):
    ours, theirs = os.pipe()
    process = start("models", "--json", stdout=theirs)
    os.close(theirs)
    os.close(ours)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert_one_sentence(err)


@pytest.fixture
def long_scan(tmp_path, mvct):
    """A scan that takes some seconds at each stage but the first."""
    array = np.tile(np.pad(mvct.array, ((0, 0), (60, 60), (60, 60)), constant_values=-1000), (12, 1, 1))
    write_volume(Volume(array, (0.763, 0.763, 3.0)), tmp_path / "long.nrrd")
    return tmp_path / "long.nrrd"


def signal_at(process, stage, *signals) -> str:
    """Sends signals as soon as a process tells of a stage; returns stderr."""
    for line in process.stdout:
        if json.loads(line).get("stage") == stage:
            break
    for number in signals:
        process.send_signal(number)
    return process.communicate(timeout=60)[1]


@pytest.mark.integration
@only_posix
@pytest.mark.parametrize(
    ("stage", "signals"),
    [
        pytest.param("read", [signal.SIGTERM], marks=pytest.mark.thorough),
        ("enhance", [signal.SIGINT]),
        pytest.param("measure", [signal.SIGTERM], marks=pytest.mark.thorough),
        pytest.param("write", [signal.SIGINT], marks=pytest.mark.thorough),
        ("write", [signal.SIGTERM, signal.SIGINT, signal.SIGTERM]),
    ],
)
def test_cancel_leaves_nothing_and_is_130(start, patiently, long_scan, tmp_path, files, stage, signals):
    before = files()
    process = start(
        "enhance",
        long_scan,
        "--output",
        tmp_path / "out",
        "--difference",
        tmp_path / "diff",
        "--force",
        "--progress",
        "jsonl",
        python=patiently,
    )
    err = signal_at(process, stage, *signals)
    assert (process.returncode, err) == (130, "mvct-enhance: Cancelled. No incomplete files were left.\n")
    assert files() == before


@pytest.mark.integration
@only_posix
def test_cancelled_simulation_leaves_nothing(start, patiently, long_scan, tmp_path, files):
    before = files()
    output = tmp_path / "deep" / "out"
    process = start("simulate", long_scan, "--output", output, "--progress", "jsonl", python=patiently)
    err = signal_at(process, "simulate", signal.SIGTERM)
    assert (process.returncode, len(err.splitlines())) == (130, 1)
    assert files() == before


@only_posix
def test_cancel_is_no_error_that_the_libraries_may_take_for_one_of_theirs(main, monkeypatch):
    def read_models():
        try:
            signal.raise_signal(signal.SIGTERM)
        except Exception:
            pytest.fail("swallowed")

    monkeypatch.setattr(card, "installed_models", read_models)
    assert main("models").code == 130


@only_posix
def test_signal_that_a_shell_had_ignored_stays_ignored(run, scan, tmp_path):
    """As nohup and jobs in the background have it."""
    code = (
        "import signal, sys\n"
        "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "from MVCTEnhanceLib.cli import program\n"
        "program.main(['models', '--json'])\n"
        "sys.exit(signal.getsignal(signal.SIGINT) is not signal.SIG_IGN)"
    )
    assert run(python=("-c", code)).code == 0


@pytest.mark.integration
def test_simulated_mvct_of_water(main, tmp_path):
    water, _ = density_inserts(inserts_hu=(), shape=(64, 64), spacing_mm=(4, 4, 6))
    write_volume(water, tmp_path / "kvct.nrrd")
    output = tmp_path / "new" / "mvct.nrrd"
    result = main("simulate", tmp_path / "kvct.nrrd", "--output", output, "--seed", 3, "--json", "--progress", "none")
    assert result.code == 0, result.stderr
    assert result.json()["settings"]["seed"] == 3
    assert set(result.json()) == {"settings", "device", "warnings"}
    mvct = sitk.ReadImage(str(output))
    array = sitk.GetArrayFromImage(mvct)
    assert array.shape == (1, 512, 512)
    assert mvct.GetSpacing() == pytest.approx((0.763, 0.763, 6))
    assert abs(array[:, 226:286, 226:286].mean()) < 5
    assert np.median(array[:, :40, :40]) == pytest.approx(-1000, abs=20)


def test_simulated_mvct_of_a_dicom_series_is_no_scan_of_the_patient(main, dicom_scan, tmp_path, monkeypatch):
    monkeypatch.setattr(simulate, "simulate_mvct", lambda kvct, *_, **__: replace(kvct, source=None))
    result = main("simulate", dicom_scan, "--output", tmp_path / "out", "--progress", "none")
    assert (result.code, result.stderr) == (0, "")
    ds = pydicom.dcmread(next((tmp_path / "out").iterdir()))
    assert (ds.PatientName, ds.SeriesDescription, ds.ImageType[0]) == ("Anonymous", "Simulated MVCT", "DERIVED")


@pytest.mark.integration
def test_training_is_wired_to_the_command(main, tmp_path, mvct):
    for domain in ("mvct", "kvct"):
        (tmp_path / domain).mkdir()
        shift = {"mvct": 0, "kvct": 5}[domain]  # so that no slice is in both
        write_volume(
            Volume(np.tile(mvct.array + np.int16(shift), (4, 1, 1)), (0.763, 0.763, 6)), tmp_path / domain / "a.nrrd"
        )
    config = tmp_path / "tiny.toml"
    config.write_text(
        'name = "tiny"\n[data]\nmvct = "mvct"\nkvct = "kvct"\ncrop_px = 32\n'
        "[losses]\nperceptual = 0\n[schedule]\nsteps = 2\nvalidate_every = 1\nvalidation_slices = 1\n"
    )
    result = main("train", config, "--output", tmp_path / "run", "--device", "cpu", "--json", "--progress", "none")
    assert result.code == 0, result.stderr
    assert load_model(tmp_path / "run" / "model.safetensors").card["name"] == "tiny"
    assert result.json() == {"model": str(tmp_path / "run" / "model.safetensors")}


def test_training_starts_from_an_installed_model_whose_plan_the_file_need_not_repeat(main, tmp_path, mvct):
    for domain, shift in (("mvct", 0), ("kvct", 5)):
        array = np.tile(mvct.array + np.int16(shift), (4, 1, 1))
        write_volume(Volume(array, (0.763, 0.763, 6)), tmp_path / domain / "a.nrrd")
    config = tmp_path / "site.toml"
    config.write_text(
        '[data]\nmvct = "mvct"\nkvct = "kvct"\ncrop_px = 32\n'
        "[losses]\nperceptual = 0\n[schedule]\nsteps = 1\nvalidation_slices = 1\n"
    )
    options = ["--output", tmp_path / "run", "--from", DEFAULT_MODEL, "--device", "cpu", "--progress", "none"]
    result = main("train", config, *options)
    assert result.code == 0, result.stderr
    model = load_model(tmp_path / "run" / "model.safetensors")
    assert model.card["adapted_from"]["name"] == DEFAULT_MODEL
    assert model.plan == load_model(card.find_model(DEFAULT_MODEL)).plan


def test_model_to_start_from_that_is_not_there_is_one_sentence(main, tmp_path, assert_one_sentence):
    (tmp_path / "site.toml").write_text('[data]\nmvct = "m"\nkvct = "k"\n')
    result = main("train", tmp_path / "site.toml", "--output", tmp_path / "run", "--from", "nothing")
    assert result.code == 1
    assert_one_sentence(result.stderr)
    assert "'nothing'" in result.stderr


def test_wrong_training_configuration_is_one_sentence(main, tmp_path, assert_one_sentence):
    (tmp_path / "bad.toml").write_text('stepz = 1\n[data]\nmvct = "m"\nkvct = "k"\n')
    result = main("train", tmp_path / "bad.toml", "--output", tmp_path / "run", "--device", "cpu")
    assert result.code == 1
    assert_one_sentence(result.stderr)
    assert "'stepz'" in result.stderr
    assert not (tmp_path / "run").exists()


def test_installed_command_is_this_one():
    (entry,) = (
        entry
        for entry in __import__("importlib.metadata").metadata.entry_points(group="console_scripts")
        if entry.name == "mvct-enhance"
    )
    assert entry.value == "MVCTEnhanceLib.cli.program:command"
    assert subprocess.run([sys.executable, "-m", "MVCTEnhanceLib"], capture_output=True).returncode == 2
