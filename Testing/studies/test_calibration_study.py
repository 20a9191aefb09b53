"""Bias of the HU of a scanner with water at 12 HU, in soft tissue of patients that the calibration has not seen."""

import importlib.util
from pathlib import Path

import pytest
import torch
from MVCTEnhanceLib.model.card import DEFAULT_MODEL, find_model
from MVCTEnhanceLib.model.engine import Engine
from MVCTEnhanceLib.model.package import load_model
from MVCTEnhanceLib.physics.calibration import Calibration

SCRIPT = Path(__file__).resolve().parents[2] / "studies" / "commissioning" / "calibration.py"
LIMITS = {"phantom": 4.0, "patients": 6.0}  # in HU


@pytest.mark.thorough
def test_soft_tissue_is_right_after_a_calibration_from_a_phantom_or_from_three_patients(real_data):
    spec = importlib.util.spec_from_file_location("calibration_study", SCRIPT)
    study = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(study)
    settings = study.SCANNERS["water at 12 HU, slope 0.985"]
    mvct, _, truth = study.scans_of(real_data / study.TESTED_WITH[0], settings, seed=10)
    engine = Engine(load_model(find_model(DEFAULT_MODEL)), torch.device("cpu"))
    assert study.bias(engine, [(mvct, truth)], Calibration())["soft_tissue"] > 9
    for name, line in study.lines(real_data, settings):
        limit = LIMITS[name.split()[0]]
        assert abs(study.bias(engine, [(mvct, truth)], line)["soft_tissue"]) <= limit, name
