"""The readouts as rows of texts."""

import copy

from slicerui.results import readouts, record_of


def rows(found):
    from MVCTEnhanceLib.slicerui.metrics.rows import metric_rows

    return {row.title: row for row in metric_rows(record_of(found))}


def test_each_readout_has_a_row_with_its_unit_and_values_by_scan(app):
    found = readouts()
    noise = rows(found)["Noise (HU)"]
    assert list(noise.cells) == ["mvct", "enhanced", "planning_ct"]
    assert (
        noise.cells["mvct"].text == f"{found['mvct']['noise_hu']['mean']:.1f} ± {found['mvct']['noise_hu']['sd']:.1f}"
    )
    assert "NSelfSSIM" in rows(found)
    assert {"DIG (HU²/px²)", "Air agreement (%)", "HU change, soft tissue (HU)", "Edge width, skin (mm)"} <= set(
        rows(found)
    )


def test_values_of_the_comparison_stand_in_the_enhanced_scan_s_column(app):
    assert list(rows(readouts())["Air agreement (%)"].cells) == ["enhanced"]


def test_the_distance_to_the_planning_ct_has_a_row_only_with_a_planning_ct(app):
    title = "NSelfSSIM, distance to planning CT"
    distance = readouts()["comparison"]["nselfssim_distance"]
    cells = rows(readouts())[title].cells
    assert (cells["mvct"].text, cells["enhanced"].text) == (f"{distance['mvct']:.3f}", f"{distance['enhanced']:.3f}")
    assert title not in rows(readouts(planning_ct=False))


def test_the_hu_offsets_from_the_planning_ct_come_last(app):
    found = readouts()
    offset = found["comparison"]["fat_offset"]
    titles = [f"HU offset from planning CT, {tissue} (HU)" for tissue in ("fat", "soft tissue")]
    assert list(rows(found))[-2:] == titles
    cells = rows(found)[titles[0]].cells
    assert cells["enhanced"].text == ("-" if offset["enhanced"] is None else f"{offset['enhanced']:.0f}")
    assert cells["enhanced"].verdict == found["verdicts"]["comparison"]["fat_offset"]["verdict"]


def test_every_value_has_the_library_s_verdict_and_its_reason(app):
    found = readouts()
    for group, scan in (("mvct", "mvct"), ("enhanced", "enhanced"), ("planning_ct", "planning_ct")):
        cell = rows(found)["Noise (HU)"].cells[scan]
        assert (cell.verdict, cell.reason) == tuple(found["verdicts"][group]["noise_hu"].values())
    cell = rows(found)["HU change, bone (HU)"].cells["enhanced"]
    assert (cell.verdict, cell.reason) == tuple(found["verdicts"]["comparison"]["bone"].values())


def test_the_verdict_of_a_row_is_its_worst(app):
    found = copy.deepcopy(readouts())
    for group in found["verdicts"].values():
        for entry in group.values():
            entry["verdict"] = "as expected"
    assert rows(found)["Noise (HU)"].verdict == "as expected"
    found["verdicts"]["mvct"]["noise_hu"]["verdict"] = "not applicable"
    assert rows(found)["Noise (HU)"].verdict == "as expected"
    found["verdicts"]["enhanced"]["noise_hu"]["verdict"] = "look closer"
    assert rows(found)["Noise (HU)"].verdict == "look closer"
    found["verdicts"]["mvct"]["noise_hu"]["verdict"] = "do not trust"
    assert rows(found)["Noise (HU)"].verdict == "do not trust"


def test_a_value_that_could_not_be_measured_is_a_dash(app):
    found = copy.deepcopy(readouts())
    found["mvct"]["noise_hu"] |= {"mean": None, "sd": None, "per_slice": [None] * 4}
    assert rows(found)["Noise (HU)"].cells["mvct"].text == "-"


def test_readouts_without_verdicts_can_be_shown(app):
    found = {name: value for name, value in readouts().items() if name != "verdicts"}
    assert rows(found)["Noise (HU)"].verdict == ""


def test_the_tool_tip_says_which_values_are_better(app):
    assert rows(readouts())["Air agreement (%)"].meaning.endswith("Better: higher.")
