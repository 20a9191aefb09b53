"""Scans that are damaged are left out and told; a run that is killed anywhere goes on to the same end, bit for bit."""

import dataclasses
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from MVCTEnhanceLib.errors import InputError, OutputError
from MVCTEnhanceLib.model.package import load_model
from MVCTEnhanceLib.training.checkpoint import load_checkpoint
from MVCTEnhanceLib.training.data import load_slices
from MVCTEnhanceLib.training.inputs import read_inputs
from MVCTEnhanceLib.training.run import train

CPU = torch.device("cpu")
only_posix = pytest.mark.skipif(not hasattr(os, "fork"), reason="fork and signals as POSIX has them")


def silent(event, **fields):
    pass


def write_nan(path):
    values = np.zeros((3, 20, 20), np.float32)
    values[1, 2, 3] = np.nan
    sitk.WriteImage(sitk.GetImageFromArray(values), str(path))


def write_cut(path):
    image = sitk.GetImageFromArray(np.random.default_rng(0).integers(-1000, 1000, (3, 64, 64)).astype(np.int16))
    sitk.WriteImage(image, str(path))
    path.write_bytes(path.read_bytes()[:-500])


DAMAGES = {
    "text.nrrd": lambda path: path.write_text("no scan"),
    "empty.nrrd": lambda path: path.write_bytes(b""),
    "cut.nrrd": write_cut,
    "nan.nrrd": write_nan,
    "slice.npy": lambda path: np.save(path, np.zeros((20, 20))),
    "colour.nrrd": lambda path: sitk.WriteImage(sitk.Image([20, 20, 3], sitk.sitkVectorUInt8, 3), str(path)),
    "four.nii": lambda path: sitk.WriteImage(sitk.JoinSeries([sitk.Image(20, 20, 3, sitk.sitkInt16)] * 2), str(path)),
    "metres.nrrd": lambda path: write_metres(path),
}


def write_metres(path):
    image = sitk.Image(40, 40, 3, sitk.sitkInt16)
    image.SetSpacing((0.002, 0.002, 0.003))
    sitk.WriteImage(image, str(path))


@pytest.fixture
def domain(tmp_path, scans):
    """A folder with one good scan of eight slices."""
    (tmp_path / "mvct").mkdir()
    shutil.copy(scans / "mvct" / "a.nrrd", tmp_path / "mvct")
    return tmp_path / "mvct"


def test_damaged_scans_are_left_out_and_each_is_named(domain):
    for name, damage in DAMAGES.items():
        damage(domain / name)
    told = []
    slices = load_slices(domain, 2.0, on_event=lambda event, **fields: told.append((event, fields["message"])))
    assert len(slices) == 8
    assert len(told) == len(DAMAGES)
    for name in DAMAGES:
        (message,) = [message for event, message in told if event == "warning" and name in message]
        assert message.startswith("A scan is left out of training: ") and message.endswith(".")


def test_scan_with_a_damaged_truth_is_left_out_with_it(domain, scans, tmp_path):
    shutil.copytree(scans / "truth", tmp_path / "truth")
    shutil.copy(scans / "mvct" / "b.nrrd", domain)
    write_nan(tmp_path / "truth" / "b.nrrd")
    told = []
    slices = load_slices(
        domain, 2.0, truth_folder=tmp_path / "truth", on_event=lambda event, message: told.append(message)
    )
    assert len(slices) == len(slices.truth) == 8
    assert "truth/b.nrrd" in told[0].replace(os.sep, "/") and len(told) == 1


def test_nothing_but_damaged_scans_is_an_error(tmp_path):
    for name, damage in DAMAGES.items():
        damage(tmp_path / name)
    with pytest.raises(InputError, match="No CT slice that shows a patient was found"):
        load_slices(tmp_path, 2.0)


@pytest.fixture
def small_run(tiny_config, scans):
    folders = {"mvct": str(scans / "mvct"), "kvct": str(scans / "kvct")}
    return tiny_config(**folders, perceptual=0.0, steps=4, validate_every=2, batch=1, validation_slices=1)


def test_left_out_scans_reach_the_user(small_run, scans, tmp_path):
    shutil.copytree(scans / "mvct", tmp_path / "mvct")
    write_nan(tmp_path / "mvct" / "nan.nrrd")
    data = dataclasses.replace(small_run.data, mvct=str(tmp_path / "mvct"))
    told = []
    read_inputs(data, on_event=lambda event, **fields: told.append((event, fields)))
    assert [fields["message"] for event, fields in told if event == "warning" and "nan.nrrd" in fields["message"]]


def test_checkpoint_that_does_not_fit_into_the_memory_is_not_called_damaged(tmp_path, monkeypatch):
    torch.save({"step": 1}, tmp_path / "checkpoint.pt")

    def no_memory(*arguments, **named):
        raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr(torch, "load", no_memory)
    with pytest.raises(MemoryError):
        load_checkpoint(tmp_path / "checkpoint.pt")


def test_what_a_killed_run_had_half_written_is_removed_by_the_next(small_run, tmp_path):
    (tmp_path / "samples").mkdir()
    for name in (".partial-1.pt", "samples/.partial-2.png"):
        (tmp_path / name).write_text("half")
    train(small_run, tmp_path, device=CPU, on_event=silent)
    assert not list(tmp_path.rglob(".*"))


@only_posix
def test_two_runs_do_not_train_in_one_folder(small_run, tmp_path):
    refused = []

    def try_a_second(event, **fields):
        if event == "progress" and not refused:
            with pytest.raises(OutputError, match="Another run writes to") as error:
                train(small_run, tmp_path, device=CPU, on_event=silent)
            refused.append(error)

    train(small_run, tmp_path, device=CPU, on_event=try_a_second)
    assert refused


def test_model_that_was_removed_meanwhile_is_told(small_run, tmp_path):
    def remove(event, **fields):
        if event == "validation" and fields["step"] == 4:
            shutil.rmtree(tmp_path / "run")

    with pytest.raises(OutputError, match="removed"):
        train(small_run, tmp_path / "run", device=CPU, on_event=remove)


@pytest.mark.integration
@only_posix
@pytest.mark.parametrize(("moment", "number"), [("reading slices", signal.SIGINT), ("progress", signal.SIGTERM)])
def test_cancelled_training_ends_at_once_with_nothing_half_written(scans, patiently, tmp_path, moment, number):
    config = write_config(scans, tmp_path, steps=5000)
    command = [sys.executable, *patiently, "train", str(config), "--output", str(tmp_path / "run")]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    process = subprocess.Popen([*command, "--device", "cpu", "--progress", "jsonl"], env=environment, **pipes)
    for line in process.stdout:
        event = json.loads(line)
        if moment in (event["event"], event.get("stage")):
            break
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (130, "mvct-enhance: Cancelled. No incomplete files were left.\n")
    assert not list(tmp_path.rglob(".*"))


def write_config(scans, folder, *, steps):
    path = folder / "train.toml"
    path.write_text(
        f'[data]\nmvct = "{scans / "mvct"}"\nkvct = "{scans / "kvct"}"\nspacing_mm = 2.0\ncrop_px = 32\n'
        f"[losses]\nperceptual = 0\n[schedule]\nsteps = {steps}\nbatch = 1\nvalidate_every = 1\nvalidation_slices = 1\n"
    )
    return path


# Trains once, which imports everything; then in forked children, each killed before another operation on a file, and
# then once more to the end.
KILLER = """
import json, os, signal, sys
import torch
from pathlib import Path
from MVCTEnhanceLib.training.config import read_config
from MVCTEnhanceLib.training.run import train
torch.set_num_threads(1)
config, folder = read_config(Path(sys.argv[1])), Path(sys.argv[2])

def forked(step, output):
    pid = os.fork()
    if pid == 0:
        counter = iter(range(1_000_000))
        def watch(event, arguments):
            changes = event in ("os.rename", "os.mkdir", "os.remove") or (event == "open" and arguments[2] & os.O_CREAT)
            if changes and str(folder) in str(arguments[0]) and next(counter) == step:
                os.kill(os.getpid(), signal.SIGKILL)
        sys.addaudithook(watch)
        code = 1
        try:
            train(config, output, device=torch.device("cpu"), on_event=lambda event, **fields: None)
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

train(config, folder / "whole", device=torch.device("cpu"), on_event=lambda event, **fields: None)
step, killed = 13, -9  # among the operations that make the best model
while killed == -9:
    killed = forked(step, folder / str(step))
    print(json.dumps([step, killed, forked(-1, folder / str(step))]), flush=True)
    step += 6
"""


@pytest.mark.thorough
@only_posix
def test_killed_before_any_operation_on_a_file_it_goes_on_to_the_same_end(scans, tmp_path):
    config = write_config(scans, tmp_path, steps=2)
    command = [sys.executable, "-c", KILLER, str(config), str(tmp_path / "runs")]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(lines) > 2 and [killed for _, killed, _ in lines] == [-9] * (len(lines) - 1) + [0]
    whole = files_of(tmp_path / "runs" / "whole")
    for step, _, again in lines:
        assert again == 0
        assert files_of(tmp_path / "runs" / str(step)) == whole


def files_of(folder):
    """What must be the same: model and checkpoint with all that they hold, names, and the logs but for seconds."""
    assert not list(folder.rglob(".*"))
    logs = [line.rpartition(",")[0] for line in (folder / "log.csv").read_text().splitlines()]
    model = load_model(folder / "model.safetensors")
    held = model.card, model.translator.state_dict(), load_checkpoint(folder / "checkpoint.pt")
    names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))
    as_text = json.dumps(
        held, default=lambda tensor: hashlib.sha256(tensor.numpy().tobytes()).hexdigest(), sort_keys=True
    )
    return as_text, names, logs, (folder / "validation.csv").read_bytes()
