"""Readouts of a region: what lies outside does not count, and what cannot be restricted is left as it is."""

import json
import math

import numpy as np
import pytest
from MVCTEnhanceLib.errors import InputError
from MVCTEnhanceLib.quality.air import air_agreement
from MVCTEnhanceLib.quality.body import body_mask
from MVCTEnhanceLib.quality.dig import dig
from MVCTEnhanceLib.quality.edges import skin_edge_width
from MVCTEnhanceLib.quality.hu_bias import hu_bias
from MVCTEnhanceLib.quality.metrics import evaluate
from MVCTEnhanceLib.quality.nselfssim import nselfssim

SPACING = (1.0, 1.0, 3.0)
LEFT = np.s_[:, :128]


@pytest.fixture
def left() -> np.ndarray:
    """The left half of a slice."""
    region = np.zeros((256, 256), bool)
    region[LEFT] = True
    return region


@pytest.fixture
def scans(thorax, white_noise):
    """MVCT with 10 HU of noise on the left and 40 on the right, and an enhanced scan 20 HU higher on the right."""
    sd = np.full((256, 256), 40.0)
    sd[LEFT] = 10
    mvct = np.round(np.stack([thorax, thorax]) + sd * white_noise((2, 256, 256), 1))
    enhanced = mvct + 20
    enhanced[:, :, :128] -= 20
    return mvct, enhanced


def test_only_what_lies_in_the_region_counts(scans, left):
    mvct, enhanced = scans
    region = np.stack([left, left])
    part = evaluate(mvct, enhanced, spacing=SPACING, region=region).to_dict()
    other = evaluate(mvct, enhanced, spacing=SPACING, region=~region).to_dict()
    assert part["mvct"]["noise_hu"]["mean"] == pytest.approx(10, rel=0.15)
    assert other["mvct"]["noise_hu"]["mean"] == pytest.approx(40, rel=0.15)
    assert part["mvct"]["nselfssim"]["mean"] < other["mvct"]["nselfssim"]["mean"]
    assert part["mvct"]["cnr_muscle_fat"]["mean"] > 2 * other["mvct"]["cnr_muscle_fat"]["mean"]
    assert part["comparison"]["dig"]["mean"] == 0 and other["comparison"]["dig"]["mean"] == 0
    for tissue in ("fat", "soft_tissue"):
        assert part["comparison"]["hu_bias"][tissue]["mean"] == 0
        assert other["comparison"]["hu_bias"][tissue]["mean"] == pytest.approx(20)


def test_values_are_those_of_the_body_within_the_region(scans, left):
    mvct, enhanced = scans
    table = evaluate(mvct, enhanced, spacing=SPACING, truth=mvct, region=np.stack([left, left])).to_dict()
    inside = body_mask(mvct[1]) & left
    assert table["mvct"]["nselfssim"]["per_slice"][1] == nselfssim(mvct[1], inside)
    assert table["comparison"]["dig"]["per_slice"][1] == dig(mvct[1], enhanced[1], region=inside)
    expected = hu_bias(enhanced[1], mvct[1], inside, pixel_size=(1, 1))["soft_tissue"]
    assert table["comparison"]["hu_bias"]["soft_tissue"]["per_slice"][1] == expected
    assert table["truth"]["enhanced"]["mae_hu"]["mean"] == 0


def test_region_of_everything_changes_all_but_dig_in_nothing(scans):
    mvct, enhanced = scans
    enhanced = enhanced * 0.9
    whole = evaluate(mvct, enhanced, spacing=SPACING).to_dict()
    same = evaluate(mvct, enhanced, spacing=SPACING, region=np.ones(mvct.shape)).to_dict()
    assert (same["mvct"], same["enhanced"]) == (whole["mvct"], whole["enhanced"])
    for name in ("air_agreement", "hu_bias"):
        assert same["comparison"][name] == whole["comparison"][name]
    assert same["comparison"]["dig"]["mean"] != whole["comparison"]["dig"]["mean"]


def test_slices_outside_of_the_region_have_no_values(scans, left):
    mvct, enhanced = scans
    table = evaluate(mvct, enhanced, spacing=SPACING, region=np.stack([np.zeros_like(left), left])).to_dict()
    for group in ("mvct", "enhanced"):
        assert {readout["per_slice"][0] for readout in table[group].values()} == {None}
    for name in ("dig", "dig_scaled", "air_agreement"):
        assert table["comparison"][name]["per_slice"][0] is None
        assert table["comparison"][name]["per_slice"][1] is not None


def test_parameters_say_that_there_was_a_region(scans, left):
    mvct, enhanced = scans
    assert "region" not in evaluate(mvct, enhanced, spacing=SPACING).to_dict()["parameters"]
    region = np.stack([np.zeros_like(left), 7 * left.astype(np.uint8)])
    table = evaluate(mvct, enhanced, spacing=SPACING, region=region).to_dict()
    assert json.loads(json.dumps(table, allow_nan=False)) == table
    assert (table["parameters"]["region"]["voxels"], table["parameters"]["region"]["slices"]) == (128 * 256, 1)


def test_planning_ct_is_measured_as_a_whole(scans, left, thorax):
    mvct, enhanced = scans
    planning_ct = {"kvct": thorax[None], "kvct_spacing": SPACING}
    tables = [
        evaluate(mvct, enhanced, spacing=SPACING, region=region, **planning_ct).to_dict()
        for region in (None, np.stack([left, left]))
    ]
    assert tables[0]["planning_ct"] == tables[1]["planning_ct"]


@pytest.mark.parametrize(
    ("region", "words"), [(np.zeros((2, 256, 256)), "region is empty"), (np.ones((1, 256, 256)), "region has shape")]
)
def test_region_that_is_empty_or_of_another_shape_is_refused(scans, region, words):
    with pytest.raises(InputError, match=words):
        evaluate(*scans, spacing=SPACING, region=region)


def test_edge_width_is_that_of_the_outline_in_the_region(disc, left):
    image = disc(blur_mm=0.5)
    image[:, 128:] = disc(blur_mm=2.0)[:, 128:]
    body = body_mask(image)
    widths = [skin_edge_width(image, body, pixel_size=(1, 1), region=region) for region in (left, ~left)]
    assert widths == pytest.approx([1.28, 5.13], rel=0.1)


def test_border_of_a_region_inside_the_body_is_no_edge(disc):
    image = disc()
    inside = np.zeros((256, 256), bool)
    inside[100:150, 100:150] = True
    assert math.isnan(skin_edge_width(image, body_mask(image), pixel_size=(1, 1), region=inside))


def test_dig_counts_only_pairs_of_pixels_inside():
    change = np.zeros((6, 6))
    change[:, 3:] = 5  # the step lies between columns 2 and 3
    region = np.zeros((6, 6), bool)
    region[1:4, :3] = True
    assert dig(change, np.zeros((6, 6)), region=region) == 0
    region[1:4, 3] = True
    assert dig(change, np.zeros((6, 6)), region=region) == pytest.approx(
        25 / 3
    )  # 3 of 9 pairs in a row; none in a column


def test_dig_of_a_region_without_neighbours_has_no_value():
    region = np.eye(4, dtype=bool)
    assert math.isnan(dig(np.ones((4, 4)), np.zeros((4, 4)), region=region))


def test_air_agreement_of_a_region_counts_its_air_and_its_tissue(disc):
    mvct = disc()
    enhanced = mvct.copy()
    enhanced[100:110, 100:110] = -1000  # a hole in the tissue
    enhanced[60:65, 60:70] = 0  # tissue in the air beside the body
    body = body_mask(mvct)

    def agreement(rows, columns):
        region = np.zeros(mvct.shape, bool)
        region[rows, columns] = True
        return air_agreement(mvct, enhanced, body, pixel_size=(1, 1), region=region)

    assert agreement(slice(100, 120), slice(100, 110)) == 50
    assert agreement(slice(60, 70), slice(60, 70)) == 50
    assert agreement(slice(120, 140), slice(120, 140)) == 100
    assert math.isnan(agreement(slice(0, 20), slice(0, 20)))  # far from the body, where air says nothing
