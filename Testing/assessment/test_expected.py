"""The rule by which ranges come from slices, as docs/models.md states it."""

import math
from dataclasses import replace

import numpy as np
import pytest
from MVCTEnhanceLib.assessment.distribution import distributions
from MVCTEnhanceLib.assessment.expected import chosen_ranges, expected_ranges
from MVCTEnhanceLib.model.card_checks import require_expected
from MVCTEnhanceLib.quality.catalogue import METRICS
from MVCTEnhanceLib.quality.metrics import metric_values
from MVCTEnhanceLib.quality.record import Distance, EnhancementRecord


def record(distance=None, **values):
    """Of metrics by name and group, such as mvct_noise_hu=[...]."""
    groups = {"mvct": {}, "enhanced": {}, "planning_ct": {}, "comparison": {}}
    for key, per_slice in values.items():
        group = next(group for group in groups if key.startswith(f"{group}_"))
        name = key.removeprefix(f"{group}_")
        groups[group][name] = metric_values(name, per_slice)
    return EnhancementRecord(groups, distances={"nselfssim_distance": Distance(0.0, distance)} if distance else {})


SLICES = np.linspace(10, 30, 101)


def test_expected_is_the_central_95_percent_a_tenth_wider_and_trusted_half_of_that_more():
    found = expected_ranges([record(enhanced_noise_hu=SLICES, mvct_noise_hu=SLICES)])["enhanced"]["noise_hu"]
    low, high = np.percentile(SLICES, (2.5, 97.5))
    width = high - low
    assert found["expected"] == pytest.approx([low - width / 10, high + width / 10], abs=0.1)
    low, high = found["expected"]
    assert found["trusted"] == pytest.approx([max(low / 2, low - (high - low) / 2), high + (high - low) / 2], abs=0.1)


def test_slices_of_all_scans_count_and_those_without_a_value_do_not():
    halves = [record(mvct_noise_hu=[*part, math.nan]) for part in (SLICES[:50], SLICES[50:])]
    assert expected_ranges(halves) == expected_ranges([record(mvct_noise_hu=SLICES)])


def test_scans_that_were_measured_before_a_metric_was_known_do_not_count_for_it():
    records = [record(mvct_noise_hu=SLICES, mvct_fine_noise_hu=SLICES), record(mvct_noise_hu=2 * SLICES)]
    found = expected_ranges(records)["mvct"]
    assert found["fine_noise_hu"] == expected_ranges(records[:1])["mvct"]["fine_noise_hu"]
    assert found["noise_hu"]["expected"][1] > 55
    assert [one.scans for one in distributions(records, {}) if one.name == "fine_noise_hu"] == [1]


def test_metric_that_few_scans_show_gets_no_range():
    shown, not_shown = [1.0, 2.0], [math.nan, math.nan]
    records = [record(mvct_noise_hu=SLICES, comparison_lung=lung) for lung in (shown, shown, not_shown)]
    assert "lung" in expected_ranges(records, min_scans=2)["comparison"]
    assert "comparison" not in expected_ranges(records, min_scans=3)


def test_hu_change_is_the_same_on_both_sides_and_not_narrower_than_calibration():
    found = expected_ranges([record(comparison_fat=[0.5, 1.0], comparison_lung=[-40.0, 3.0])])["comparison"]
    assert found["fat"] == {"expected": [-5.0, 5.0], "trusted": [-15.0, 15.0]}
    low, high = found["lung"]["expected"]
    assert low == -high and high > 38 and found["lung"]["trusted"] == [low, high]


def test_sides_that_mean_nothing_are_open():
    found = expected_ranges([record(mvct_cnr_muscle_fat=SLICES, enhanced_edge_overshoot_hu=SLICES)])
    assert found["mvct"]["cnr_muscle_fat"]["trusted"][1] is None
    assert found["enhanced"]["edge_overshoot_hu"]["expected"][0] is None


def test_enhanced_scan_is_compared_with_the_mvct_slice_by_slice():
    records = [record(mvct_noise_hu=SLICES, enhanced_noise_hu=SLICES / 4)]
    assert expected_ranges(records)["enhanced_to_mvct"]["noise_hu"]["expected"] == [0.25, 0.25]


def test_planning_ct_counts_where_it_is_named():
    one = record(planning_ct_noise_hu=SLICES, mvct_noise_hu=SLICES, distance=0.02)
    assert "planning_ct" not in expected_ranges([one])
    found = expected_ranges([one, one], planning_cts=[one])
    assert "noise_hu" in found["planning_ct"] and found["comparison"]["nselfssim_distance"]["expected"][0] is None


def test_chosen_ranges_are_those_that_are_not_measured():
    chosen = chosen_ranges()
    require_expected(chosen)
    assert set(chosen["comparison"]) == {"air_agreement"}
    assert set(chosen["enhanced_to_planning_ct"]) == {
        name for name, metric in METRICS.items() if "enhanced_to_planning_ct" in metric.causes
    }
    assert "comparison" not in expected_ranges([record(comparison_air_agreement=[99.9, 99.8])])


def scanned(draw, patients, *, sd=0.1, slices=(1, 2, 9)):
    """Noise of slices that are more alike within a patient, whose values have a log-normal distribution."""
    return [
        np.exp(np.log(30) + draw.normal(0, sd) + draw.normal(0, sd / 2, slices[number % len(slices)]))
        for number in range(patients)
    ]


def test_range_of_a_scanner_holds_the_slices_of_other_patients():
    """98 % of them, which the rule for the shipped models does not reach with so few patients."""
    draw, inside = np.random.default_rng(1), {True: [], False: []}
    for _ in range(60):
        site = [record(mvct_noise_hu=values) for values in scanned(draw, 8)]
        others = np.concatenate(scanned(draw, 40, slices=(1,)))
        for of_scanner, found in inside.items():
            low, high = expected_ranges(site, of_scanner=of_scanner)["mvct"]["noise_hu"]["expected"]
            found.append(np.mean((low <= others) & (others <= high)))
    assert 0.97 < np.mean(inside[True]) < 0.995
    assert np.mean(inside[False]) < 0.95


def test_many_slices_of_few_patients_do_not_narrow_the_range_of_a_scanner():
    few = [record(mvct_noise_hu=[value, value + 0.1]) for value in (20, 24, 25, 27, 29, 30)]
    many = [record(mvct_noise_hu=[value, value + 0.1] * 20) for value in (20, 24, 25, 27, 29, 30)]
    ranges = [expected_ranges(records, of_scanner=True)["mvct"]["noise_hu"]["expected"] for records in (few, many)]
    assert ranges[0] == pytest.approx(ranges[1], rel=0.01)


def test_hu_change_of_a_scanner_is_not_taken_for_positive_by_nature():
    """Where it happens to be: from 0.01 to 9 HU a log-normal distribution would reach thousands of HU."""
    records = [record(comparison_fat=[value]) for value in (0.01, 3.0, 4.0, 5.0, 7.0, 9.0)]
    assert 9 < expected_ranges(records, of_scanner=True)["comparison"]["fat"]["expected"][1] < 20


def test_values_that_are_all_the_same_have_a_range_without_width():
    found = expected_ranges([record(comparison_dig=[3.0, 3.0])] * 5, of_scanner=True)
    assert found["comparison"]["dig"]["expected"] == pytest.approx([3.0, 3.0])


def test_hu_offset_from_the_planning_ct_has_a_range_of_the_scanner_only():
    """No narrower than calibration, and not trusted beyond the limit that holds without a range."""
    offsets = [-9.0, -8.0, -6.0, -10.0, -7.0, -8.0]
    soft = {"soft_tissue_offset": Distance(0.0, math.nan)}
    records = [replace(record(), distances={"fat_offset": Distance(0.0, offset)} | soft) for offset in offsets]
    assert "comparison" not in expected_ranges(records, planning_cts=records)
    found = expected_ranges(records, of_scanner=True, min_scans=5)["comparison"]
    low, high = found["fat_offset"]["expected"]
    assert -16 < low < -11 and high == 5.0 and found["fat_offset"]["trusted"] == [-30.0, 30.0]
    assert "soft_tissue_offset" not in found


@pytest.mark.parametrize(("percent", "least"), [(99.9, 99.0), (98.5, 97.0)])
def test_air_agreement_of_a_scanner_is_lower_only_where_its_patients_show_it(percent, least):
    records = [record(comparison_air_agreement=[percent + step, percent - step]) for step in (0.01, 0.02, 0.03, 0.04)]
    found = expected_ranges(records, of_scanner=True)["comparison"]["air_agreement"]
    assert found["expected"][0] == 99.0 if percent > 99 else least < found["expected"][0] < percent
    assert found["trusted"][0] <= 98.5 and found["trusted"][0] < found["expected"][0]
    assert found["expected"][1] is None and found["trusted"][1] is None
