"""The layouts of the comparison: MVCT (or another model), enhanced scan and difference side by side over the chart."""

from __future__ import annotations

from xml.sax.saxutils import escape

import slicer
from slicer.i18n import tr as _

REVIEW_LAYOUT = 7421  # any number above vtkMRMLLayoutNode.SlicerLayoutUserView that no other module takes
MODELS_LAYOUT = 7422
VIEW_GROUP = 7421  # links these views with each other and with no other
MVCT_VIEW, ENHANCED_VIEW, DIFFERENCE_VIEW = "MVCTEnhanceMVCT", "MVCTEnhanceEnhanced", "MVCTEnhanceDifference"
OTHER_VIEW = "MVCTEnhanceOtherModel"
SLICE_VIEWS = (MVCT_VIEW, ENHANCED_VIEW, DIFFERENCE_VIEW)
VIEWS = {REVIEW_LAYOUT: SLICE_VIEWS, MODELS_LAYOUT: (OTHER_VIEW, ENHANCED_VIEW, DIFFERENCE_VIEW)}
"""The slice views of each layout, from left to right."""
CHART_VIEW = "MVCTEnhanceChart"

_COLOURS = {MVCT_VIEW: "#E8963C", OTHER_VIEW: "#8FC98A", ENHANCED_VIEW: "#6FA8E8", DIFFERENCE_VIEW: "#B0B0B0"}
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


def label_of(view: str) -> str:
    """What is written above a view, as long as it shows what it is there for."""
    return {
        MVCT_VIEW: _("MVCT"),
        OTHER_VIEW: _("Other model"),
        ENHANCED_VIEW: _("Enhanced"),
        DIFFERENCE_VIEW: _("Difference"),
    }[view]


def layout_description(layout: int = REVIEW_LAYOUT) -> str:
    """A layout of VIEWS as Slicer's XML."""
    slices = "".join(
        _SLICE_ITEM.format(tag=tag, label=escape(label_of(tag)), colour=_COLOURS[tag], group=VIEW_GROUP)
        for tag in VIEWS[layout]
    )
    return _LAYOUT.format(slices=slices, chart=CHART_VIEW, label=escape(_("Chart")), group=VIEW_GROUP).strip()


def register_layout() -> None:
    """Tell the application of the layouts, or of how they are now after a reload."""
    manager = slicer.app.layoutManager()
    if manager is None:  # an application without a main window
        return
    node = manager.layoutLogic().GetLayoutNode()
    for layout in VIEWS:
        if not node.AddLayoutDescription(layout, layout_description(layout)):
            node.SetLayoutDescription(layout, layout_description(layout))
    if node.GetViewArrangement() in VIEWS:  # a scene that asked for the layout before it was known has no views
        node.SetViewArrangement(node.GetViewArrangement())


def is_shown() -> bool:
    """Whether the application shows one of these layouts."""
    return bool(shown_views())


def shown_views() -> tuple[str, ...]:
    """The slice views of the layout that is shown, from left to right; none where it is another module's."""
    manager = slicer.app.layoutManager()
    return VIEWS.get(manager.layout, ()) if manager is not None else ()


def slice_logic(view: str):
    """The vtkMRMLSliceLogic of one of VIEWS; None as long as the view has never been shown."""
    return slicer.app.applicationLogic().GetSliceLogicByLayoutName(view)


def chart_view_node():
    """The vtkMRMLPlotViewNode of the chart; None as long as it has never been shown."""
    nodes = slicer.util.getNodesByClass("vtkMRMLPlotViewNode")
    return next((node for node in nodes if node.GetLayoutName() == CHART_VIEW), None)


def plot_widgets() -> list:
    """The qMRMLPlotWidget of every plot that has been shown."""
    manager = slicer.app.layoutManager()
    return [manager.plotWidget(index) for index in range(manager.plotViewCount)] if manager else []
