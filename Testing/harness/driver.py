"""Driver for tests: a fresh scene, the module's panel, the mouse, the event loop and the scene's files."""

import os
import sys
import time
from pathlib import Path

from . import install, pictures, processes
from .application.application import Application
from .application.dicom_database import DICOMDatabase
from .application.modules import Modules
from .application.sample_data import press_button
from .failures import Watch
from .popups import Popups
from .widgets import signals

SOURCE = Path(__file__).resolve().parents[2] / "MVCTEnhance"


class App:
    """One run of the application; see README.md for what each method does."""

    def __init__(self, folder: Path, watch: Watch):
        import slicer

        self.slicer, self.qt, self.folder, self.failures = slicer, install.QT, folder, watch
        self.popups = Popups()
        slicer.selfTests, slicer.harness_messages = {}, []
        Application(str(folder))
        self.scene = slicer.mrmlScene
        slicer.dicomDatabase = DICOMDatabase()
        slicer.modules = Modules(self.scene, slicer.app.applicationLogic())
        slicer.packaging.installs.clear()
        slicer.packaging.really_install = False
        self.widget = self.module = None

    # The module

    @property
    def module_folder(self) -> Path:
        """Folder of MVCTEnhance.py: the source tree, or a copy of it named by MVCTENHANCE_MODULE_FOLDER."""
        return Path(os.environ.get("MVCTENHANCE_MODULE_FOLDER", SOURCE))

    def load_module(self, name: str = "MVCTEnhance"):
        """Loads the module, makes its panel, shows it and enters it; returns the Python widget."""
        self.module = self.slicer.modules.load_scripted(self.module_folder / f"{name}.py")
        signals.emit(self.slicer.app, "startupCompleted()")
        window = self.slicer.util.mainWindow()
        if window is not None:
            window.resize(520, 1100)
            window.show()
        self.enter()
        self.widget = self._python_widget()
        return self.widget

    def _python_widget(self):
        return getattr(self.slicer.modules, f"{self.module.name}Widget")

    def enter(self) -> None:
        """The user opens the module, or a script where there is no main window."""
        if self.slicer.util.mainWindow() is not None:
            self.slicer.util.selectModule(self.module.name)
        else:
            self.module.widgetRepresentation().enter()

    def exit(self) -> None:
        """The user goes to another module, or a script where there is no main window."""
        if self.slicer.util.mainWindow() is not None:
            self.slicer.util.selectModule("Volumes")
        else:
            self.module.widgetRepresentation().exit()

    def reload(self):
        """The user presses Reload; returns the new Python widget."""
        self.widget.onReload()  # Slicer calls neither exit() before nor enter() after it
        self.widget = self._python_widget()
        return self.widget

    @property
    def ui(self):
        """Named widgets of the panel as attributes; a wrong name raises AttributeError."""
        return self.slicer.util.childWidgetVariables(self.module.widgetRepresentation())

    @property
    def logic(self):
        """The panel's logic."""
        return self.widget.logic

    # The user

    def wait(self, predicate, seconds: float = 60) -> None:
        """Runs the event loop until predicate() holds; fails after `seconds`, or at once on an error in a slot."""
        end = time.monotonic() + seconds
        while not predicate():
            if self.failures.found:
                raise AssertionError("while waiting:\n" + "\n".join(self.failures.found))
            if time.monotonic() > end:
                raise AssertionError(f"nothing of what was waited for came in {seconds} s")
            self.run_events()
            time.sleep(0.01)

    def run_events(self, seconds: float = 0.0) -> None:
        """Runs the event loop for a while (at least once), deferred deletions included."""
        end = time.monotonic() + seconds
        while True:
            install.APPLICATION.processEvents()
            self.qt.QCoreApplication.sendPostedEvents(None, self.qt.QEvent.DeferredDelete)
            if time.monotonic() >= end:
                return
            time.sleep(0.005)

    def click(self, widget) -> None:
        """Clicks a button or check box; fails where the user could not."""
        self._check_usable(widget)
        widget.click()
        self.run_events()

    def choose(self, combo, choice) -> None:
        """Chooses a node or None in a node combo box, or an item by its text (or index) in any combo box."""
        self._check_usable(combo)
        box = combo if isinstance(combo, self.qt.QComboBox) else combo.findChild(self.qt.QComboBox)
        row = choice if isinstance(choice, int) else self._row(combo, box, choice)
        box.setCurrentIndex(row)
        box.activated.emit(row)
        self.run_events()

    def _row(self, combo, box, choice) -> int:
        if hasattr(choice, "GetID") or choice is None:
            wanted, role = (choice.GetID() if choice else ""), combo.node_role()
            rows = [row for row in range(box.count) if box.itemData(row, role) == wanted]
        else:
            rows = [row for row in range(box.count) if box.itemText(row) == choice]
        if not rows:
            offered = [box.itemText(row) for row in range(box.count)]
            raise AssertionError(f"{combo.name} offers {offered}, not {choice if choice is None else str(choice)[:80]}")
        return rows[0]

    def type_text(self, widget, text: str) -> None:
        """Types a text into a line edit or path line edit."""
        self._check_usable(widget)
        line = widget if isinstance(widget, self.qt.QLineEdit) else widget.findChild(self.qt.QLineEdit)
        line.setText(text)
        line.textEdited.emit(text)
        line.editingFinished.emit()
        self.run_events()

    @staticmethod
    def _check_usable(widget) -> None:
        if not widget.isEnabled():
            raise AssertionError(f"{widget.name} is disabled")
        if not widget.isVisible():
            raise AssertionError(f"{widget.name} is not visible")

    def download_sample(self, category: str, name: str) -> None:
        """Presses a button of the Sample Data module."""
        press_button(category, name)
        self.run_events()

    def close_application(self) -> None:
        """The user closes Slicer."""
        self.slicer.app.quit_as_user()

    def restart(self) -> None:
        """The user closes Slicer and starts it again: a fresh scene, no module, and no view but those of the start."""
        self.end()
        folder = self.folder / "again"
        folder.mkdir()
        self.__init__(folder, self.failures)

    # The scene

    def add_volume(self, array, name: str = "MVCT", *, spacing=(1.0, 1.0, 1.0), ijk_to_ras=None):
        """A volume node with an array (k, j, i) and a display node, like one that was loaded."""
        node = self.slicer.util.addVolumeFromArray(array, ijk_to_ras, name)
        if ijk_to_ras is None:
            node.SetSpacing(spacing)
        return node

    def save_scene(self, folder) -> Path:
        """Saves scene and data below a new folder; returns the .mrml file."""
        for node in self.slicer.util.getNodesByClass("vtkMRMLStorableNode"):
            node.AddDefaultStorageNode()
        if not self.slicer.util.saveScene(str(folder)):
            raise AssertionError("the scene could not be saved")
        return next(Path(folder).rglob("*.mrml"))

    def load_scene(self, path) -> None:
        """Closes the scene and loads another."""
        self.scene.Clear(False)
        self.slicer.util.loadScene(str(path))
        self.run_events()

    def close_scene(self) -> None:
        """File > Close scene."""
        self.scene.Clear(False)
        self.run_events()

    # What can be seen

    def grab(self, widget, path) -> None:
        """Picture of a widget as a PNG file."""
        self.run_events()
        if not widget.grab().save(str(path)):
            raise AssertionError(f"no picture could be written to {path}")

    def slice_images(self) -> dict:
        """RGB pictures (rows, columns, 3) of the slice views that the layout shows, by their label."""
        return dict(zip(*pictures.side_by_side(self.slicer.app.layoutManager()), strict=True))

    def render_views(self, path) -> None:
        """Picture of the layout as a PNG file: slice views side by side, the chart below them."""
        self.run_events()
        manager = self.slicer.app.layoutManager()
        pictures.save(path, *pictures.side_by_side(manager), pictures.chart(manager))

    @property
    def plot_view(self):
        """The qMRMLPlotView of the chart that the layout shows (series_names(), click_point(series, index))."""
        manager = self.slicer.app.layoutManager()
        shown = manager._views_shown("vtkMRMLPlotViewNode")
        plots = [manager.plotWidget(index) for index in range(manager.plotViewCount)]
        return next(plot.plotView() for plot in plots if plot.mrmlPlotViewNode().GetLayoutName() in shown)

    def child_processes(self) -> list[int]:
        """Live processes that were started during this test."""
        return processes.live()

    # The end

    def end(self) -> None:
        """Ends the module as Slicer does, and lets go of everything."""
        if self.widget is not None:
            if self.widget.parent.isEntered:
                self.exit()
            self.close_application()
            self.slicer.modules.release()
            self.run_events()
        self.popups.end()
        self.slicer.app.release()
        signals.forget_connections()
        sys.modules.pop("MVCTEnhance", None)
        self.run_events()
