"""The comparison of MVCT and enhanced scan in linked views."""

from __future__ import annotations

from dataclasses import dataclass

import qt
import slicer
import slicer.util
import vtk
from slicer.i18n import tr as _

from . import review_layout
from .review_layout import DIFFERENCE_VIEW, ENHANCED_VIEW, MVCT_VIEW, REVIEW_LAYOUT, SLICE_VIEWS
from .volumes import directions
from .window_level import WindowLevelLink

FLICKER_MS = 500
_LEGEND = "MVCTEnhance.legend"  # attribute of the one that the review has made


@dataclass(frozen=True)
class ReviewVolumes:
    """What is compared: volume nodes; the difference map, or the one chosen in its place, may be None."""

    mvct: object
    enhanced: object
    difference: object | None = None


class Review:
    """MVCT | enhanced | difference, with the MVCT behind the enhanced scan in the middle to fade between them."""

    def __init__(self):
        self._window_level = WindowLevelLink()
        self._fade = 1.0
        self._layout_before: int | None = None
        self._timer = qt.QTimer()
        self._timer.setInterval(FLICKER_MS)
        self._timer.connect("timeout()", self._flick)
        review_layout.register_layout()

    @property
    def shown(self) -> bool:
        """Whether the review layout is what the application shows."""
        return review_layout.is_shown()

    def show(self, volumes: ReviewVolumes, fade: float = 1.0) -> None:
        """Switch to the review layout and put the volumes into it."""
        manager = slicer.app.layoutManager()
        if manager is None:
            return
        if not self.shown:
            self._layout_before = manager.layout
            manager.setLayout(REVIEW_LAYOUT)
        self.restore(volumes, fade)

    def restore(self, volumes: ReviewVolumes, fade: float = 1.0) -> None:
        """Put the volumes into their views again, whatever was changed there."""
        backgrounds = {
            MVCT_VIEW: volumes.mvct,
            ENHANCED_VIEW: volumes.mvct,
            DIFFERENCE_VIEW: volumes.difference,
        }
        for view in SLICE_VIEWS:
            foreground = volumes.enhanced if view == ENHANCED_VIEW else None
            _fill_view(review_layout.slice_logic(view), backgrounds[view], foreground)
        self._window_level.link(volumes.mvct, volumes.enhanced)
        self.set_fade(fade)
        _show_legend(volumes.difference)
        self.fit(volumes.mvct)
        # Once more when Qt has given the new views their size, since the fit depends on it.
        qt.QTimer.singleShot(0, lambda: self.fit(volumes.mvct) if self.shown else None)

    def show_map(self, difference) -> None:
        """Put another map (or None) into the view of the difference."""
        _fill_view(review_layout.slice_logic(DIFFERENCE_VIEW), difference, None)
        _show_legend(difference)

    def link(self, volumes: ReviewVolumes) -> None:
        """Where the review is shown, keep window and level of both scans the same from now on."""
        if self.shown:
            self._window_level.link(volumes.mvct, volumes.enhanced)

    def fit(self, mvct) -> None:
        """Show all views in the planes of the MVCT, filled by it, at the same slice."""
        if mvct.GetScene() is None:
            return
        for view in SLICE_VIEWS:
            logic = review_layout.slice_logic(view)
            if logic is not None:
                _align(logic.GetSliceNode(), mvct)
                logic.FitSliceToBackground()
        first = review_layout.slice_logic(MVCT_VIEW)
        for view in SLICE_VIEWS[1:]:
            logic = review_layout.slice_logic(view)
            if logic is not None:
                logic.SetSliceOffset(first.GetSliceOffset())

    def leave(self) -> None:
        """Go back to the layout before the review."""
        self.set_flicker(False)
        if self.shown:
            before = self._layout_before
            slicer.app.layoutManager().setLayout(
                slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView if before in (None, REVIEW_LAYOUT) else before
            )

    def set_fade(self, fade: float) -> None:
        """0 shows the MVCT in the middle view, 1 the enhanced scan."""
        self._fade = fade
        if not self._timer.active:
            _set_opacity(fade)

    def set_flicker(self, on: bool) -> None:
        """Switch the middle view between MVCT and enhanced scan, or end that."""
        if on == self._timer.active:
            return
        if on:
            self._timer.start()
        else:
            self._timer.stop()
            _set_opacity(self._fade)

    def close(self) -> None:
        """Let go of scene and application."""
        self._timer.stop()
        self._window_level.unlink()

    def _flick(self) -> None:
        composite = _middle()
        if composite is not None:
            composite.SetForegroundOpacity(0.0 if composite.GetForegroundOpacity() > 0.5 else 1.0)


def jump_to_slice(volume, number: int) -> None:
    """Move all slice views to an axial slice of a volume node, wherever its transforms put it.

    Args:
        number: from 0, in the order of the readouts' lists: along the volume's own axis that runs along the patient.
    """
    from ..imageio.grid import axis_along_patient

    place = [(count - 1) / 2 for count in volume.GetImageData().GetDimensions()]
    place[axis_along_patient(directions(volume))] = number
    to_ras = vtk.vtkMatrix4x4()
    volume.GetIJKToRASMatrix(to_ras)
    centre = to_ras.MultiplyPoint((*place, 1))[:3]
    to_world = vtk.vtkGeneralTransform()
    slicer.vtkMRMLTransformNode.GetTransformBetweenNodes(volume.GetParentTransformNode(), None, to_world)
    slicer.vtkMRMLSliceNode.JumpAllSlices(
        volume.GetScene(), *to_world.TransformPoint(centre), slicer.vtkMRMLSliceNode.OffsetJumpSlice
    )


def _fill_view(logic, background, foreground) -> None:
    if logic is None:
        return
    composite = logic.GetSliceCompositeNode()
    modifying = composite.StartModify()
    composite.SetBackgroundVolumeID(background.GetID() if background else None)
    composite.SetForegroundVolumeID(foreground.GetID() if foreground else None)
    composite.SetForegroundOpacity(0.0)
    composite.SetLabelVolumeID(None)
    composite.SetLinkedControl(True)
    composite.SetHotLinkedControl(True)
    composite.EndModify(modifying)


def _align(slice_node, volume) -> None:
    """Turn a view into the planes of a volume, so that each offset is one of its slices."""
    transform = volume.GetParentTransformNode()
    if transform is None or transform.IsTransformToWorldLinear():
        slice_node.SetOrientationToDefault()  # the plane is the one nearest to how the view stands
        slice_node.RotateToVolumePlane(volume)


def _middle():
    logic = review_layout.slice_logic(ENHANCED_VIEW)
    return logic.GetSliceCompositeNode() if logic else None


def _set_opacity(fade: float) -> None:
    composite = _middle()
    if composite is not None and review_layout.is_shown():
        composite.SetForegroundOpacity(fade)


def _show_legend(difference) -> None:
    """A colour legend in HU, in the difference view only; none where there is no map."""
    logic = review_layout.slice_logic(DIFFERENCE_VIEW)
    if logic is None:
        return
    colours = slicer.modules.colors.logic()
    # Slicer draws a legend only in views that are there when its node comes: so it comes anew.
    own = colours.GetColorLegendDisplayNode(difference) if difference else None
    for old in slicer.util.getNodesByClass("vtkMRMLColorLegendDisplayNode"):
        if old is own or old.GetAttribute(_LEGEND):
            slicer.mrmlScene.RemoveNode(old)
    legend = colours.AddDefaultColorLegendDisplayNode(difference) if difference else None
    if legend is None:
        return
    modifying = legend.StartModify()
    legend.SetAttribute(_LEGEND, "1")
    legend.SetTitleText(_("HU"))
    legend.SetLabelFormat("%.0f")
    legend.SetSize(0.12, 0.6)
    for text in (legend.GetTitleTextProperty(), legend.GetLabelTextProperty()):
        # On white, where nothing was changed, and on black, outside of the scan.
        text.SetColor(0.0, 0.0, 0.0)
        text.SetShadow(False)
        text.SetBackgroundColor(1.0, 1.0, 1.0)
        text.SetBackgroundOpacity(0.75)
    legend.RemoveAllViewNodeIDs()
    legend.AddViewNodeID(logic.GetSliceNode().GetID())
    legend.SetVisibility(True)
    legend.EndModify(modifying)
