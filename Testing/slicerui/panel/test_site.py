"""The site profile in the panel: chosen once, used by every run, told in its result."""

import pytest
from MVCTEnhanceLib.model.card import DEFAULT_MODEL, find_model, model_sha256
from MVCTEnhanceLib.site.profile import FittedCalibration, Made, Scanner, SiteModel, SiteProfile, read_site, write_site
from slicerui.panels import apply_and_wait, open_with_scan, parameters

CALIBRATION = FittedCalibration(12.0, 0.985, 0.4728, 0.5, 0.001, 0.004, "phantom", 8)


@pytest.fixture
def site(tmp_path):
    model = SiteModel("unpaired", model_sha256(find_model("unpaired")))
    profile = SiteProfile(Scanner("Bunker 2"), Made("2026-11-30T10:00:00+01:00", "me", "p"), CALIBRATION, model)
    write_site(profile, tmp_path / "site-profile.toml")
    return tmp_path / "site-profile.toml"


def test_it_is_remembered_on_this_computer_until_it_is_emptied(app, site):
    open_with_scan(app)
    app.type_text(app.ui.sitePathLineEdit, str(site))
    assert "Bunker 2; made on 2026-11-30; water at 12.0 ± 0.5 HU, from a phantom" in app.ui.siteSummaryLabel.text
    app.close_scene()
    assert parameters(app).site == app.ui.sitePathLineEdit.currentPath == str(site)
    app.type_text(app.ui.sitePathLineEdit, "")
    app.close_scene()
    assert parameters(app).site == app.ui.sitePathLineEdit.currentPath == app.ui.siteSummaryLabel.text == ""


def test_its_model_is_the_one_shown_unless_another_is_chosen(app, site):
    open_with_scan(app)
    assert app.ui.modelComboBox.currentText == DEFAULT_MODEL
    app.type_text(app.ui.sitePathLineEdit, str(site))
    assert app.ui.modelComboBox.currentText == "unpaired" and parameters(app).model == ""
    app.choose(app.ui.modelComboBox, DEFAULT_MODEL)
    assert parameters(app).model == app.ui.modelComboBox.currentText == DEFAULT_MODEL


def test_profile_that_cannot_be_used_is_told_before_apply(app, site):
    open_with_scan(app)
    site.write_text("format = 1", encoding="utf-8")
    app.type_text(app.ui.sitePathLineEdit, str(site))
    assert "'scanner' is missing" in app.ui.siteSummaryLabel.text
    assert not app.ui.applyButton.enabled and "'scanner' is missing" in app.ui.applyButton.toolTip


@pytest.mark.integration
@pytest.mark.thorough
def test_result_tells_the_profile_that_it_was_made_with(app, site):
    import json

    mvct = open_with_scan(app)
    app.type_text(app.ui.sitePathLineEdit, str(site))
    apply_and_wait(app)
    enhanced = parameters(app).enhanced
    assert enhanced is not None and enhanced is not mvct, app.ui.statusLabel.text
    readouts = json.loads(parameters(app).readouts.GetText())
    assert readouts["site"]["name"] == "Bunker 2" and readouts["model"]["name"] == "unpaired"
    assert "site profile of Bunker 2" in enhanced.GetDescription()
    assert f"with site {read_site(site).sha256[:8]} of" in enhanced.GetAttribute("MVCTEnhance.product")
