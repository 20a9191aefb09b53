"""Qt objects obey PythonQt's rules, so that code which would fail in Slicer fails here."""

import pytest


@pytest.fixture
def button(app):
    button = app.qt.QPushButton("Apply")
    button.setObjectName("applyButton")
    return button


def test_properties_are_attributes_and_cannot_be_called(button):
    assert button.text == "Apply" and button.name == "applyButton"
    button.text = "Cancel"
    assert button.text == "Cancel" and not button.isChecked()
    with pytest.raises(TypeError, match="not callable"):
        button.text()


@pytest.mark.parametrize(("name", "value"), [("txt", "x"), ("onClicked", None), ("setText", "x"), ("clicked", None)])
def test_writing_what_is_no_property_raises(button, name, value):
    with pytest.raises(AttributeError):
        setattr(button, name, value)


@pytest.mark.parametrize(("name", "value"), [("text", None), ("text", 5), ("checkable", None), ("size", 1)])
def test_writing_a_value_of_a_wrong_type_raises(button, name, value):
    with pytest.raises(ValueError, match="does not accept"):
        setattr(button, name, value)


def test_values_that_are_no_objects_take_no_new_attributes_either(app):
    with pytest.raises(AttributeError):
        app.qt.QTableWidgetItem("0.95").toolTip = "as expected"


def test_reading_what_there_is_not_raises(button):
    with pytest.raises(AttributeError, match="no attribute named 'label'"):
        button.label()


def test_dynamic_properties_and_children_by_name_are_attributes(app, button):
    panel = app.qt.QWidget()
    button.setParent(panel)
    panel.setProperty("step", 3)
    assert panel.applyButton is button and panel.step == 3
    panel.step = 4
    assert panel.property("step") == 4


def test_python_subclasses_may_have_attributes_of_their_own(app):
    class Panel(app.qt.QWidget):
        def __init__(self):
            super().__init__()
            self.rows = []

    assert Panel().rows == []


@pytest.mark.parametrize("signature", ["cliked()", "clicked(int)", "textChanged(QString)", "currentIndexChanged(int)"])
def test_connecting_a_signal_that_does_not_exist_raises(button, signature):
    with pytest.raises(ValueError, match="does not exist"):
        button.connect(signature, print)


@pytest.mark.parametrize("signature", ["clicked", "", None])
def test_connecting_something_that_is_no_signature_raises(button, signature):
    with pytest.raises(TypeError, match="no signal signature"):
        button.connect(signature, print)


def test_a_slot_gets_as_many_arguments_as_it_names(button):
    heard = []
    button.connect("clicked(bool)", lambda: heard.append("none"))
    button.connect("clicked(bool)", heard.append)
    button.clicked.connect(lambda checked: heard.append(("bool", checked)))
    button.click()
    assert heard == ["none", False, ("bool", False)]


def test_an_error_in_a_slot_is_kept_and_other_slots_are_called(app, button):
    heard = []
    button.connect("clicked()", lambda: 1 / 0)
    button.connect("clicked()", lambda needed: None)
    button.connect("clicked()", lambda: heard.append("called"))
    button.click()
    first, second = app.failures.take()
    assert "ZeroDivisionError" in first and "missing 1 required positional argument" in second and heard == ["called"]


def test_an_error_in_a_timer_or_an_observer_is_kept_and_so_is_a_logged_one(app):
    import logging

    app.qt.QTimer.singleShot(0, lambda: [][1])
    app.scene.AddObserver(app.scene.NodeAddedEvent, lambda *_: {}["x"])
    app.scene.AddNewNodeByClass("vtkMRMLTextNode")
    app.run_events()
    logging.getLogger("panel").error("the worker did not answer")
    app.scene.AddNewNodeByClass("vtkMRMLNoSuchNode")
    found = "\n".join(app.failures.take())
    for text in ("IndexError", "KeyError", "the worker did not answer", "vtkMRMLNoSuchNode"):
        assert text in found


def test_disconnecting_tells_whether_there_was_a_connection(button):
    heard = []
    button.connect("clicked()", heard.append)
    assert button.disconnect("clicked()", heard.append) and not button.disconnect("clicked()", heard.append)
    button.click()
    assert heard == []


def test_signals_of_stand_ins_are_checked_too(app):
    import ctk

    slider = ctk.ctkSliderWidget()
    heard = []
    slider.connect("valueChanged(double)", heard.append)
    slider.maximum = 1.0
    slider.value = 2.0
    assert heard == [1.0]
    with pytest.raises(ValueError, match="does not exist"):
        slider.connect("valueChanged(int)", heard.append)
    with pytest.raises(AttributeError):
        slider.maximumValue = 3.0
    with pytest.raises(ValueError, match="does not accept"):
        slider.value = "half"


def test_a_slider_without_a_spin_box_shows_none(app):
    import ctk

    slider = ctk.ctkSliderWidget()
    slider.show()
    spin_box = slider.findChild(app.qt.QDoubleSpinBox)
    assert spin_box.isVisible()
    slider.spinBoxVisible = False
    assert slider.isVisible() and not spin_box.isVisible()


def test_pyside_ways_that_slicer_has_not_are_gone(app):
    for name in ("Signal", "Slot", "Property"):
        assert not hasattr(app.qt, name)
    assert not hasattr(app.slicer.util, "LazyImport")
    with pytest.raises(AssertionError, match="must not call processEvents"):
        app.slicer.app.processEvents()
    with pytest.raises(TypeError):
        app.qt.QComboBox().currentIndexChanged[str]
