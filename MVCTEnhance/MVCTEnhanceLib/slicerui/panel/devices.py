"""The list of computing devices, filled by the worker, which alone may load PyTorch."""

from __future__ import annotations

import qt
from slicer.i18n import tr as _

from ...errors import MVCTEnhanceError
from ...jobs.requests import DevicesRequest
from ..install import dependencies
from ..worker.process import Outcome, Worker

AUTO, CPU = "auto", "cpu"
PAUSE_MS = 500  # so that the panel is there before the worker takes the processor


class DeviceList:
    """Offers what this computer can compute on.

    Args:
        combo: the QComboBox.
    """

    def __init__(self, combo):
        self._combo = combo
        self._parameters = None
        self._updating = False
        self._found: dict[str, str] = {}
        self._worker: Worker | None = None
        self._timer = qt.QTimer()
        self._timer.setSingleShot(True)
        self._timer.setInterval(PAUSE_MS)
        self._timer.connect("timeout()", self._ask)
        combo.connect("currentIndexChanged(int)", self._on_chosen)

    def find(self) -> None:
        """Ask the worker in a moment which devices there are, unless it has answered already."""
        if not self._found and self._worker is None:
            self._timer.start()

    def refresh(self, parameters) -> None:
        """Show the device of the parameters, also one that this computer does not have."""
        self._parameters = parameters
        offered = {AUTO: _("Automatic (GPU if there is one)"), CPU: _("CPU")} | self._found
        chosen = parameters.device
        if chosen not in offered:
            offered[chosen] = _("{device} (not found on this computer)").format(device=chosen)
        combo = self._combo
        self._updating = True
        if offered != {combo.itemData(index): combo.itemText(index) for index in range(combo.count)}:
            combo.clear()
            for device, text in offered.items():
                combo.addItem(text, device)
        combo.currentIndex = combo.findData(chosen)
        self._updating = False

    def leave(self) -> None:
        """Release the scene."""
        self._parameters = None

    def stop(self) -> None:
        """Ask no more, so that all of the processor is there for a run; `find` asks again."""
        self._timer.stop()
        worker, self._worker = self._worker, None
        if worker:
            worker.end()

    def _ask(self) -> None:
        if self._worker is not None or dependencies.missing():
            return
        try:
            self._worker = Worker()
        except MVCTEnhanceError:  # Apply will say it
            return
        self._worker.run(DevicesRequest(), self._on_end)

    def _on_end(self, outcome: Outcome) -> None:
        self.stop()
        if not isinstance(outcome, MVCTEnhanceError):
            self._found = {entry["device"]: _title(entry) for entry in outcome["devices"]}
        if self._parameters is not None:
            self.refresh(self._parameters)

    def _on_chosen(self, index: int) -> None:
        if not self._updating and self._parameters is not None and index >= 0:
            self._parameters.device = self._combo.itemData(index)


def _title(entry: dict[str, str]) -> str:
    if entry["device"] == CPU:
        return entry["name"]
    return f"{entry['name']} ({entry['device']})"
