"""A folder that the user may name, kept in a parameter, and a file that the user is shown."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import qt

NO_PATH = Path()  # what a parameter of this type holds as long as nothing was chosen


class PathBox:
    """Binds a ctkPathLineEdit to a parameter of type Path; an empty box is no path, not the current folder.

    Args:
        box: the ctkPathLineEdit.
        name: of the parameter.
        on_chosen: called with the text that the user has chosen.
    """

    def __init__(self, box, name: str, on_chosen: Callable[[str], None] | None = None):
        self._box = box
        self._name = name
        self._on_chosen = on_chosen or (lambda text: None)
        self._parameters = None
        self._updating = False
        on_path_changed(box, self._on_changed)

    def refresh(self, parameters) -> None:
        """Show what the parameter says."""
        self._parameters = parameters
        text = path_text(getattr(parameters, self._name))
        if path_text(Path(self._box.currentPath)) != text:
            self._updating = True
            self._box.currentPath = text
            self._updating = False

    def leave(self) -> None:
        """Release the scene."""
        self._parameters = None

    def _on_changed(self, text: str) -> None:
        if not self._updating and self._parameters is not None:
            setattr(self._parameters, self._name, Path(text))
            self._on_chosen(text)


def on_path_changed(box, slot: Callable[[str], None]) -> None:
    """Call a slot with the text of a ctkPathLineEdit whenever that changes.

    The box tells of texts that its filters take only, and of none that is empty: so what else it tells is heard, too.
    """
    box.connect("currentPathChanged(QString)", slot)
    box.connect("validInputChanged(bool)", lambda valid: slot(box.currentPath))


def path_text(path: Path) -> str:
    """A path as text; empty where none was chosen."""
    return "" if path == NO_PATH else str(path)


def show_file(path: Path) -> None:
    """Show a file in the program that this computer has for it, such as a page in the web browser."""
    qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(str(path)))
