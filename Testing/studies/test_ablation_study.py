"""The ablation, the study of the data's size and the NSelfSSIM table: runs, subsets, figures and their claims."""

import dataclasses
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from MVCTEnhanceLib.io import read_volume, write_volume
from MVCTEnhanceLib.training import run as training_run
from MVCTEnhanceLib.training.config import read_config
from MVCTEnhanceLib.volume import Volume

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "studies" / "results"))

import study as study_module
from training import ablation, data_size, measures, nselfssim_table, train_runs

SIZE = 96
PIXEL_MM = 0.763 * 2


def disc(noise_hu, seed, *, slices=2, radius_px=35.0):
    """Muscle with a fat core in air, on slices (k, j, i) of two pixel sizes of training."""
    j, i = np.indices((SIZE, SIZE)) - (SIZE - 1) / 2
    radius = np.hypot(j, i)
    hu = np.select([radius < radius_px / 3, radius < radius_px], [-100.0, 50.0], -1000.0)
    noise = np.random.default_rng(seed).normal(0, noise_hu, (slices, SIZE, SIZE))
    return Volume((hu + noise).round().astype(np.int16), (PIXEL_MM, PIXEL_MM, 3.0))


@pytest.fixture
def study(tmp_path):
    """With three training scans of 9, 6 and 1 slices in each domain and one test patient."""
    work = tmp_path / "work"
    for domain, noise in (("mvct", 30.0), ("kvct", 8.0)):
        folder = work / "data" / "train" / domain
        folder.mkdir(parents=True)
        for seed, (name, slices) in enumerate((("a", 9), ("b", 6), ("c", 1))):
            write_volume(disc(noise, seed, slices=slices), folder / f"{name}.nrrd")
    for part, noise in (("mvct", 30.0), ("truth", 8.0)):
        folder = work / "data" / "test" / part
        folder.mkdir(parents=True)
        write_volume(disc(noise, 7), folder / "patient.nrrd")
    return study_module.Study(tmp_path, work, tmp_path / "results")


@pytest.fixture
def in_process(monkeypatch):
    """Runs are trained in this process; the list of their names, in the order of their starts."""
    started = []

    def run(command, **_):
        config, folder = Path(command[4]), Path(command[6])
        started.append(folder.name)
        training_run.train(read_config(config), folder, device=torch.device("cpu"), on_event=lambda *_, **__: None)
        return type("Process", (), {"returncode": 0})

    monkeypatch.setattr(train_runs.subprocess, "run", run)
    return started


def short(study, name, **changes):
    """A plain run of two steps."""
    config = train_runs.configuration(study, name, physical=False, weights=train_runs.PLAIN)
    return dataclasses.replace(config, schedule=short_schedule(config), **changes)


def short_schedule(config):
    return dataclasses.replace(
        config.schedule, steps=2, cycle_steps=0, discriminator_steps=0, batch=1, validate_every=2, validation_slices=1
    )


@pytest.mark.thorough
def test_run_is_trained_by_the_command_line_and_its_configuration_kept_with_the_results(study):
    config = short(study, "tiny")
    model = train_runs.trained(study, "tiny", config)
    assert model == study.work / "train" / "tiny" / "model.safetensors" and model.is_file()
    assert read_config_of(study, "tiny") == normal(config)
    assert "The best model is" in (model.parent / "output.log").read_text()


@pytest.mark.thorough
def test_finished_run_is_not_run_again_and_an_unfinished_one_is(study, in_process, monkeypatch):
    model = train_runs.trained(study, "tiny", short(study, "tiny"))
    train_runs.trained(study, "tiny", short(study, "tiny"))
    assert in_process == ["tiny"]
    state = train_runs.load_checkpoint(model.parent / "checkpoint.pt")
    state["trainer"]["step"] = 1
    torch.save(state, model.parent / "checkpoint.pt")
    train_runs.trained(study, "tiny", short(study, "tiny"))
    assert in_process == ["tiny", "tiny"]


@pytest.mark.thorough
def test_changed_configuration_does_not_pass_as_the_finished_run(study, in_process):
    train_runs.trained(study, "tiny", short(study, "tiny"))
    with pytest.raises(Exception, match="another configuration"):
        train_runs.trained(study, "tiny", short(study, "tiny", seed=5))


def test_failed_run_is_named_with_the_place_of_its_log(study, monkeypatch):
    monkeypatch.setattr(train_runs.subprocess, "run", lambda *_, **__: type("Process", (), {"returncode": 1}))
    with pytest.raises(RuntimeError, match=r"'tiny' failed: .*output\.log"):
        train_runs.trained(study, "tiny", short(study, "tiny"))


def test_configuration_as_toml_reads_back_the_same_from_any_folder(study, tmp_path):
    config = train_runs.configuration(study, "some", physical=True, seed=2)
    folder = tmp_path / "far" / "away"
    folder.mkdir(parents=True)
    text = train_runs.toml_text(config, folder)
    (folder / "some.toml").write_text(text, encoding="utf-8")
    assert normal(read_config(folder / "some.toml")) == normal(config)
    assert str(tmp_path) not in text


def test_log_gives_minutes_of_training_and_the_last_scores(tmp_path):
    scores = "score_mv,score_made_mv,score_kv,score_made_kv"
    rows = [f"{step},{seconds},{kv},0,{kv},0" for step, seconds, kv in ((10, 3, 9), (20, 6, 9), (110, 2, 0.7))]
    (tmp_path / "log.csv").write_text("\n".join((f"step,seconds,{scores}", *rows)))
    log = train_runs.training_log(tmp_path / "model.safetensors")
    assert log["minutes"] == pytest.approx((10 * 3 + 10 * 6 + 90 * 2) / 60)
    assert log["score_kv"] == pytest.approx(0.7) and log["score_made_kv"] == 0


def test_ablation_changes_nothing_but_losses_seed_and_networks(study):
    runs = {name: one.config for name, one in ablation.ablation_runs(study).items()}
    extra = ("perceptual", "autoencoder", "air")
    weights = {name: tuple(getattr(config.losses, term) for term in extra) for name, config in runs.items()}
    nothing, everything = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    assert weights == {
        "plain-cyclegan-1": nothing,
        "plain-cyclegan-2": nothing,
        "proposed-1": (0.03, 1.0, 1.0),
        "proposed-2": (0.03, 1.0, 1.0),
        "physical-1": nothing,
        "perceptual-1": (0.03, 0.0, 0.0),
        "autoencoder-1": (0.0, 1.0, 0.0),
        "air-1": (0.0, 0.0, 1.0),
        "paper-losses-1": everything,
        "ozaki2022-1": everything,
    }
    free = {"plain-cyclegan-1", "plain-cyclegan-2", "paper-losses-1"}
    for name, config in runs.items():
        base = runs["plain-cyclegan-1" if name in free | {"ozaki2022-1"} else "proposed-1"]
        assert config.name == name and config.data == base.data
        assert config.losses.paired == 0 and not config.data.truth
        assert dataclasses.replace(config.losses, **{term: getattr(base.losses, term) for term in extra}) == base.losses
        if name != "ozaki2022-1":
            assert (config.preset, config.schedule) == (base.preset, base.schedule)
    assert runs["plain-cyclegan-1"].schedule.steps == runs["proposed-1"].schedule.steps


def test_only_the_end_of_a_run_can_be_chosen_so_that_all_have_the_same_steps(study):
    schedule = train_runs.configuration(study, "some", physical=True).schedule
    validations = {*range(schedule.validate_every, schedule.steps, schedule.validate_every), schedule.steps}
    assert [step for step in validations if 2 * step > schedule.steps] == [schedule.steps]


def test_subset_takes_few_patients_where_asked_and_spreads_over_them(study):
    usable = {"a": [0, 1, 2, 3, 4, 5], "b": [0, 1, 2, 3], "c": [7]}
    assert data_size.chosen_slices(usable, data_size.Subset(4, patients=2)) == {"a": [1, 4], "b": [1, 3]}
    everywhere = data_size.chosen_slices(usable, data_size.Subset(7))
    assert {name: len(slices) for name, slices in everywhere.items()} == {"a": 3, "b": 3, "c": 1}
    assert all(len(set(slices)) == len(slices) for slices in everywhere.values())
    assert data_size.chosen_slices(usable, data_size.Subset(11)) == usable


def test_subset_folder_holds_the_original_slices_that_show_the_patient(study):
    path = study.work / "data" / "train" / "mvct" / "a.nrrd"
    scan = read_volume(path)
    scan.array[[1, 4]] = -1000
    write_volume(scan, path)
    folder = data_size.subset_folder(study, data_size.Subset(4, patients=2))
    assert folder == study.work / "data" / "subset-4"
    part = read_volume(folder / "mvct" / "a.nrrd")
    assert part.spacing == pytest.approx(scan.spacing)
    np.testing.assert_array_equal(part.array, scan.array[[2, 7]])
    for domain in ("mvct", "kvct"):
        assert sum(len(read_volume(file).array) for file in (folder / domain).iterdir()) == 4


def test_subset_that_the_data_do_not_have_is_none_and_told_in_the_notes(study, monkeypatch):
    assert data_size.subset_folder(study, data_size.Subset(17)) is None
    monkeypatch.setattr(data_size, "SUBSETS", (data_size.Subset(4, patients=2), data_size.Subset(17)))
    runs, missing = data_size._runs(study)
    assert missing == [data_size.Subset(17)]
    assert {name.rpartition("-")[0] for name in runs} == {
        "plain-cyclegan-4",
        "proposed-4",
        "plain-cyclegan",
        "proposed",
    }
    assert "fewer than 17" in data_size._how({"proposed": runs["proposed-1"].config}, missing, "CPU, 1 thread")


def rows_of(plain, proposed):
    """Rows of two seeds at each size, from (first, second) DIG of each size."""
    return [
        {"slices_mvct": size, "method": method, "dig": dig}
        for method, by_size in (("plain CycleGAN", plain), ("proposed", proposed))
        for size, seeds in by_size.items()
        for dig in seeds
    ]


def test_claim_is_confirmed_only_where_the_proposed_is_lower_for_all_seeds_and_flatter():
    high = {16: (300, 320), 64: (260, 250), 204: (200, 210)}
    assert "**is confirmed here**" in data_size.verdict(rows_of(high, {16: (90, 95), 64: (90, 91), 204: (88, 92)}))
    steep = data_size.verdict(rows_of(high, {16: (240, 245), 64: (90, 91), 204: (20, 22)}))
    assert "**is not confirmed here**" in steep and "at every size" in steep and "is not flatter" in steep
    above = data_size.verdict(rows_of(high, {16: (310, 290), 64: (240, 240), 204: (230, 240)}))
    assert "**is not confirmed here**" in above and "at 1 of 3 sizes" in above and "is flatter" in above


def test_measures_of_the_references_are_what_they_must_be(study):
    cases = study.cases("test")
    kvct = measures.summary(measures.measures_of_kvct(study, cases), measures.measures_of_kvct(study, cases))
    assert kvct["mae"] == 0 and kvct["bias_soft_tissue"] == 0 and kvct["nselfssim_distance"] == 0
    mvct = measures.measures(study, cases, measures.references()[0])["patient"]
    case = cases[0]
    body = np.hypot(*(np.indices((SIZE, SIZE)) - (SIZE - 1) / 2)) < 30
    assert mvct["dig"] == [0, 0] and mvct["air"] == [100, 100]
    error = np.abs(case.mvct.array.astype(float) - case.truth.array)[:, body].mean(axis=1)
    assert mvct["mae"] == pytest.approx(error, rel=0.1)


def test_distance_of_one_patient_does_not_make_up_for_anothers():
    own = {"a": {"nselfssim": [0.9, 0.8]}, "b": {"nselfssim": [0.7]}}
    kvct = {"a": {"nselfssim": [0.8, 0.8]}, "b": {"nselfssim": [0.75]}}
    row = measures.summary(own, kvct)
    assert row["nselfssim_distance"] == pytest.approx(0.05)
    assert row["nselfssim"] == pytest.approx(0.8) and row["nselfssim_sd"] == pytest.approx(0.1)


def test_model_of_other_weights_is_measured_anew(tmp_path):
    model = tmp_path / "model.safetensors"
    model.write_bytes(bytes(8) + b"first")
    first = measures.model_method("some", model).name
    model.write_bytes(bytes(8) + b"second")
    assert first != measures.model_method("some", model).name and first.startswith("some-")


@pytest.mark.thorough
def test_nselfssim_table_has_the_papers_values_beside_ours_and_its_caution(study, in_process, monkeypatch):
    shorten(monkeypatch)
    nselfssim_table.run(study)
    text = (study.results / "nselfssim.md").read_text(encoding="utf-8")
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("| ")]
    heading = cells[0].index(nselfssim_table.COLUMNS["paper"])
    papers = {row[0]: row[heading] for row in cells[1:]}
    assert (papers["MVCT"], papers["plain CycleGAN"], papers["proposed"]) == ("0.9024", "–", "0.7079")
    assert papers["simulated-anchor (shipped)"] == "–" and papers["planning CT (true kVCT)"] == "0.7263"
    assert "Lower is not better" in text and "simulated" in text
    assert in_process == ["plain-cyclegan-1", "proposed-1"]


@pytest.mark.thorough
def test_data_size_table_has_the_slices_that_training_used_and_a_figure(study, in_process, monkeypatch):
    shorten(monkeypatch)
    monkeypatch.setattr(data_size, "SUBSETS", (data_size.Subset(17),))
    data_size.run(study)
    text = (study.results / "data_size.md").read_text(encoding="utf-8")
    assert "| 16 | 16 | plain CycleGAN | 1 |" in text and "| 16 | 16 | proposed | 1 |" in text
    assert "fewer than 17" in text and "MVCT + density curve: DIG" in text and "confirmed here" in text
    assert (study.results / "data_size.png").stat().st_size < 400_000


def shorten(monkeypatch):
    """Runs of two steps and one seed, without the VGG."""
    full = train_runs.configuration

    def configuration(study, name, **options):
        config = full(study, name, **options | {"weights": train_runs.PLAIN})
        return dataclasses.replace(config, schedule=short_schedule(config))

    monkeypatch.setattr(train_runs, "configuration", configuration)
    monkeypatch.setattr(train_runs, "AT_A_TIME", 1)
    monkeypatch.setattr(train_runs, "SEEDS", (1,))


def read_config_of(study, name):
    return normal(read_config(study.results / "configs" / f"{name}.toml"))


def normal(config):
    """A configuration with plain absolute paths."""
    data = {key: str(Path(getattr(config.data, key)).resolve()) for key in ("mvct", "kvct")}
    losses = dataclasses.replace(config.losses, vgg=str(Path(config.losses.vgg).resolve()))
    return dataclasses.replace(config, data=dataclasses.replace(config.data, **data), losses=losses)
