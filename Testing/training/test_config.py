"""The configuration file is read as docs/training.md says, and a mistake in it is told in one sentence."""

import dataclasses
import re
from pathlib import Path

import pytest
from MVCTEnhanceLib.errors import InputError, ModelError
from MVCTEnhanceLib.training.config import DataConfig, LossConfig, ScheduleConfig, TrainingConfig, read_config

DOCUMENTATION = Path(__file__).resolve().parents[2] / "docs" / "training.md"
DATA = '[data]\nmvct = "m"\nkvct = "k"\n'


def read(tmp_path, text):
    path = tmp_path / "train.toml"
    path.write_text(text, encoding="utf-8")
    return read_config(path)


def test_defaults_are_the_papers(tmp_path):
    config = read(tmp_path, DATA)
    losses = config.losses
    assert (losses.adversarial, losses.cycle, losses.autoencoder, losses.perceptual) == (1, 10, 1, 1)
    assert (losses.air, losses.identity, losses.air_threshold_hu, losses.paired) == (1, 0.1, -600, 0)
    schedule = config.schedule
    assert (schedule.generator_rate, schedule.discriminator_rate, schedule.beta_1) == (2e-4, 1e-4, 0.1)
    assert (schedule.batch, schedule.buffer, losses.target_jitter) == (1, 50, 0.2)
    assert (config.data.rotation_deg, config.data.translation_px) == (20, 20)


def test_relative_paths_are_relative_to_the_file(tmp_path):
    (tmp_path / "sub").mkdir()
    config = read(tmp_path / "sub", '[data]\nmvct = "../m"\nkvct = "k"\n[losses]\nvgg = "v.pth"\n')
    assert Path(config.data.mvct).resolve() == (tmp_path / "m").resolve()
    assert Path(config.data.kvct) == (tmp_path / "sub").resolve() / "k"
    assert Path(config.losses.vgg) == (tmp_path / "sub").resolve() / "v.pth"
    assert config.data.truth == ""


def test_absolute_paths_stay(tmp_path):
    absolute = (tmp_path / "elsewhere").as_posix()
    assert Path(read(tmp_path, f'[data]\nmvct = "{absolute}"\nkvct = "k"').data.mvct) == Path(absolute)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[data\n", r"'.*train\.toml' cannot be read as TOML"),
        (DATA + "[losses]\nperceptal = 1", r"no setting 'perceptal' in \[losses\] of '.*train\.toml'.*perceptual"),
        ("speed = 1\n" + DATA, "no setting 'speed'"),
        ('[data]\nmvct = "m"', r"'kvct' is missing in \[data\]"),
        ("", r"'mvct' is missing in \[data\]"),
        ("data = 3", r"\[data\] of .* is 3"),
        ('[data]\nmvct = 5\nkvct = "k"', "'mvct' .* is 5, but its type must be str"),
        (DATA + 'credits = "me"', "'credits' .* must be tuple"),
        (DATA + 'crop_px = "128"', "'crop_px' .* must be int"),
        (DATA + "crop_px = 64.5", "'crop_px' .* must be int"),
        (DATA + "crop_px = true", "'crop_px' .* must be int"),
        (DATA + "[schedule]\nmixed_precision = 1", "'mixed_precision' .* must be bool"),
        (DATA + "crop_px = 16", "crop_px is 16: give a number from 32"),
        (DATA + "crop_px = 33", "crop_px must be even"),
        (DATA + "rotated = 1.5", "rotated is 1.5: give a number from 0 to 1"),
        (DATA + "spacing_mm = 0", "spacing_mm is 0"),
        (DATA + "translation_px = -1", "translation_px is -1"),
        ("seed = -1\n" + DATA, "seed is -1"),
        (DATA + "[schedule]\nsteps = 0", "steps is 0"),
        (DATA + "[schedule]\nbatch = 0", "batch is 0"),
        (DATA + "[schedule]\nvalidate_every = 0", "validate_every is 0"),
        (DATA + "[schedule]\nvalidation_slices = 0", "validation_slices is 0"),
        (DATA + "[schedule]\nbeta_1 = 1", "beta_1 is 1"),
        (DATA + "[losses]\ncycle = -1", "cycle is -1"),
        (DATA + "[losses]\ncycle = inf", "cycle is inf"),
        (DATA + "[losses]\ncycle = nan", "cycle is nan"),
        (DATA + "[losses]\nperceptual_crop_px = 200", "perceptual_crop_px must not be above"),
        (DATA + "[losses]\ncycle_blur_px = 40", "cycle_blur_px must be below"),
        (DATA + "[losses]\npaired = 1", r"name their folder as data\.truth"),
        (DATA + "[schedule]\npaired_steps = 1", r"name their folder as data\.truth"),
        (
            DATA
            + "[losses]\n"
            + "\n".join(f"{t} = 0" for t in ["adversarial", "cycle", "autoencoder", "perceptual", "air", "identity"]),
            "a weight above 0",
        ),
    ],
)
def test_mistakes_are_told_in_one_sentence(tmp_path, text, message):
    with pytest.raises(InputError, match=message) as caught:
        read(tmp_path, text)
    assert str(caught.value).endswith(".") and "\n" not in str(caught.value)


def test_missing_file_is_told(tmp_path):
    with pytest.raises(InputError, match=r"nothing\.toml"):
        read_config(tmp_path / "nothing.toml")


def test_unknown_preset_is_told(tmp_path):
    with pytest.raises(ModelError, match="no preset 'unet'"):
        read(tmp_path, 'preset = "unet"\n' + DATA)


def test_whole_numbers_do_for_fractions(tmp_path):
    assert read(tmp_path, DATA + "[losses]\ncycle = 5").losses.cycle == 5


@pytest.mark.parametrize("section", [TrainingConfig, DataConfig, LossConfig, ScheduleConfig])
def test_every_setting_is_documented_with_its_default(section):
    text = DOCUMENTATION.read_text(encoding="utf-8")
    for setting in dataclasses.fields(section):
        if setting.name in ("data", "losses", "schedule"):
            continue
        row = re.search(rf"^\| `{setting.name}` \| ?([^|]*)\|", text, re.MULTILINE)
        assert row, f"docs/training.md has no row for {setting.name}"
        if setting.default is not dataclasses.MISSING and isinstance(setting.default, int | float):
            assert float(row[1].replace("true", "1").replace("false", "0")) == setting.default, setting.name


def test_documented_example_is_a_valid_configuration(tmp_path):
    example = re.search(r"```toml\n(.*?)```", DOCUMENTATION.read_text(encoding="utf-8"), re.DOTALL)[1]
    assert read(tmp_path, example).data.mvct
