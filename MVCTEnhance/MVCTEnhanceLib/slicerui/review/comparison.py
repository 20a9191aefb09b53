"""The comparison of MVCT and enhanced scan, or of two enhanced scans, in linked views."""

from __future__ import annotations

from dataclasses import dataclass

import qt
import slicer
import slicer.util
from slicer.i18n import tr as _

from ..scene.volumes import directions, world_position
from . import layout as review_layout
from .layout import DIFFERENCE_VIEW, ENHANCED_VIEW, MODELS_LAYOUT, REVIEW_LAYOUT, VIEWS
from .window_level import WindowLevelLink
from .zoom import align, body_corners, bring_into_sight, zoom_to

FLICKER_MS = 500
_BLEND = 0.5  # of the planning CT with the MVCT
_LEGEND = "MVCTEnhance.legend"  # attribute of the one that the review has made


@dataclass(frozen=True)
class ReviewVolumes:
    """What is compared: volume nodes.

    Args:
        left: the MVCT, or the enhanced scan of another model.
        enhanced: the enhanced scan.
        difference: enhanced - left, or another map that was chosen in its place; None for none.
        of_models: whether two models are compared.
    """

    left: object
    enhanced: object
    difference: object | None = None
    of_models: bool = False

    @property
    def layout_number(self) -> int:
        """Of the layout that shows them."""
        return MODELS_LAYOUT if self.of_models else REVIEW_LAYOUT


class Review:
    """MVCT or other model | enhanced | difference, with the left one behind the enhanced scan in the middle to fade
    between them."""

    def __init__(self):
        self._window_level = WindowLevelLink()
        self._fade = 1.0
        self._layout_before: int | None = None
        self._has_legend = False
        self._timer = qt.QTimer()
        self._timer.setInterval(FLICKER_MS)
        self._timer.connect("timeout()", self._flick)
        review_layout.register_layout()

    @property
    def shown(self) -> bool:
        """Whether the review layout is what the application shows."""
        return review_layout.is_shown()

    def show(self, volumes: ReviewVolumes, fade: float = 1.0) -> None:
        """Switch to the review layout and put the volumes into it; where it is shown already, the zoom stays."""
        manager = slicer.app.layoutManager()
        if manager is None:
            return
        if manager.layout == volumes.layout_number:
            self.put(volumes, fade)
            return
        if not self.shown:
            self._layout_before = manager.layout
        manager.setLayout(volumes.layout_number)
        self.restore(volumes, fade)

    def restore(self, volumes: ReviewVolumes, fade: float = 1.0) -> None:
        """Put the volumes into their views again, whatever was changed there, and zoom to the body."""
        self._fill(volumes, fade)
        body = body_corners(volumes.left)
        _fit(volumes.left, body)
        # Once more when Qt has given the new views their size, since the fit depends on it.
        qt.QTimer.singleShot(0, lambda: _fit(volumes.left, body) if self.shown else None)

    def put(self, volumes: ReviewVolumes, fade: float = 1.0) -> None:
        """Put the volumes into their views, under the zoom that the user has chosen for what was there before."""
        middle = _middle()
        if middle is None or middle.GetBackgroundVolumeID() is None:
            self.restore(volumes, fade)
            return
        self._fill(volumes, fade)
        for logic in _logics():
            bring_into_sight(logic, volumes.left)

    def shows(self, volumes: ReviewVolumes) -> bool:
        """Whether the middle view has both scans in it, or has not been made yet."""
        middle = _middle()
        if middle is None:
            return True
        shown = (middle.GetBackgroundVolumeID(), middle.GetForegroundVolumeID())
        return shown == (volumes.left.GetID(), volumes.enhanced.GetID())

    def show_map(self, difference) -> None:
        """Put another map (or None) into the view of the difference."""
        _fill_view(DIFFERENCE_VIEW, difference, None)
        self._show_legend(difference)

    def show_registered(self, planning_ct, checkerboard) -> None:
        """Blend the planning CT with the scan on the left, and put the checkerboard into the view of the difference."""
        logic = next(iter(_logics()), None)
        if logic is None:
            return
        composite = logic.GetSliceCompositeNode()
        composite.SetForegroundVolumeID(planning_ct.GetID())
        composite.SetForegroundOpacity(_BLEND)
        node = logic.GetSliceNode()
        node.SetLayoutLabel(_("{view} and planning CT").format(view=review_layout.label_of(node.GetLayoutName())))
        self._show_legend(None)
        _fill_view(DIFFERENCE_VIEW, checkerboard, None, _("Checkerboard"))

    def adopt(self, volumes: ReviewVolumes) -> None:
        """Where the review is shown, also of a scene that was loaded: one window for both scans, and the legend."""
        if self.shown:
            self._window_level.link(volumes.left, volumes.enhanced)
            # A little later, since a scene that is being loaded has neither all its views nor its hierarchy yet.
            qt.QTimer.singleShot(0, lambda: self._show_missing_legend(volumes.difference))

    def leave(self) -> None:
        """Go back to the layout before the review."""
        self.set_flicker(False)
        if self.shown:
            before = self._layout_before
            slicer.app.layoutManager().setLayout(
                slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView if before in (None, *VIEWS) else before
            )

    def set_fade(self, fade: float) -> None:
        """0 shows the scan on the left in the middle view, too, 1 the enhanced scan."""
        self._fade = fade
        if not self._timer.active:
            _set_opacity(fade)

    def set_flicker(self, on: bool) -> None:
        """Switch the middle view between both scans, or end that."""
        if on == self._timer.active:
            return
        if on:
            self._timer.start()
        else:
            self._timer.stop()
            _set_opacity(self._fade)

    def close(self) -> None:
        """Release scene and application."""
        self._timer.stop()
        self._window_level.unlink()
        self._has_legend = False

    def _fill(self, volumes: ReviewVolumes, fade: float) -> None:
        for view in VIEWS[volumes.layout_number]:
            background = volumes.difference if view == DIFFERENCE_VIEW else volumes.left
            foreground = volumes.enhanced if view == ENHANCED_VIEW else None
            _fill_view(view, background, foreground)
        self._window_level.link(volumes.left, volumes.enhanced)
        self.set_fade(fade)
        self._show_legend(volumes.difference)

    def _show_missing_legend(self, difference) -> None:
        if self.shown and not self._has_legend and difference is not None and difference.GetScene() is not None:
            self._show_legend(difference)

    def _show_legend(self, difference) -> None:
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
        if legend is not None:
            _style_legend(legend, logic.GetSliceNode())
        self._has_legend = True

    def _flick(self) -> None:
        composite = _middle()
        if composite is not None:
            composite.SetForegroundOpacity(0.0 if composite.GetForegroundOpacity() > 0.5 else 1.0)


def jump_to_slice(volume, number: int) -> None:
    """Move all slice views to an axial slice of a volume node, wherever its transforms put it.

    Args:
        number: from 0, in the order of the metrics' lists: along the volume's own axis that runs along the patient.
    """
    from ...volume.grid import axis_along_patient

    place = [(count - 1) / 2 for count in volume.GetImageData().GetDimensions()]
    place[axis_along_patient(directions(volume))] = number
    slicer.vtkMRMLSliceNode.JumpAllSlices(
        volume.GetScene(), *world_position(volume, place), slicer.vtkMRMLSliceNode.OffsetJumpSlice
    )


def _logics() -> list:
    """The vtkMRMLSliceLogic of each view that is shown, from left to right."""
    return [logic for logic in map(review_layout.slice_logic, review_layout.shown_views()) if logic is not None]


def _fit(scan, body) -> None:
    """Show all views in the axial planes of a scan at the same slice, filled by the body (its corners, or None)."""
    if scan.GetScene() is None:
        return
    for logic in _logics():
        logic.GetSliceNode().SetOrientationToDefault()
        align(logic.GetSliceNode(), scan)
        logic.FitSliceToBackground()
        if body is not None:
            zoom_to(logic.GetSliceNode(), body)
    for logic in _logics():
        logic.SetSliceOffset(_logics()[0].GetSliceOffset())


def _fill_view(view: str, background, foreground, label: str = "") -> None:
    logic = review_layout.slice_logic(view)
    if logic is None:
        return
    logic.GetSliceNode().SetLayoutLabel(label or review_layout.label_of(view))
    composite = logic.GetSliceCompositeNode()
    modifying = composite.StartModify()
    composite.SetBackgroundVolumeID(background.GetID() if background else None)
    composite.SetForegroundVolumeID(foreground.GetID() if foreground else None)
    composite.SetForegroundOpacity(0.0)
    composite.SetLabelVolumeID(None)
    composite.SetLinkedControl(True)
    composite.SetHotLinkedControl(True)
    composite.EndModify(modifying)


def _middle():
    logic = review_layout.slice_logic(ENHANCED_VIEW)
    return logic.GetSliceCompositeNode() if logic else None


def _set_opacity(fade: float) -> None:
    composite = _middle()
    if composite is not None and review_layout.is_shown():
        composite.SetForegroundOpacity(fade)


def _style_legend(legend, slice_node) -> None:
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
    legend.AddViewNodeID(slice_node.GetID())
    legend.SetVisibility(True)
    legend.EndModify(modifying)
