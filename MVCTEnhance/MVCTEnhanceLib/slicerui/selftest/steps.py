"""Steps of the module's self-test that take no Python package beyond those of Slicer."""

from __future__ import annotations

import slicer
import slicer.util

from ..install import dependencies
from ..metrics.nodes import BY_SLICE_ROLE, CHART_ROLE
from ..scene.outputs import ROLE_MVCT, result_of
from .data import SLICES, SPACING_MM, add_result, add_scan
from .user import User


def panel_opens(user: User) -> None:
    """The panel of an empty scene lists models, and says why Apply is disabled."""
    slicer.mrmlScene.Clear(0)
    user.open()
    user.case.assertFalse(user.ui.applyButton.enabled)
    user.case.assertTrue(user.ui.applyButton.toolTip)
    user.case.assertGreater(user.ui.modelComboBox.count, 0)
    user.case.assertEqual(user.ui.readoutsTable.rowCount, 0)


def choices_are_kept_as_parameters(user: User) -> None:
    """Widgets and parameters follow each other."""
    user.start_anew()
    planning_ct = add_scan("Planning CT", seed=2)
    user.ui.planningCTSelector.setCurrentNode(planning_ct)
    user.ui.differenceWindowSpinBox.value = 250
    user.case.assertIs(user.parameters.mvct, user.scan)
    user.case.assertIs(user.parameters.planningCT, planning_ct)
    user.case.assertEqual(user.parameters.differenceWindow, 250)
    user.parameters.fade = 0.5
    user.case.assertAlmostEqual(user.ui.fadeSlider.value, 0.5)
    user.case.assertTrue(user.ui.applyButton.enabled, user.ui.applyButton.toolTip)


def made_up_result_is_chosen(user: User) -> None:
    """A result in the scene is chosen as the enhanced volume."""
    user.result = add_result(user.scan)
    user.ui.enhancedSelector.setCurrentNode(user.result.enhanced)
    user.case.assertIs(user.parameters.enhanced, user.result.enhanced)


def missing_packages_are_named_and_not_installed(user: User) -> None:
    """Apply without the Python packages names them and starts nothing."""
    user.start_anew()
    user.press(user.ui.applyButton)
    user.case.assertFalse(user.running)
    for name in dependencies.missing():
        user.case.assertIn(name, user.ui.statusLabel.text)


def table_shows_readouts_and_verdicts(user: User) -> None:
    """The table has a row for each metric, with value, meaning and assessment."""
    table, readouts = user.ui.readoutsTable, user.result.readouts
    user.case.assertGreaterEqual(table.rowCount, len(readouts["mvct"]))
    shown = {table.item(row, 2).text().split()[0] for row in range(table.rowCount)}
    user.case.assertGreater(len(shown), 1)
    user.case.assertTrue(any(symbol in table.item(row, 2).text() for row in range(table.rowCount) for symbol in "✓⚠✗"))
    user.case.assertTrue(any(table.item(row, 2).toolTip() for row in range(table.rowCount)))
    user.case.assertTrue(user.ui.verdictLabel.text)


def readouts_by_slice_go_into_table_and_chart(user: User) -> None:
    """Table and chart nodes hold the chosen metric slice by slice."""
    user.ui.chartComboBox.currentIndex = user.ui.chartComboBox.findData("noise_hu")
    user.case.assertEqual(user.parameters.chartReadout, "noise_hu")
    table = user.result.enhanced.GetNodeReference(BY_SLICE_ROLE)
    user.case.assertEqual(table.GetNumberOfRows(), SLICES)
    noise = slicer.util.arrayFromTableColumn(table, "enhanced.noise_hu")
    user.case.assertEqual(list(noise), user.result.readouts["enhanced"]["noise_hu"]["per_slice"])
    chart = user.result.enhanced.GetNodeReference(CHART_ROLE)
    columns = {chart.GetNthPlotSeriesNode(n).GetYColumnName() for n in range(chart.GetNumberOfPlotSeriesNodes())}
    user.case.assertLessEqual({"mvct.noise_hu", "enhanced.noise_hu"}, columns)


def readouts_are_exported_as_csv(user: User) -> None:
    """The CSV file has a line for each slice."""
    user.ui.exportPathLineEdit.currentPath = str(user.folder)
    user.press(user.ui.exportCsvButton)
    (file,) = user.folder.glob("*.csv")
    lines = file.read_text(encoding="utf-8").splitlines()
    user.case.assertEqual(len(lines), 1 + SLICES)
    user.case.assertIn("enhanced.noise_hu", lines[0])


def saved_scene_comes_back(user: User) -> None:
    """A saved and loaded scene shows the same result, metrics and parameters."""
    name, table = user.result.enhanced.GetName(), user.ui.readoutsTable
    rows, differenceWindow = table.rowCount, user.parameters.differenceWindow
    user.case.assertTrue(slicer.util.saveScene(str(user.folder / "scene")))
    slicer.mrmlScene.Clear(0)
    user.case.assertEqual(user.ui.readoutsTable.rowCount, 0)
    slicer.util.loadScene(str(next((user.folder / "scene").rglob("*.mrml"))))
    user.open()
    user.result = result_of(user.parameters.enhanced)
    user.case.assertIsNotNone(user.result)
    user.case.assertEqual(user.result.enhanced.GetName(), name)
    user.scan = user.result.enhanced.GetNodeReference(ROLE_MVCT)
    user.case.assertIs(user.parameters.mvct, user.scan)
    user.case.assertIsNotNone(user.result.difference)
    user.case.assertIsNotNone(user.result.enhanced.GetNodeReference(CHART_ROLE))
    user.case.assertEqual(user.parameters.differenceWindow, differenceWindow)
    user.case.assertEqual(user.ui.readoutsTable.rowCount, rows)
    user.case.assertAlmostEqual(user.scan.GetSpacing()[2], SPACING_MM[2])


def closed_scene_leaves_an_empty_panel(user: User) -> None:
    """A closed scene leaves no result, and nothing to press."""
    slicer.mrmlScene.Clear(0)
    user.open()
    user.case.assertFalse(user.ui.applyButton.enabled)
    user.case.assertFalse(user.ui.exportCsvButton.enabled)
    user.case.assertEqual(user.ui.readoutsTable.rowCount, 0)


def reloaded_module_works(user: User) -> None:
    """A reloaded module shows the same scan."""
    user.start_anew()
    before = user.widget
    before.onReload()
    user.open()
    user.case.assertIsNot(user.widget, before)
    user.case.assertIs(user.ui.mvctSelector.currentNode(), user.scan)
    user.case.assertTrue(user.ui.applyButton.enabled, user.ui.applyButton.toolTip)
