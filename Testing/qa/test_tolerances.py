"""Tolerances and plugs of a TOML file; control limits."""

import re

import numpy as np
import pytest
from MVCTEnhanceLib.errors import InputError
from MVCTEnhanceLib.physics.qa_phantoms import CHEESE_PLUGS
from MVCTEnhanceLib.qa.history import control_limits
from MVCTEnhanceLib.qa.pylinac import REQUIREMENTS
from MVCTEnhanceLib.qa.tolerances import read_tolerances, setting_of_density
from MVCTEnhanceLib.qa.values import Value


def test_mvct_is_held_to_tg_148():
    mvct = read_tolerances().mvct
    assert [getattr(mvct, setting_of_density(density)) for density in (1.0, 0.28, 1.69)] == [30, 50, 50]
    assert (mvct.uniformity_hu, mvct.resolution_mm) == (25, 1.6)


def test_file_changes_plugs_and_leaves_out_what_is_not_judged(tmp_path):
    file = tmp_path / "own.toml"
    file.write_text('[mvct]\nwater_hu = 25\n[inserts.3]\nmaterial = "lung"\ndensity = 0.45\nkv_hu = -540\n')
    tolerances = read_tolerances(file)
    assert tolerances.mvct.water_hu == 25 and tolerances.mvct.noise_hu is None
    assert tolerances.plugs["3"].kv_hu == -540 and tolerances.plugs["3"].mv_hu == pytest.approx(-550)
    assert tolerances.plugs["4"] == CHEESE_PLUGS["4"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[mvc]\n", "There is no section 'mvc'"),
        ("[mvct]\nwater = 3\n", "There is no setting 'water'"),
        ("[mvct]\nwater_hu = -3\n", "'water_hu' in [mvct]"),
        ('[mvct]\nwater_hu = "3"\n', "'water_hu' in [mvct]"),
        ('[inserts.21]\nmaterial = "lung"\ndensity = 0.45\n', "There is no insert '21'"),
        ('[inserts.3]\nmaterial = "lung"\n', "The setting 'density' is missing"),
        ('[inserts.3]\nmaterial = "lung"\ndensity = "thin"\n', "'density'"),
        ("[mvct\n", "cannot be read as TOML"),
    ],
)
def test_file_with_a_mistake_is_refused(tmp_path, text, sentence):
    (tmp_path / "own.toml").write_text(text)
    with pytest.raises(InputError, match=re.escape(sentence)):
        read_tolerances(tmp_path / "own.toml")


@pytest.mark.parametrize(
    ("value", "nominal", "tolerance", "rule", "passed"),
    [
        (-30, 0, 30, "±", True),
        (31, 0, 30, "±", False),
        (25, None, 25, "at most", True),
        (26, None, 25, "at most", False),
        (0.4, None, 0.5, "at least", False),
        (1e9, None, None, "at most", None),
        (float("nan"), None, 25, "at most", False),
        (float("nan"), 0, 25, "±", False),
        (float("nan"), None, None, "at most", None),
    ],
)
def test_value_passes_up_to_its_tolerance(value, nominal, tolerance, rule, passed):
    assert Value("a", "A", "HU", 1, value, nominal, tolerance, rule).passed is passed


def test_control_limits_are_those_of_individuals_by_the_moving_range():
    mean, low, high = control_limits([1, 3, 1, 3, 1, 3])
    assert mean == 2
    assert (high - mean, mean - low) == pytest.approx((3 * 2 / 1.128,) * 2)
    noise = np.random.default_rng(3).normal(10, 2, 4000)
    assert control_limits(noise)[2] == pytest.approx(16, abs=0.3)
    assert control_limits([1, 2, 3, 4]) is None


def test_pylinac_comes_without_what_the_program_and_slicer_have():
    names = set(re.findall(r"^([\w-]+)[=><]", REQUIREMENTS.read_text(encoding="utf-8"), re.MULTILINE))
    assert {"pylinac", "scikit-image"} <= names
    assert not names & {"numpy", "scipy", "pydicom", "simpleitk", "vtk", "matplotlib", "torch", "pillow", "tqdm"}
