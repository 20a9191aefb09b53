"""The scripted module that 3D Slicer loads: it brings MVCTEnhanceLib into Slicer and says how to use it."""

from pathlib import Path

import qt
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)


class MVCTEnhance(ScriptedLoadableModule):
    """What Slicer shows of the module in its lists and in its help."""

    def __init__(self, parent):
        super().__init__(parent)
        self.parent.title = _("MVCT Enhance")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Radiotherapy")]
        self.parent.dependencies = []
        self.parent.contributors = ["MVCTEnhance contributors"]
        self.parent.helpText = _(
            "Converts megavoltage CT (MVCT) of TomoTherapy units to the image quality of kilovoltage CT. "
            "This version works from the command line and from Python; the panel says how."
        )
        self.parent.acknowledgementText = _(
            "The method follows S. Ozaki, S. Kaji et al., Medical Physics 49(6), 2022 (arXiv 2107.05238)."
        )


class MVCTEnhanceWidget(ScriptedLoadableModuleWidget):
    """Panel that tells how to run the conversion."""

    def setup(self):
        super().setup()
        guide = qt.QLabel(
            _(
                "<p>This version has no controls here yet. Convert a scan in a terminal and load the result:</p>"
                "<pre>mvct-enhance enhance MVCT_FOLDER --output ENHANCED_FOLDER --report REPORT_FOLDER</pre>"
                "<p>README.md of the extension says how to install the command; <tt>import MVCTEnhanceLib</tt> "
                "gives the same functions in Python.</p>"
            )
        )
        guide.wordWrap = True
        self.layout.addWidget(guide)
        self.layout.addStretch(1)


class MVCTEnhanceTest(ScriptedLoadableModuleTest):
    """Checks inside Slicer that the module was installed whole."""

    def runTest(self):
        self.setUp()
        self.test_library_is_installed_beside_the_module()

    def test_library_is_installed_beside_the_module(self):
        import MVCTEnhanceLib

        self.assertEqual(Path(MVCTEnhanceLib.__file__).parents[1], Path(__file__).parent)
