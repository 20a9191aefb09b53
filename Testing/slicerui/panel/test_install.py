"""Installing packages from the panel."""

import pytest
from slicerui.panels import is_idle, open_with_scan, parameters, reload


class Pip:
    """Stands for what is missing and for its installation; remembers how the panel looked meanwhile."""

    def __init__(self, app, error: Exception | None = None):
        self.app, self.error, self.is_missing, self.folders, self.looks = app, error, True, [], []

    def missing(self, *folder):
        return ["torch>=2.4"] if self.is_missing else []

    def ensure(self, *folder, wheel_folder=None, ask=None):
        self.folders.append(wheel_folder)
        assert ask("Install?", "torch>=2.4")
        ui = self.app.ui
        self.looks.append((ui.statusLabel.text, ui.applyButton.enabled, ui.installButton.enabled))
        if self.error:
            raise self.error
        self.is_missing = False


@pytest.fixture
def pip(app, monkeypatch):
    """A panel with a scan, on a computer where packages are missing."""
    from MVCTEnhanceLib.slicerui.install import dependencies

    pip = Pip(app)
    monkeypatch.setattr(dependencies, "missing", pip.missing)
    monkeypatch.setattr(dependencies, "ensure", pip.ensure)
    open_with_scan(app)
    app.ui.installGroupBox.collapsed = False
    return pip


def test_packages_can_be_installed_without_a_scan(app, pip, tmp_path):
    app.choose(app.ui.mvctSelector, None)
    app.type_text(app.ui.wheelPathLineEdit, str(tmp_path))
    app.popups.answer_next("ok")
    app.click(app.ui.installButton)
    assert pip.folders == [tmp_path]
    assert app.ui.statusLabel.text == "The Python packages are installed."
    assert not app.ui.installButton.enabled and "are installed" in app.ui.installButton.toolTip


def test_there_is_nothing_to_install_where_nothing_is_missing(app):
    app.load_module()
    assert not app.ui.installButton.enabled and "are installed" in app.ui.installButton.toolTip


def test_during_an_installation_nothing_else_can_be_started_and_the_status_says_how_long_it_takes(app, pip):
    app.popups.answer_next("ok")
    app.click(app.ui.installButton)
    ((text, can_apply, can_install),) = pip.looks
    assert "minutes" in text
    assert not can_apply and not can_install
    assert app.ui.applyButton.enabled


def test_an_unexpected_error_ends_in_a_sentence_and_the_panel_can_be_used_again(app, pip):
    pip.error = AttributeError("no such thing")
    app.popups.answer_next("ok")
    app.click(app.ui.applyButton)
    assert app.ui.statusLabel.text == "Unexpected AttributeError: see Slicer's Python console."
    assert is_idle(app) and app.ui.applyButton.enabled and app.ui.installButton.enabled
    assert any("no such thing" in failure for failure in app.failures.take())  # for the console


def test_a_refusal_is_said_and_it_may_be_tried_again(app, pip):
    from MVCTEnhanceLib.errors import MVCTEnhanceError

    pip.error = MVCTEnhanceError("Nothing was installed.")
    app.popups.answer_next("ok")
    app.click(app.ui.installButton)
    assert app.ui.statusLabel.text == "Nothing was installed." and app.ui.installButton.enabled


def test_the_wheel_folder_belongs_to_the_computer_until_it_is_emptied(app, pip, tmp_path):
    app.type_text(app.ui.wheelPathLineEdit, str(tmp_path))
    app.close_scene()
    assert parameters(app).wheelFolder == tmp_path and app.ui.wheelPathLineEdit.currentPath == str(tmp_path)
    app.type_text(app.ui.wheelPathLineEdit, "")
    app.close_scene()
    assert app.ui.wheelPathLineEdit.currentPath == ""


def test_a_scene_from_elsewhere_does_not_change_the_computer_s_wheel_folder(app, pip, tmp_path):
    from MVCTEnhanceLib.slicerui.install import pip_settings

    app.type_text(app.ui.wheelPathLineEdit, str(tmp_path))
    parameters(app).wheelFolder = tmp_path / "elsewhere"
    assert pip_settings.remembered_wheels() == tmp_path


@pytest.mark.integration
def test_the_wheel_folder_is_there_after_a_reload(app, tmp_path):
    open_with_scan(app)
    app.ui.installGroupBox.collapsed = False
    app.type_text(app.ui.wheelPathLineEdit, str(tmp_path))
    reload(app)
    assert app.ui.wheelPathLineEdit.currentPath == str(tmp_path)
