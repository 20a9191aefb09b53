"""Two volumes that keep the same window and level."""

from __future__ import annotations

import vtk
from slicer.util import VTKObservationMixin


class WindowLevelLink(VTKObservationMixin):
    """What is changed on one of two volumes is changed on the other, too."""

    def __init__(self):
        super().__init__()
        self._displays: tuple = ()
        self._copying = False

    def link(self, leader, follower) -> None:
        """Link two volume nodes; the follower takes the leader's values at once, unless they are linked already."""
        displays = tuple(node.GetScalarVolumeDisplayNode() for node in (leader, follower))
        if displays == self._displays:
            return
        self.unlink()
        if None in displays:
            return
        self._displays = displays
        self._copy(*displays)
        for display in displays:
            self.addObserver(display, vtk.vtkCommand.ModifiedEvent, self._on_modified)

    def unlink(self) -> None:
        """Let both go."""
        self.removeObservers()
        self._displays = ()

    def _on_modified(self, caller, event) -> None:
        for other in self._displays:
            if other is not caller:
                self._copy(caller, other)

    def _copy(self, source, target) -> None:
        values = source.GetWindow(), source.GetLevel()
        if self._copying or values == (target.GetWindow(), target.GetLevel()):
            return
        self._copying = True
        modifying = target.StartModify()
        target.SetAutoWindowLevel(False)
        target.SetWindowLevel(*values)
        target.EndModify(modifying)
        self._copying = False
