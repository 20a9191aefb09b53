"""The table of readouts with its verdicts."""

import copy
import json

import pytest
from slicerui.panels import choose_result, headings, open_with_scan, parameters, table, tip
from slicerui.results import add_result, readouts, verdicts
from slicerui.scans import add_mvct


def test_an_empty_panel_says_that_there_are_no_metrics(app):
    open_with_scan(app)
    assert table(app) == {} and not app.ui.metricsTable.isVisible()
    assert app.ui.verdictLabel.text.startswith("No metrics yet")
    assert not app.ui.showChartButton.enabled


def test_choosing_an_enhanced_volume_shows_its_readouts(app, result):
    noise = table(app)["Noise (HU)"]
    value = readouts()["enhanced"]["noise_hu"]
    assert noise[1].startswith(f"{value['mean']:.1f} ") and f"± {value['sd']:.1f}" in noise[1]
    assert parameters(app).readouts is result.readoutsNode
    assert parameters(app).difference is result.difference
    assert app.ui.warningsLabel.text == "⚠ The pixels are resampled."


@pytest.mark.integration
def test_each_value_has_a_verdict_by_symbol_words_and_colour_with_its_reason_in_the_tool_tip(app, result):
    from MVCTEnhanceLib.slicerui.wording import look_of

    for column, group in ((1, "mvct"), (2, "enhanced"), (3, "planning_ct")):
        entry = readouts()["verdicts"][group]["noise_hu"]
        look = look_of(entry["verdict"])
        assert look.symbol in table(app)["Noise (HU)"][column - 1]
        assert look.words in tip(app, "Noise (HU)", column) and entry["reason"] in tip(app, "Noise (HU)", column)
    bias = readouts()["verdicts"]["comparison"]["bone"]
    assert bias["reason"] in tip(app, "HU change, bone (HU)", 2)
    assert look_of(bias["verdict"]).words in tip(app, "HU change, bone (HU)", 2)
    colours = {
        verdict: app.ui.metricsTable.item(row, 2).background().color().name()
        for row in range(app.ui.metricsTable.rowCount)
        for verdict in ("as expected", "look closer", "do not trust")
        if look_of(verdict).symbol in app.ui.metricsTable.item(row, 2).text()
    }
    assert len(colours) >= 2 and len(set(colours.values())) == len(colours)


def test_the_name_of_a_readout_says_what_it_tells(app, result):
    assert "Lower is not better" in tip(app, "NSelfSSIM", 0)


def test_the_verdicts_are_summed_up_in_words(app, result):
    given = [entry["verdict"] for group in readouts()["verdicts"].values() for entry in group.values()]
    for verdict in ("as expected", "look closer", "do not trust"):
        if verdict in given:
            assert f"{given.count(verdict)} {verdict}" in app.ui.verdictLabel.text
        else:
            assert verdict not in app.ui.verdictLabel.text


def test_without_a_planning_ct_its_column_is_hidden(app):
    result = add_result(app, open_with_scan(app), planning_ct=False)
    choose_result(app, result)
    assert headings(app) == ["Metric", "MVCT", "Enhanced"]


def test_a_text_with_letters_of_html_is_shown_as_it_is(app):
    found = copy.deepcopy(readouts())
    found["verdicts"]["mvct"]["noise_hu"]["reason"] = "Below <20> & more."
    choose_result(app, add_result(app, open_with_scan(app), verdicts=found["verdicts"]))
    assert "Below &lt;20&gt; &amp; more." in tip(app, "Noise (HU)", 1)


def test_readouts_that_change_are_shown_at_once_as_when_a_sequence_is_browsed(app, result):
    found = json.loads(result.readoutsNode.GetText())
    found["enhanced"]["noise_hu"] |= {"mean": 77.7, "sd": None}
    result.readoutsNode.SetText(json.dumps(found))
    assert table(app)["Noise (HU)"][1].startswith("77.7")
    summary = result.enhanced.GetNodeReference("MVCTEnhance.summary")
    number = [table_text(summary, "Metric", row) for row in range(summary.GetNumberOfRows())].index("Noise (HU)")
    assert table_text(summary, "Enhanced", number) == "77.7"


def table_text(node, column: str, row: int) -> str:
    return node.GetTable().GetColumnByName(column).GetValue(row)


def test_a_text_that_is_no_result_empties_the_table(app, result):
    result.readoutsNode.SetText("")
    assert table(app) == {}


def test_choosing_another_result_shows_its_own_readouts(app, result):
    found = copy.deepcopy(readouts()["enhanced"])
    found["noise_hu"] |= {"mean": 5.5, "sd": None}
    other = add_result(app, add_mvct(app, "Day 2"), enhanced=found)
    choose_result(app, other)
    assert table(app)["Noise (HU)"][1].startswith("5.5")
    assert parameters(app).difference is other.difference
    choose_result(app, result)
    assert not table(app)["Noise (HU)"][1].startswith("5.5")
    app.choose(app.ui.enhancedSelector, None)
    assert table(app) == {} and parameters(app).readouts is None


def test_deleting_the_enhanced_volume_empties_the_table(app, result):
    app.scene.RemoveNode(result.enhanced)
    app.run_events()
    assert table(app) == {} and not app.ui.exportCsvButton.enabled


def readout_nodes(app) -> list[str]:
    kinds = ("vtkMRMLTableNode", "vtkMRMLPlotChartNode", "vtkMRMLPlotSeriesNode")
    return [node.GetName() for kind in kinds for node in app.slicer.util.getNodesByClass(kind)]


@pytest.mark.parametrize("chosen", [True, False])
def test_deleting_an_enhanced_volume_takes_its_tables_and_chart_along_but_not_its_difference_map(app, result, chosen):
    assert len(readout_nodes(app)) >= 5
    if not chosen:
        app.choose(app.ui.enhancedSelector, None)
    app.scene.RemoveNode(result.enhanced)
    app.run_events()
    app.run_events()
    assert readout_nodes(app) == []
    assert result.difference.GetScene() is app.scene


def test_every_cell_and_heading_of_the_table_has_a_tool_tip(app, result):
    found = {item.text(): item.toolTip() for item in table_items(app)}
    assert len(found) > 20
    assert [text for text, tip in found.items() if not tip] == []


def test_cells_without_a_verdict_have_a_tool_tip_too(app):
    choose_result(app, add_result(app, open_with_scan(app), verdicts={}))
    assert all(item.toolTip() for item in table_items(app))


def table_items(app) -> list:
    widget = app.ui.metricsTable
    cells = [widget.item(row, column) for row in range(widget.rowCount) for column in range(widget.columnCount)]
    return [*map(widget.horizontalHeaderItem, range(widget.columnCount)), *cells]


def test_the_chart_s_readout_can_be_chosen_and_is_kept(app, result):
    combo = app.ui.chartComboBox
    offered = [combo.itemText(index) for index in range(combo.count)]
    assert {"NSelfSSIM", "Noise (HU)", "DIG (HU²/px²)", "Air agreement (%)", "HU change, fat (HU)"} <= set(offered)
    app.choose(combo, "Air agreement (%)")
    assert parameters(app).chartReadout == "air_agreement"
    chart = result.enhanced.GetNodeReference("MVCTEnhance.chart")
    assert chart.GetTitle() == "Air agreement (%)"


def test_what_is_not_to_be_trusted_is_told_with_its_reason_in_the_panel(app):
    choose_result(app, add_result(app, open_with_scan(app), verdicts=verdicts("do not trust")))
    _summary, *lines = app.ui.verdictLabel.text.splitlines()
    assert lines == [f"✗ Noise (HU), Enhanced: {readouts()['verdicts']['enhanced']['noise_hu']['reason']}"]


def test_a_warning_that_is_shown_for_the_input_is_not_repeated_for_its_result(app):
    mvct = open_with_scan(app)
    app.wait(lambda: app.ui.inputWarningsLabel.isVisible())
    known = app.ui.inputWarningsLabel.text.removeprefix("⚠ ").split("\n⚠ ")
    result = add_result(app, mvct, warnings=[*known, "The pixels are resampled."])
    choose_result(app, result)
    assert app.ui.warningsLabel.text == "⚠ The pixels are resampled."
    app.choose(app.ui.mvctSelector, add_mvct(app, "Day 2"))
    choose_result(app, result)
    assert all(text in app.ui.warningsLabel.text for text in known)
