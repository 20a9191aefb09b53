"""The panel with a scan, and what tests look at."""

from slicerui.scans import add_mvct

OUTPUTS = ("enhanced", "difference", "cycleError")


def open_with_scan(app, name: str = "MVCT", *, copies: int = 1):
    """Loads the module and a scan, as a user does who then opens the module; returns the scan."""
    app.load_module()
    open_sections(app)
    app.exit()
    mvct = add_mvct(app, name, copies=copies)
    app.enter()
    return mvct


def open_sections(app) -> None:
    """Opens the sections that are closed at first."""
    for name in ("model", "outputs", "metrics", "review", "export", "course", "commissioning"):
        getattr(app.ui, f"{name}CollapsibleButton").collapsed = False


def open_with_long_scan(app, name: str = "MVCT"):
    """The same with a scan of 24 slices, which also a fast computer is seen at work on."""
    return open_with_scan(app, name, copies=6)


def reload(app) -> None:
    """Presses Reload; the old panel, which Slicer hides, is taken away so that `app.ui` finds the new one."""
    old = app.widget.ui.inputsCollapsibleButton.parent()
    app.reload()
    old.setParent(None)
    old.deleteLater()
    app.run_events()


def parameters(app):
    """The parameters of the scene."""
    return app.logic.getParameterNode()


def apply_and_wait(app) -> None:
    """Presses Apply and waits for the end."""
    app.click(app.ui.applyButton)
    app.wait(lambda: not is_running(app), 300)


def apply_until_slices(app) -> None:
    """Presses Apply on a long scan and waits until the worker tells of slices."""
    app.click(app.ui.applyButton)
    app.wait(lambda: "slice" in app.ui.stageLabel.text, 300)
    assert app.child_processes()


def is_running(app) -> bool:
    return app.ui.applyButton.text == "Cancel"


def is_idle(app) -> bool:
    """Whether the panel looks as before Apply, and nothing is left of the run."""
    shown = app.ui.progressBar.isVisible() or app.ui.stageLabel.isVisible()
    return app.ui.applyButton.text == "Apply" and not shown


def choose_result(app, result) -> None:
    """The user chooses an enhanced volume."""
    app.choose(app.ui.enhancedSelector, result.enhanced)


def table(app) -> dict[str, list[str]]:
    """The table's texts: readout -> cells from left to right, hidden columns left out."""
    widget = app.ui.metricsTable
    columns = [column for column in range(1, widget.columnCount) if not widget.isColumnHidden(column)]
    return {
        widget.item(row, 0).text(): [widget.item(row, column).text() for column in columns]
        for row in range(widget.rowCount)
    }


def headings(app) -> list[str]:
    widget = app.ui.metricsTable
    shown = [column for column in range(widget.columnCount) if not widget.isColumnHidden(column)]
    return [widget.horizontalHeaderItem(column).text() for column in shown]


def tip(app, readout: str, column: int) -> str:
    """Tool tip of a cell of the table."""
    widget = app.ui.metricsTable
    row = next(row for row in range(widget.rowCount) if widget.item(row, 0).text() == readout)
    return widget.item(row, column).toolTip()


class StartedJob:
    """In the place of a Job of the panel: it starts nothing, and ends when the test says so."""

    def __init__(self, work, *, on_progress, on_done, on_error):
        self.work, self.done, self.failed, self.progress = work, on_done, on_error, on_progress
        self.cancelled = False

    def start(self):
        pass

    def cancel(self):
        self.cancelled = True


def without_worker(monkeypatch, kind) -> list:
    """Have such jobs in the place of the panel's; the list gets those that are started."""
    from MVCTEnhanceLib.slicerui.panel import cancellable

    def make(work, **on):
        jobs.append(kind(work, **on))
        return jobs[-1]

    jobs = []
    monkeypatch.setattr(cancellable, "Job", make)
    return jobs
