"""Children of CTK's collapsible widgets: what the module shows or hides while collapsed is done at expansion."""

from PySide6 import QtCore, QtWidgets

OWN = "visibilityToParent"  # dynamic property in which CTK keeps what was asked for


class Collapsing:
    """Mixin of a widget with a property `collapsed`."""

    _forcing = False
    _watching = False

    def _watch_children(self) -> None:
        """To be called when the widget is shown: children are known by then."""
        if not self._watching:
            self._watching = True
            for child in self._child_widgets():
                self._watch(child)
        self._hide_or_show()

    def _watch(self, child) -> None:
        if child.isHidden() and child.testAttribute(QtCore.Qt.WA_WState_ExplicitShowHide):
            child.setProperty(OWN, False)
        child.installEventFilter(self)

    def _child_widgets(self) -> list:
        return [child for child in self.children() if isinstance(child, QtWidgets.QWidget)]

    def _hide_or_show(self) -> None:
        if self._watching:
            for child in self._child_widgets():
                self._force(child)

    def _force(self, child) -> None:
        self._forcing = True
        asked = child.property(OWN)
        child.setVisible(not self.collapsed and asked is not False)
        if asked is not False:
            child.setAttribute(QtCore.Qt.WA_WState_ExplicitShowHide, False)
        self._forcing = False

    def eventFilter(self, child, event) -> bool:
        kind = event.type()
        if not self._forcing and kind in (QtCore.QEvent.ShowToParent, QtCore.QEvent.HideToParent):
            child.setProperty(OWN, kind == QtCore.QEvent.ShowToParent)
            if kind == QtCore.QEvent.ShowToParent:
                self._force(child)
        return False
