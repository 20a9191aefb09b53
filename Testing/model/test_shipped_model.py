"""The shipped models keep HU sensible everywhere, do not depend on the field of view and leave no pattern."""

import hashlib

import numpy as np
import pytest
import torch
from MVCTEnhanceLib.model.card import find_model, installed_models, read_card
from MVCTEnhanceLib.model.translator import PRESETS
from MVCTEnhanceLib.physics.density import density_hu_from_kv
from MVCTEnhanceLib.volume import Volume

BORDER_PX = 40
MEASURED_WEIGHTS = {
    "simulated-anchor": "5f263e2188db4520185c859702cb989cd3a135ebec56c3e3876b854c24db98f4",
    "unpaired": "ffde2536d2c345ff321df02ad4f7db8513012d517c640f5214861e5ca460b700",
}
IMAGE = {"nselfssim", "noise_hu", "cnr_muscle_fat", "edge_width_mm", "bone_edge_width_mm"}
IMAGE |= {"edge_overshoot_hu", "edge_undershoot_hu"}
COMPARISON = {"dig", "dig_scaled", "air_agreement", "lung", "fat", "soft_tissue", "bone", "nselfssim_distance"}
SPACING = (0.763, 0.763, 6.0)


@pytest.fixture(scope="module")
def enhanced_head(shipped_engine, head_mvct):
    return shipped_engine.enhance(head_mvct).array.astype(float)


def require_same_hu(interior, reference):
    change = np.abs(interior - reference)
    assert np.median(change) <= 3
    assert np.percentile(change, 99) <= 10


@pytest.mark.parametrize("corner", [(32, 48), (33, 48), (32, 47), (33, 47)])
@pytest.mark.parametrize("side", [192, 151])
def test_cropping_the_field_of_view_changes_no_hu(shipped_engine, head_mvct, enhanced_head, corner, side):
    j, i = corner
    crop = Volume(head_mvct.array[:, j : j + side, i : i + side], SPACING)
    part = shipped_engine.enhance(crop).array
    inside = slice(BORDER_PX, -BORDER_PX)
    require_same_hu(part[:, inside, inside], enhanced_head[:, j : j + side, i : i + side][:, inside, inside])


@pytest.mark.parametrize("widths", [((16, 20), (8, 4)), ((7, 10), (9, 7)), ((64, 1), (0, 3))])
def test_padding_the_field_of_view_with_air_changes_no_hu(shipped_engine, head_mvct, enhanced_head, widths):
    padded = Volume(np.pad(head_mvct.array, ((0, 0), *widths), constant_values=-1000), SPACING)
    (top, _), (left, _) = widths
    whole = shipped_engine.enhance(padded).array[:, top : top + 288, left : left + 288]
    inside = slice(BORDER_PX, -BORDER_PX)
    require_same_hu(whole[:, inside, inside], enhanced_head[:, inside, inside])


def test_neighbouring_slices_change_no_hu(shipped_engine, head_mvct, enhanced_head):
    alone = shipped_engine.enhance(Volume(head_mvct.array[1:2], SPACING)).array
    assert np.abs(alone[0] - enhanced_head[1]).max() <= 1


def test_changes_stay_within_the_correction_limit(shipped, head_mvct, enhanced_head):
    limit_hu = PRESETS[shipped.plan.preset].correction_limit * shipped.plan.intensities.half_width_hu
    density_hu = density_hu_from_kv(torch.from_numpy(enhanced_head)).numpy()
    assert np.abs(density_hu - head_mvct.array).max() <= limit_hu + 1


@pytest.mark.parametrize(
    ("mv_hu", "kv_hu", "tolerance"),
    [
        (-1000, -1000, 20),  # air
        (-750, -750, 60),  # lung
        (-100, -100, 20),  # fat
        (0, 0, 10),  # water
        (40, 40, 10),  # muscle
        (292, 500, 100),  # spongy bone
        (772, 1500, 200),  # dense bone
        (8000, 16558, 700),  # metal
    ],
)
def test_tissues_and_metal_keep_sensible_hu(shipped_engine, rng, mv_hu, kv_hu, tolerance):
    """A cylinder of 3 cm in noisy water; its middle has the kVCT HU of its electron density."""
    j, i = np.indices((112, 112)) - 55.5
    scan = np.where(np.hypot(j, i) < 20, mv_hu, 0) + rng.normal(0, 24, (4, 112, 112))
    enhanced = shipped_engine.enhance(Volume(scan.round().astype(np.int16), SPACING)).array
    assert enhanced[:, np.hypot(j, i) < 12].mean() == pytest.approx(kv_hu, abs=tolerance)


@pytest.mark.parametrize("hu", [-1000, -750, -100, 0, 40, 90])
def test_constant_slices_come_out_without_a_checkerboard(shipped_engine, hu):
    flat = shipped_engine.enhance(Volume(np.full((1, 97, 98), hu, np.int16), SPACING)).array[0]
    inside = flat[BORDER_PX:-BORDER_PX, BORDER_PX:-BORDER_PX].astype(float)
    phases = [inside[j::2, i::2].mean() for j in (0, 1) for i in (0, 1)]
    assert np.ptp(phases) <= 2


def test_noisy_flat_slices_come_out_without_a_checkerboard(shipped_engine, rng):
    """Where every second row, column or both stood out, the power at that frequency would beat its neighbours."""
    scan = Volume((40 + rng.normal(0, 24, (24, 160, 160))).round().astype(np.int16), SPACING)
    flat = shipped_engine.enhance(scan).array[:, 16:-16, 16:-16].astype(float)
    power = (np.abs(np.fft.fft2(flat - flat.mean())) ** 2).mean(axis=0)
    nyquist = flat.shape[-1] // 2
    for place in ((nyquist, 0), (0, nyquist), (nyquist, nyquist)):
        around = [np.arange(p - 4, p + 5) % flat.shape[-1] for p in place]
        neighbours = np.delete(power[np.ix_(*around)].ravel(), 40)
        assert power[place] < 4 * np.median(neighbours), f"power at {place}"


def test_weights_are_those_that_the_figures_and_ranges_of_the_cards_were_measured_with():
    digests = {}
    for name, path in installed_models().items():
        content = path.read_bytes()
        header = int.from_bytes(content[:8], "little")
        digests[name] = hashlib.sha256(content[8 + header :]).hexdigest()
    assert digests == MEASURED_WEIGHTS


@pytest.mark.parametrize("model", installed_models())
def test_card_says_what_to_expect_of_every_readout_within_what_is_possible(model):
    expected = read_card(find_model(model))[1]["expected"]
    assert "simulated MVCT" in expected["measured_on"]
    assert set(expected["mvct"]) == set(expected["enhanced"]) == IMAGE | {"fine_noise_hu"}
    assert set(expected["planning_ct"]) == IMAGE
    assert set(expected["comparison"]) == COMPARISON
    for group in ("mvct", "enhanced", "planning_ct", "comparison", "enhanced_to_mvct", "enhanced_to_planning_ct"):
        for name, ranges in expected[group].items():
            low, high = (-np.inf if ranges[kind][0] is None else ranges[kind][0] for kind in ("trusted", "expected"))
            assert low <= high, name
            low, high = (np.inf if ranges[kind][1] is None else ranges[kind][1] for kind in ("expected", "trusted"))
            assert low <= high, name
            if group != "comparison" or name.startswith("dig"):
                assert ranges["trusted"][0] is None or ranges["trusted"][0] > 0
            if name == "nselfssim":
                assert ranges["trusted"][1] <= 1


@pytest.mark.parametrize("model", installed_models())
def test_card_says_what_scans_it_was_trained_on(model):
    trained = read_card(find_model(model))[1]["trained_on"]
    assert "MVCT simulated" in trained["scans"]
    assert trained["modality"] == "CT" and trained["orientation"] == "axial"
    for name in ("spacing_mm", "field_of_view_mm", "hu", "noise_hu"):
        low, high = trained[name]
        assert low <= high
