"""Tool tips of widgets that cannot be used at the moment."""

from __future__ import annotations

_USUAL = "usualToolTip"


def tell_why(widget, why_not: str) -> None:
    """Disable a widget whose tool tip then says why; "" enables it, with the tool tip that it always had."""
    usual = widget.property(_USUAL)
    if usual is None:
        usual = widget.toolTip
        widget.setProperty(_USUAL, usual)
    widget.toolTip = why_not or usual
    widget.enabled = not why_not
