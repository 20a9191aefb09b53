"""Dialogs are answered by the test; one that no answer was prepared for fails the test instead of waiting for ever."""

from PySide6 import QtWidgets

STATIC = ("question", "warning", "information", "critical", "about")
REAL = {"exec": QtWidgets.QDialog.exec}
ANSWERS = {"ok": QtWidgets.QMessageBox.Ok, "yes": QtWidgets.QMessageBox.Yes, "cancel": QtWidgets.QMessageBox.Cancel,
           "no": QtWidgets.QMessageBox.No}  # fmt: skip


class Popups:
    """Texts of the dialogs that were shown (`shown`), and answers for those to come (`answer_next`)."""

    def __init__(self):
        self.shown: list[str] = []
        self._answers: list[int] = []
        self._saved = []
        for cls in (QtWidgets.QDialog, QtWidgets.QMessageBox, QtWidgets.QFileDialog):
            for name in ("exec", "exec_"):
                self._replace(cls, name, lambda dialog: self._ask(getattr(dialog, "text", None) or dialog.windowTitle))
        for name in STATIC:
            self._replace(QtWidgets.QMessageBox, name, staticmethod(lambda parent, title, text, *_: self._ask(text)))

    def _replace(self, cls, name: str, value) -> None:
        self._saved.append((cls, name, vars(cls).get(name)))
        setattr(cls, name, value)

    def answer_next(self, *answers: str) -> None:
        """Prepares answers: "ok", "yes", "cancel" or "no"."""
        self._answers += [ANSWERS[answer] for answer in answers]

    def _ask(self, text: str) -> int:
        self.shown.append(text)
        if not self._answers:
            raise AssertionError(f"a dialog was shown: {text}")
        return self._answers.pop(0)

    def end(self) -> None:
        """Puts Qt's own dialogs back."""
        for cls, name, value in reversed(self._saved):
            if value is None:
                delattr(cls, name)
            else:
                setattr(cls, name, value)
