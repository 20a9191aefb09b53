"""The panel's section of the model: a list, a file of one's own, and the card to read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from slicer.i18n import tr as _

from ...errors import ModelError
from ..wording import BAD, set_label
from .model_choice import ChosenModel, card_html, choose_model, model_names
from .path_box import on_path_changed

_OWN_FILE = "\n"  # in the list beside the names of models, none of which can be this


class ModelSection:
    """Lets the user choose a model and read its card.

    Args:
        ui: the panel's widgets.
        on_changed: called when another model is chosen, or none.
    """

    def __init__(self, ui, on_changed: Callable[[], None]):
        self.chosen: ChosenModel | None = None
        """The model; None where there is none, or it cannot be read."""
        self.problem = ""
        """Why there is none, in one sentence."""
        self.of_site = ""
        """The model of the site profile, an installed one or a file, which is the default one where there is one."""
        self._ui = ui
        self._on_changed = on_changed
        self._parameters = None
        self._updating = False
        self._shown: tuple | None = None
        self._own = False
        for name in model_names():
            ui.modelComboBox.addItem(name, name)
        ui.modelComboBox.addItem(_("Your own model file…"), _OWN_FILE)
        ui.modelComboBox.connect("currentIndexChanged(int)", self._on_chosen)
        on_path_changed(ui.modelPathLineEdit, self._on_path)

    def refresh(self, parameters) -> None:
        """Show what the parameters say; without a name it is the default model, or a file that is yet to be named."""
        self._parameters = parameters
        name, names = parameters.model or self.of_site, model_names()
        if name or not names:
            self._own = name not in names
        self._updating = True
        combo = self._ui.modelComboBox
        combo.currentIndex = combo.findData(_OWN_FILE if self._own else name or names[0])
        if self._own and name:
            self._ui.modelPathLineEdit.currentPath = name
        self._updating = False
        self._show()

    def leave(self) -> None:
        """Release the scene."""
        self._parameters = None
        self._own = False

    def _on_chosen(self, index: int) -> None:
        if self._updating or self._parameters is None:
            return
        name = self._ui.modelComboBox.itemData(index)
        self._own = name == _OWN_FILE
        self._parameters.model = self._ui.modelPathLineEdit.currentPath if self._own else name
        self._on_changed()  # the parameter may be what it was

    def _on_path(self, path: str) -> None:
        if not self._updating and self._parameters is not None and self._own:
            self._parameters.model = path
            self._on_changed()

    def _show(self) -> None:
        """Read the card, unless it is the one that is shown."""
        combo = self._ui.modelComboBox
        name = self._ui.modelPathLineEdit.currentPath if self._own else combo.itemData(combo.currentIndex)
        self._ui.modelPathLineEdit.visible = self._own
        self._ui.modelPathLabel.visible = self._own
        if self._shown == (self._own, name):
            return
        self._shown = (self._own, name)
        self._ui.modelCollapsibleButton.text = _("Model: {name}").format(name=Path(name).name) if name else _("Model")
        if not name:
            self._show_problem(_("Choose a model file."))
            return
        try:
            self.chosen, self.problem = choose_model(name), ""
        except ModelError as error:
            self._show_problem(str(error))
            return
        set_label(self._ui.modelSummaryLabel, str(self.chosen.card.get("intended_use", "")))
        self._ui.cardTextBrowser.html = card_html(self.chosen.plan, self.chosen.card)

    def _show_problem(self, text: str) -> None:
        self.chosen, self.problem = None, text
        self._ui.modelCollapsibleButton.collapsed = False
        set_label(self._ui.modelSummaryLabel, text, BAD)
        self._ui.cardTextBrowser.html = ""
