"""The application around the module: scene, files, processes, dialogs, DICOM database, sample data."""

import sys
import time

import numpy as np
import pytest


def test_every_test_starts_with_an_empty_scene_and_slicers_layout(app):
    assert app.slicer.util.getNodesByClass("vtkMRMLVolumeNode") == []
    manager = app.slicer.app.layoutManager()
    assert manager.layout == app.slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView
    assert set(manager.sliceViewNames()) == {"Red", "Green", "Yellow"}


def test_data_nodes_have_items_in_the_subject_hierarchy_which_go_with_them(app):
    hierarchy = app.scene.GetSubjectHierarchyNode()
    node = app.add_volume(np.zeros((2, 3, 4), np.int16))
    assert hierarchy.GetItemParent(hierarchy.GetItemByDataNode(node)) == hierarchy.GetSceneItemID()
    app.scene.RemoveNode(node)
    assert hierarchy.GetNumberOfItems() == 0


def test_the_user_leaves_the_module_for_another_one_and_only_at_the_end_none_is_shown(app):
    names = []
    selector = app.slicer.util.mainWindow().moduleSelector()
    selector.connect("moduleSelected(QString)", lambda name: names.append(name))
    app.load_module()
    app.exit()
    app.close_application()
    assert names == ["MVCTEnhance", "Volumes", ""]


def test_a_saved_scene_comes_back_with_voxels_transform_and_hierarchy(app, tmp_path):
    slicer = app.slicer
    array = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    node = app.add_volume(array, "Tag 1", spacing=(0.8, 0.8, 4.0))
    transform = app.scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "couch")
    node.SetAndObserveTransformNodeID(transform.GetID())
    hierarchy = app.scene.GetSubjectHierarchyNode()
    patient = hierarchy.CreateSubjectItem(hierarchy.GetSceneItemID(), "patient")
    hierarchy.SetItemParent(hierarchy.GetItemByDataNode(node), patient)
    path = app.save_scene(tmp_path / "Szene ä")
    app.close_scene()
    assert slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode") == []
    app.load_scene(path)
    [node] = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
    np.testing.assert_array_equal(slicer.util.arrayFromVolume(node), array)
    assert node.GetName() == "Tag 1" and node.GetParentTransformNode().GetName() == "couch"
    hierarchy = app.scene.GetSubjectHierarchyNode()
    assert hierarchy.GetItemName(hierarchy.GetItemParent(hierarchy.GetItemByDataNode(node))) == "patient"


def test_volumes_are_saved_and_loaded_as_files(app, tmp_path):
    array = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    node = app.add_volume(array, spacing=(1, 2, 3))
    assert app.slicer.util.saveNode(node, str(tmp_path / "a.nrrd"), {})
    again = app.slicer.util.loadVolume(str(tmp_path / "a.nrrd"), {"name": "again"})
    np.testing.assert_array_equal(app.slicer.util.arrayFromVolume(again), array)
    assert again.GetSpacing() == (1, 2, 3) and again.GetName() == "again"


def test_python_slicer_is_a_launcher_whose_child_tells_line_by_line(app):
    lines, codes = [], []
    code = "import time; print('one', flush=True); time.sleep(0.5); print('two')"
    app.slicer.util.launchConsoleProcess(
        ["PythonSlicer", "-c", code], blocking=False, logCallback=lines.append, completedCallback=codes.append
    )
    app.wait(lambda: lines == ["one"])
    assert len(app.child_processes()) == 2
    app.wait(lambda: codes == [0])
    assert lines == ["one", "two"] and app.child_processes() == []


def test_waiting_ends_at_once_on_an_error_and_at_last_in_the_end(app):
    app.qt.QTimer.singleShot(0, lambda: 1 / 0)
    start = time.monotonic()
    with pytest.raises(AssertionError, match="ZeroDivisionError"):
        app.wait(lambda: False, seconds=300)
    assert time.monotonic() - start < 100
    app.failures.take()
    with pytest.raises(AssertionError, match="nothing of what"):
        app.wait(lambda: False, seconds=0.1)


def test_a_dialog_needs_an_answer_that_was_prepared(app):
    confirm = app.slicer.util.confirmOkCancelDisplay
    app.popups.answer_next("ok", "cancel")
    assert confirm("Install torch?") and not confirm("Install torch?")
    with pytest.raises(AssertionError, match="a dialog was shown: Install torch"):
        confirm("Install torch?")
    assert len(app.popups.shown) == 3


def test_what_the_user_could_not_press_cannot_be_clicked(app):
    button = app.qt.QPushButton("Apply")
    with pytest.raises(AssertionError, match="not visible"):
        app.click(button)
    button.show()
    button.enabled = False
    with pytest.raises(AssertionError, match="disabled"):
        app.click(button)


def test_installs_are_recorded_and_need_one_answer(app, tmp_path):
    from slicer import packaging

    (tmp_path / "requirements.txt").write_text("# what is needed\nnumpy\nno-such-package-at-all>=2\n--no-index\n")
    wanted = packaging.load_requirements(str(tmp_path / "requirements.txt"))
    assert [requirement.name for requirement in wanted] == ["numpy", "no-such-package-at-all"]
    app.popups.answer_next("ok")
    packaging.pip_ensure(wanted, constraints=tmp_path / "constraints.txt", requester="MVCT Enhance")
    assert packaging.installs == [
        {"requirements": ["no-such-package-at-all>=2"], "constraints": tmp_path / "constraints.txt"}
    ]
    app.popups.answer_next("cancel")
    with pytest.raises(RuntimeError, match="declined"):
        packaging.pip_ensure(wanted)
    with pytest.raises(TypeError):
        packaging.pip_ensure(wanted, upgrade=True)


def test_the_dicom_database_is_closed_at_first_and_then_finds_files_by_instance(app, tmp_path):
    from DICOMLib import DICOMUtils
    from MVCTEnhanceLib.io import write_dicom_series
    from MVCTEnhanceLib.volume import Volume

    database = app.slicer.dicomDatabase
    assert not database.isOpen
    database.openDatabase(str(tmp_path / "db" / "ctkDICOM.sql"))
    write_dicom_series(Volume(np.zeros((3, 8, 8), np.int16), spacing=(1, 1, 2)), tmp_path / "series", description="a")
    assert DICOMUtils.importDicom(str(tmp_path / "series"), database, True)
    first = database.allFiles()[0]
    series = database.seriesForFile(first)
    assert len(database.filesForSeries(series)) == 3
    assert database.fileForInstance(database.instanceForFile(first)) == first
    assert database.fileValue(first, "0008,0060") == "CT" and database.fileForInstance("1.2.3") == ""


FAILING = """
import subprocess, sys
from harness import fixtures
from harness.fixtures import app

fixtures.PATIENCE_S = 1.0

def test_slot(app):
    button = app.qt.QPushButton()
    button.connect("clicked()", lambda: 1 / 0)
    button.click()

def test_logged(app):
    import logging
    logging.getLogger("x").error("lost")

def test_orphan(app):
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])

def test_adopted_orphan(app):
    code = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])"
    subprocess.run([sys.executable, "-c", code])

def test_leaked_observer(app):
    button = app.qt.QPushButton()
    app.scene.AddObserver(app.scene.EndCloseEvent, lambda *_: button.text)
    button.deleteLater()
    app.run_events()

def test_fine(app):
    pass
"""


@pytest.mark.thorough
def test_errors_that_no_test_looks_for_fail_it(tmp_path):
    pytest.importorskip("PySide6")
    import os
    import subprocess
    from pathlib import Path

    (tmp_path / "test_failing.py").write_text(FAILING)
    env = os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[1])}
    command = [sys.executable, "-m", "pytest", "-rA", "-p", "no:cacheprovider", "--rootdir", str(tmp_path)]
    result = subprocess.run([*command, str(tmp_path)], env=env, capture_output=True, text=True, cwd=tmp_path)
    lines = [line for line in result.stdout.splitlines() if line.startswith(("ERROR ", "FAILED ")) and "::" in line]
    failed = {line.split("::")[1].split()[0] for line in lines}
    assert failed == {"test_slot", "test_logged", "test_orphan", "test_adopted_orphan", "test_leaked_observer"}, (
        result.stdout
    )


def test_tests_are_skipped_with_the_name_of_what_is_missing(monkeypatch):
    from importlib import metadata

    from harness.fixtures import skip_without_needed

    def version(name):
        if name == "PySide6-Essentials":
            raise metadata.PackageNotFoundError(name)
        return "5.13"

    monkeypatch.setattr(metadata, "version", version)
    with pytest.raises(pytest.skip.Exception, match=r"need PySide6 \(pip install PySide6-Essentials\), which is not"):
        skip_without_needed()


def test_other_tests_find_python_as_it_was(tmp_path):
    pytest.importorskip("PySide6")
    assert "qt" not in sys.modules and "ctk" not in sys.modules and "slicer.packaging" not in sys.modules
