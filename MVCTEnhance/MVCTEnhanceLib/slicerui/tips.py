"""Tool tips of widgets that cannot be used at the moment, or that show a long name in part."""

from __future__ import annotations

from html import escape

_USUAL = "usualToolTip"


def tell_why(widget, why_not: str) -> None:
    """Disable a widget whose tool tip then says why; "" enables it, with the tool tip that it always had."""
    widget.toolTip = why_not or _usual(widget)
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
