"""A run leaves logs, pictures and its best model, and goes on bit for bit after it was killed."""

import csv
import json
import math
import os
import subprocess
import sys

import pytest
import torch
from MVCTEnhanceLib.errors import Cancelled, InputError, MVCTEnhanceError, OutputError
from MVCTEnhanceLib.model.package import load_model
from MVCTEnhanceLib.training.checkpoint import load_checkpoint, save_checkpoint
from MVCTEnhanceLib.training.run import train
from MVCTEnhanceLib.training.trainer import Trainer
from MVCTEnhanceLib.training.validation import Validation

CPU = torch.device("cpu")
PHASES = ["paired", "paired", "paired", "discriminators", "full", "full", "full", "full", "full"]


def silent(event, **fields):
    pass


def rows(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def configuration(scans, vgg_file, mixed):
    paths = {name: (scans / name).as_posix() for name in ("mvct", "kvct", "truth")}
    return f"""
name = "tiny"
seed = 4
[data]
mvct = "{paths["mvct"]}"
kvct = "{paths["kvct"]}"
truth = "{paths["truth"]}"
description = "two phantoms"
credits = ["phantom"]
spacing_mm = 2.0
crop_px = 32
rotated = 0.5
[losses]
paired = 5.0
cycle_blur_px = 1.0
perceptual_crop_px = 16
vgg = "{vgg_file.as_posix()}"
[schedule]
steps = 9
paired_steps = 3
discriminator_steps = 1
batch = 2
average = 0.9
buffer = 3
validate_every = 2
validation_slices = 2
mixed_precision = {"true" if mixed else "false"}
"""


def start(config, output):
    """The command line in a process of its own, on one thread, since sums depend on their number."""
    command = [sys.executable, "-m", "MVCTEnhanceLib", "train", str(config), "--output", str(output)]
    return subprocess.Popen(
        [*command, "--device", "cpu", "--progress", "jsonl"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )


def events_of(process):
    output, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    return [json.loads(line) for line in output.splitlines()]


def kill_at(process, step):
    """SIGKILL (on Windows TerminateProcess) once a step is reported: nothing in the process can react to it."""
    for line in process.stdout:
        event = json.loads(line)
        if event["event"] == "progress" and event["done"] >= step:
            break
    process.kill()
    process.communicate(timeout=60)
    assert process.returncode != 0


@pytest.fixture(
    scope="module",
    params=[
        pytest.param((False, [7]), id="full precision"),
        pytest.param((True, [3, 7]), id="mixed precision", marks=pytest.mark.thorough),
    ],
)
def runs(request, tmp_path_factory, scans, vgg_file):
    """The same training in one go and killed at some steps: both folders, and the events of the first and the last
    call."""
    mixed, killed_at = request.param
    folder = tmp_path_factory.mktemp("runs")
    config = folder / "train.toml"
    config.write_text(configuration(scans, vgg_file, mixed), encoding="utf-8")
    in_one_go = start(config, folder / "whole")
    for step in killed_at:
        kill_at(start(config, folder / "killed"), step)
    last = start(config, folder / "killed")
    return folder / "whole", folder / "killed", events_of(in_one_go), events_of(last)


def flat(state, prefix=""):
    """All tensors and numbers of a checkpoint under their paths."""
    if isinstance(state, dict):
        return {key: value for name, part in state.items() for key, value in flat(part, f"{prefix}/{name}").items()}
    if isinstance(state, list | tuple):
        return flat(dict(enumerate(state)), prefix)
    return {prefix: state}


@pytest.mark.integration
def test_killed_and_resumed_run_is_bit_identical_to_one_in_one_go(runs):
    whole, killed, _, events = runs
    assert next(event for event in events if event.get("stage") == "training")["first_step"] in (6, 8)
    checkpoints = [flat(load_checkpoint(folder / "checkpoint.pt")) for folder in (whole, killed)]
    assert checkpoints[0].keys() == checkpoints[1].keys()
    assert sum(isinstance(value, torch.Tensor) for value in checkpoints[0].values()) > 200
    for name, value in checkpoints[0].items():
        other = checkpoints[1][name]
        assert torch.equal(value, other) if isinstance(value, torch.Tensor) else value == other, name
    models = [load_model(folder / "model.safetensors") for folder in (whole, killed)]
    for name, tensor in models[0].translator.state_dict().items():
        assert torch.equal(tensor, models[1].translator.state_dict()[name])
    assert models[0].card == models[1].card


@pytest.mark.integration
def test_logs_of_a_resumed_run_are_those_of_one_in_one_go(runs):
    whole, killed, _, _ = runs
    for name in ("log.csv", "validation.csv"):
        logs = [
            [{k: v for k, v in row.items() if k != "seconds"} for row in rows(folder / name)]
            for folder in (whole, killed)
        ]
        assert logs[0] == logs[1]
    steps = [int(row["step"]) for row in rows(killed / "log.csv")]
    assert steps == sorted(set(steps))
    assert [int(row["step"]) for row in rows(killed / "validation.csv")] == [2, 4, 6, 8, 9]


@pytest.mark.integration
def test_log_shows_terms_and_discriminator_scores_by_phase(runs):
    log = rows(runs[0] / "log.csv")
    for row in log:
        assert row["phase"] == PHASES[int(row["step"]) - 1]
        assert (row["score_made_kv"] == "") == (row["phase"] == "paired")
        assert (row["cycle"] == "") == (row["phase"] != "full")
    assert all(row[f"score_{which}"] for row in log[-1:] for which in ("mv", "kv", "made_mv", "made_kv"))
    assert {"adversarial", "cycle", "autoencoder", "perceptual", "air", "identity", "paired", "seconds"} <= set(log[0])


@pytest.mark.integration
def test_pictures_of_samples_and_features_are_left(runs):
    names = {path.name for path in (runs[1] / "samples").iterdir()}
    for step in (2, 4, 6, 8, 9):
        assert f"step-{step:06d}.png" in names and f"features-{step:06d}.png" in names
    assert (runs[1] / "samples" / "step-000009.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.integration
def test_best_model_is_the_one_that_the_stated_rule_chooses(runs):
    whole, _, events, _ = runs
    late = [row for row in rows(whole / "validation.csv") if 2 * int(row["step"]) > 9]

    def rank(row):
        return float(row["air_agreement"]) < 99, int(float(row["nselfssim_distance"]) / 0.005), float(row["dig"])

    best = min(late, key=rank)
    chosen = [row for row in rows(whole / "validation.csv") if row["chosen"] == "True"]
    assert chosen[-1] == best
    card = load_model(whole / "model.safetensors").card
    assert card["step"] == int(best["step"])
    assert "99 %" in card["measured"]["chosen_by"]
    assert sum(event["event"] == "validation" for event in events) == 5


@pytest.mark.integration
def test_card_tells_how_the_model_was_made(runs):
    card = load_model(runs[0] / "model.safetensors").card
    assert card["name"] == "tiny" and card["seed"] == 4 and card["credits"] == ["phantom"]
    assert card["device"].startswith("CPU")
    data = {"description": "two phantoms", "mvct_slices": 16, "kvct_slices": 16, "paired_truth_used": True}
    assert card["training_data"] == data
    assert card["losses"]["paired"] == 5 and card["losses"]["cycle"] == 10 and "vgg" not in card["losses"]
    assert card["schedule"]["steps"] == 9
    assert "dose" in card["intended_use"]


@pytest.mark.integration
def test_finished_run_has_nothing_more_to_do(runs, main):
    whole, _, first, _ = runs
    options = ("--output", whole, "--device", "cpu", "--progress", "jsonl")
    again = [json.loads(line) for line in main("train", whole.parent / "train.toml", *options).stdout.splitlines()]
    assert not [event for event in again if event["event"] == "progress"]
    assert again[-1] == {"event": "result", "model": str(whole / "model.safetensors")} == first[-1]


@pytest.fixture
def small_run(tiny_config, scans):
    """A function that makes a configuration on the scans; short, unpaired, without VGG."""

    def make(**changes):
        folders = {"mvct": str(scans / "mvct"), "kvct": str(scans / "kvct")}
        return tiny_config(**folders | {"perceptual": 0.0, "steps": 4} | changes)

    return make


@pytest.mark.integration
def test_training_also_works_without_features_and_without_truth(small_run, tmp_path):
    path = train(small_run(validate_every=10), tmp_path, device=CPU, on_event=silent)
    assert load_model(path).card["training_data"]["paired_truth_used"] is False
    assert not list((tmp_path / "samples").glob("features-*"))
    assert [row["step"] for row in rows(tmp_path / "validation.csv")] == ["4"]


@pytest.mark.integration
def test_paper_preset_trains_and_is_saved(small_run, tmp_path):
    path = train(small_run(preset="ozaki2022", steps=1), tmp_path, device=CPU, on_event=silent)
    assert load_model(path).plan.preset == "ozaki2022"


@pytest.mark.integration
def test_another_configuration_in_the_same_folder_is_refused(small_run, tmp_path):
    train(small_run(steps=2), tmp_path, device=CPU, on_event=silent)
    before = (tmp_path / "checkpoint.pt").read_bytes()
    with pytest.raises(InputError, match="another configuration"):
        train(small_run(steps=2, cycle=5.0), tmp_path, device=CPU, on_event=silent)
    assert (tmp_path / "checkpoint.pt").read_bytes() == before


def test_damaged_checkpoint_is_refused(small_run, tmp_path):
    (tmp_path / "checkpoint.pt").write_bytes(b"half a checkpoint")
    with pytest.raises(InputError, match=r"checkpoint\.pt' is damaged"):
        train(small_run(), tmp_path, device=CPU, on_event=silent)


@pytest.mark.integration
def test_loss_that_is_no_number_stops_the_run_and_keeps_the_last_checkpoint(small_run, tmp_path, monkeypatch):
    step = Trainer.run_step

    def diverging(trainer):
        return step(trainer) | ({"cycle": math.nan} if trainer.step == 4 else {})

    monkeypatch.setattr(Trainer, "run_step", diverging)
    with pytest.raises(MVCTEnhanceError, match=r"diverged at step 4.*kept"):
        train(small_run(steps=6), tmp_path, device=CPU, on_event=silent)
    assert load_checkpoint(tmp_path / "checkpoint.pt")["trainer"]["step"] == 2
    assert [row["step"] for row in rows(tmp_path / "log.csv")] == ["2"]


@pytest.mark.integration
@pytest.mark.parametrize("network", ["translator", "discriminators"])
def test_weights_that_are_no_numbers_never_reach_a_checkpoint(small_run, tmp_path, monkeypatch, network):
    """The losses of the step before it were finite still."""
    step = Trainer.run_step

    def overflowing(trainer):
        values = step(trainer)
        if trainer.step == 4:
            next(getattr(trainer, network).parameters()).data[0] = math.inf
        return values

    monkeypatch.setattr(Trainer, "run_step", overflowing)
    with pytest.raises(MVCTEnhanceError, match="diverged at step 4"):
        train(small_run(), tmp_path, device=CPU, on_event=silent)
    assert load_checkpoint(tmp_path / "checkpoint.pt")["trainer"]["step"] == 2


@pytest.mark.integration
def test_far_too_high_rates_are_told(small_run, tmp_path):
    with pytest.raises(MVCTEnhanceError, match=r"diverged.*lower the learning rates"):
        train(small_run(generator_rate=1e30, steps=20, validate_every=20), tmp_path, device=CPU, on_event=silent)
    assert not (tmp_path / "checkpoint.pt").exists()


@pytest.mark.integration
def test_cancelled_run_goes_on_from_its_last_checkpoint(small_run, tmp_path):
    seen = []
    config = small_run(validate_every=2)
    with pytest.raises(Cancelled, match="the same command goes on"):
        train(config, tmp_path, device=CPU, on_event=silent, cancelled=lambda: len(seen.append(1) or seen) == 3)
    assert load_checkpoint(tmp_path / "checkpoint.pt")["trainer"]["step"] == 2
    train(config, tmp_path, device=CPU, on_event=silent)
    assert load_checkpoint(tmp_path / "checkpoint.pt")["trainer"]["step"] == 4


@pytest.mark.integration
def test_resumed_run_keeps_a_best_model_that_later_weights_do_not_beat(small_run, tmp_path, monkeypatch):
    results = iter([judged(), judged(), judged(dig=50.0), judged(dig=60.0)])
    monkeypatch.setattr("MVCTEnhanceLib.training.run.validate", lambda *arguments, **named: next(results))
    config, seen = small_run(validate_every=1), []
    with pytest.raises(Cancelled):
        train(config, tmp_path, device=CPU, on_event=silent, cancelled=lambda: len(seen.append(1) or seen) == 3)
    path = train(config, tmp_path, device=CPU, on_event=silent)
    assert load_model(path).card["step"] == 3
    assert [row["chosen"] for row in rows(tmp_path / "validation.csv")] == ["False", "False", "True", "False"]


def test_checkpoint_that_does_not_fit_the_disk_leaves_the_last_one(tmp_path, monkeypatch):
    path = tmp_path / "checkpoint.pt"
    save_checkpoint(path, {"step": 1})

    def full_disk(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full_disk)
    with pytest.raises(OutputError, match="disk is full"):
        save_checkpoint(path, {"step": 2})
    assert load_checkpoint(path) == {"step": 1}
    assert [file.name for file in tmp_path.iterdir()] == ["checkpoint.pt"]


def test_checkpoint_is_read_without_running_code(tmp_path):
    class Dangerous:
        def __reduce__(self):
            return pytest.fail, ("the file was unpickled",)

    torch.save(Dangerous(), tmp_path / "checkpoint.pt")
    with pytest.raises(InputError, match="damaged"):
        load_checkpoint(tmp_path / "checkpoint.pt")


def judged(**changes):
    return Validation(
        **{"nselfssim": 0.8, "nselfssim_distance": 0.01, "dig": 100.0, "air_agreement": 99.5, "noise_hu": 9.0} | changes
    )


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        (judged(nselfssim_distance=0.9, dig=9e9), judged(air_agreement=98.9)),
        (judged(nselfssim_distance=0.001, dig=9e9), judged(nselfssim_distance=0.006)),
        (judged(nselfssim_distance=0.004, dig=99.0), judged(nselfssim_distance=0.001, dig=100.0)),
        (judged(), judged(nselfssim=None, nselfssim_distance=None)),
        (judged(), judged(air_agreement=None)),
    ],
    ids=["air first", "then NSelfSSIM", "then DIG within a step of NSelfSSIM", "no NSelfSSIM", "no air agreement"],
)
def test_rule_ranks_air_then_nselfssim_then_dig(better, worse):
    assert better.rank() < worse.rank()
