"""The shipped model's own result is trusted; blur, doing nothing, invented air and shifted HU are found, and named."""

import json
import math
import subprocess
import sys
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from MVCTEnhanceLib.assessment.verdicts import (
    AS_EXPECTED,
    DO_NOT_TRUST,
    LOOK_CLOSER,
    NOT_APPLICABLE,
    VERDICTS,
    judge,
    not_as_expected,
)
from MVCTEnhanceLib.jobs.evaluate import measure
from MVCTEnhanceLib.model.card import DEFAULT_MODEL, find_model
from MVCTEnhanceLib.model.engine import Engine
from MVCTEnhanceLib.model.package import load_model
from MVCTEnhanceLib.physics.density import density_hu_from_kv
from MVCTEnhanceLib.physics.mvct import simulate_mvct
from MVCTEnhanceLib.physics.phantom import head_neck_phantom
from MVCTEnhanceLib.quality.catalogue import METRICS
from MVCTEnhanceLib.quality.record import Assessment, Distance
from MVCTEnhanceLib.volume import Volume
from scipy import ndimage

MODEL = load_model(find_model(DEFAULT_MODEL))
MIDDLE = 4


@dataclass(frozen=True, eq=False)
class Scans:
    """An MVCT of the phantom (its blur, noise and HU), enhanced; the phantom with kVCT noise and none."""

    mvct: Volume
    enhanced: Volume
    kvct: Volume
    smooth: np.ndarray

    def measured(self, array=None, **options):
        """The readouts with an array in place of the enhanced scan."""
        enhanced = self.enhanced if array is None else self.enhanced.with_array(np.rint(array).astype(np.int16))
        return measure(self.mvct, enhanced, on_event=lambda event, **fields: None, **options)

    def judged(self, array=None, **options):
        """The verdicts on them."""
        return judge(self.measured(array, **options), MODEL.card)


@pytest.fixture(scope="module")
def scans():
    phantom = head_neck_phantom(slices=9, shape=(256, 256), supersample=1, centre_z_mm=0)
    rng = np.random.default_rng(4)
    density = density_hu_from_kv(torch.from_numpy(phantom.array.astype(np.float32))).numpy()
    noise = ndimage.gaussian_filter(rng.normal(0, 1, density.shape), (0, 0.6, 0.6))
    mvct = ndimage.gaussian_filter(density, (0, 1.3, 1.3)) + 25 * noise / noise.std()
    mvct = phantom.with_array(np.rint(mvct).astype(np.int16))
    smooth = ndimage.gaussian_filter(phantom.array.astype(float), (0, 0.7, 0.7))
    kvct = phantom.with_array(np.rint(smooth + rng.normal(0, 6, density.shape)).astype(np.int16))
    return Scans(mvct, Engine(MODEL, torch.device("cpu")).enhance(mvct), kvct, smooth)


@pytest.fixture(scope="module")
def measured(scans):
    """The readouts of the scans without the planning CT."""
    return scans.measured()


@pytest.fixture(scope="module")
def good(measured):
    return judge(measured, MODEL.card)


@pytest.fixture(scope="module")
def beside_kvct(scans):
    """The readouts of all three scans."""
    return scans.measured(kvct=scans.kvct)


@pytest.fixture(scope="module")
def blurred(scans):
    """The readouts of a blurred scan."""
    return scans.measured(ndimage.gaussian_filter(scans.enhanced.array.astype(float), (0, 3, 3)))


@pytest.fixture(scope="module")
def not_enhanced(scans):
    """The verdicts on the MVCT itself in the place of its enhanced scan."""
    return scans.judged(scans.mvct.array)


def test_the_models_own_result_is_trusted(good):
    assert not [entry for entries in good.values() for entry in entries.values() if entry.verdict == DO_NOT_TRUST]
    for name in ("nselfssim", "noise_hu", "cnr_muscle_fat", "edge_width_mm"):
        assert good["enhanced"][name].verdict == AS_EXPECTED, good["enhanced"][name]
    for name in ("air_agreement", "soft_tissue", "fat"):
        assert good["comparison"][name].verdict == AS_EXPECTED, good["comparison"][name]


def test_every_readout_has_a_verdict_and_a_reason(beside_kvct):
    verdicts = judge(beside_kvct, MODEL.card)
    for group, entries in verdicts.items():
        assert set(entries) == {name for name, metric in METRICS.items() if group in metric.groups}
    assert list(verdicts) == ["mvct", "enhanced", "planning_ct", "comparison"]
    for entry in (entry for entries in verdicts.values() for entry in entries.values()):
        assert entry.verdict in VERDICTS
        assert entry.reason.endswith(".") and "  " not in entry.reason


def test_blur_is_not_trusted_for_its_edges(blurred):
    verdicts = judge(blurred, MODEL.card)
    for name in ("edge_width_mm", "bone_edge_width_mm"):
        assert verdicts["enhanced"][name].verdict == DO_NOT_TRUST
        assert "% wider than in the MVCT: the enhanced scan is blurred" in verdicts["enhanced"][name].reason


def test_noise_far_below_what_is_expected_is_not_trusted(scans):
    noise = scans.judged(scans.smooth)["enhanced"]["noise_hu"]
    assert noise.verdict != AS_EXPECTED
    assert "smoothed away" in noise.reason


def test_blurred_mvct_is_not_trusted_although_its_noise_is_a_kvcts(scans):
    verdicts = scans.judged(ndimage.gaussian_filter(scans.mvct.array.astype(float), (0, 2, 2)))
    assert verdicts["enhanced"]["noise_hu"].verdict == AS_EXPECTED
    assert verdicts["enhanced"]["edge_width_mm"].verdict == DO_NOT_TRUST
    assert "blurred" in verdicts["enhanced"]["edge_width_mm"].reason


def test_mvct_itself_is_not_trusted_for_the_noise_that_is_left(not_enhanced):
    noise = not_enhanced["enhanced"]["noise_hu"]
    assert (noise.verdict, "1.00 of the MVCT's" in noise.reason) == (DO_NOT_TRUST, True)
    assert "noise is left" in noise.reason
    assert not_enhanced["comparison"]["bone"].verdict == DO_NOT_TRUST
    assert "bone HU lower than expected for kVCT" in not_enhanced["comparison"]["bone"].reason


@pytest.mark.parametrize(
    ("diameter_mm", "names"), [(15, ["soft_tissue"]), (40, ["soft_tissue", "air_agreement"])], ids=["15 mm", "40 mm"]
)
def test_air_invented_in_one_slice_is_found_and_the_slice_named(scans, good, diameter_mm, names):
    array = scans.enhanced.array.copy()
    j, i = np.indices(array.shape[1:])
    array[MIDDLE][np.hypot(j - 128, i - 128) * 0.763 < diameter_mm / 2] = -1000
    verdicts = scans.judged(array)
    for name in names:
        assert good["comparison"][name].verdict == AS_EXPECTED
        assert verdicts["comparison"][name].verdict != AS_EXPECTED
        assert f"Slice {MIDDLE + 1} of {len(array)}, z = " in verdicts["comparison"][name].reason
        assert "invented or lost" in verdicts["comparison"][name].reason
    assert verdicts["enhanced"]["edge_width_mm"].verdict == AS_EXPECTED


def test_shifted_hu_are_not_trusted_though_all_else_is_as_it_should_be(scans, good):
    verdicts = scans.judged(scans.enhanced.array + 60)
    for name in ("soft_tissue", "fat"):
        assert verdicts["comparison"][name].verdict == DO_NOT_TRUST
        assert "changed the HU of this tissue" in verdicts["comparison"][name].reason
    for name in ("noise_hu", "edge_width_mm"):
        assert verdicts["enhanced"][name].verdict == good["enhanced"][name].verdict == AS_EXPECTED


def test_planning_ct_is_the_reference(scans, beside_kvct):
    near = judge(beside_kvct, MODEL.card)["enhanced"]["noise_hu"]
    assert near.verdict == AS_EXPECTED and "of the planning CT's, as expected" in near.reason
    rng = np.random.default_rng(2)
    noisy = scans.kvct.with_array((scans.kvct.array + rng.normal(0, 30, scans.kvct.array.shape)).astype(np.int16))
    far = scans.judged(kvct=noisy)["enhanced"]
    assert far["noise_hu"].verdict != AS_EXPECTED and "smoother than the planning CT" in far["noise_hu"].reason
    assert far["nselfssim"].verdict == LOOK_CLOSER and "no nearer" in far["nselfssim"].reason


def test_offset_from_the_planning_ct_is_judged_without_a_range_in_the_card(measured, beside_kvct):
    near = judge(beside_kvct, MODEL.card)["comparison"]
    assert near["soft_tissue_offset"].verdict == AS_EXPECTED
    offsets = {"fat_offset": Distance(28.0, 27.0, "HU"), "soft_tissue_offset": Distance(math.nan, math.nan, "HU")}
    half = replace(measured, parameters={**measured.parameters, "strength": 50}, distances=offsets)
    for record in (half, replace(measured, distances=offsets)):
        found = judge(record, MODEL.card)["comparison"]
        assert found["fat_offset"].verdict == LOOK_CLOSER
        assert "It is +27 HU from the planning CT's, the MVCT's +28 HU" in found["fat_offset"].reason
        assert found["soft_tissue_offset"].verdict == NOT_APPLICABLE
    expected = {"comparison": {"fat_offset": {"expected": [20, 30], "trusted": [0, 40], "on_this_scanner": True}}}
    here = judge(half, {"expected": expected})["comparison"]["fat_offset"]
    assert here.verdict == "as expected on this scanner"
    assert "fat_offset" not in judge(measured, MODEL.card)["comparison"]


def test_value_that_others_did_not_have_is_trusted_where_the_planning_ct_has_it(measured, beside_kvct):
    """The planning CT shows what this patient's anatomy does to a readout."""
    card = json.loads(json.dumps(MODEL.card))
    card["expected"]["enhanced"]["noise_hu"] = {"expected": [30, 40], "trusted": [1, 90]}
    assert judge(beside_kvct, card)["enhanced"]["noise_hu"].verdict == AS_EXPECTED
    assert judge(measured, card)["enhanced"]["noise_hu"].verdict == LOOK_CLOSER


def test_dig_of_another_field_of_view_or_of_a_region_is_not_compared_with_the_cards(scans, good):
    assert good["comparison"]["dig"].verdict == LOOK_CLOSER
    assert "another field of view" in good["comparison"]["dig"].reason
    region = np.zeros(scans.mvct.array.shape, bool)
    region[:, 100:150, 100:150] = True
    verdicts = scans.judged(region=region)["comparison"]
    assert "what to expect in a region is not known" in verdicts["dig"].reason
    assert "what to expect in a region is not known" in verdicts["air_agreement"].reason


def test_tissue_that_no_slice_contains_is_not_applicable_and_no_doubt(good):
    reason = "Not applicable: no slice contains enough of this tissue."
    assert good["comparison"]["lung"] == Assessment(NOT_APPLICABLE, reason)
    assert "lung" not in [name for _, name, _ in not_as_expected(good)]


def test_value_that_only_the_enhanced_scan_lost_is_to_be_looked_at(scans):
    """It has less noise than rounding, so that it has no CNR, which the MVCT has."""
    cnr = scans.judged(np.where(scans.mvct.array > -400, 50 * (scans.mvct.array > -40), -1000))["enhanced"]
    assert cnr["cnr_muscle_fat"].verdict == LOOK_CLOSER
    assert "could not be measured in the enhanced scan" in cnr["cnr_muscle_fat"].reason


@pytest.mark.parametrize(
    "card", [{}, {"expected": None, "trusted": None}, {"expected": {"mvct": 3}}, {"trained_on": None}]
)
def test_card_without_ranges_is_to_be_looked_at_and_blur_still_found(blurred, card):
    verdicts = judge(blurred, card)
    entries = [entry for entries in verdicts.values() for entry in entries.values()]
    assert AS_EXPECTED not in {entry.verdict for entry in entries}
    assert "does not say what value to expect" in verdicts["mvct"]["noise_hu"].reason
    assert verdicts["enhanced"]["edge_width_mm"].verdict == DO_NOT_TRUST


def test_gravest_are_told_first(not_enhanced):
    rows = not_as_expected(not_enhanced)
    grades = [VERDICTS.index(found.verdict) for _, _, found in rows]
    assert grades == sorted(grades, reverse=True) and set(grades) == {2, 3}


def test_scan_of_air_only_is_judged():
    air = Volume(np.full((2, 64, 64), -1000, np.int16))
    readouts = measure(air, air, kvct=air, on_event=lambda event, **fields: None)
    verdicts = judge(readouts, MODEL.card)
    for group in ("mvct", "enhanced", "planning_ct"):
        assert verdicts[group]["noise_hu"].verdict == LOOK_CLOSER
        assert "no slice shows a body" in verdicts[group]["noise_hu"].reason
    assert "could not be measured" in verdicts["comparison"]["nselfssim_distance"].reason


@pytest.mark.integration
def test_scan_of_the_neck_alone_is_not_distrusted():
    """A neck is little but edges, which must not be taken for noise."""
    neck = head_neck_phantom(slices=2, centre_z_mm=-100)
    mvct = simulate_mvct(neck)
    enhanced = Engine(MODEL, torch.device("cpu")).enhance(mvct)
    verdicts = judge(measure(mvct, enhanced, on_event=lambda event, **fields: None), MODEL.card)
    assert not [entry for entries in verdicts.values() for entry in entries.values() if entry.verdict == DO_NOT_TRUST]
    assert verdicts["enhanced"]["noise_hu"].verdict == AS_EXPECTED


def test_nothing_but_the_standard_library_is_needed():
    code = """
import sys
from MVCTEnhanceLib.assessment import verdicts
heavy = {"numpy", "scipy", "torch", "pydicom", "SimpleITK"} & set(sys.modules)
sys.exit(f"loaded {heavy}" if heavy else 0)
"""
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
