"""The widgets of CTK that the module uses, as real Qt widgets with CTK's properties and signals."""

from PySide6 import QtCore, QtWidgets

from . import signals
from .stand_in import declare, stand_in


@stand_in
class ctkComboBox(QtWidgets.QComboBox):
    """Combo box as in Slicer's node selectors, which shorten a name in the middle."""

    def paintEvent(self, event):
        option = QtWidgets.QStyleOptionComboBox()
        self.initStyleOption(option)
        place = self.style().subControlRect(
            QtWidgets.QStyle.CC_ComboBox, option, QtWidgets.QStyle.SC_ComboBoxEditField, self
        )
        option.currentText = self.fontMetrics().elidedText(option.currentText, QtCore.Qt.ElideMiddle, place.width())
        painter = QtWidgets.QStylePainter(self)
        painter.drawComplexControl(QtWidgets.QStyle.CC_ComboBox, option)
        painter.drawControl(QtWidgets.QStyle.CE_ComboBoxLabel, option)
        painter.end()


@stand_in
class ctkPathLineEdit(QtWidgets.QWidget):
    """Path of a file or folder, typed or browsed for."""

    _signals = (
        "currentPathChanged(QString)",
        "validInputChanged(bool)",
    )
    Dirs, Drives, Files, NoSymLinks, AllEntries = 0x001, 0x004, 0x002, 0x008, 0x007
    NoDotAndDotDot, NoDot, NoDotDot, Hidden, Readable, Writable, Executable = (
        0x6000, 0x2000, 0x4000, 0x100, 0x010, 0x020, 0x040,
    )  # fmt: skip
    currentPath = declare("QString", "", "_path_changed")
    filters = declare("Filters", 0x4077)
    options = declare("Options", 0)
    label = declare("QString", "")
    settingKey = declare("QString", "")
    showBrowseButton = declare("bool", True)
    showHistoryButton = declare("bool", True)
    sizeAdjustPolicy = declare("SizeAdjustPolicy", 0)
    minimumContentsLength = declare("int", 0)
    nameFilters = declare("QStringList", ())

    def __init__(self, *arguments):
        super().__init__(*[argument for argument in arguments if isinstance(argument, QtWidgets.QWidget)])
        row = QtWidgets.QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        self._line = QtWidgets.QLineEdit(self)
        row.addWidget(self._line)
        button = QtWidgets.QToolButton(self)
        button.setText("…")
        row.addWidget(button)
        signals.connect(self._line, "textEdited(QString)", self._typed)

    def _typed(self, text: str) -> None:
        self.currentPath = text

    def _path_changed(self) -> None:
        if self._line.text != self.currentPath:
            self._line.setText(self.currentPath)
        signals.emit(self, "currentPathChanged(QString)", self.currentPath)

    def addCurrentPathToHistory(self) -> None:
        """Remembers the path; nothing is remembered here."""


@stand_in
class ctkMessageBox(QtWidgets.QMessageBox):
    """Message box with a check box not to be shown again."""

    dontShowAgain = declare("bool", False)
    dontShowAgainSettingsKey = declare("QString", "")
    dontShowAgainVisible = declare("bool", False)
