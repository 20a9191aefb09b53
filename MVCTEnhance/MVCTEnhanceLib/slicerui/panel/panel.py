"""The panel: its sections, and what goes on between them."""

from __future__ import annotations

import slicer.util
import vtk
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from ...jobs.requests import MATCH
from ...quality.catalogue import intended_use
from ..jobs import sample_data
from ..metrics.follower import ResultFollower
from ..metrics.two_models import ModelFollower
from ..parameters import OPTIONS
from ..scene.outputs import ROLE_MVCT, EnhanceResult
from ..scene.request import PARAMETERS, SceneRequest
from ..scene.sequence_nodes import sequence_of
from ..wording import set_label
from .course import CourseSection
from .export import ExportSection
from .height import PanelHeight
from .inputs import InputsSection
from .metrics import MetricsSection
from .model import ModelSection
from .outputs import SELECTORS, ChosenOutputs, results_known_by
from .qa import QASection
from .registration import RegistrationSection
from .review import ReviewSection
from .run import RunSection
from .site import SiteSection

NODES = ("mvct", "planningCT", "region", "structures", "compareWith", *SELECTORS)


class Panel(VTKObservationMixin):
    """Connects the widgets of the .ui file with the parameters of a scene and with the work.

    Args:
        ui: the named widgets.
    """

    def __init__(self, ui):
        super().__init__()
        self._parameters = None
        self._refreshing = False
        self._ui = ui
        self._with_result = False
        self._height = PanelHeight(ui.inputsCollapsibleButton.parentWidget())
        self._site = SiteSection(ui, self.refresh)
        self._models = ModelSection(ui, self.refresh)
        self._inputs = InputsSection(ui, self._show_warnings)
        self._outputs = ChosenOutputs(ui, self.refresh)
        self._run = RunSection(ui, self._apply, self._take_result)
        self._follower = ResultFollower(self.refresh)
        self._beside = ModelFollower(self.refresh)
        self._review = ReviewSection(ui, self._follower.chart.put_into_views)
        self._registration = RegistrationSection(ui, self._review.show_registered)
        self._metrics = MetricsSection(ui, self._review.show)
        self._export = ExportSection(ui)
        self._course = CourseSection(ui, self._run.installation)
        self._qa = QASection(ui, self._run.installation)
        set_label(ui.intendedUseLabel, intended_use(_))
        sample_data.register()  # again after a reload, which replaces what the button calls

    def set_parameters(self, parameters) -> None:
        """Show the parameters of a scene and follow them; None lets go of the scene."""
        self.removeObservers()
        for part in self._parts():
            part.leave()
        self._parameters = parameters
        if parameters is None:
            self._outputs.forget()
            self._metrics.show(None)
            self._run.forget()
            self._run.set_problem(_("Choose the MVCT."))
            return
        self._outputs.mvct = parameters.mvct
        self.addObserver(parameters.parameterNode, vtk.vtkCommand.ModifiedEvent, self._on_modified)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.NodeAboutToBeRemovedEvent, self._on_removed)
        self._run.devices.find()
        self._run.installation.enter(parameters)
        self._site.enter(parameters)
        self.refresh()

    def choose_input(self) -> None:
        """Choose the MVCT where none is chosen and only one volume can be it: neither the planning CT nor a result."""
        parameters = self._parameters
        if parameters.mvct is not None:
            return
        volumes = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
        others = {parameters.planningCT, *(node for volume in volumes for node in results_known_by(volume))}
        scans = [node for node in volumes if node.GetClassName() == "vtkMRMLScalarVolumeNode" and node not in others]
        if len(scans) == 1:
            self._outputs.mvct = scans[0]  # no change of mind of the user: a result that is looked at stays
            parameters.mvct = scans[0]

    def refresh(self) -> None:
        """Bring every section up to date with the parameters."""
        if self._parameters is None or self._refreshing:
            return
        self._refreshing = True
        try:
            self._refresh(self._parameters)
        finally:
            self._refreshing = False

    def pause(self) -> None:
        """The user has left the module: nothing may move by itself any more."""
        self._review.pause()

    def close(self) -> None:
        """Release the application: no process, observer or timer stays behind."""
        self.set_parameters(None)
        self._run.close()
        self._registration.close()
        self._export.close()
        self._course.close()
        self._qa.close()
        self._review.close()
        self._height.close()
        sample_data.cancel_all()

    def _parts(self) -> tuple:
        return (
            self._site,
            self._models,
            self._inputs,
            self._run.devices,
            self._run.installation,
            self._follower,
            self._beside,
            self._metrics,
            self._review,
            self._registration,
            self._export,
            self._course,
            self._qa,
        )

    def _refresh(self, parameters) -> None:
        self._outputs.refresh(parameters)
        self._site.refresh(parameters)
        self._models.of_site = self._site.model
        for part in (self._models, self._inputs, self._run.devices, self._run.installation):
            part.refresh(parameters)
        self._ui.strengthSlider.enabled = not parameters.matchStrength
        self._inputs.check(parameters.mvct, parameters.planningCT, self._models.chosen)
        changed = self._follower.refresh(parameters)
        if self._beside.refresh(parameters, self._follower.result) or changed:
            self._metrics.show(self._follower.result, self._beside.comparison)
        self._open_sections()
        self._show_warnings()
        problem = self._site.problem or self._models.problem
        self._run.set_problem(problem or self._request().problem())
        self._metrics.refresh(parameters)
        self._review.refresh(parameters, self._follower.result, self._beside.comparison, self._beside.problem)
        self._registration.refresh(parameters, self._follower.result)
        self._export.refresh(parameters, self._follower.result)
        self._course.refresh(parameters, problem)
        self._qa.refresh(parameters, problem)

    def _open_sections(self) -> None:
        """Open the sections that work on a result when there is one, and close them when there is none any more."""
        with_result = self._follower.result is not None
        if with_result != self._with_result:
            self._with_result = with_result
            for name in ("metrics", "review", "export"):
                getattr(self._ui, f"{name}CollapsibleButton").collapsed = not with_result

    def _show_warnings(self) -> None:
        """Show the warnings of the result less those that are shown for the inputs."""
        result = self._follower.result
        if result is not None and self._parameters is not None:
            of_input = result.enhanced.GetNodeReference(ROLE_MVCT) is self._parameters.mvct
            shown = self._inputs.warnings if of_input else []
            self._metrics.show_warnings([text for text in result.warnings if text not in shown])

    def _on_modified(self, caller, event) -> None:
        self.refresh()

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _on_removed(self, scene, event, node) -> None:
        """Choose none in the place of a node that goes: its selector would move on to another one by itself."""
        if scene.IsClosing():
            return
        with slicer.util.NodeModify(self._parameters):
            for name in NODES:
                if getattr(self._parameters, name) is node:
                    setattr(self._parameters, name, None)
            if self._beside.comparison and self._beside.comparison.difference is node:
                self._parameters.compareWith = None

    def _request(self) -> SceneRequest:
        """What Apply does."""
        parameters = self._parameters
        named = {name: getattr(parameters, name) for name in (*PARAMETERS, *OPTIONS)} | self._outputs.ids(parameters)
        named["allItems"] = parameters.allItems and sequence_of(parameters.mvct) is not None
        if not parameters.makeCycleError:
            named["cycleError"] = None
        if parameters.matchStrength:
            named["strength"] = MATCH
        return SceneRequest.of(parameters.mvct, **named)

    def _apply(self) -> None:
        self._run.start(self._request())

    def _take_result(self, result: EnhanceResult) -> None:
        """Choose the nodes of a result that has just come as outputs, so that they are saved, shown and used again."""
        if self._parameters is None:
            return
        with slicer.util.NodeModify(self._parameters):
            self._parameters.enhanced = result.enhanced
            self._parameters.difference = result.difference
            if result.cycleError:
                self._parameters.cycleError = result.cycleError
        self.refresh()
        self._review.take_new()
