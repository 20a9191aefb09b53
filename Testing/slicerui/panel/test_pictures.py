"""Pictures of README.md and of the documents, drawn after runs of two models, one of them with structures, and a
registration on the phantom.

MVCTENHANCE_PICTURES=Resources/Screenshots python -m pytest Testing/slicerui/panel/test_pictures.py
"""

import os
from pathlib import Path

import numpy as np
import pytest
from slicerui.layouts import SLICER_WIDTH, resize
from slicerui.panels import is_running, parameters
from slicerui.scans import add_segments

PATIENCE_S = 3000
TISSUES = {
    "brain": ("GREY_MATTER", "WHITE_MATTER"),
    "eyes": ("VITREOUS", "LENS"),
    "salivary glands": ("GLAND",),
    "spinal cord": ("CORD",),
    "bone": ("CORTICAL_BONE", "MARROW"),
}


def enhance(app) -> None:
    app.click(app.ui.applyButton)
    app.wait(lambda: not is_running(app), PATIENCE_S)


def add_anatomy(app, planning_ct):
    """A segmentation of what the phantom was painted of, a segment for each of TISSUES."""
    from MVCTEnhanceLib.physics.head_neck import Tissue, anatomy
    from MVCTEnhanceLib.physics.phantom import grid_points
    from MVCTEnhanceLib.physics.shapes import paint

    labels = np.zeros(app.slicer.util.arrayFromVolume(planning_ct).shape, np.uint8)
    spacing, bottom = planning_ct.GetSpacing(), planning_ct.GetOrigin()[2]
    for k, plane in enumerate(labels):
        paint(plane, *grid_points(plane.shape, spacing, 1), anatomy(bottom + k * spacing[2]))
    masks = (np.isin(labels, [Tissue[name] for name in names]).astype(np.uint8) for names in TISSUES.values())
    node = add_segments(app, planning_ct, *masks)
    for number, name in enumerate(TISSUES):
        node.GetSegmentation().GetNthSegment(number).SetName(name)
    return node


@pytest.mark.skipif(
    "MVCTENHANCE_PICTURES" not in os.environ, reason="MVCTENHANCE_PICTURES names no folder to draw into"
)
def test_panel_structures_two_models_in_the_review_and_a_registration(app):
    folder = Path(os.environ["MVCTENHANCE_PICTURES"])
    app.load_module()
    app.download_sample("MVCT Enhance", "MVCT phantom")
    app.wait(lambda: len(app.slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")) == 2, PATIENCE_S)
    app.choose(app.ui.mvctSelector, app.slicer.util.getNode("MVCTPhantom"))
    planning_ct = app.slicer.util.getNode("PlanningCTPhantom")
    app.choose(app.ui.planningCTSelector, planning_ct)
    parameters(app).model = "unpaired"
    enhance(app)
    other = parameters(app).enhanced
    parameters(app).model = ""
    parameters(app).enhanced = None
    parameters(app).structures = add_anatomy(app, planning_ct)
    enhance(app)
    app.ui.statusLabel.visible = False  # how long it took is a matter of the computer that draws
    panel = app.module.widgetRepresentation()
    resize(app, SLICER_WIDTH)
    app.grab(app.ui.structuresGroupBox, folder / "structures.png")
    app.ui.structuresGroupBox.visible = False
    resize(app, SLICER_WIDTH)
    resize(app, SLICER_WIDTH, panel.y + panel.height)
    app.grab(panel, folder / "panel.png")
    app.choose(app.ui.compareWithSelector, other)
    app.click(app.ui.reviewButton)
    app.ui.differenceWindowSpinBox.value = 50
    app.render_views(folder / "two-models.png")
    app.choose(app.ui.compareWithSelector, None)
    idle_text = app.ui.registerButton.text
    app.click(app.ui.registerButton)
    app.wait(lambda: app.ui.registerButton.text == idle_text, PATIENCE_S)
    app.render_views(folder / "registration.png")
