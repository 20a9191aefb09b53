"""Tables and chart of a result as nodes."""

import copy

import numpy as np
import pytest
from slicerui.results import add_result, readouts, record_of
from slicerui.scans import add_mvct


@pytest.fixture
def enhanced(app):
    return add_result(app, add_mvct(app, "Day 1")).enhanced


def column(app, table, name: str) -> np.ndarray:
    return app.slicer.util.arrayFromTableColumn(table, name)


def texts(table, name: str) -> list[str]:
    values = table.GetTable().GetColumnByName(name)
    return [values.GetValue(index) for index in range(values.GetNumberOfValues())]


def lines(chart) -> dict:
    nodes = [chart.GetNthPlotSeriesNode(index) for index in range(chart.GetNumberOfPlotSeriesNodes())]
    return {node.GetName(): node for node in nodes}


def test_the_table_by_slice_has_each_value_of_each_slice(app, enhanced):
    from MVCTEnhanceLib.slicerui.metrics import nodes as readout_nodes

    found = copy.deepcopy(readouts())
    found["enhanced"]["noise_hu"]["per_slice"][2] = None
    readout_nodes.update_tables(enhanced, record_of(found))
    table = enhanced.GetNodeReference(readout_nodes.BY_SLICE_ROLE)
    assert table.GetName() == "Day 1 enhanced metrics by slice"
    np.testing.assert_array_equal(column(app, table, "slice"), [1, 2, 3, 4])
    np.testing.assert_array_equal(column(app, table, "z_mm"), [0, 6, 12, 18])
    np.testing.assert_array_equal(column(app, table, "mvct.noise_hu"), found["mvct"]["noise_hu"]["per_slice"])
    np.testing.assert_array_equal(np.isnan(column(app, table, "enhanced.noise_hu")), [False, False, True, False])
    np.testing.assert_allclose(column(app, table, "planning_ct.noise_hu"), found["planning_ct"]["noise_hu"]["mean"])
    bias = np.array(found["comparison"]["hu_bias"]["fat"]["per_slice"], dtype=float)
    np.testing.assert_array_equal(column(app, table, "comparison.fat"), bias)


def test_the_summary_says_values_verdicts_and_reasons(app, enhanced):
    from MVCTEnhanceLib.slicerui.metrics import nodes as readout_nodes

    readout_nodes.update_tables(enhanced, record_of(readouts()))
    table = enhanced.GetNodeReference(readout_nodes.SUMMARY_ROLE)
    number = texts(table, "Metric").index("Noise (HU)")
    verdicts = [readouts()["verdicts"][scan]["noise_hu"] for scan in ("mvct", "enhanced", "planning_ct")]
    order = ("as expected", "look closer", "do not trust")
    assert texts(table, "Assessment")[number] == order[max(order.index(entry["verdict"]) for entry in verdicts)]
    assert all(entry["reason"] in texts(table, "Reason")[number] for entry in verdicts)
    assert "±" in texts(table, "Planning CT")[number]


def test_without_a_planning_ct_there_is_no_column_and_no_line_for_it(app):
    from MVCTEnhanceLib.slicerui.metrics import nodes as readout_nodes

    enhanced = add_result(app, add_mvct(app), planning_ct=False).enhanced
    found = readouts(planning_ct=False)
    readout_nodes.update_tables(enhanced, record_of(found))
    table = enhanced.GetNodeReference(readout_nodes.SUMMARY_ROLE)
    assert [table.GetColumnName(index) for index in range(table.GetNumberOfColumns())] == [
        "Metric", "MVCT", "Enhanced", "Assessment", "Reason",
    ]  # fmt: skip
    assert list(lines(readout_nodes.update_chart(enhanced, record_of(found), "noise_hu"))) == [
        "MVCT scan",
        "Enhanced scan",
    ]


def test_the_chart_draws_a_line_for_each_scan_and_the_planning_ct_s_mean(app, enhanced):
    from MVCTEnhanceLib.slicerui.metrics import nodes as readout_nodes

    readout_nodes.update_tables(enhanced, record_of(readouts()))
    chart = readout_nodes.update_chart(enhanced, record_of(readouts()), "noise_hu")
    found = lines(chart)
    assert list(found) == ["MVCT scan", "Enhanced scan", "Planning CT, mean"]
    assert {node.GetXColumnName() for node in found.values()} == {"slice"}
    assert found["Enhanced scan"].GetYColumnName() == "enhanced.noise_hu"
    assert found["Planning CT, mean"].GetLineStyle() == found["Planning CT, mean"].LineStyleDash
    assert (chart.GetTitle(), chart.GetXAxisTitle()) == ("Noise (HU)", "Slice, z = 0.0 to 18.0 mm")


def test_another_readout_takes_the_same_chart_and_leaves_no_series_behind(app, enhanced):
    from MVCTEnhanceLib.slicerui.metrics import nodes as readout_nodes

    readout_nodes.update_tables(enhanced, record_of(readouts()))
    first = readout_nodes.update_chart(enhanced, record_of(readouts()), "noise_hu")
    second = readout_nodes.update_chart(enhanced, record_of(readouts()), "air_agreement")
    assert first is second
    assert list(lines(second)) == ["Enhanced - MVCT"]
    assert app.scene.GetNumberOfNodesByClass("vtkMRMLPlotSeriesNode") == 1
    assert list(lines(readout_nodes.update_chart(enhanced, record_of(readouts()), "noise_hu"))) == [
        "MVCT scan", "Enhanced scan", "Planning CT, mean",
    ]  # fmt: skip


def test_a_readout_that_is_not_there_shows_the_first_one(app, enhanced):
    from MVCTEnhanceLib.slicerui.metrics import nodes as readout_nodes

    readout_nodes.update_tables(enhanced, record_of(readouts()))
    assert readout_nodes.update_chart(enhanced, record_of(readouts()), "mtf").GetTitle() == "NSelfSSIM"


def test_a_scan_in_which_no_slice_has_a_value_has_no_line(app, enhanced):
    from MVCTEnhanceLib.slicerui.metrics import nodes as readout_nodes

    found = copy.deepcopy(readouts())
    found["mvct"]["noise_hu"] |= {"per_slice": [None] * 4, "mean": None, "sd": None}
    readout_nodes.update_tables(enhanced, record_of(found))
    assert "MVCT scan" not in lines(readout_nodes.update_chart(enhanced, record_of(found), "noise_hu"))


def test_series_and_tables_that_the_user_deleted_come_again(app, enhanced):
    from MVCTEnhanceLib.slicerui.metrics import nodes as readout_nodes

    readout_nodes.update_tables(enhanced, record_of(readouts()))
    chart = readout_nodes.update_chart(enhanced, record_of(readouts()), "noise_hu")
    app.scene.RemoveNode(chart.GetNthPlotSeriesNode(1))
    app.scene.RemoveNode(enhanced.GetNodeReference(readout_nodes.BY_SLICE_ROLE))
    readout_nodes.update_tables(enhanced, record_of(readouts()))
    chart = readout_nodes.update_chart(enhanced, record_of(readouts()), "noise_hu")
    table = enhanced.GetNodeReference(readout_nodes.BY_SLICE_ROLE)
    assert list(lines(chart)) == ["MVCT scan", "Enhanced scan", "Planning CT, mean"]
    assert {node.GetTableNode().GetID() for node in lines(chart).values()} == {table.GetID()}


def test_all_nodes_lie_beside_the_enhanced_scan_in_the_subject_hierarchy(app):
    from MVCTEnhanceLib.slicerui.metrics import nodes as readout_nodes

    hierarchy = app.slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(app.scene)
    study = hierarchy.CreateStudyItem(hierarchy.GetSceneItemID(), "Study")
    mvct = add_mvct(app)
    hierarchy.SetItemParent(hierarchy.GetItemByDataNode(mvct), study)
    enhanced = add_result(app, mvct).enhanced
    readout_nodes.update_tables(enhanced, record_of(readouts()))
    readout_nodes.update_chart(enhanced, record_of(readouts()), "noise_hu")
    roles = (readout_nodes.SUMMARY_ROLE, readout_nodes.BY_SLICE_ROLE, readout_nodes.CHART_ROLE)
    nodes = [enhanced.GetNodeReference(role) for role in roles]
    series = app.slicer.util.getNodesByClass("vtkMRMLPlotSeriesNode")
    assert series
    for node in nodes + series:
        assert hierarchy.GetItemParent(hierarchy.GetItemByDataNode(node)) == study


def test_nodes_are_found_again_in_a_scene_that_was_saved(app, tmp_path, enhanced):
    from MVCTEnhanceLib.slicerui.metrics import nodes as readout_nodes

    readout_nodes.update_tables(enhanced, record_of(readouts()))
    readout_nodes.update_chart(enhanced, record_of(readouts()), "noise_hu")
    app.load_scene(app.save_scene(tmp_path / "saved"))
    loaded = app.slicer.util.getNode("Day 1 enhanced")
    chart = loaded.GetNodeReference(readout_nodes.CHART_ROLE)
    assert list(lines(chart)) == ["MVCT scan", "Enhanced scan", "Planning CT, mean"]
    readout_nodes.update_tables(loaded, record_of(readouts()))
    assert readout_nodes.update_chart(loaded, record_of(readouts()), "noise_hu") is chart
    assert app.scene.GetNumberOfNodesByClass("vtkMRMLTableNode") == 2
    assert app.scene.GetNumberOfNodesByClass("vtkMRMLPlotSeriesNode") == 3


def test_only_its_own_series_belong_to_a_chart(app, enhanced):
    from MVCTEnhanceLib.slicerui.metrics import nodes as readout_nodes

    readout_nodes.update_tables(enhanced, record_of(readouts()))
    chart = readout_nodes.update_chart(enhanced, record_of(readouts()), "noise_hu")
    other = app.scene.AddNewNodeByClass("vtkMRMLPlotSeriesNode")
    assert readout_nodes.is_series_of(chart, chart.GetNthPlotSeriesNodeID(0))
    assert not readout_nodes.is_series_of(chart, other.GetID())
    assert not readout_nodes.is_series_of(None, other.GetID())
