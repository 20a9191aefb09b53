"""The scripted module that 3D Slicer loads: its name and help, parameters, panel, logic and self-test."""

import sys
from pathlib import Path
from typing import Annotated, Union

import slicer
from MVCTEnhanceLib.slicerui.parameters import OptionParameters
from slicer import vtkMRMLMarkupsROINode, vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode, vtkMRMLTextNode
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.parameterNodeWrapper import WithinRange, parameterNodeWrapper
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin


class MVCTEnhance(ScriptedLoadableModule):
    """What Slicer shows of the module in its lists and in its help."""

    def __init__(self, parent):
        super().__init__(parent)
        self.parent.title = _("MVCT Enhance")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Radiotherapy")]
        self.parent.contributors = ["MVCTEnhance contributors"]
        self.parent.helpText = _(
            "Converts megavoltage CT (MVCT) of TomoTherapy units to the image quality of kilovoltage CT, with a "
            "difference map and image-quality metrics that say how far to trust it.<ol>"
            "<li>Choose the MVCT, and the planning CT if you have it.</li>"
            "<li>Press Apply. The first time, missing Python packages are installed after one question.</li>"
            "<li>Read the metrics: the reasons of 'do not trust' stand above them, all others in tool tips.</li>"
            "<li>Press 'Review layout' to compare both scans; a click on the chart jumps to that slice.</li>"
            "<li>Export the result as DICOM, CSV or HTML.</li></ol>"
            "For research only; not a medical device. Sample data: 'MVCT phantom' in the module Sample Data. "
            '<a href="https://github.com/MVCTEnhance/SlicerMVCTEnhance#readme">Documentation</a>'
        )
        self.parent.acknowledgementText = _("Method: S. Ozaki, S. Kaji et al., Medical Physics 49(6), 2022.")
        slicer.app.connect("startupCompleted()", registerAtStartup)


def registerAtStartup():
    """Offer the phantom in the module Sample Data, and the layout to scenes that were saved in it."""
    from MVCTEnhanceLib.slicerui.jobs import sample_data
    from MVCTEnhanceLib.slicerui.review import layout as review_layout

    sample_data.register()
    review_layout.register_layout()


@parameterNodeWrapper
class MVCTEnhanceParameterNode(OptionParameters):
    """What the user chose; it is saved with the scene.

    allItems: every item of the sequence that the MVCT shows. region, segmentID: where the metrics are measured.
    structures: each segment is measured by itself.
    readouts: of enhanced. The options of an enhancement, such as model and device, come with OptionParameters.
    matchStrength: in the place of `strength`, the one whose NSelfSSIM comes nearest to the planning CT's.
    compareWith: the enhanced scan of another model, in the place of the MVCT.
    fade: 0 MVCT to 1 enhanced. differenceWindow: HU of the full colours. showCorrection: not the difference is shown.
    """

    mvct: vtkMRMLScalarVolumeNode
    allItems: bool = False
    planningCT: vtkMRMLScalarVolumeNode
    region: Union[vtkMRMLSegmentationNode, vtkMRMLMarkupsROINode, None]  # noqa: UP007 (the form that every Slicer takes)
    segmentID: str = ""
    structures: vtkMRMLSegmentationNode
    enhanced: vtkMRMLScalarVolumeNode
    difference: vtkMRMLScalarVolumeNode
    cycleError: vtkMRMLScalarVolumeNode
    makeCycleError: bool = False
    matchStrength: bool = False
    readouts: vtkMRMLTextNode
    chartReadout: str = "nselfssim"
    compareWith: vtkMRMLScalarVolumeNode
    fade: Annotated[float, WithinRange(0.0, 1.0)] = 1.0
    differenceWindow: Annotated[float, WithinRange(10.0, 2000.0)] = 300.0
    showCorrection: bool = False
    exportFolder: Path = Path()
    courseScans: Path = Path()
    courseFolder: Path = Path()
    wheelFolder: Path = Path()


class MVCTEnhanceWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """The panel's place in the application; what it does is in MVCTEnhanceLib.slicerui.panel."""

    def __init__(self, parent=None):
        self.logic = self.panel = self.ui = self._parameterNode = self._guiTag = None
        VTKObservationMixin.__init__(self)
        ScriptedLoadableModuleWidget.__init__(self, parent)

    def setup(self):
        """Load the panel from the .ui file, and follow the scene; called by Slicer when the module is first opened."""
        from MVCTEnhanceLib.slicerui.panel import panel

        super().setup()
        widget = slicer.util.loadUI(self.resourcePath("UI/MVCTEnhance.ui"))
        self.layout.addWidget(widget)
        widget.setMRMLScene(slicer.mrmlScene)
        self.ui = slicer.util.childWidgetVariables(widget)
        self.logic = MVCTEnhanceLogic()
        self.panel = panel.Panel(self.ui)
        scene = slicer.mrmlScene
        self.addObserver(scene, scene.StartCloseEvent, self.onSceneStartChange)
        self.addObserver(scene, scene.EndCloseEvent, self.onSceneEndChange)
        self.addObserver(scene, scene.StartImportEvent, self.onSceneStartChange)
        self.addObserver(scene, scene.EndImportEvent, self.onSceneEndChange)
        self.enter()

    def exit(self):
        """Another module is shown: widgets follow the parameters no longer, but a run goes on."""
        if self._parameterNode:
            self._parameterNode.disconnectGui(self._guiTag)
            self._guiTag = None
        if self.panel:
            self.panel.pause()

    def cleanup(self):
        """The module is reloaded, or Slicer ends."""
        self.removeObservers()
        if self.panel:
            self.setParameterNode(None)
            self.panel.close()

    def onReload(self):
        """Reload the library with the module, as Slicer reloads this file only."""
        for name in [name for name in sys.modules if name.split(".")[0] == "MVCTEnhanceLib"]:
            del sys.modules[name]
        super().onReload()

    def onSceneStartChange(self, caller, event):
        """The scene is being closed or loaded: its parameters are no longer followed."""
        self.setParameterNode(None)

    def onSceneEndChange(self, caller, event):
        """The scene was closed or loaded: an open panel shows the new one's parameters."""
        if self.parent.isEntered:
            self.enter()

    def enter(self):
        """Show the parameters of the scene; its only scan is chosen if none was yet."""
        self.setParameterNode(self.logic.getParameterNode())
        self.panel.choose_input()

    def setParameterNode(self, parameterNode):
        """Follow the parameters of a scene; None for no scene."""
        if self._parameterNode:
            self._parameterNode.disconnectGui(self._guiTag)
        self._parameterNode = parameterNode
        self._guiTag = parameterNode.connectGui(self.ui) if parameterNode else None
        self.panel.set_parameters(parameterNode)


class MVCTEnhanceLogic(ScriptedLoadableModuleLogic):
    """What scripts can ask for; what goes wrong is an MVCTEnhanceError, whose text is one sentence.

    choices: planningCT, region, segmentID, structures, model, site, device, strength, enhanced, difference, cycleError,
    makeCycleError, allItems, as the parameters of the panel are called.
    onProgress gets the stage, slices done, slices in all, seconds left (or None).
    """

    def getParameterNode(self):
        """The module's parameters in the scene, as an `MVCTEnhanceParameterNode`."""
        return MVCTEnhanceParameterNode(super().getParameterNode())

    def enhance(self, volumeNode, *, onProgress=None, **choices):
        """Enhance an MVCT volume and wait; the result has enhanced, difference, correction, cycleError, readouts."""
        return scripting().enhance(volumeNode, choices, onProgress)

    def startEnhance(self, volumeNode, *, onProgress=None, onDone=None, onError=None, **choices):
        """Enhance while Slicer goes on; returns a job with running and cancel(). onDone gets the result."""
        return scripting().start_enhance(volumeNode, choices, (onProgress, onDone, onError))

    def enhanceFolder(self, inputFolder, outputFolder, *, onProgress=None, **options):
        """Enhance every scan below a folder and wait; options: those of a BatchRequest, as workers=2."""
        return scripting().enhance_files(inputFolder, outputFolder, options, onProgress)

    def register(self, enhancedNode, planningCT=None, *, isocentre=None, onProgress=None):
        """Register an enhanced volume and its MVCT to the planning CT (by default the one that it was enhanced with)
        and wait; both get a transform. isocentre: LPS in mm. The result has transform, checkerboard, registration."""
        return scripting().register(enhancedNode, planningCT, isocentre, onProgress)

    def compareModels(self, enhancedNode, otherNode):
        """Compare two enhanced scans of one MVCT: the result has difference (enhanced - other), table and titles."""
        return scripting().compare(enhancedNode, otherNode)

    def exportDicom(self, enhancedNode, folder=None, *, description="", force=False):
        """Write a derived DICOM series to a new folder or the DICOM database; force: also what is not to be trusted."""
        return scripting().export_dicom(enhancedNode, folder, description, force=force)

    def exportReport(self, enhancedNode, folder, *, overwrite=False, identify=False):
        """Write the HTML report, which with identify names the scan's DICOM series; returns its path."""
        return scripting().export_report(enhancedNode, folder, overwrite=overwrite, identify=identify)

    def exportReadouts(self, enhancedNode, path, *, overwrite=False):
        """Write the metrics as CSV, a line a slice; returns the path."""
        return scripting().export_csv(enhancedNode, path, overwrite=overwrite)

    def qa(self, volumeNode, phantom, outputFolder, *, enhancedNode=None, onProgress=None, **options):
        """Quality assurance of a phantom's MVCT and wait; options: those of a QARequest, as model or tolerances.

        phantom as on the command line, such as "tomo-cheese" or "water". The result has passed, values and report.
        """
        return scripting().qa(volumeNode, phantom, outputFolder, enhancedNode, options, onProgress)

    def commission(self, mvctFolder, outputFolder, *, onProgress=None, **options):
        """Commission a scanner from folders of scans and wait; options: those of a CommissionRequest, as kvct="plans".

        The result has passed, criteria, report and profile. What was cancelled or failed goes on with resume=True.
        """
        return scripting().commission(mvctFolder, outputFolder, options, onProgress)

    def course(self, scans, outputFolder, *, planningCT=None, onProgress=None, **options):
        """Review all scans below a folder, or of the sequence that a volume shows, on one page and wait.

        options: those of a CourseRequest, as body_change="10mm", identify=True, resume=True or
        structures=segmentation. The result has page, days, done, failed and beyond_limit."""
        return scripting().course(scans, outputFolder, planningCT, options, onProgress)

    def installDependencies(self, wheelFolder=None):
        """Install missing Python packages after one question, from a folder of wheels where one is given."""
        scripting().install_dependencies(wheelFolder)


def scripting():
    """The library's side of the logic, imported when it is needed."""
    from MVCTEnhanceLib.slicerui import logic

    return logic


class MVCTEnhanceTest(ScriptedLoadableModuleTest):
    """The module's self-test, in Slicer itself; the steps are in MVCTEnhanceLib.slicerui.selftest."""

    def runTest(self):
        """Run all steps; the first that fails ends the test."""
        from MVCTEnhanceLib.slicerui.selftest import run

        run(self)
