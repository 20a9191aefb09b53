"""The module's self-test: what a user does from the sample data to a saved scene, without the panel."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import slicer
import slicer.util
import vtk

from . import dependencies, sample_data
from .models import choose_model
from .outputs import ROLE_MVCT, result_of
from .readout_nodes import BY_SLICE_ROLE, CHART_ROLE, update_chart, update_tables
from .review import Review, ReviewVolumes, jump_to_slice
from .review_layout import ENHANCED_VIEW, MVCT_VIEW, slice_logic

_SLICES = slice(10, 14)  # of the phantom, so that the test takes seconds


def run(case, logic) -> None:
    """Run all steps.

    Args:
        case: the unittest.TestCase of the module.
        logic: an MVCTEnhanceLogic.
    """
    case.delayDisplay("The models can be listed")
    case.assertGreater(choose_model("").plan.spacing_mm, 0)
    missing = dependencies.missing()
    if missing:
        case.delayDisplay(f"Not tested further, since packages are missing: {', '.join(missing)}")
        return
    mvct, planning_ct = _sample_data(case)
    result = _enhance(case, logic, mvct, planning_ct)
    _read(case, result)
    _review(case, result)
    with tempfile.TemporaryDirectory() as folder:
        _export(case, logic, result, Path(folder))
        _save_and_load(case, Path(folder), result.enhanced.GetName())
    case.delayDisplay("All steps passed")


def _sample_data(case):
    case.delayDisplay("The phantom is made and loaded")
    scans = sample_data.make_phantom_and_wait()
    return [_shortened(scan) for scan in scans]


def _shortened(scan):
    """A few slices of a volume node, as a new one in the same place."""
    to_ras = vtk.vtkMatrix4x4()
    scan.GetIJKToRASMatrix(to_ras)
    first = _SLICES.start if scan.GetImageData().GetDimensions()[2] >= _SLICES.stop else 0
    for row in range(3):
        to_ras.SetElement(row, 3, to_ras.GetElement(row, 3) + first * to_ras.GetElement(row, 2))
    array = slicer.util.arrayFromVolume(scan)[first : first + _SLICES.stop - _SLICES.start]
    return slicer.util.addVolumeFromArray(np.array(array), to_ras, f"{scan.GetName()} short")


def _enhance(case, logic, mvct, planning_ct):
    case.delayDisplay("The phantom's MVCT is enhanced")
    before = np.array(slicer.util.arrayFromVolume(mvct))
    stages = set()
    result = logic.enhance(mvct, planningCT=planning_ct, onProgress=lambda stage, *counts: stages.add(stage))
    case.assertTrue(stages)
    case.assertTrue(np.array_equal(slicer.util.arrayFromVolume(mvct), before))
    case.assertEqual(slicer.util.arrayFromVolume(result.enhanced).shape, before.shape)
    case.assertEqual(result.enhanced.GetOrigin(), mvct.GetOrigin())
    case.assertIs(result.enhanced.GetNodeReference(ROLE_MVCT), mvct)
    return result


def _read(case, result) -> None:
    case.delayDisplay("Readouts, verdicts, tables and chart")
    noise = [result.readouts[scan]["noise_hu"]["mean"] for scan in ("mvct", "enhanced")]
    case.assertLess(noise[1], noise[0])
    case.assertIn("planning_ct", result.readouts["verdicts"])
    update_tables(result.enhanced, result.readouts)
    chart = update_chart(result.enhanced, result.readouts, "noise_hu")
    case.assertEqual(chart.GetNumberOfPlotSeriesNodes(), 3)
    count = result.enhanced.GetImageData().GetDimensions()[2]
    case.assertEqual(result.enhanced.GetNodeReference(BY_SLICE_ROLE).GetNumberOfRows(), count)


def _review(case, result) -> None:
    if slicer.app.layoutManager() is None:
        return
    case.delayDisplay("MVCT, enhanced scan and difference map side by side")
    review = Review()
    review.show(ReviewVolumes(result.enhanced.GetNodeReference(ROLE_MVCT), result.enhanced, result.difference), 0.25)
    composite = slice_logic(ENHANCED_VIEW).GetSliceCompositeNode()
    case.assertEqual(composite.GetForegroundVolumeID(), result.enhanced.GetID())
    case.assertAlmostEqual(composite.GetForegroundOpacity(), 0.25)
    jump_to_slice(result.enhanced, 1)
    case.assertEqual(slice_logic(MVCT_VIEW).GetSliceIndexFromOffset(slice_logic(MVCT_VIEW).GetSliceOffset()), 2)
    review.leave()
    review.close()


def _export(case, logic, result, folder: Path) -> None:
    case.delayDisplay("Readouts, report and DICOM are exported")
    table = logic.exportReadouts(result.enhanced, folder / "readouts.csv").read_text(encoding="utf-8")
    case.assertEqual(len(table.splitlines()), 1 + result.enhanced.GetImageData().GetDimensions()[2])
    case.assertTrue(Path(logic.exportReport(result.enhanced, folder / "report")).is_file())
    series = logic.exportDicom(result.enhanced, folder / "dicom")
    case.assertEqual(len(list((folder / "dicom").iterdir())), series.slices)


def _save_and_load(case, folder: Path, name: str) -> None:
    case.delayDisplay("The scene is saved and loaded again")
    case.assertTrue(slicer.util.saveScene(str(folder / "scene")))
    slicer.mrmlScene.Clear(0)
    slicer.util.loadScene(str(next((folder / "scene").rglob("*.mrml"))))
    loaded = result_of(slicer.util.getNode(name))
    case.assertIsNotNone(loaded)
    case.assertIsNotNone(loaded.difference)
    case.assertIsNotNone(loaded.enhanced.GetNodeReference(CHART_ROLE))
