"""The panel's table of structures: volume and HU of each in both scans; the rest is in the tool tips."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from slicer.i18n import tr as _

from ...quality.record import EnhancementRecord
from ..metrics.rows import scan_title
from .table import TextTable, as_html, text_item


class StructuresTable:
    """Shows what a result says of structures, and nothing where it has none.

    Args:
        ui: the panel's widgets.
    """

    def __init__(self, ui):
        self._box = ui.structuresGroupBox
        self._table = TextTable(ui.structuresTable, len(_headings()))
        self.show(None)

    def show(self, record: EnhancementRecord | None) -> None:
        """Fill the table with a record; None empties it."""
        structures = record.structures if record else {}
        self._box.visible = bool(structures)
        self._table.show(_headings(), [_row(name, values) for name, values in structures.items()])

    def leave(self) -> None:
        """Release what is under way."""
        self._table.leave()


def _headings() -> dict[str, str]:
    """The table's columns from left to right: heading -> tool tip."""
    return {
        _("Structure"): _("Name of the segment."),
        _("cm³"): _("Volume."),
        _("MVCT"): _("Mean HU of the MVCT in it."),
        _("Enhanced"): _("Mean HU of the enhanced scan in it."),
        _("Change"): _("Mean of enhanced - MVCT in HU."),
    }


def _row(name: str, values: Mapping[str, Any]) -> list:
    unusual = values.get("unusual")
    about = _("{share} of its voxels have HU in the MVCT that the model was not trained on.").format(
        share="-" if unusual is None else f"{unusual:.1%}"
    )
    if values.get("planning_ct"):
        about += f" {scan_title('planning_ct')}: {_in_words(values['planning_ct'])}"
    change = values["hu_change"]
    return [
        text_item(name, as_html(about)),
        text_item(f"{values['volume_cm3']:.4g}", as_html(_("Volume in cm³."))),
        *(text_item(_hu(values[scan]["mean"]), as_html(_in_words(values[scan]))) for scan in ("mvct", "enhanced")),
        text_item("-" if change is None else f"{change:+.1f}", as_html(_("Mean of enhanced - MVCT in HU."))),
    ]


def _in_words(of_scan: Mapping[str, float | None]) -> str:
    """Mean, spread and noise of one scan in a structure."""
    text = _("Mean {mean} HU, SD {sd}, 5 to 95 %: {p5} to {p95}.").format(
        **{name: _hu(of_scan[name]) for name in ("mean", "sd", "p5", "p95")}
    )
    noise = of_scan.get("noise_hu")
    return text if noise is None else f"{text} {_('Noise {noise} HU.').format(noise=f'{noise:.1f}')}"


def _hu(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}"
