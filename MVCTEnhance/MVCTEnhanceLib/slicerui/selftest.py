"""The module's self-test in Slicer: one scan from the sample data to the exports, as a user does it in the panel."""

from __future__ import annotations

import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import qt
import slicer
import slicer.util
import vtk

from ..model.card import DEFAULT_MODEL
from .install import dependencies
from .jobs.sample_data import make_phantom_and_wait
from .metrics.nodes import BY_SLICE_ROLE, CHART_ROLE
from .review.layout import (
    DIFFERENCE_VIEW,
    ENHANCED_VIEW,
    MODELS_LAYOUT,
    MVCT_VIEW,
    OTHER_VIEW,
    REVIEW_LAYOUT,
    slice_logic,
)
from .scene.outputs import ROLE_MVCT, result_of
from .scene.volumes import volume_of
from .worker.files import write_nrrd

MODULE = "MVCTEnhance"
OTHER_MODEL = "unpaired"
SEGMENT = "first slices"
SLICES = 4  # of a fraction of the course
_POLL_MS = 10
_PATIENCE_S = 600  # for the slowest step, on a slow computer


def run(case: Any) -> None:
    """Run all steps that this application allows; the test is skipped at its end where some had to be left out.

    Args:
        case: the unittest.TestCase of the module.

    Raises:
        unittest.SkipTest: with a sentence on what was left out, when all the rest has passed.
    """
    packages = ", ".join(dependencies.missing())
    has_views = slicer.app.layoutManager() is not None and slicer.util.mainWindow() is not None
    slicer.mrmlScene.Clear(0)
    try:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, User(case, Path(folder)) as user:
            for step in _steps(has_packages=not packages, has_views=has_views):
                case.delayDisplay(step.__name__.replace("_", " "))
                step(user)
                user.require_no_errors()
    finally:
        slicer.mrmlScene.Clear(0)
    left_out = [f"Not tested: all but the opening, since Python packages are missing ({packages})."] * bool(packages)
    left_out += ["Not tested: the review, since Slicer runs without a main window."] * (not has_views)
    if left_out:
        case.skipTest(" ".join(left_out))
    case.delayDisplay("All steps passed")


def _steps(*, has_packages: bool, has_views: bool) -> list[Callable[[User], None]]:
    """In their order: each goes on where the one before has ended."""
    if not has_packages:
        return [panel_opens]
    review = [review_shows_the_scans_side_by_side, review_shows_two_models_side_by_side]
    first = [panel_opens, sample_data_is_loaded, apply_enhances, metrics_are_shown, structures_are_measured]
    last = [result_is_exported, scans_are_registered, course_is_reviewed, scan_that_is_no_phantom_is_refused]
    return [*first, *(review if has_views else []), *last]


def panel_opens(user: User) -> None:
    """Without a scan there is nothing to apply, and the button says why."""
    user.open()
    user.case.assertGreater(user.ui.modelComboBox.count, 0)
    user.case.assertFalse(user.ui.applyButton.enabled)
    user.case.assertTrue(user.ui.applyButton.toolTip)


def sample_data_is_loaded(user: User) -> None:
    """The worker makes MVCT and planning CT; chosen in the panel, with a segmentation, they are parameters."""
    user.mvct, planning_ct = make_phantom_and_wait()
    segmentation = _segmentation_of(user.mvct)
    user.ui.mvctSelector.setCurrentNode(user.mvct)
    user.ui.planningCTSelector.setCurrentNode(planning_ct)
    user.ui.structuresSelector.setCurrentNode(segmentation)
    user.case.assertIs(user.parameters.mvct, user.mvct)
    user.case.assertIs(user.parameters.planningCT, planning_ct)
    user.case.assertIs(user.parameters.structures, segmentation)


def apply_enhances(user: User) -> None:
    """Less noise at the same place, a map of the difference, and an MVCT as it was."""
    before = np.array(slicer.util.arrayFromVolume(user.mvct))
    user.run(user.ui.applyButton)
    user.result = result_of(user.parameters.enhanced)
    user.case.assertIsNotNone(user.result, user.ui.statusLabel.text)
    enhanced = user.result.enhanced
    user.case.assertIs(enhanced.GetNodeReference(ROLE_MVCT), user.mvct)
    user.case.assertEqual(enhanced.GetOrigin(), user.mvct.GetOrigin())
    user.case.assertEqual(enhanced.GetSpacing(), user.mvct.GetSpacing())
    user.case.assertTrue(np.array_equal(slicer.util.arrayFromVolume(user.mvct), before))
    change = slicer.util.arrayFromVolume(enhanced).astype(int) - before
    user.case.assertTrue(np.array_equal(slicer.util.arrayFromVolume(user.result.difference), change))
    noise = [user.result.readouts[scan]["noise_hu"]["mean"] for scan in ("mvct", "enhanced")]
    user.case.assertLess(noise[1], noise[0])


def metrics_are_shown(user: User) -> None:
    """Every metric has a value and an assessment in the table, and its values by slice are in table and chart nodes."""
    table, metrics = user.ui.metricsTable, user.result.readouts["enhanced"]
    values = [table.item(row, 2) for row in range(table.rowCount)]
    user.case.assertGreaterEqual(len(values), len(metrics))
    user.case.assertTrue(any(symbol in value.text() for value in values for symbol in "✓⚠✗"))
    user.case.assertTrue(all(value.toolTip() for value in values))
    user.case.assertTrue(user.ui.verdictLabel.text)
    by_slice, chart = (user.result.enhanced.GetNodeReference(role) for role in (BY_SLICE_ROLE, CHART_ROLE))
    noise = slicer.util.arrayFromTableColumn(by_slice, "enhanced.noise_hu")
    user.case.assertEqual(list(noise), metrics["noise_hu"]["per_slice"])
    user.case.assertGreater(chart.GetNumberOfPlotSeriesNodes(), 1)


def structures_are_measured(user: User) -> None:
    """The segment has a row with the volume and the mean HU of the slices that it was made of."""
    table, hu = user.ui.structuresTable, slicer.util.arrayFromVolume(user.mvct)
    inside = hu[: len(hu) // 2]
    (values,) = user.result.readouts["structures"].values()
    cm3 = inside.size * np.prod(user.mvct.GetSpacing()) / 1000
    user.case.assertAlmostEqual(values["volume_cm3"] / cm3, 1, places=3)
    user.case.assertAlmostEqual(values["mvct"]["mean"], inside.mean(), places=1)
    user.case.assertEqual([table.rowCount, table.item(0, 0).text()], [1, SEGMENT])
    user.case.assertTrue(all(table.item(0, column).text() for column in range(1, 5)))


def review_shows_the_scans_side_by_side(user: User) -> None:
    """MVCT, MVCT under the enhanced scan, which fades, and difference map; the layout before comes back."""
    user.press(user.ui.reviewButton)
    user.case.assertEqual(slicer.app.layoutManager().layout, REVIEW_LAYOUT)
    views = {view: slice_logic(view).GetSliceCompositeNode() for view in (MVCT_VIEW, ENHANCED_VIEW, DIFFERENCE_VIEW)}
    shown = [node.GetBackgroundVolumeID() for node in views.values()]
    user.case.assertEqual(shown, [user.mvct.GetID(), user.mvct.GetID(), user.result.difference.GetID()])
    user.case.assertEqual(views[ENHANCED_VIEW].GetForegroundVolumeID(), user.result.enhanced.GetID())
    user.ui.fadeSlider.value = 0.25
    user.case.assertAlmostEqual(views[ENHANCED_VIEW].GetForegroundOpacity(), 0.25)
    user.press(user.ui.reviewButton)
    user.case.assertNotEqual(slicer.app.layoutManager().layout, REVIEW_LAYOUT)


def review_shows_two_models_side_by_side(user: User) -> None:
    """The scan of another model, that of the first one, and their difference; the metrics of both in the table."""
    combo, first = user.ui.modelComboBox, user.result.enhanced
    chosen = combo.currentIndex
    combo.currentIndex = combo.findData(OTHER_MODEL)
    user.ui.enhancedSelector.setCurrentNode(None)
    user.run(user.ui.applyButton)
    other = user.parameters.enhanced
    user.case.assertIsNot(other, first, user.ui.statusLabel.text)
    combo.currentIndex = chosen
    user.ui.enhancedSelector.setCurrentNode(first)
    user.ui.compareWithSelector.setCurrentNode(other)
    user.press(user.ui.reviewButton)
    user.case.assertEqual(slicer.app.layoutManager().layout, MODELS_LAYOUT, user.ui.compareLabel.text)
    views = [slice_logic(view).GetSliceCompositeNode() for view in (OTHER_VIEW, ENHANCED_VIEW, DIFFERENCE_VIEW)]
    difference = slicer.mrmlScene.GetNodeByID(views[2].GetBackgroundVolumeID())
    shown = [views[0].GetBackgroundVolumeID(), views[1].GetForegroundVolumeID()]
    user.case.assertEqual(shown, [other.GetID(), first.GetID()])
    change = slicer.util.arrayFromVolume(first).astype(int) - slicer.util.arrayFromVolume(other)
    user.case.assertTrue(np.array_equal(slicer.util.arrayFromVolume(difference), change))
    table = user.ui.metricsTable
    user.case.assertEqual(
        [table.horizontalHeaderItem(column).text() for column in (1, 2)], [OTHER_MODEL, DEFAULT_MODEL]
    )
    user.ui.compareWithSelector.setCurrentNode(None)
    user.press(user.ui.reviewButton)
    user.case.assertNotIn(slicer.app.layoutManager().layout, (REVIEW_LAYOUT, MODELS_LAYOUT))


def result_is_exported(user: User) -> None:
    """CSV with a line a slice, HTML report, DICOM series with a file a slice."""
    slices = len(slicer.util.arrayFromVolume(user.mvct))
    user.ui.exportPathLineEdit.currentPath = str(user.folder)
    # Of a result that is assessed as 'do not trust' the panel asks whether to write DICOM.
    with patch.object(slicer.util, "confirmOkCancelDisplay", return_value=True):
        for button in (user.ui.exportCsvButton, user.ui.exportReportButton, user.ui.exportDicomFolderButton):
            user.press(button)
            user.wait(lambda: user.ui.exportDicomDatabaseButton.enabled, "the end of the export")
    (table,) = user.folder.glob("*.csv")
    user.case.assertEqual(len(table.read_text(encoding="utf-8").splitlines()), 1 + slices)
    user.case.assertEqual(len(list(user.folder.glob("*/report.html"))), 1, user.ui.exportStatusLabel.text)
    user.case.assertEqual(len(list(user.folder.glob("*/*.dcm"))), slices, user.ui.exportStatusLabel.text)


def scans_are_registered(user: User) -> None:
    """MVCT and enhanced scan come under one transform, and the panel says by how much they were moved."""
    user.run(user.ui.registerButton)
    user.case.assertIn("Not for positioning", user.ui.registrationLabel.text)
    transform = user.mvct.GetParentTransformNode()
    user.case.assertIsNotNone(transform)
    user.case.assertIs(user.result.enhanced.GetParentTransformNode(), transform)


def course_is_reviewed(user: User) -> None:
    """Two fractions, made of slices of the MVCT, come onto one page, which can be opened."""
    scans, output = user.folder / "daily", user.folder / "course"
    scans.mkdir()
    mvct = volume_of(user.mvct)
    for fraction, date in enumerate(("2026-03-02", "2026-03-03")):
        write_nrrd(replace(mvct, array=mvct.array[:SLICES] + np.int16(fraction)), scans / f"{date}.nrrd")
    user.ui.planningCTSelector.setCurrentNode(None)
    user.ui.structuresSelector.setCurrentNode(None)
    user.ui.courseScansPathLineEdit.currentPath = str(scans)
    user.ui.coursePathLineEdit.currentPath = str(output)
    user.run(user.ui.courseButton)
    page = output / "course.html"
    user.case.assertTrue(page.is_file() and user.ui.coursePageButton.enabled, user.ui.courseStatusLabel.text)
    text = page.read_text(encoding="utf-8").lower()
    user.case.assertTrue("day 1" in text and "day 2" in text)


def scan_that_is_no_phantom_is_refused(user: User) -> None:
    """Quality assurance of a patient's scan as a water cylinder ends with a sentence and writes nothing."""
    combo, folder = user.ui.qaPhantomComboBox, user.folder / "qa"
    folder.mkdir()
    before = (combo.currentIndex, user.ui.qaPathLineEdit.currentPath)  # which this computer remembers
    try:
        combo.currentIndex = combo.findData("water")
        user.ui.qaPathLineEdit.currentPath = str(folder)
        user.run(user.ui.qaButton)
        user.case.assertTrue(user.ui.qaStatusLabel.text)
        user.case.assertEqual(list(folder.iterdir()), [])
    finally:
        combo.currentIndex, user.ui.qaPathLineEdit.currentPath = before


def _segmentation_of(volume: slicer.vtkMRMLScalarVolumeNode) -> slicer.vtkMRMLSegmentationNode:
    """A segmentation with one segment: the first half of the slices of a volume."""
    image, matrix = slicer.vtkOrientedImageData(), vtk.vtkMatrix4x4()
    columns, rows, slices = volume.GetImageData().GetDimensions()
    image.SetDimensions(columns, rows, slices // 2)
    image.AllocateScalars(vtk.VTK_UNSIGNED_CHAR, 1)
    image.GetPointData().GetScalars().Fill(1)
    volume.GetIJKToRASMatrix(matrix)
    image.SetGeometryFromImageToWorldMatrix(matrix)
    segmentation = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Structures")
    segmentation.AddSegmentFromBinaryLabelmapRepresentation(image, SEGMENT)
    return segmentation


class User:
    """Drives the module's panel in the application that runs.

    Args:
        case: the unittest.TestCase whose assertions fail the self-test.
        folder: for files; empty, and removed afterwards.
    """

    def __init__(self, case: Any, folder: Path):
        self.case = case
        self.folder = folder
        self.mvct: Any = None
        self.result: Any = None
        self._errors: list[str] = []  # in slots and observers, which Slicer only prints
        self._hook = sys.excepthook

    def __enter__(self) -> User:
        self._hook, sys.excepthook = sys.excepthook, self._on_error
        return self

    def __exit__(self, *error: object) -> None:
        sys.excepthook = self._hook

    @property
    def ui(self) -> Any:
        """The panel's widgets by their names."""
        return slicer.util.getModuleWidget(MODULE).ui

    @property
    def parameters(self) -> Any:
        """The module's parameter node."""
        return slicer.util.getModuleWidget(MODULE).logic.getParameterNode()

    def open(self) -> None:
        """Open the module, as far as an application without a main window has that."""
        if slicer.util.mainWindow() is not None:
            slicer.util.selectModule(MODULE)
        else:
            slicer.util.getModule(MODULE).widgetRepresentation().enter()

    def press(self, button: Any) -> None:
        """Press a button that the panel offers."""
        self.case.assertTrue(button.enabled, f"{button.name}: {button.toolTip}")
        button.click()
        self.require_no_errors()

    def run(self, button: Any) -> None:
        """Press a button that turns into Cancel, and wait until it is as before."""
        idle_text = button.text
        self.press(button)
        self.wait(lambda: button.text == idle_text, f"the end of '{idle_text}'")

    def wait(self, predicate: Callable[[], bool], what: str) -> None:
        """Let the application go on until the predicate holds; fails after a time."""
        end = time.monotonic() + _PATIENCE_S
        while not predicate():
            self.require_no_errors()
            self.case.assertLess(time.monotonic(), end, f"waited for {_PATIENCE_S} s for {what}")
            loop = qt.QEventLoop()
            qt.QTimer.singleShot(_POLL_MS, lambda: loop.quit())  # noqa: B023 - it ends before the next is made
            loop.exec_()

    def require_no_errors(self) -> None:
        """Fail where a slot or an observer has failed."""
        self.case.assertEqual(self._errors, [])

    def _on_error(self, kind: Any, error: Any, trace: Any) -> None:
        self._errors.append("".join(traceback.format_exception(kind, error, trace)))
        self._hook(kind, error, trace)
