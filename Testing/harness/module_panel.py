"""qSlicerModulePanel: the scroll area of the main window in which the user sees one module at a time."""

from PySide6 import QtCore, QtWidgets

from .widgets.ctk_collapsible import ctkCollapsibleButton
from .widgets.stand_in import stand_in


@stand_in
class qSlicerModulePanel(QtWidgets.QWidget):
    """Built and changed as in Slicer's sources.

    The module's widget that is taken out leaves its layout item behind, as Slicer forgets to delete it. Shown again,
    the widget has another item, which Qt never tells of a change: its height for a width is that of the first time.
    """

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self._module = None
        self._left_behind: list[QtWidgets.QLayoutItem] = []
        outer = QtWidgets.QGridLayout(self)
        outer.setSizeConstraint(QtWidgets.QLayout.SetMinimumSize)
        outer.setContentsMargins(0, 0, 0, 0)
        self._area = QtWidgets.QScrollArea()
        self._area.setFrameShape(QtWidgets.QFrame.NoFrame)
        self._area.setHorizontalScrollBarPolicy(QtCore.Qt.ScrollBarAlwaysOff)  # what is too wide is cut
        self._area.setWidgetResizable(True)
        contents = QtWidgets.QWidget()
        self._column = QtWidgets.QVBoxLayout(contents)
        self._column.setSizeConstraint(QtWidgets.QLayout.SetMinAndMaxSize)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._help = ctkCollapsibleButton("Help && Acknowledgement")
        self._help.collapsed = True
        self._help.setSizePolicy(QtWidgets.QSizePolicy.Ignored, QtWidgets.QSizePolicy.Fixed)
        self._column.addWidget(self._help)
        self._column.addItem(
            QtWidgets.QSpacerItem(0, 0, QtWidgets.QSizePolicy.Minimum, QtWidgets.QSizePolicy.MinimumExpanding)
        )
        self._area.setWidget(contents)
        outer.addWidget(self._area, 0, 0)

    def setModule(self, module) -> None:
        """Shows a module, and leaves the one that was shown; None shows nothing."""
        if module is self._module:
            return
        if self._module is not None:
            self._remove(self._module.widgetRepresentation())
        self._module = module
        if module is not None:
            self._add(module.widgetRepresentation())

    def _add(self, widget) -> None:
        widget.layout().setContentsMargins(0, 0, 0, 0)
        self._column.insertWidget(1, widget, 1)
        widget.setSizePolicy(QtWidgets.QSizePolicy.Minimum, widget.sizePolicy.verticalPolicy())
        widget.setVisible(True)
        self.updateGeometry()
        widget.enter()

    def _remove(self, widget) -> None:
        widget.exit()
        self._left_behind.append(self._column.takeAt(self._column.indexOf(widget)))
        widget.setVisible(False)
        widget.setParent(None)

    def minimumSizeHint(self):
        """As wide as the module needs, with its scroll bar."""
        needed = self._column.totalMinimumSize().width() + self._area.verticalScrollBar().sizeHint.width()
        return QtCore.QSize(needed, self.layout().totalMinimumSize().height())
