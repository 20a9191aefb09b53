"""Pictures of the views of the current layout as PNG files."""

import numpy as np
from PySide6 import QtCore, QtGui
from vtkmodules.util.numpy_support import vtk_to_numpy

TITLE = 18  # pixels


def array_of(image) -> np.ndarray:
    """RGB values of a vtkImageData, shape (rows, columns, 3), top row first."""
    columns, rows, _ = image.GetDimensions()
    values = vtk_to_numpy(image.GetPointData().GetScalars()).reshape(rows, columns, -1)
    return np.ascontiguousarray(values[::-1, :, :3])


def side_by_side(manager) -> tuple[list[str], list[np.ndarray]]:
    """Labels and pictures of the slice views that the layout shows, from left to right."""
    names = manager._views_shown("vtkMRMLSliceNode")
    widgets = [manager.sliceWidget(name) for name in names]
    return [widget.mrmlSliceNode().GetLayoutLabel() or "" for widget in widgets], [
        array_of(widget.sliceView().image()) for widget in widgets
    ]


def chart(manager) -> np.ndarray | None:
    """Picture of the chart that the layout shows, or None."""
    shown = manager._views_shown("vtkMRMLPlotViewNode")
    plots = [manager.plotWidget(index) for index in range(manager.plotViewCount)]
    views = [widget.plotView() for widget in plots if widget.mrmlPlotViewNode().GetLayoutName() in shown]
    return array_of(views[0].image()) if views else None


def save(path, labels: list[str], slices: list[np.ndarray], below: np.ndarray | None = None) -> None:
    """Slice views in a row under their labels, and a chart of the same width below them."""
    row = np.concatenate(slices, axis=1)
    height = TITLE + row.shape[0] + (0 if below is None else below.shape[0] * row.shape[1] // below.shape[1])
    canvas = QtGui.QImage(row.shape[1], height, QtGui.QImage.Format_RGB888)
    canvas.fill(QtCore.Qt.white)
    painter = QtGui.QPainter(canvas)
    painter.drawImage(0, TITLE, qimage(row))
    left = 0
    for label, picture in zip(labels, slices, strict=True):
        painter.drawText(left + 4, TITLE - 4, label)
        left += picture.shape[1]
    if below is not None:
        area = QtCore.QRect(0, TITLE + row.shape[0], row.shape[1], height - TITLE - row.shape[0])
        painter.drawImage(area, qimage(below))
    painter.end()
    if not canvas.save(str(path)):
        raise AssertionError(f"no picture could be written to {path}")


def qimage(array: np.ndarray) -> QtGui.QImage:
    """An RGB array (rows, columns, 3) as Qt's image."""
    return QtGui.QImage(array.data, array.shape[1], array.shape[0], 3 * array.shape[1], QtGui.QImage.Format_RGB888)
