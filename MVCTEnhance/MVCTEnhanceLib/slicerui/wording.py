"""Wording and colours of verdicts, notes and times in the panel."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

from slicer.i18n import tr as _

from ..assessment.verdicts import AS_EXPECTED, AS_EXPECTED_HERE, DO_NOT_TRUST, LOOK_CLOSER, NOT_APPLICABLE

_USUAL = "usualToolTip"
INFO, GOOD, CAUTION, BAD = "info", "good", "caution", "bad"
# Background and text go together, so that both can be read in a light and in a dark application.
COLOURS = {GOOD: ("#d9f0da", "#12391a"), CAUTION: ("#ffedc0", "#4f3600"), BAD: ("#f9d2cf", "#640d08")}


@dataclass(frozen=True)
class Look:
    """How a verdict is shown.

    Args:
        words: the verdict itself.
        symbol: one letter for it, so that colour is never the only sign.
        level: INFO, GOOD, CAUTION or BAD, the key of its colours.
    """

    words: str
    symbol: str
    level: str

    @property
    def text(self) -> str:
        """Symbol and words."""
        return f"{self.symbol} {self.words}".strip()


def look_of(verdict: str) -> Look:
    """The look of one of the library's verdicts; of "" where a value has none."""
    looks = {
        NOT_APPLICABLE: Look(_("not applicable"), "–", INFO),
        AS_EXPECTED: Look(_("as expected"), "✓", GOOD),
        AS_EXPECTED_HERE: Look(_("as expected on this scanner"), "✓", GOOD),
        LOOK_CLOSER: Look(_("look closer"), "⚠", CAUTION),
        DO_NOT_TRUST: Look(_("do not trust"), "✗", BAD),
    }
    return looks.get(verdict, Look("", "", INFO))


def time_left(seconds: float | None) -> str:
    """Such as "about 20 s left"; empty as long as it is not known."""
    if seconds is None:
        return ""
    if seconds < 90:
        return _("about {seconds} s left").format(seconds=max(1, round(seconds)))
    return _("about {minutes} min left").format(minutes=round(seconds / 60))


def set_label(label, text: str, level: str = INFO) -> None:
    """Put a text into a QLabel, which is hidden while it has none; a level colours it."""
    label.text = text
    label.visible = bool(text)
    if level == INFO:
        label.styleSheet = ""
        return
    background, colour = COLOURS[level]
    # The dot keeps the colours off the tool tip, whose class derives from QLabel.
    label.styleSheet = (
        f".QLabel {{ background-color: {background}; color: {colour}; border-radius: 4px; padding: 6px; }}"
    )


def set_enabled_or_explain(widget, why_not: str) -> None:
    """Disable a widget whose tool tip then says why; "" enables it, with the tool tip that it always had."""
    usual = _usual(widget)
    widget.toolTip = why_not or usual
    widget.enabled = not why_not


def tell_name(selector, node) -> None:
    """Put the whole name of the chosen node (or None) before the tool tip that a selector always had."""
    name = escape(node.GetName() or "", quote=False) if node else ""
    usual = escape(_usual(selector), quote=False)
    selector.toolTip = f"<p><b>{name}</b></p><p>{usual}</p>" if name else _usual(selector)


def _usual(widget) -> str:
    usual = widget.property(_USUAL)
    if usual is None:
        usual = widget.toolTip
        widget.setProperty(_USUAL, usual)
    return usual
