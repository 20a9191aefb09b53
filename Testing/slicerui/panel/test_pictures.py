"""Pictures of README.md and of the documents, drawn after runs of two models and a registration on the phantom.

MVCTENHANCE_PICTURES=Resources/Screenshots python -m pytest Testing/slicerui/panel/test_pictures.py
"""

import os
from pathlib import Path

import pytest
from slicerui.layouts import SLICER_WIDTH, resize
from slicerui.panels import is_running, parameters

PATIENCE_S = 3000


def enhance(app) -> None:
    app.click(app.ui.applyButton)
    app.wait(lambda: not is_running(app), PATIENCE_S)


@pytest.mark.skipif(
    "MVCTENHANCE_PICTURES" not in os.environ, reason="MVCTENHANCE_PICTURES names no folder to draw into"
)
def test_panel_two_models_in_the_review_and_a_registration(app):
    folder = Path(os.environ["MVCTENHANCE_PICTURES"])
    app.load_module()
    app.download_sample("MVCT Enhance", "MVCT phantom")
    app.wait(lambda: len(app.slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")) == 2, PATIENCE_S)
    app.choose(app.ui.mvctSelector, app.slicer.util.getNode("MVCTPhantom"))
    app.choose(app.ui.planningCTSelector, app.slicer.util.getNode("PlanningCTPhantom"))
    parameters(app).model = "unpaired"
    enhance(app)
    other = parameters(app).enhanced
    parameters(app).model = ""
    parameters(app).enhanced = None
    enhance(app)
    app.ui.statusLabel.visible = False  # how long it took is a matter of the computer that draws
    panel = app.module.widgetRepresentation()
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
