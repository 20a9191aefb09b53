"""Pieces of HTML that the report is made of."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from html import escape
from typing import Any

from ..assessment.verdicts import AS_EXPECTED, DO_NOT_TRUST, LOOK_CLOSER, NOT_APPLICABLE
from ..model.card_words import key_in_words, value_in_words
from ..quality.record import Assessment

_CLASSES = {NOT_APPLICABLE: "none", AS_EXPECTED: "good", LOOK_CLOSER: "doubt", DO_NOT_TRUST: "bad"}


def image(png: bytes, *, alt: str, style: str = "") -> str:
    """A picture that is part of the page."""
    data = base64.b64encode(png).decode("ascii")
    styled = f' style="{style}"' if style else ""
    return f'<img src="data:image/png;base64,{data}" alt="{escape(alt)}"{styled}>'


def nested(value: Any) -> str:
    """Nested names, lists and values as HTML lists."""
    if isinstance(value, Mapping):
        items = "".join(f"<dt>{escape(key_in_words(key))}</dt><dd>{nested(item)}</dd>" for key, item in value.items())
        return f"<dl>{items}</dl>"
    if isinstance(value, (list, tuple)):
        if all(item is None or isinstance(item, (int, float)) for item in value):
            return escape(value_in_words(value))
        return "<ul>" + "".join(f"<li>{nested(item)}</li>" for item in value) + "</ul>"
    return escape(value_in_words(value))


def chip(assessment: Assessment) -> str:
    """A verdict in words and colour, its reason as a tooltip; nothing where there is none."""
    if not assessment.verdict:
        return ""
    style = _CLASSES.get(assessment.verdict, "doubt")
    return f'<span class="verdict {style}" title="{escape(assessment.reason)}">{escape(assessment.verdict)}</span>'
