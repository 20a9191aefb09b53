"""What a user sees of the panel at a size of the window: texts that are cut, and widgets that overlap."""

SLICER_WIDTH = 424
"""Pixels that Slicer gives the module panel, its scroll bar included."""
SMALL_HEIGHT = 460
"""Pixels that are left of 768 for the module panel, below the title bar and above the Data Probe and the status bar."""


def resize(app, width: int, height: int = SMALL_HEIGHT) -> None:
    """The user makes the module panel of the main window as wide and as high."""
    window = app.slicer.util.mainWindow()
    window.resize(width, height + window.height - window.module_panel.height)
    places, unchanged = None, 0
    for _ in range(100):  # a height that follows from a width may change the width, as a scroll bar comes or goes
        app.run_events(0.02)
        before, places = places, [widget.geometry for widget in window.findChildren(app.qt.QWidget)]
        unchanged = unchanged + 1 if places == before else 0
        if unchanged == 4:
            return
    raise AssertionError("the layout of the panel does not come to rest")


def flaws(app) -> list[str]:
    """What the user could not read or use: texts that are cut, rows that are hidden, widgets that overlap."""
    top = app.ui.inputsCollapsibleButton.parent()
    shown = [widget for widget in top.findChildren(app.qt.QWidget) if widget.isVisible()]
    cut = [f"{widget.name} is cut" for widget in shown if _is_cut(app, widget)]
    leaves = [widget for widget in shown if widget.parent().layout() and widget.layout() is None]
    places = {widget: app.qt.QRect(widget.mapTo(top, app.qt.QPoint(0, 0)), widget.size) for widget in leaves}
    pairs = [(one, two) for number, one in enumerate(leaves) for two in leaves[:number]]
    hidden = [f"{widget.name} is outside" for widget in leaves if not top.rect.contains(places[widget])]
    if top.visibleRegion().boundingRect().width() < top.width:
        cut.append(f"the panel is {top.width} wide, which the window is not")
    return cut + hidden + [f"{a.name} overlaps {b.name}" for a, b in pairs if places[a].intersects(places[b])]


def _is_cut(app, widget) -> bool:
    if isinstance(widget, app.qt.QLabel):
        return widget.height < widget.heightForWidth(widget.width)
    if isinstance(widget, app.qt.QTableWidget):
        rows = sum(widget.rowHeight(row) for row in range(widget.rowCount))
        return rows > widget.viewport().height
    return False
