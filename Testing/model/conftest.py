"""Scans and models for the tests of the networks and the inference engine."""

import numpy as np
import pytest
import torch
from MVCTEnhanceLib.model.card import Plan, find_model, installed_models
from MVCTEnhanceLib.model.engine import Engine
from MVCTEnhanceLib.model.intensities import DENSITY
from MVCTEnhanceLib.model.package import Model, load_model
from MVCTEnhanceLib.model.translator import Translator
from MVCTEnhanceLib.physics.mvct import MVCTSettings, simulate_mvct
from MVCTEnhanceLib.physics.phantom import head_neck_phantom


@pytest.fixture(scope="session", params=installed_models())
def shipped(request):
    """Each of the shipped models."""
    return load_model(find_model(request.param))


@pytest.fixture(scope="session")
def shipped_engine(shipped):
    return Engine(shipped, torch.device("cpu"))


@pytest.fixture(scope="session")
def head_mvct():
    """The simulated MVCT, with its noise, of three slices of the head and neck phantom."""
    phantom = head_neck_phantom(slices=3, shape=(288, 288))
    return simulate_mvct(phantom, MVCTSettings(matrix=288, views=400))


class WholeSlices(torch.nn.Module):
    """What the engine asks of a translator that needs to see whole slices."""

    def reach_px(self, source, target):
        return None


@pytest.fixture
def whole_slices():
    """The class to make such translators of."""
    return WholeSlices


class RecordingTranslator(WholeSlices):
    """Changes nothing and notes the shapes that it is given."""

    def __init__(self):
        super().__init__()
        self.shapes = []

    def forward(self, values, source, target):
        self.shapes.append(tuple(values.shape))
        return values


@pytest.fixture
def unchanging_model():
    """A model whose translator leaves all as it is, at 1 mm pixels."""
    return Model(RecordingTranslator(), Plan("density-residual", 1.0, DENSITY))


@pytest.fixture
def untrained_model():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        return Model(Translator("density-residual").eval(), Plan("density-residual", 0.763, DENSITY), {"name": "test"})


@pytest.fixture
def rng():
    return np.random.default_rng(11)
