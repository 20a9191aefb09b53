"""CTK's slider of real numbers."""

from PySide6 import QtCore, QtWidgets

from . import signals
from .stand_in import declare, stand_in

STEPS = 10_000  # of the QSlider that stands for the real numbers


@stand_in
class ctkSliderWidget(QtWidgets.QWidget):
    """Slider with a spin box."""

    _signals = ("valueChanged(double)", "valueIsChanging(double)", "decimalsChanged(int)")
    minimum = declare("double", 0.0, "_limit")
    maximum = declare("double", 99.0, "_limit")
    value = declare("double", 0.0, "_changed")
    decimals = declare("int", 2, "_limit")
    singleStep = declare("double", 1.0, "_limit")
    pageStep = declare("double", 10.0)
    prefix = declare("QString", "", "_limit")
    suffix = declare("QString", "", "_limit")
    tickInterval = declare("double", 0.0)
    tracking = declare("bool", True)
    spinBoxVisible = declare("bool", True, "_show_spin_box")
    popupSlider = declare("bool", False)
    invertedAppearance = declare("bool", False)
    invertedControls = declare("bool", False)

    def __init__(self, parent=None):
        super().__init__(parent)
        row = QtWidgets.QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        self._bar = QtWidgets.QSlider(QtCore.Qt.Horizontal, self)
        self._bar.setRange(0, STEPS)
        self._spin = QtWidgets.QDoubleSpinBox(self)
        row.addWidget(self._bar)
        row.addWidget(self._spin)
        self._limit()
        signals.connect(self._bar, "sliderMoved(int)", self._moved)
        signals.connect(self._spin, "valueChanged(double)", self._typed)

    def _moved(self, position: int) -> None:
        self.value = self.minimum + (self.maximum - self.minimum) * position / STEPS

    def _typed(self, value: float) -> None:
        if abs(value - self.value) >= 0.5 * 10.0**-self.decimals:
            self.value = value

    def _changed(self) -> None:
        inside = min(max(self.value, self.minimum), self.maximum)
        if inside != self.value:
            self.value = inside
            return
        self._show_value()
        signals.emit(self, "valueChanged(double)", inside)

    def _show_spin_box(self) -> None:
        self._spin.setVisible(self.spinBoxVisible)

    def _show_value(self) -> None:
        span = self.maximum - self.minimum
        self._bar.setValue(round(STEPS * (self.value - self.minimum) / span) if span else 0)
        self._spin.setValue(self.value)

    def _limit(self) -> None:
        self._spin.setDecimals(self.decimals)
        self._spin.setRange(self.minimum, self.maximum)
        self._spin.setSingleStep(self.singleStep)
        self._spin.setPrefix(self.prefix)
        self._spin.setSuffix(self.suffix)
        self.value = min(max(self.value, self.minimum), self.maximum)
        self._show_value()

    def setRange(self, minimum: float, maximum: float) -> None:
        self.minimum, self.maximum = minimum, maximum

    def reset(self) -> None:
        """Sets the value at the minimum."""
        self.value = self.minimum
