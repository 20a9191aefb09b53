"""The panel's part that installs Python packages, also from a folder of wheels."""

from __future__ import annotations

from collections.abc import Callable

from slicer.i18n import tr as _

from ...errors import MVCTEnhanceError
from ..install import dependencies, pip_settings
from ..wording import BAD, GOOD, set_enabled_or_explain, set_label
from .path_box import PathBox, path_text


class InstallSection:
    """Installs what is missing; the status line shows how it goes.

    Args:
        ui: the panel's widgets.
        on_change: called when an installation begins or ends.
    """

    def __init__(self, ui, on_change: Callable[[], None]):
        self._ui = ui
        self._on_change = on_change
        self._parameters = None
        self._wheels = PathBox(ui.wheelPathLineEdit, "wheelFolder", pip_settings.remember_wheels)
        self.installing = False
        """Whether an installation is under way, during which nothing else may be started."""
        ui.installButton.connect("clicked(bool)", self._on_clicked)

    def refresh(self, parameters) -> None:
        """Show the wheel folder of the parameters."""
        self._parameters = parameters
        self._wheels.refresh(parameters)

    def leave(self) -> None:
        """Release the scene."""
        self._parameters = None
        self._wheels.leave()

    def enter(self, parameters) -> None:
        """Choose this computer's wheel folder where the scene has none, and look what is missing."""
        remembered = pip_settings.remembered_wheels()
        if remembered and not path_text(parameters.wheelFolder):
            parameters.wheelFolder = remembered
        self._update_button()

    def install(self) -> bool:
        """Install what is missing after one question; returns whether all is there."""
        if not dependencies.missing():
            self._update_button()
            return True
        wheels = self._parameters.wheelFolder if path_text(self._parameters.wheelFolder) else None
        self._set_installing(True)
        try:
            dependencies.ensure(wheel_folder=wheels, ask=self._ask)
        except MVCTEnhanceError as error:
            set_label(self._ui.statusLabel, str(error), BAD)
            return False
        except Exception as error:
            text = _("Unexpected {type}: see Slicer's Python console.").format(type=type(error).__name__)
            set_label(self._ui.statusLabel, text, BAD)
            raise
        finally:
            self._set_installing(False)
        set_label(self._ui.statusLabel, "")
        return True

    def _ask(self, question: str, packages: str) -> bool:
        agreed = dependencies.ask_user(question, packages)
        if agreed:
            set_label(self._ui.statusLabel, dependencies.installing_text())
            self._ui.statusLabel.repaint()  # nothing is painted while pip runs
        return agreed

    def _on_clicked(self, checked: bool) -> None:
        if self.install():
            set_label(self._ui.statusLabel, _("The Python packages are installed."), GOOD)

    def _set_installing(self, installing: bool) -> None:
        self.installing = installing
        self._update_button()
        self._on_change()

    def _update_button(self) -> None:
        if self.installing:
            why = _("Wait for the installation that is under way.")
        else:
            why = "" if dependencies.missing() else _("All Python packages that are needed are installed.")
        set_enabled_or_explain(self._ui.installButton, why)
