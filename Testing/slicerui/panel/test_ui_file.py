"""The .ui file: classes, names, parameters, tool tips and keyboard order."""

import re
import typing
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

UI = Path(__file__).resolve().parents[3] / "MVCTEnhance" / "Resources" / "UI" / "MVCTEnhance.ui"
LIBRARY = UI.parents[2] / "MVCTEnhanceLib" / "slicerui"
CONTAINERS = {"qMRMLWidget", "ctkCollapsibleButton", "ctkCollapsibleGroupBox", "QWidget"}
# Classes that Slicer's loader of .ui files knows, and those of their properties that are used.
SLICER_CLASSES = {
    "qMRMLWidget": set(),
    "qMRMLNodeComboBox": {
        "nodeTypes", "showChildNodeTypes", "noneEnabled", "addEnabled", "removeEnabled", "renameEnabled", "baseName",
        "noneDisplay", "sizeAdjustPolicy",
    },
    "ctkCollapsibleButton": {"text", "collapsed"},
    "ctkCollapsibleGroupBox": {"title", "collapsed"},
    "ctkPathLineEdit": {"filters", "nameFilters", "settingKey"},
    "ctkSliderWidget": {
        "singleStep", "pageStep", "minimum", "maximum", "value", "decimals", "spinBoxVisible", "suffix",
    },
}  # fmt: skip
COMMON = {"toolTip", "geometry", "sizePolicy", "SlicerParameterName"}


@pytest.fixture(scope="module")
def ui() -> ET.Element:
    return ET.parse(UI).getroot()


def widgets(ui) -> dict[str, ET.Element]:
    return {widget.get("name"): widget for widget in ui.iter("widget")}


def value(widget, name: str):
    entry = next((entry for entry in widget.findall("property") if entry.get("name") == name), None)
    return None if entry is None else (entry[0].text or "")


def parameters(ui) -> dict[str, str]:
    """Parameter name -> class of the widget that is bound to it."""
    return {
        value(widget, "SlicerParameterName"): widget.get("class")
        for widget in ui.iter("widget")
        if value(widget, "SlicerParameterName")
    }


def test_names_are_there_and_used_once(ui):
    names = [widget.get("name") for widget in ui.iter("widget")]
    assert all(names) and len(names) == len(set(names))


def test_every_class_that_is_not_qt_s_is_declared_and_has_only_properties_that_slicer_knows(ui):
    declared = {entry.findtext("class") for entry in ui.iter("customwidget")}
    used = {widget.get("class") for widget in ui.iter("widget") if not re.match(r"Q[A-Z]", widget.get("class"))}
    assert used == declared == set(SLICER_CLASSES)
    for widget in ui.iter("widget"):
        if widget.get("class") in SLICER_CLASSES:
            found = {entry.get("name") for entry in widget.findall("property")}
            assert found <= SLICER_CLASSES[widget.get("class")] | COMMON, widget.get("name")


def test_the_loader_takes_the_file_and_every_widget_is_found_by_its_name(app, ui):
    app.load_module()
    for name, widget in widgets(ui).items():
        if name != "MVCTEnhance":
            assert getattr(app.ui, name).className() == widget.get("class")


def test_dynamic_properties_are_marked_as_such(ui):
    for entry in ui.iter("property"):
        assert (entry.get("stdset") == "0") == (entry.get("name") == "SlicerParameterName") or entry.get(
            "name"
        ) == "sizeHint"


def test_every_bound_parameter_is_one_of_the_parameter_node_with_a_type_that_its_widget_can_show(app, ui):
    import pathlib

    app.load_module()
    import MVCTEnhance

    hints = typing.get_type_hints(MVCTEnhance.MVCTEnhanceParameterNode, include_extras=True)
    assert set(parameters(ui)) <= set(hints)
    for name, cls in parameters(ui).items():
        kind = hints[name]
        kind = typing.get_args(kind)[0] if typing.get_origin(kind) is typing.Annotated else kind
        expected = {
            "QCheckBox": {bool},
            "QDoubleSpinBox": {float},
            "ctkSliderWidget": {float, int},
            "ctkPathLineEdit": {pathlib.Path},
        }
        if cls in expected:
            assert kind in expected[cls], name
        else:
            assert cls == "qMRMLNodeComboBox", name


def test_every_parameter_is_bound_in_the_file_or_by_hand(app, ui):
    app.load_module()
    import MVCTEnhance

    code = "".join(path.read_text(encoding="utf-8") for path in LIBRARY.rglob("*.py"))
    by_hand = {name for name in MVCTEnhance.MVCTEnhanceParameterNode.allParameters if name not in parameters(ui)}
    assert by_hand == {
        "segmentID",
        "model",
        "site",
        "device",
        "readouts",
        "chartReadout",
        "courseScans",
        "courseFolder",
        "exportFolder",
        "wheelFolder",
    }
    for name in by_hand:
        assert f"parameters.{name}" in code or f'"{name}"' in code, name


def test_node_selectors_get_the_scene_and_offer_the_nodes_of_their_parameter(app, ui):
    selectors = {name: widget for name, widget in widgets(ui).items() if widget.get("class") == "qMRMLNodeComboBox"}
    wired = {
        entry.findtext("receiver") for entry in ui.iter("connection") if entry.findtext("slot").startswith("setMRML")
    }
    assert wired == set(selectors)
    app.load_module()
    for name in selectors:
        assert getattr(app.ui, name).mrmlScene() is app.scene


def test_inputs_cannot_be_made_or_deleted_here_and_outputs_can(ui):
    for name in ("mvctSelector", "planningCTSelector", "regionSelector"):
        assert value(widgets(ui)[name], "addEnabled") == value(widgets(ui)[name], "removeEnabled") == "false"
    for name in ("enhancedSelector", "differenceSelector", "cycleErrorSelector"):
        assert value(widgets(ui)[name], "addEnabled") == value(widgets(ui)[name], "noneEnabled") == "true"


def test_every_widget_has_a_tool_tip(ui):
    without = [name for name, widget in widgets(ui).items() if not value(widget, "toolTip")]
    assert without == ["MVCTEnhance"]


def without_tool_tip(app) -> list[str]:
    shown = {name: entry for name, entry in vars(app.ui).items() if entry.isWidgetType() and entry.isVisible()}
    own = {name: widget for name, widget in shown.items() if not name.startswith("qt_")}  # else Qt shows the parent's
    return [name for name, widget in own.items() if not widget.toolTip and name != "MVCTEnhance"]


@pytest.mark.integration
def test_every_visible_widget_has_a_tool_tip_at_run_time_too(app):
    from slicerui.panels import choose_result, open_with_scan
    from slicerui.results import add_result

    app.load_module()
    for widget in vars(app.ui).values():
        if widget.className() in ("ctkCollapsibleButton", "ctkCollapsibleGroupBox"):
            widget.collapsed = False
    app.run_events()
    assert without_tool_tip(app) == []
    mvct = open_with_scan(app)
    app.choose(app.ui.modelComboBox, "Your own model file…")
    assert app.ui.modelPathLineEdit.isVisible() and without_tool_tip(app) == []
    choose_result(app, add_result(app, mvct))
    app.click(app.ui.reviewButton)
    assert app.ui.metricsTable.isVisible() and without_tool_tip(app) == []


def test_every_label_of_a_field_has_it_as_its_buddy(ui):
    labels = [widget for widget in ui.iter("widget") if widget.get("class") == "QLabel"]
    fields = [widget for widget in labels if (value(widget, "text") or "").endswith(":")]
    assert len(fields) >= 14
    for widget in fields:
        assert value(widget, "buddy") in widgets(ui), widget.get("name")


def test_the_keyboard_reaches_every_control_from_top_to_bottom(ui):
    stops = [entry.text for entry in ui.find("tabstops")]
    passive = {"QLabel", "QProgressBar", "qMRMLWidget"}
    order = [name for name, widget in widgets(ui).items() if widget.get("class") not in passive]
    assert stops == order


def test_texts_can_be_translated(ui):
    for entry in ui.iter("string"):
        assert entry.get("notr") is None or entry.text.startswith("vtkMRML")


def test_no_code_asks_for_a_widget_that_is_not_there(ui):
    known = set(widgets(ui))
    for path in LIBRARY.rglob("*.py"):
        asked = set(re.findall(r"\bui\.(\w+)", path.read_text(encoding="utf-8")))
        assert asked <= known, path.name
