"""A .ui file with what Slicer would only warn of is refused."""

import pytest

UI = """<?xml version="1.0" encoding="UTF-8"?>
<ui version="4.0">
 <class>Panel</class>
 <widget class="qMRMLWidget" name="Panel">
  <layout class="QVBoxLayout" name="layout">
   <property name="leftMargin"><number>3</number></property>
   <item>
    <widget class="ctkCollapsibleButton" name="inputs">
     <property name="text"><string>Inputs</string></property>
     <property name="collapsed"><bool>true</bool></property>
     <layout class="QFormLayout" name="form">
      <item row="0" column="0">
       <widget class="QLabel" name="label">
        <property name="text"><string>MVCT</string></property>
        <property name="buddy"><cstring>selector</cstring></property>
       </widget>
      </item>
      <item row="0" column="1">
       <widget class="qMRMLNodeComboBox" name="selector">
        <property name="nodeTypes"><stringlist><string>vtkMRMLScalarVolumeNode</string></stringlist></property>
        <property name="noneEnabled"><bool>true</bool></property>
        <property name="SlicerParameterName" stdset="0"><string>mvct</string></property>
       </widget>
      </item>
     </layout>
    </widget>
   </item>
  </layout>
 </widget>
 <connections>
  <connection>
   <sender>Panel</sender>
   <signal>mrmlSceneChanged(vtkMRMLScene*)</signal>
   <receiver>selector</receiver>
   <slot>setMRMLScene(vtkMRMLScene*)</slot>
  </connection>
 </connections>
</ui>
"""


@pytest.fixture
def load(app, tmp_path):
    """Function: loads the file above, in which one text is replaced by another."""

    def load(old="", new=""):
        assert old in UI
        (tmp_path / "panel.ui").write_text(UI.replace(old, new) if old else UI)
        return app.slicer.util.loadUI(str(tmp_path / "panel.ui"))

    return load


def test_widgets_have_their_properties_and_the_scene_reaches_them(app, load):
    panel = load()
    ui = app.slicer.util.childWidgetVariables(panel)
    assert ui.selector.nodeTypes == ("vtkMRMLScalarVolumeNode",) and ui.selector.noneEnabled
    assert ui.selector.property("SlicerParameterName") == "mvct" and ui.label.buddy() is ui.selector
    panel.setMRMLScene(app.scene)
    assert ui.selector.mrmlScene() is app.scene and ui.selector.enabled


def test_children_of_a_collapsed_section_are_hidden_until_it_is_expanded(app, load):
    panel = load()
    ui = app.slicer.util.childWidgetVariables(panel)
    panel.show()
    assert not ui.selector.isVisible()
    ui.label.setVisible(True)
    assert not ui.label.isVisible()
    ui.inputs.collapsed = False
    assert ui.selector.isVisible() and ui.label.isVisible()
    ui.label.setVisible(False)
    app.click(ui.inputs)
    app.click(ui.inputs)
    assert ui.selector.isVisible() and not ui.label.isVisible()


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('class="ctkCollapsibleButton"', 'class="ctkCollapsableButton"', "unknown"),
        ('name="noneEnabled"', 'name="noneEnable"', "no property noneEnable"),
        ('name="collapsed"', 'name="colapsed"', "no property colapsed"),
        (' stdset="0"', "", "no property SlicerParameterName"),
        ('name="leftMargin"', 'name="leftMargins"', "no property leftMargins"),
        ("mrmlSceneChanged", "sceneChanged", "does not exist"),
        ("<slot>setMRMLScene", "<slot>setScene", "no slot"),
        ("<receiver>selector", "<receiver>chooser", "unknown"),
        ('name="label"', 'name="selector"', "used twice"),
    ],
)
def test_mistakes_are_refused(load, old, new, words):
    with pytest.raises(ValueError, match=words):
        load(old, new)
