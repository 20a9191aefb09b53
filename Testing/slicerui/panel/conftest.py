"""Fixtures of the tests of the panel."""

import pytest
from slicerui.panels import choose_result, open_with_scan
from slicerui.results import add_result


@pytest.fixture
def result(app):
    """The enhanced scan of 'Day 1', which the user has chosen."""
    result = add_result(app, open_with_scan(app, "Day 1"))
    choose_result(app, result)
    return result


@pytest.fixture
def shown_files(app):
    """The files that the panel has shown in the programs that this computer has for them, in the place of these."""
    from PySide6.QtCore import Slot

    class Browser(app.qt.QObject):
        @Slot("QUrl")
        def show(self, url):
            shown.append(url.toLocalFile())

    shown, browser = [], Browser()
    app.qt.QDesktopServices.setUrlHandler("file", browser, "show")
    yield shown
    app.qt.QDesktopServices.unsetUrlHandler("file")
