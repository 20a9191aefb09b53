"""Two processes of torchrun make the steps of one process with the same batch; what one of them refuses ends all."""

import csv
import math
import os
import subprocess
import sys

import pytest
import torch
from MVCTEnhanceLib.errors import Cancelled, DeviceError, InputError
from MVCTEnhanceLib.training import processes
from MVCTEnhanceLib.training.config import read_config
from MVCTEnhanceLib.training.processes import SINGLE_PROCESS, DistributedContext, device_of_process
from MVCTEnhanceLib.training.run import train

pytestmark = pytest.mark.skipif(not torch.distributed.is_available(), reason="this torch has no torch.distributed")

FAILING = """
import os, sys
from MVCTEnhanceLib.cli.program import main
from MVCTEnhanceLib.errors import InputError
from MVCTEnhanceLib.training.trainer import Trainer
step = Trainer.run_step
def failing(trainer):
    if os.environ["RANK"] == "1" and trainer.step == 1:
        raise InputError("The second process has had enough.")
    return step(trainer)
Trainer.run_step = failing
sys.exit(main())
"""


@pytest.fixture
def config(tmp_path, scans, vgg_file):
    """A function that writes a configuration with all terms and phases."""
    folders = "\n".join(f'{name} = "{(scans / name).as_posix()}"' for name in ("mvct", "kvct", "truth"))

    def write(batch=4, preset="density-residual", cycle_steps=0):
        path = tmp_path / "train.toml"
        path.write_text(
            f"""
            preset = "{preset}"
            [data]
            {folders}
            spacing_mm = 2.0
            crop_px = 32
            rotated = 0.5
            [losses]
            paired = 5.0
            cycle_blur_px = 1.0
            perceptual_crop_px = 16
            vgg = "{vgg_file.as_posix()}"
            [schedule]
            steps = 10
            paired_steps = 2
            cycle_steps = {cycle_steps}
            discriminator_steps = 2
            batch = {batch}
            average = 0.9
            buffer = 6
            validate_every = 2
            validation_slices = 1
            """,
            encoding="utf-8",
        )
        return path

    return write


def torchrun(config, output, *, program=("-m", "MVCTEnhanceLib")):
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", *program]
    options = ["train", config, "--output", output, "--device", "cpu", "--json", "--progress", "none"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.run([*command, *options], capture_output=True, text=True, timeout=300, env=environment)


def alone(config, output, *, until=math.inf):
    """The same run in this process, stopped after a number of steps."""
    done = []
    return train(
        read_config(config),
        output,
        device=torch.device("cpu"),
        on_event=lambda event, **fields: None,
        cancelled=lambda: len(done.append(1) or done) >= until,
    )


def rows(path):
    with path.open(newline="", encoding="utf-8") as file:
        return [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]


def assert_same_curves(one, two):
    for name in ("log.csv", "validation.csv"):
        first, second = rows(one / name), rows(two / name)
        assert [row["step"] for row in first] == [row["step"] for row in second]
        for row, other in zip(first, second, strict=True):
            for key, text in row.items():
                try:
                    assert float(other[key]) == pytest.approx(float(text), rel=2e-4, abs=1e-5), (key, row["step"])
                except ValueError:
                    assert other[key] == text


@pytest.mark.thorough
def test_two_processes_have_the_loss_curve_of_one(config, tmp_path):
    result = torchrun(config(), tmp_path / "two")
    assert result.returncode == 0, result.stderr
    assert result.stdout.count('"model"') == 1
    alone(config(), tmp_path / "one")
    assert {row["phase"] for row in rows(tmp_path / "one" / "log.csv")} == {"paired", "discriminators", "full"}
    assert_same_curves(tmp_path / "one", tmp_path / "two")


@pytest.mark.thorough
def test_so_they_do_with_the_physical_backward_generator(config, tmp_path):
    """But for the texture term, which each process takes of its own share."""
    path = config(preset="density-physics", cycle_steps=2)
    result = torchrun(path, tmp_path / "two")
    assert result.returncode == 0, result.stderr
    alone(path, tmp_path / "one")
    assert "cycle" in {row["phase"] for row in rows(tmp_path / "one" / "log.csv")}
    assert_same_curves(tmp_path / "one", tmp_path / "two")


@pytest.mark.thorough
def test_two_processes_go_on_with_the_run_of_one(config, tmp_path):
    """With images in the buffer, and both optimisers under way."""
    alone(config(), tmp_path / "one")
    with pytest.raises(Cancelled):
        alone(config(), tmp_path / "two", until=7)
    result = torchrun(config(), tmp_path / "two")
    assert result.returncode == 0, result.stderr
    assert_same_curves(tmp_path / "one", tmp_path / "two")


@pytest.mark.thorough
def test_failure_of_one_process_ends_all(config, tmp_path):
    script = tmp_path / "failing.py"
    script.write_text(FAILING, encoding="utf-8")
    result = torchrun(config(), tmp_path / "two", program=(str(script),))
    assert result.returncode != 0
    assert "The second process has had enough." in result.stderr
    assert '"model"' not in result.stdout
    assert not (tmp_path / "two" / "model.safetensors").exists()


def test_batch_that_cannot_be_shared_is_refused():
    with pytest.raises(InputError, match=r"batch is 3, which 2 processes cannot share evenly.*multiple of 2"):
        DistributedContext(0, 2).require_divides(3)
    SINGLE_PROCESS.require_divides(3)


def test_shares_are_the_batch_in_order():
    batch = torch.arange(6)
    shares = [DistributedContext(rank, 3).share(batch) for rank in range(3)]
    assert torch.equal(torch.cat(shares), batch)
    assert torch.equal(SINGLE_PROCESS.share(batch), batch)


@pytest.mark.parametrize(
    ("asked", "has_gpu", "device"),
    [("auto", True, "cuda:3"), ("cuda", True, "cuda:3"), ("auto", False, "cpu"), ("cpu", True, "cpu")],
)
def test_each_process_of_a_machine_takes_its_own_gpu(monkeypatch, asked, has_gpu, device):
    monkeypatch.setattr(processes, "launched_by_torchrun", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: has_gpu)
    monkeypatch.setenv("LOCAL_RANK", "3")
    assert device_of_process(asked) == device


@pytest.mark.parametrize("asked", ["cuda:0", "mps"])
def test_one_device_for_all_processes_is_refused(monkeypatch, asked):
    monkeypatch.setattr(processes, "launched_by_torchrun", lambda: True)
    with pytest.raises(DeviceError, match=f"not '{asked}'"):
        device_of_process(asked)


def test_without_torchrun_the_device_is_the_one_asked_for():
    for name in ("auto", "cuda:1", "mps", "cpu"):
        assert device_of_process(name) == name
