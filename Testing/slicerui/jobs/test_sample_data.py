"""The phantom in the Sample Data module: made by the real worker, loaded into the scene."""

import numpy as np
import pytest
from slicerui.scans import temporary_files

pytestmark = pytest.mark.integration


@pytest.fixture
def sample_data(app):
    from MVCTEnhanceLib.slicerui.jobs import sample_data

    sample_data.register()
    return sample_data


def the_source(app, sample_data):
    sources = app.slicer.modules.sampleDataSources[sample_data.CATEGORY]
    return [source for source in sources if source.sampleName == "MVCT phantom"]


def names(app) -> list[str]:
    return [node.GetName() for node in app.slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")]


def test_the_button_makes_and_loads_the_phantom_while_slicer_goes_on(app, small_phantom, sample_data):
    source = the_source(app, sample_data)[0]
    source.customDownloader(source)
    assert names(app) == []  # it has only begun
    app.wait(lambda: len(names(app)) == 2)
    mvct, planning_ct = (app.slicer.util.getNode(name) for name in ("MVCTPhantom", "PlanningCTPhantom"))
    voxels = app.slicer.util.arrayFromVolume(mvct)
    assert voxels.dtype == np.int16 and voxels.min() < -900 and voxels.max() > 0
    assert mvct.GetDisplayNode().GetWindow() == planning_ct.GetDisplayNode().GetWindow() == 400
    assert mvct.GetStorageNode() is None  # its file is gone
    app.run_events(0.2)
    assert temporary_files(app) == [] and app.child_processes() == []


def test_a_click_on_the_button_is_answered_at_once(app, small_phantom, sample_data):
    sample_data.download()
    assert app.slicer.util.mainWindow().statusBar().currentMessage() == "Making the phantom…"
    app.wait(lambda: "are loaded" in app.slicer.util.mainWindow().statusBar().currentMessage())


@pytest.mark.thorough
def test_a_script_can_wait_for_it(app, small_phantom, sample_data):
    mvct, planning_ct = sample_data.make_phantom_and_wait()
    assert (mvct.GetName(), planning_ct.GetName()) == ("MVCTPhantom", "PlanningCTPhantom")


def test_it_is_offered_once_also_after_a_reload(app, sample_data):
    before = the_source(app, sample_data)[0].customDownloader
    sample_data.register()
    assert len(the_source(app, sample_data)) == 1
    assert the_source(app, sample_data)[0].thumbnailFileName.endswith(".png")
    assert before is the_source(app, sample_data)[0].customDownloader


def test_missing_packages_are_told_in_the_status_bar_and_make_nothing(app, small_phantom, sample_data, monkeypatch):
    from MVCTEnhanceLib.errors import MVCTEnhanceError

    told = []
    monkeypatch.setattr(app.slicer.util, "showStatusMessage", lambda text, duration=0: told.append(text))
    monkeypatch.setattr(sample_data.dependencies, "ensure", _refuse(MVCTEnhanceError("Nothing was installed.")))
    sample_data.download()
    assert told == ["Nothing was installed."] and app.child_processes() == []


def test_packages_come_from_the_wheel_folder_of_this_computer(app, small_phantom, sample_data, monkeypatch, tmp_path):
    from MVCTEnhanceLib.errors import MVCTEnhanceError
    from MVCTEnhanceLib.slicerui.install import pip_settings

    asked = []

    def ensure(*, wheel_folder):
        asked.append(wheel_folder)
        raise MVCTEnhanceError("No.")

    monkeypatch.setattr(sample_data.dependencies, "ensure", ensure)
    pip_settings.remember_wheels(str(tmp_path))
    sample_data.download()
    assert asked == [tmp_path]


def test_after_a_reload_a_button_that_is_there_already_calls_the_new_module(app):
    import sys

    from slicerui.panels import reload

    app.load_module()
    old = sys.modules["MVCTEnhanceLib.slicerui.jobs.sample_data"]
    source = the_source(app, old)[0]
    assert source.customDownloader is old.download
    reload(app)
    new = sys.modules["MVCTEnhanceLib.slicerui.jobs.sample_data"]
    assert new is not old and source.customDownloader is new.download
    assert the_source(app, new) == [source]


def _refuse(error):
    def ensure(*_, **__):
        raise error

    return ensure


def test_closing_the_scene_or_the_module_ends_it(app, small_phantom, sample_data):
    for end in (app.close_scene, sample_data.cancel_all):
        sample_data.download()
        app.wait(app.child_processes)
        end()
        app.run_events()
        assert app.child_processes() == [] and temporary_files(app) == []
    assert names(app) == []
