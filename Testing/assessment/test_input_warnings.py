"""Input warnings name what a model was not trained for; a scan like those of its training has none."""

import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
from MVCTEnhanceLib.assessment.input_warnings import input_warnings
from MVCTEnhanceLib.assessment.origin import enhanced_warnings, planning_ct_warnings
from MVCTEnhanceLib.model.card import DEFAULT_MODEL, find_model, read_card
from MVCTEnhanceLib.volume import Volume
from MVCTEnhanceLib.volume.acquisition import Acquisition
from MVCTEnhanceLib.volume.grid import digest
from MVCTEnhanceLib.volume.product import Product

PLAN, CARD = read_card(find_model(DEFAULT_MODEL))
MM = PLAN.spacing_mm
HU, NOISE_HU = (f"{low:.0f} to {high:.0f} HU" for low, high in (CARD["trained_on"][key] for key in ("hu", "noise_hu")))


@pytest.fixture(scope="module")
def mvct() -> Volume:
    """A cylinder of water in air with the field, pixels and noise of an MVCT."""
    j, i = np.indices((512, 512)) - 255.5
    body = np.where(np.hypot(j, i) < 120, 20.0, -1000.0)
    noise = np.random.default_rng(7).normal(0, 25, (3, 512, 512))
    return Volume((body + noise).round().astype(np.int16), (MM, MM, 4.0))


def acquired(volume, *facts):
    return replace(volume, acquisition=Acquisition(*facts))


def only_warning(volume):
    (sentence,) = input_warnings(volume, PLAN, CARD)
    assert sentence.endswith(".") and "\n" not in sentence
    return sentence


@pytest.mark.parametrize("modality", ["", "CT"])
@pytest.mark.parametrize("kvp", [None, 0.0, 3.5, 6.0, 3500.0, 6000.0])
def test_nothing_is_said_of_a_scan_like_those_of_the_training(mvct, modality, kvp):
    assert input_warnings(mvct, PLAN, CARD) == []
    assert input_warnings(acquired(mvct, modality, kvp, "Accuray TomoTherapy"), PLAN, CARD) == []


def test_other_modality(mvct):
    assert "modality MR" in only_warning(acquired(mvct, "MR"))


@pytest.mark.parametrize("kvp", [60.0, 100.0, 120.0, 150.0])
def test_a_kilovoltage_ct_in_place_of_the_mvct_is_known_by_its_voltage(mvct, kvp):
    found = only_warning(acquired(mvct, "CT", kvp, "SIEMENS SOMATOM"))
    assert f"at {kvp:.0f} kV (SIEMENS SOMATOM), so it is a kilovoltage CT" in found
    assert f"at {kvp:.0f} kV, so it" in only_warning(acquired(mvct, "", kvp))


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("enhanced", "an enhanced scan"),
        ("difference", "a difference map"),
        ("correction", "a correction map"),
        ("cycle error", "a map of the cycle-consistency error"),
    ],
)
def test_an_output_of_this_program_in_place_of_a_scan_is_said(mvct, kind, name):
    made = replace(mvct, product=Product(kind))
    assert f"The scan given as MVCT is {name} that this program made" in only_warning(made)
    (found,) = planning_ct_warnings(replace(made, array=mvct.array + np.int16(1)), mvct)
    assert f"The planning CT is {name} that this program made" in found


def test_an_mvct_in_place_of_the_planning_ct_is_said(mvct):
    other = mvct.with_array(mvct.array + np.int16(1))
    assert planning_ct_warnings(acquired(other, "CT", 120.0), mvct) == []
    (found,) = planning_ct_warnings(mvct, mvct)
    assert "is the MVCT itself" in found
    for kvp, said in ((3500.0, "3500 kV (Accuray)"), (6.0, "6 MV (Accuray)")):
        (found,) = planning_ct_warnings(acquired(other, "CT", kvp, "Accuray"), mvct)
        assert f"at {said}, so it is a megavoltage CT" in found
    (found,) = planning_ct_warnings(acquired(other, "MR"), mvct)
    assert "of modality MR" in found


def test_the_mvct_in_another_voxel_order_is_no_planning_ct(mvct):
    turned = replace(mvct, array=mvct.array[:, ::-1], direction=np.diag([1.0, -1.0, 1.0]))
    assert any("is the MVCT itself" in text for text in planning_ct_warnings(turned, mvct))


def test_an_enhanced_scan_that_is_another_ones_is_said(mvct):
    made = mvct.with_array(mvct.array + np.int16(1))
    assert enhanced_warnings(made, mvct) == []
    assert enhanced_warnings(replace(made, product=Product("enhanced")), mvct) == []
    assert enhanced_warnings(replace(made, product=Product("enhanced", digest(mvct)[:52])), mvct) == []
    (found,) = enhanced_warnings(replace(made, product=Product("enhanced", digest(made))), mvct)
    assert "made of another scan than the MVCT" in found
    (found,) = enhanced_warnings(replace(made, product=Product("difference", digest(mvct))), mvct)
    assert "is a difference map that this program made" in found


def test_other_pixel_size(mvct):
    half = replace(mvct, array=mvct.array[:, ::2, ::2], spacing=(2 * MM, 2 * MM, 4.0))
    assert "1.53 x 1.53 mm are resampled" in only_warning(half)


def test_other_field_of_view(mvct):
    cut = replace(mvct, array=mvct.array[:, 100:-100, 90:-90])
    assert "238 x 253 mm, but 391 mm" in only_warning(cut)


def test_slices_that_no_order_of_the_axes_makes_axial(mvct):
    about_the_diagonal = np.array([[2.0, -1, 2], [2, 2, -1], [-1, 2, 2]]) / 3  # by 60 degrees: 48 off each axis
    assert "not axial" in only_warning(replace(mvct, direction=about_the_diagonal))


def test_feet_first_is_axial(mvct):
    assert input_warnings(replace(mvct, direction=np.diag([-1.0, 1, -1])), PLAN, CARD) == []


def test_hu_with_1024_added(mvct):
    found = " ".join(input_warnings(mvct.with_array(mvct.array + np.int16(1024)), PLAN, CARD))
    assert "No voxel that was looked at is air" in found


@pytest.mark.parametrize("hu", [3000, -3024])
def test_values_beyond_those_of_the_training(mvct, hu):
    array = mvct.array.copy()
    array[:, 250:300, 250:300] = hu
    assert f"0.95 % of the voxels lie outside of the {HU}" in only_warning(mvct.with_array(array))


def test_some_voxels_of_metal_are_no_doubt(mvct):
    array = mvct.array.copy()
    array[:, 250:280, 250:280] = 3000
    assert input_warnings(mvct.with_array(array), PLAN, CARD) == []


@pytest.mark.parametrize(("factor", "words"), [(0.2, f"less than the {NOISE_HU}"), (4, f"more than the {NOISE_HU}")])
def test_noise_that_is_not_that_of_the_training(mvct, factor, words):
    tissue = mvct.array > -500
    array = np.where(tissue, 20 + factor * (mvct.array.astype(float) - 20), mvct.array)
    assert words in only_warning(mvct.with_array(array.round().astype(np.int16)))


def test_noise_that_the_model_was_trained_on_but_the_verdicts_were_not_measured_on(mvct):
    low, high = CARD["expected"]["mvct"]["noise_hu"]["expected"]
    assert CARD["trained_on"]["noise_hu"][0] < 15 < low
    tissue = mvct.array > -500
    quiet = mvct.with_array(np.where(tissue, 20 + 0.6 * (mvct.array - 20.0), mvct.array).round().astype(np.int16))
    assert f"less than the {low:.3g} to {high:.3g} HU of the scans that the verdicts" in only_warning(quiet)
    assert input_warnings(quiet, PLAN, {"trained_on": CARD["trained_on"]}) == []


def test_planning_ct_in_place_of_the_mvct_is_told_by_its_noise(real_data):
    from MVCTEnhanceLib.io import read_volume

    kvct = read_volume(real_data / "kvct" / "chest-lungdx-a0002.nrrd")
    assert any("may be filtered already or no MVCT" in text for text in input_warnings(kvct, PLAN, CARD))


def test_scan_of_air_is_told(mvct):
    assert "could not be measured" in only_warning(mvct.with_array(np.full_like(mvct.array, -1000)))


def test_card_without_ranges_is_told_once(mvct):
    half = replace(mvct, array=mvct.array[:, ::2, ::2], spacing=(2 * MM, 2 * MM, 4.0))
    found = input_warnings(acquired(half, "MR"), PLAN, {"name": "mine"})
    assert len(found) == 3
    assert [("does not say what scans" in text) for text in found].count(True) == 1


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 2, 2), (2, 16, 1)])
def test_tiny_scans_are_no_error(shape):
    assert input_warnings(Volume(np.zeros(shape, np.int16)), PLAN, CARD)


def test_long_scans_take_no_longer(mvct):
    scan = replace(mvct, array=np.broadcast_to(mvct.array[:1], (500, 512, 512)))
    start = time.process_time()
    assert input_warnings(scan, PLAN, CARD) == []
    assert time.process_time() - start < 3  # 0.4 s on one core of its own


def test_nothing_that_must_be_installed_first_is_imported():
    """Slicer has pydicom and SimpleITK."""
    code = """
import sys
sys.modules.update(dict.fromkeys(("torch", "safetensors", "matplotlib", "tqdm")))
import numpy as np
from MVCTEnhanceLib.assessment.input_warnings import input_warnings
from MVCTEnhanceLib.model.card import DEFAULT_MODEL, find_model, read_card
from MVCTEnhanceLib.volume import Volume
assert input_warnings(Volume(np.zeros((2, 64, 64), np.int16)), *read_card(find_model(DEFAULT_MODEL)))
"""
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
