"""The panel's site profile: chosen once on this computer, and whose it is."""

from __future__ import annotations

from collections.abc import Callable

import slicer
from slicer.i18n import tr as _

from ...errors import MVCTEnhanceError
from ...model.card import installed_models
from ...site.profile import NO_SITE, SiteProfile, read_site
from ..wording import BAD, set_label
from .path_box import on_path_changed

_PROFILE = "MVCTEnhance/SiteProfile"  # of this computer, whatever the scene


class SiteSection:
    """Lets the user choose the site profile of the scanner.

    Args:
        ui: the panel's widgets.
        on_changed: called when another one is chosen, or none.
    """

    def __init__(self, ui, on_changed: Callable[[], None]):
        self.model = ""
        """The profile's model, an installed one or a file; empty where there is none."""
        self.problem = ""
        """Why the profile cannot be used, in one sentence."""
        self._ui = ui
        self._on_changed = on_changed
        self._parameters = None
        self._updating = False
        on_path_changed(ui.sitePathLineEdit, self._on_path)

    def enter(self, parameters) -> None:
        """Choose this computer's profile where the scene has none."""
        remembered = slicer.app.userSettings().value(_PROFILE, "")
        if remembered and not parameters.site:
            parameters.site = remembered

    def refresh(self, parameters) -> None:
        """Show what the parameters say."""
        self._parameters = parameters
        if self._ui.sitePathLineEdit.currentPath != parameters.site:
            self._updating = True
            self._ui.sitePathLineEdit.currentPath = parameters.site
            self._updating = False
        self.model = self.problem = ""
        section = self._ui.commissioningCollapsibleButton
        section.text = _("Commissioning")
        try:
            profile = read_site(parameters.site)
            self.model = _model_of(profile)
        except MVCTEnhanceError as error:
            self.problem = str(error)
            section.collapsed = False
            set_label(self._ui.siteSummaryLabel, self.problem, BAD)
            return
        if profile is not NO_SITE:
            section.text = _("Commissioning: {scanner}").format(scanner=profile.name)
        set_label(self._ui.siteSummaryLabel, "" if profile is NO_SITE else _described(profile))

    def leave(self) -> None:
        """Release the scene."""
        self._parameters = None

    def _on_path(self, path: str) -> None:
        if not self._updating and self._parameters is not None:
            slicer.app.userSettings().setValue(_PROFILE, path)
            self._parameters.site = path
            self._on_changed()


def _model_of(profile: SiteProfile) -> str:
    if profile.model is None:
        return ""
    file, _warnings = profile.model_file(None)
    return next((name for name, path in installed_models().items() if path == file), str(file))


def _described(profile: SiteProfile) -> str:
    parts = [profile.name, _("made on {day}").format(day=profile.made.time[:10])]
    if profile.calibration:
        source = _("a phantom") if profile.calibration.source == "phantom" else _("patients")
        water = f"{profile.calibration.offset_hu:.1f} ± {profile.calibration.offset_hu_se:.1f}"
        parts.append(_("water at {hu} HU, from {source}").format(hu=water, source=source))
    parts += [_("with ranges of its own")] * bool(profile.expected)
    return "; ".join(parts)
