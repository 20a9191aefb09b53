"""Tiny scans, made on the fly, to train on; random VGG layers under torchvision's keys."""

import dataclasses
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from MVCTEnhanceLib.io import write_volume
from MVCTEnhanceLib.physics.mvct import MVCTSettings, simulate_mvct
from MVCTEnhanceLib.physics.phantom import head_neck_phantom
from MVCTEnhanceLib.training.config import DataConfig, LossConfig, ScheduleConfig, TrainingConfig
from MVCTEnhanceLib.training.data import Slices
from MVCTEnhanceLib.training.trainer import Trainer

GRID = {"shape": (96, 96), "spacing_mm": (2.0, 2.0, 6.0)}


@pytest.fixture(scope="session")
def vgg_file(tmp_path_factory) -> Path:
    """Random layers of the right shapes."""
    generator = torch.Generator().manual_seed(5)
    shapes = {"0.weight": (64, 3, 3, 3), "0.bias": (64,), "2.weight": (64, 64, 3, 3), "2.bias": (64,)}
    state = {
        f"features.{name}": torch.randn(shape, generator=generator) / np.sqrt(9 * (shape[1] if len(shape) > 1 else 9))
        for name, shape in shapes.items()
    }
    path = tmp_path_factory.mktemp("vgg") / "vgg.pth"
    torch.save(state, path)
    return path


@pytest.fixture(scope="session")
def real_vgg_file() -> Path:
    """The real layers; tests that need them are skipped without them."""
    shared = Path(__file__).resolve().parents[3] / "shared" / "weights" / "vgg19_conv1_2_imagenet.pth"
    path = Path(os.environ.get("MVCTENHANCE_TEST_WEIGHTS", shared))
    if not path.is_file():
        pytest.skip("set MVCTENHANCE_TEST_WEIGHTS to a file with VGG-19's first layers to run this test")
    return path


@pytest.fixture(scope="session")
def scans(tmp_path_factory) -> Path:
    """Folders mvct, kvct and truth, each with 16 phantom slices of two scans; kvct holds other slices than mvct."""
    folder = tmp_path_factory.mktemp("scans")
    for name, height in (("a", -40.0), ("b", 20.0)):
        kvct = head_neck_phantom(slices=8, centre_z_mm=height, **GRID)
        mvct = simulate_mvct(kvct, MVCTSettings(matrix=96, pixel_mm=2.0, views=60))
        other = head_neck_phantom(slices=8, centre_z_mm=height + 15, **GRID)
        for part, volume in (("mvct", mvct), ("truth", kvct), ("kvct", other)):
            (folder / part).mkdir(exist_ok=True)
            write_volume(volume, folder / part / f"{name}.nrrd")
    return folder


@pytest.fixture
def tiny_config(vgg_file):
    """A function that makes a small configuration, each setting of which can be changed by its name."""

    def make(**changes) -> TrainingConfig:
        sections = {
            "data": DataConfig("mvct", "kvct", spacing_mm=2.0, crop_px=32, translation_px=4),
            "losses": LossConfig(vgg=str(vgg_file)),
            "schedule": ScheduleConfig(steps=6, batch=2, buffer=3, validate_every=2, validation_slices=2),
        }
        top = {}
        for name, value in changes.items():
            for section, settings in sections.items():
                if name in {field.name for field in dataclasses.fields(settings)}:
                    sections[section] = dataclasses.replace(settings, **{name: value})
                    break
            else:
                top[name] = value
        return TrainingConfig(**sections, **top)

    return make


@pytest.fixture(scope="session")
def random_slices():
    """A function that makes slices of one domain: a disc of tissue in air with noise; optionally with a truth."""

    def make(noise_hu=30.0, *, truth=False, number=3, size=80) -> Slices:
        rng = np.random.default_rng(int(noise_hu))
        j, i = np.indices((size, size)) - (size - 1) / 2
        body = np.where(np.hypot(j, i) < size / 2.5, 40.0, -1000.0)
        hu = [
            torch.from_numpy((body + rng.normal(0, noise_hu, body.shape)).round().astype(np.int16))
            for _ in range(number)
        ]
        cells = [np.argwhere(np.hypot(j, i) < size / 4)[::7] for _ in range(number)]
        return Slices(hu, [torch.from_numpy(body.astype(np.int16))] * number if truth else [], cells)

    return make


@pytest.fixture
def make_trainer(tiny_config, random_slices):
    """A function that makes a trainer on random slices; changes are settings of the configuration."""
    made = []

    def make(**changes) -> Trainer:
        config = tiny_config(**changes)
        mvct = random_slices(30.0, truth=bool(config.data.truth))
        made.append(Trainer(config, mvct, random_slices(5.0), torch.device("cpu")))
        return made[-1]

    yield make
    for trainer in made:
        trainer.terms.clear()  # the trainer and they keep each other, with hundreds of megabytes
