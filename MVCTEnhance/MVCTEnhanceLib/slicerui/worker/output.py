"""Output of a worker: one JSON event a line, and between them whatever libraries print."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable
from typing import Any

from slicer.i18n import tr as _

from ...errors import DeviceError, MVCTEnhanceError, is_out_of_memory
from ...runtime.events import read_event

OnEvent = Callable[[dict[str, Any]], None]
_TAIL_LINES = 50


class WorkerOutput:
    """Turns lines into events, and the end of the worker into its result or one sentence.

    Args:
        on_event: called with each event, as a dictionary whose "event" is its name.
    """

    def __init__(self, on_event: OnEvent | None = None):
        self._on_event = on_event
        self._result: dict[str, Any] | None = None
        self._error: str | None = None
        self.tail: deque[str] = deque(maxlen=_TAIL_LINES)
        """The last lines that are no events, for whoever looks into a fault; they may name files."""

    def read(self, line: str) -> None:
        """Take one line in."""
        event = read_event(line)
        if event is None:
            self.tail.append(line.rstrip())
            return
        if event["event"] == "result":
            self._result = {name: value for name, value in event.items() if name != "event"}
        elif event["event"] == "error":
            self._error = str(event.get("message", ""))
        if self._on_event:
            self._on_event(event)

    def result(self, code: int) -> dict[str, Any]:
        """What the result event held, for a worker that has ended with this exit code.

        Raises:
            MVCTEnhanceError: with the worker's own sentence, or one on an end that it did not explain.
        """
        if self._result is not None and "failure" in self._result:  # of a batch, whose other cases are done
            return self._result
        if self._error:
            raise MVCTEnhanceError(self._error)
        if self._result is None or code != 0:
            raise _unexplained_end(code, "\n".join(self.tail))
        return self._result


def _unexplained_end(code: int, tail: str) -> MVCTEnhanceError:
    missing = re.search(r"No module named '([\w.]+)'", tail)
    if missing:
        return MVCTEnhanceError(
            _("The Python package '{name}' is missing: press Apply to install what is needed.").format(name=missing[1])
        )
    if re.search(r"DLL load failed|WinError (126|127|1114)|cannot open shared object|Library not loaded", tail):
        return DeviceError(
            _(
                "A library of PyTorch cannot be loaded: uninstall PyTorch in the PyTorch Utils module, restart Slicer "
                "and press Apply to install it again."
            )
        )
    if is_out_of_memory(tail):
        return DeviceError(_("Out of memory: close other programs, or choose the CPU as device."))
    if code in (-9, 137, 9):
        return MVCTEnhanceError(
            _("The work was ended from outside, most often because memory ran out: close other programs and try again.")
        )
    return MVCTEnhanceError(
        _(
            "The work ended unexpectedly (exit code {code}): try again, and with the CPU as device if it happens again."
        ).format(code=code)
    )
