"""Slice views: real slice logic and displayable managers, rendered off screen."""

import slicer
import vtk
from PySide6 import QtCore, QtWidgets

from .mrml_widget import qMRMLWidget
from .stand_in import stand_in

SIZE = (288, 432)  # pixels; as narrow as one of three in a window of 1600 x 1000
MANAGERS = (
    "vtkMRMLModelSliceDisplayableManager",
    "vtkMRMLCrosshairDisplayableManager",
    "vtkMRMLSegmentationsDisplayableManager2D",
    "vtkMRMLMarkupsDisplayableManager",
    "vtkMRMLColorLegendDisplayableManager",
)


@stand_in
class qMRMLSliceView(QtWidgets.QWidget):
    """Image of a slice node: the blended slice, and what the displayable managers draw over it."""

    def __init__(self, logic, parent=None):
        super().__init__(parent)
        self._logic = logic
        self._window, self._renderer = vtk.vtkRenderWindow(), vtk.vtkRenderer()
        self._window.SetOffScreenRendering(1)
        self._window.SetSize(*SIZE)
        self._window.AddRenderer(self._renderer)
        mapper = vtk.vtkImageMapper()
        mapper.SetColorWindow(255)
        mapper.SetColorLevel(127.5)
        mapper.SetInputConnection(logic.GetImageDataConnection())
        self._actor = vtk.vtkActor2D()
        self._actor.SetMapper(mapper)
        self._group = self._make_managers(slicer.app.applicationLogic())

    def mrmlSliceNode(self):
        return self._logic.GetSliceNode()

    def displayableManagerGroup(self):
        return self._group

    def displayableManagerByClassName(self, name: str):
        return self._group.GetDisplayableManagerByClassName(name)

    def renderWindow(self):
        return self._window

    def _make_managers(self, application_logic):
        """The displayable managers; they only learn of nodes that are added after them, as in Slicer."""
        self._interactor = vtk.vtkRenderWindowInteractor()
        self._interactor.SetRenderWindow(self._window)
        factory = slicer.vtkMRMLSliceViewDisplayableManagerFactory.GetInstance()
        factory.SetMRMLApplicationLogic(application_logic)
        for name in MANAGERS:
            if not factory.IsDisplayableManagerRegistered(name):
                factory.RegisterDisplayableManager(name)
        group = factory.InstantiateDisplayableManagers(self._renderer)
        group.SetMRMLDisplayableNode(self._logic.GetSliceNode())
        return group

    def image(self) -> vtk.vtkImageData:
        """RGB picture as it is now."""
        picture = self._logic.GetBlend().GetOutputDataObject(0) if self._logic.GetImageDataConnection() else None
        self._renderer.RemoveViewProp(self._actor)
        if picture is not None and self._has_volume():
            self._actor.GetMapper().SetInputConnection(self._logic.GetImageDataConnection())
            self._renderer.AddViewProp(self._actor)
        self._window.Render()
        grab = vtk.vtkWindowToImageFilter()
        grab.SetInput(self._window)
        grab.ReadFrontBufferOff()
        grab.Update()
        return grab.GetOutput()

    def _has_volume(self) -> bool:
        composite = self._logic.GetSliceCompositeNode()
        return bool(composite and (composite.GetBackgroundVolumeID() or composite.GetForegroundVolumeID()))

    def _release(self) -> None:
        self._group.SetMRMLDisplayableNode(None)
        self._group = None
        self._window.Finalize()
        self._interactor.SetRenderWindow(None)  # they keep each other


@stand_in
class qMRMLSliceControllerWidget(qMRMLWidget):
    """Controls of a slice view."""

    def __init__(self, logic, parent=None):
        super().__init__(parent)
        self._logic = logic

    def sliceLogic(self):
        return self._logic

    def mrmlSliceNode(self):
        return self._logic.GetSliceNode()

    def mrmlSliceCompositeNode(self):
        return self._logic.GetSliceCompositeNode()

    def fitSliceToBackground(self) -> None:
        self._logic.FitSliceToBackground()

    def setSliceOffsetValue(self, offset: float) -> None:
        self._logic.StartSliceOffsetInteraction()
        self._logic.SetSliceOffset(offset)
        self._logic.EndSliceOffsetInteraction()


@stand_in
class qMRMLSliceWidget(qMRMLWidget):
    """A slice view with its controls, made for a slice node as the layout asks for it."""

    def __init__(self, slice_node, application_logic, logics, parent=None):
        super().__init__(parent)
        self._slice_logic = slicer.vtkMRMLSliceLogic()
        self._slice_logic.SetMRMLApplicationLogic(application_logic)
        self._slice_logic.SetMRMLScene(slice_node.GetScene())
        self._slice_logic.SetSliceNode(slice_node)
        logics.AddItem(self._slice_logic)  # before the view, whose displayable managers look there
        self._controller = qMRMLSliceControllerWidget(self._slice_logic, self)
        self._view = qMRMLSliceView(self._slice_logic, self)
        # In Slicer, too, a new view gets its size from the event loop.
        QtCore.QTimer.singleShot(0, self._resize_slice)

    def _resize_slice(self) -> None:
        if self._slice_logic.GetSliceNode() and self._slice_logic.GetSliceNode().GetScene():
            self._slice_logic.ResizeSliceNode(*SIZE)

    def sliceLogic(self):
        return self._slice_logic

    def sliceController(self):
        return self._controller

    def sliceView(self):
        return self._view

    def mrmlSliceNode(self):
        return self._slice_logic.GetSliceNode()

    def mrmlSliceCompositeNode(self):
        return self._slice_logic.GetSliceCompositeNode()

    def fitSliceToBackground(self) -> None:
        self._slice_logic.FitSliceToBackground()
