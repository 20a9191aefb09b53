"""The table of structures below the metrics."""

from slicerui.panels import choose_result, open_with_scan
from slicerui.results import add_result
from slicerui.scans import add_mvct

SCAN = {"mean": 41.6, "sd": 30.2, "p5": -8.0, "p95": 91.0}
TUMOUR = {
    "volume_cm3": 12.34,
    "voxels": 500,
    "mvct": SCAN | {"noise_hu": 28.04},
    "enhanced": SCAN | {"mean": 44.1, "noise_hu": None},
    "planning_ct": SCAN | {"mean": 50.0, "volume_cm3": 12.0},
    "hu_change": 2.5,
    "unusual": 0.021,
}
TINY = {
    "volume_cm3": 0.004,
    "voxels": 0,
    **dict.fromkeys(("mvct", "enhanced"), dict.fromkeys((*SCAN, "noise_hu"))),
    "hu_change": None,
}


def test_each_structure_has_a_row_with_the_rest_in_its_tool_tips(app):
    result = add_result(app, open_with_scan(app), structures={"腫瘍 <1>": TUMOUR, "tiny": TINY})
    choose_result(app, result)
    table = app.ui.structuresTable
    rows = [[table.item(row, column).text() for column in range(table.columnCount)] for row in range(table.rowCount)]
    assert rows == [["腫瘍 <1>", "12.34", "42", "44", "+2.5"], ["tiny", "0.004", "-", "-", "-"]]
    assert app.ui.structuresGroupBox.isVisible()
    about, _volume, mvct, enhanced, _change = (table.item(0, column).toolTip() for column in range(table.columnCount))
    assert "2.1% of its voxels" in about and "Planning CT: Mean 50 HU" in about
    assert "Mean 42 HU, SD 30, 5 to 95 %: -8 to 91. Noise 28.0 HU." in mvct and "Noise" not in enhanced


def test_result_without_structures_has_no_table(app):
    mvct = open_with_scan(app, "Day 1")
    result = add_result(app, mvct, structures={"tumour": TUMOUR})
    choose_result(app, result)
    choose_result(app, add_result(app, add_mvct(app, "Day 2")))
    assert not app.ui.structuresGroupBox.isVisible() and app.ui.structuresTable.rowCount == 0
