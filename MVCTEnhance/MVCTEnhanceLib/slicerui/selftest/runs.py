"""Steps of the module's self-test in which the real worker runs the real model."""

from __future__ import annotations

from unittest.mock import patch

import numpy as np
import slicer
import slicer.util

from ..scene.outputs import ROLE_MVCT, result_of
from .data import SLICES, add_scan
from .user import User, children, data_nodes, temporary_folders

_PATIENCE_S = 20


def apply_enhances_and_shows_how_far_it_is(user: User) -> None:
    """Apply runs the worker, with progress by stage and slice; the MVCT stays as it is."""
    user.start_anew()
    user.ui.planningCTSelector.setCurrentNode(add_scan("Planning CT", seed=2))
    before, folders = np.array(slicer.util.arrayFromVolume(user.scan)), temporary_folders()
    stages, counts = set(), set()

    def on_value(value: int) -> None:
        stages.add(user.ui.stageLabel.text)
        counts.add((value, user.ui.progressBar.maximum))

    user.ui.progressBar.connect("valueChanged(int)", on_value)
    workers = user.start_run()
    user.wait(lambda: stages.add(user.ui.stageLabel.text) or not user.running, "the end of the enhancement")
    user.ui.progressBar.disconnect("valueChanged(int)", on_value)
    user.case.assertGreater(len(stages), 2, stages)
    user.case.assertTrue(any(0 < done <= total == SLICES for done, total in counts), counts)
    _nothing_is_left_of(user, workers, folders)
    user.result = result_of(user.parameters.enhanced)
    user.case.assertIsNotNone(user.result, user.ui.statusLabel.text)
    user.case.assertIs(user.ui.enhancedSelector.currentNode(), user.result.enhanced)
    user.case.assertTrue(np.array_equal(slicer.util.arrayFromVolume(user.scan), before))
    user.case.assertIs(user.result.enhanced.GetNodeReference(ROLE_MVCT), user.scan)


def result_has_the_place_of_the_scan_and_less_noise(user: User) -> None:
    """The result lies where the MVCT lies, has less noise, and its difference map adds up."""
    enhanced, mvct = user.result.enhanced, user.scan
    user.case.assertEqual(enhanced.GetOrigin(), mvct.GetOrigin())
    user.case.assertEqual(enhanced.GetSpacing(), mvct.GetSpacing())
    after, before = (slicer.util.arrayFromVolume(node).astype(int) for node in (enhanced, mvct))
    user.case.assertTrue(np.array_equal(slicer.util.arrayFromVolume(user.result.difference), after - before))
    noise = [user.result.readouts[scan]["noise_hu"]["mean"] for scan in ("mvct", "enhanced")]
    user.case.assertLess(noise[1], noise[0])
    user.case.assertIn("planning_ct", user.result.readouts["verdicts"])


def result_is_exported_as_report_and_dicom(user: User) -> None:
    """Report and DICOM series are written into a folder."""
    user.ui.exportPathLineEdit.currentPath = str(user.folder)
    # A scan so small is not to be trusted, which the panel asks about.
    with patch.object(slicer.util, "confirmOkCancelDisplay", return_value=True):
        for button in (user.ui.exportReportButton, user.ui.exportDicomFolderButton):
            user.press(button)
            user.wait(lambda: user.ui.exportDicomDatabaseButton.enabled, f"the end of {button.name}")
    folders = [folder for folder in user.folder.iterdir() if folder.name.startswith(user.result.enhanced.GetName())]
    files = [sorted(path.name for path in folder.iterdir()) for folder in folders if folder.is_dir()]
    user.case.assertIn("report.html", [name for names in files for name in names], user.ui.exportStatusLabel.text)
    user.case.assertIn(SLICES, [len(names) for names in files], user.ui.exportStatusLabel.text)


def cancel_leaves_the_scene_as_it_was(user: User) -> None:
    """Cancel ends the worker at once and adds no node."""
    user.start_anew()
    nodes, folders = data_nodes(), temporary_folders()
    workers = user.start_run()
    user.press(user.ui.applyButton)
    user.case.assertFalse(user.running)
    user.case.assertTrue(user.ui.applyButton.enabled)
    _nothing_is_left_of(user, workers, folders)
    user.case.assertEqual(data_nodes(), nodes)


def closing_the_scene_ends_the_run(user: User) -> None:
    """No worker, folder or volume is left when the scene is closed during a run."""
    user.start_anew()
    folders = temporary_folders()
    workers = user.start_run()
    slicer.mrmlScene.Clear(0)
    user.open()
    user.case.assertFalse(user.running)
    user.case.assertFalse(user.ui.applyButton.enabled)
    user.case.assertTrue(user.ui.statusLabel.text)
    _nothing_is_left_of(user, workers, folders)
    user.case.assertEqual(slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode"), [])


def deleting_the_scan_ends_the_run(user: User) -> None:
    """No worker or folder is left when the MVCT is deleted; other volumes stay."""
    user.start_anew()
    other, folders = add_scan("Other", seed=4), temporary_folders()
    workers = user.start_run()
    slicer.mrmlScene.RemoveNode(user.scan)
    user.wait(lambda: not user.running, "the end of the run")
    user.case.assertTrue(user.ui.statusLabel.text)
    _nothing_is_left_of(user, workers, folders)
    user.case.assertEqual(slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode"), [other])


def reloading_the_module_ends_the_run(user: User) -> None:
    """No worker or folder is left when the module is reloaded; the panel is ready again."""
    user.start_anew()
    nodes, folders = data_nodes(), temporary_folders()
    workers = user.start_run()
    before = user.widget
    before.onReload()
    user.open()
    user.case.assertIsNot(user.widget, before)
    user.case.assertFalse(user.running)
    user.case.assertTrue(user.ui.applyButton.enabled, user.ui.applyButton.toolTip)
    _nothing_is_left_of(user, workers, folders)
    user.case.assertEqual(data_nodes(), nodes)


def _nothing_is_left_of(user: User, workers: set[int], folders: set) -> None:
    """Neither processes nor temporary folders of a run remain."""
    user.wait(lambda: not children() & workers, "the end of the worker", _PATIENCE_S)
    user.case.assertEqual(temporary_folders() - folders, set())
