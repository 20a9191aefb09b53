"""The panel's section of metrics: the table with its assessments, warnings, and the chart's metric."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from slicer.i18n import tr as _

from ...assessment.verdicts import DO_NOT_TRUST, NOT_APPLICABLE, verdict_counts
from ...quality.record import EnhancementRecord
from ..metrics.nodes import DEFAULT_CHART, chart_choices
from ..metrics.rows import MODEL_SCANS, SCANS, Cell, MetricRow, metric_rows, model_rows, scan_title
from ..metrics.two_models import ModelComparison
from ..scene.outputs import EnhanceResult
from ..wording import BAD, CAUTION, GOOD, INFO, look_of, set_label
from .structures import StructuresTable
from .table import TextTable, as_html, text_item

_LEVELS = (INFO, GOOD, CAUTION, BAD)


class MetricsSection:
    """Shows the metrics of one result.

    Args:
        ui: the panel's widgets.
        on_chart: called when the user wants to see the chart.
    """

    def __init__(self, ui, on_chart: Callable[[], None]):
        self._ui = ui
        self._parameters = None
        self._updating = False
        self._table = TextTable(ui.metricsTable, 1 + len(SCANS))
        self._structures = StructuresTable(ui)
        ui.chartComboBox.connect("currentIndexChanged(int)", self._on_metric)
        ui.showChartButton.connect("clicked(bool)", lambda checked: on_chart())
        self.show(None)

    def refresh(self, parameters) -> None:
        """Show the chart's metric that the parameters say."""
        self._parameters = parameters
        combo = self._ui.chartComboBox
        self._updating = True
        index = combo.findData(parameters.chartReadout or DEFAULT_CHART)
        combo.currentIndex = max(index, 0) if combo.count else -1
        self._updating = False

    def show(self, result: EnhanceResult | None, comparison: ModelComparison | None = None) -> None:
        """Fill the table with a result, and with that of another model in the place of the MVCT; None empties it."""
        record = result.record if result else None
        rows = metric_rows(record) if record else []
        if comparison:
            self._fill_table(
                model_rows(record, comparison.otherResult.record), MODEL_SCANS, _model_headings(comparison)
            )
        else:
            self._fill_table(rows, SCANS, _headings())
        self._structures.show(record)
        self._fill_choices(chart_choices(record) if record else {})
        self._ui.showChartButton.enabled = bool(rows)
        self._show_verdict(record, rows)
        self.show_warnings(result.warnings if result else ())

    def show_warnings(self, texts: Sequence[str]) -> None:
        """Show warnings of the result below the table."""
        set_label(self._ui.warningsLabel, "\n".join(f"⚠ {text}" for text in texts), CAUTION)

    def leave(self) -> None:
        """Release the scene."""
        self._parameters = None
        self._table.leave()
        self._structures.leave()

    def _show_verdict(self, record: EnhancementRecord | None, rows: list[MetricRow]) -> None:
        """How often each verdict was given, and why values are not to be trusted."""
        if record is None:
            set_label(self._ui.verdictLabel, _("No metrics yet: press Apply, or choose a volume that was enhanced."))
            return
        counts = {look_of(verdict): count for verdict, count in verdict_counts(record.assessments).items() if count}
        text = ", ".join(f"{look.symbol} {count} {look.words}" for look, count in reversed(counts.items()))
        worst = max((_LEVELS.index(look.level) for look in counts), default=0)
        set_label(self._ui.verdictLabel, "\n".join((text, *_distrusted(rows))), _LEVELS[worst])

    def _fill_choices(self, choices: dict[str, str]) -> None:
        combo = self._ui.chartComboBox
        if choices == {combo.itemData(index): combo.itemText(index) for index in range(combo.count)}:
            return
        self._updating = True
        combo.clear()
        for name, title in choices.items():
            combo.addItem(title, name)
        self._updating = False
        if self._parameters is not None:
            self.refresh(self._parameters)

    def _on_metric(self, index: int) -> None:
        if not self._updating and self._parameters is not None and index >= 0:
            self._parameters.chartReadout = self._ui.chartComboBox.itemData(index)

    def _fill_table(self, rows: list[MetricRow], scans: Sequence[str], headings: Mapping[str, str]) -> None:
        with_planning_ct = any("planning_ct" in row.cells for row in rows)
        self._ui.metricsTable.setColumnHidden(1 + scans.index("planning_ct"), not with_planning_ct)
        items = [
            [
                text_item(row.title, as_html(row.meaning)),
                *(_value_item(row.cells.get(scan), narrow=with_planning_ct) for scan in scans),
            ]
            for row in rows
        ]
        self._table.show(headings, items)


def _headings() -> dict[str, str]:
    """The table's columns from left to right: heading -> tool tip."""
    tips = {
        "mvct": _("Values of the MVCT: the mean over its slices ± the standard deviation."),
        "enhanced": _("Values of the enhanced scan, and of its comparison with the MVCT."),
        "planning_ct": _("Values of the planning CT, the reference."),
    }
    return {
        _("Metric"): _("What was measured; its tool tip explains it."),
        **{scan_title(scan): tips[scan] for scan in SCANS},
    }


def _model_headings(comparison: ModelComparison) -> dict[str, str]:
    """Those of two models beside each other."""
    tip = _("Values of the enhanced scan '{name}', and of its comparison with the MVCT.")
    metric, _mvct, _enhanced, *planning_ct = _headings().items()
    volumes = (comparison.other, comparison.enhanced)
    models = {title: tip.format(name=node.GetName()) for title, node in zip(comparison.titles, volumes, strict=True)}
    return dict((metric, *models.items(), *planning_ct))


def _value_item(cell: Cell | None, *, narrow: bool):
    """The value with the symbol of its verdict; a narrow one has its spread on a second line."""
    if cell is None:
        return text_item("", _("This metric has no value for this scan."))
    look = look_of(cell.verdict)
    if cell.verdict == NOT_APPLICABLE:
        return text_item(look.symbol, _verdict_tip(cell), look.level)
    parts = (cell.value, look.symbol, f"\n{cell.spread}") if narrow else (cell.value, cell.spread, look.symbol)
    return text_item(" ".join(part for part in parts if part).strip(), _verdict_tip(cell), look.level)


def _verdict_tip(cell: Cell) -> str:
    look = look_of(cell.verdict)
    if not look.words:
        return as_html(cell.reason or _no_verdict())
    return f"<b>{as_html(look.text)}</b>. {as_html(cell.reason)}"


def _no_verdict() -> str:
    return _("This value was not assessed.")


def _distrusted(rows: list[MetricRow]) -> list[str]:
    """A line for each value that is not to be trusted: which, and why."""
    found = [(row, scan, cell) for row in rows for scan, cell in row.cells.items() if cell.verdict == DO_NOT_TRUST]
    symbol = look_of(DO_NOT_TRUST).symbol
    return [f"{symbol} {row.title}, {scan_title(scan)}: {cell.reason}" for row, scan, cell in found]
