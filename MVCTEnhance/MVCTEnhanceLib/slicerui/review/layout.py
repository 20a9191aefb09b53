"""The layout of the comparison: MVCT, enhanced scan and difference map side by side over the chart."""

from __future__ import annotations

from xml.sax.saxutils import escape

import slicer
from slicer.i18n import tr as _

REVIEW_LAYOUT = 7421  # any number above vtkMRMLLayoutNode.SlicerLayoutUserView that no other module takes
VIEW_GROUP = 7421  # links these views with each other and with no other
MVCT_VIEW, ENHANCED_VIEW, DIFFERENCE_VIEW = "MVCTEnhanceMVCT", "MVCTEnhanceEnhanced", "MVCTEnhanceDifference"
SLICE_VIEWS = (MVCT_VIEW, ENHANCED_VIEW, DIFFERENCE_VIEW)
CHART_VIEW = "MVCTEnhanceChart"

_SLICE_ITEM = """
    <item>
     <view class="vtkMRMLSliceNode" singletontag="{tag}">
      <property name="orientation" action="default">Axial</property>
      <property name="viewlabel" action="default">{label}</property>
      <property name="viewcolor" action="default">{colour}</property>
      <property name="viewgroup" action="default">{group}</property>
     </view>
    </item>"""
_LAYOUT = """
<layout type="vertical" split="true">
 <item splitSize="680">
  <layout type="horizontal">{slices}
  </layout>
 </item>
 <item splitSize="320">
  <view class="vtkMRMLPlotViewNode" singletontag="{chart}">
   <property name="viewlabel" action="default">{label}</property>
   <property name="viewgroup" action="default">{group}</property>
  </view>
 </item>
</layout>"""


def layout_description() -> str:
    """The layout as Slicer's XML."""
    views = [
        (MVCT_VIEW, _("MVCT"), "#E8963C"),
        (ENHANCED_VIEW, _("Enhanced"), "#6FA8E8"),
        (DIFFERENCE_VIEW, _("Difference"), "#B0B0B0"),
    ]
    slices = "".join(
        _SLICE_ITEM.format(tag=tag, label=escape(label), colour=colour, group=VIEW_GROUP)
        for tag, label, colour in views
    )
    return _LAYOUT.format(slices=slices, chart=CHART_VIEW, label=escape(_("Chart")), group=VIEW_GROUP).strip()


def register_layout() -> None:
    """Tell the application of the layout, or of how it is now after a reload."""
    manager = slicer.app.layoutManager()
    if manager is None:  # an application without a main window
        return
    node = manager.layoutLogic().GetLayoutNode()
    if not node.AddLayoutDescription(REVIEW_LAYOUT, layout_description()):
        node.SetLayoutDescription(REVIEW_LAYOUT, layout_description())
    if node.GetViewArrangement() == REVIEW_LAYOUT:
        node.SetViewArrangement(REVIEW_LAYOUT)  # a scene that asked for the layout before it was known has no views


def is_shown() -> bool:
    """Whether the application shows this layout."""
    manager = slicer.app.layoutManager()
    return manager is not None and manager.layout == REVIEW_LAYOUT


def slice_logic(view: str):
    """The vtkMRMLSliceLogic of one of SLICE_VIEWS; None as long as the view has never been shown."""
    return slicer.app.applicationLogic().GetSliceLogicByLayoutName(view)


def chart_view_node():
    """The vtkMRMLPlotViewNode of the chart; None as long as it has never been shown."""
    nodes = slicer.util.getNodesByClass("vtkMRMLPlotViewNode")
    return next((node for node in nodes if node.GetLayoutName() == CHART_VIEW), None)


def plot_widgets() -> list:
    """The qMRMLPlotWidget of every plot that has been shown."""
    manager = slicer.app.layoutManager()
    return [manager.plotWidget(index) for index in range(manager.plotViewCount)] if manager else []
