"""Tables of texts in the panel: as high as their rows, with a tool tip for each text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from html import escape

import qt

from ..wording import COLOURS, INFO

as_html = partial(escape, quote=False)


class TextTable:
    """A table whose first column takes the width that the others leave.

    Args:
        table: the QTableWidget.
        columns: how many it has.
    """

    def __init__(self, table, columns: int):
        self._table = table
        table.setColumnCount(columns)
        table.verticalHeader().hide()
        header = table.horizontalHeader()
        header.setHighlightSections(False)
        header.setSectionResizeMode(qt.QHeaderView.ResizeToContents)
        header.setSectionResizeMode(0, qt.QHeaderView.Stretch)
        header.connect("sectionResized(int,int,int)", self._on_resized)
        self._fit = qt.QTimer()
        self._fit.setSingleShot(True)
        self._fit.setInterval(0)
        self._fit.connect("timeout()", self._fit_height)

    def show(self, headings: Mapping[str, str], rows: Sequence[Sequence]) -> None:
        """Show other contents; without rows the table is hidden.

        Args:
            headings: heading -> tool tip, from left to right.
            rows: items as `text_item` makes them.
        """
        table = self._table
        table.setHorizontalHeaderLabels(list(headings))
        for column, tip in enumerate(headings.values()):
            table.horizontalHeaderItem(column).setToolTip(f"<p>{as_html(tip)}</p>")
        table.setRowCount(len(rows))
        for number, items in enumerate(rows):
            for column, item in enumerate(items):
                table.setItem(number, column, item)
        table.visible = bool(rows)
        self._fit_height()

    def leave(self) -> None:
        """Release what is under way."""
        self._fit.stop()

    def _on_resized(self, section: int, before: int, after: int) -> None:
        self._fit.start()

    def _fit_height(self) -> None:
        """Make the table as high as its rows, whose texts break as the panel's width allows."""
        table = self._table
        table.resizeRowsToContents()
        rows = sum(table.rowHeight(number) for number in range(table.rowCount))
        table.setFixedHeight(table.horizontalHeader().sizeHint.height() + rows + 2 * table.frameWidth)


def text_item(text: str, tip: str = "", level: str = INFO):
    """An item with a tool tip in HTML, in the colours of a level."""
    item = qt.QTableWidgetItem(text)
    item.setToolTip(f"<p>{tip}</p>" if tip else "")
    if level != INFO:
        background, colour = COLOURS[level]
        item.setBackground(qt.QBrush(qt.QColor(background)))
        item.setForeground(qt.QBrush(qt.QColor(colour)))
    return item
