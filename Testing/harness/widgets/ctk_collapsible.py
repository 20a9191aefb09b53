"""CTK's collapsible button and group box."""

from PySide6 import QtCore, QtGui, QtWidgets

from . import signals
from .collapsing import Collapsing
from .stand_in import declare, stand_in


@stand_in
class ctkCollapsibleButton(Collapsing, QtWidgets.QAbstractButton):
    """Button with a title whose children are hidden while it is collapsed."""

    _signals = ("contentsCollapsed(bool)",)
    collapsed = declare("bool", False, "_apply")
    collapsedHeight = declare("int", 14)
    flat = declare("bool", False)
    contentsFrameShape = declare("QFrame::Shape", 0)
    contentsFrameShadow = declare("QFrame::Shadow", 16)
    contentsLineWidth = declare("int", 1)
    contentsMidLineWidth = declare("int", 0)
    buttonTextAlignment = declare("Qt::Alignment", 0x81)
    indicatorAlignment = declare("Qt::Alignment", 0x81)

    def __init__(self, *arguments):
        texts = [argument for argument in arguments if isinstance(argument, str)]
        super().__init__(*[argument for argument in arguments if not isinstance(argument, str)])
        self.text = texts[0] if texts else ""
        self.setCheckable(True)
        self.setChecked(True)
        self.setSizePolicy(QtWidgets.QSizePolicy.Minimum, QtWidgets.QSizePolicy.Preferred)
        self.setContentsMargins(0, self._header(), 0, 0)
        signals.connect(self, "toggled(bool)", self._toggled)

    def _header(self) -> int:
        return self.fontMetrics().height() + 8

    def _toggled(self, checked: bool) -> None:
        self.collapsed = not checked

    def _apply(self) -> None:
        self.setChecked(not self.collapsed)
        self._hide_or_show()
        self.setMaximumHeight(self._header() if self.collapsed else 16777215)
        signals.emit(self, "contentsCollapsed(bool)", self.collapsed)

    def showEvent(self, event):
        self._watch_children()
        QtWidgets.QAbstractButton.showEvent(self, event)

    def sizeHint(self):
        inner = (
            self.layout().totalSizeHint() if self.layout() and not self.collapsed else QtCore.QSize(0, self._header())
        )
        return QtCore.QSize(max(inner.width(), self.fontMetrics().horizontalAdvance(self.text) + 40), inner.height())

    def minimumSizeHint(self):
        return (
            self.layout().totalMinimumSize()
            if self.layout() and not self.collapsed
            else QtCore.QSize(0, self._header())
        )

    def paintEvent(self, event):
        painter = QtGui.QPainter(self)
        bar = QtCore.QRect(0, 0, self.width, self._header())
        painter.fillRect(bar, self.palette.color(QtGui.QPalette.Button).darker(106))
        painter.drawText(bar.adjusted(6, 0, 0, 0), 0x81, ("▸ " if self.collapsed else "▾ ") + self.text)
        painter.end()


@stand_in
class ctkCollapsibleGroupBox(Collapsing, QtWidgets.QGroupBox):
    """Group box with a check box that collapses it."""

    collapsed = declare("bool", False, "_apply")
    collapsedHeight = declare("int", 14)

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.setCheckable(True)
        self.setChecked(True)
        signals.connect(self, "toggled(bool)", self._toggled)

    def _toggled(self, checked: bool) -> None:
        self.collapsed = not checked

    def _apply(self) -> None:
        self.setChecked(not self.collapsed)
        self._hide_or_show()
        self.setMaximumHeight(self.fontMetrics().height() + self.collapsedHeight if self.collapsed else 16777215)

    def showEvent(self, event):
        self._watch_children()
        QtWidgets.QGroupBox.showEvent(self, event)
