"""The module's self-test, with a small phantom in place of the one that takes a minute to make."""

import pytest
from slicerui.scans import add_mvct


@pytest.fixture
def small_phantom(app, monkeypatch):
    from MVCTEnhanceLib.slicerui import sample_data

    monkeypatch.setattr(
        sample_data,
        "make_phantom_and_wait",
        lambda *progress: (add_mvct(app, "MVCTPhantom"), add_mvct(app, "PlanningCTPhantom", seed=8)),
    )


def test_the_self_test_passes_with_every_step(app, small_phantom):
    app.load_module()
    app.slicer.selfTests["MVCTEnhance"]()
    said = app.slicer.harness_messages
    assert said[-1] == "All steps passed"
    for step in ("listed", "enhanced", "verdicts", "side by side", "exported", "saved"):
        assert any(step in message for message in said), step


def test_the_self_test_fails_where_a_step_does(app, small_phantom, monkeypatch):
    from MVCTEnhanceLib.slicerui import self_test

    app.load_module()
    monkeypatch.setattr(self_test, "update_tables", lambda *arguments: None)
    with pytest.raises((AssertionError, AttributeError)):
        app.slicer.selfTests["MVCTEnhance"]()


def test_without_the_packages_it_says_so_and_tests_the_rest(app, monkeypatch):
    from MVCTEnhanceLib.slicerui import dependencies

    app.load_module()
    monkeypatch.setattr(dependencies, "missing", lambda *folder: ["torch>=2.4"])
    app.slicer.selfTests["MVCTEnhance"]()
    assert "torch>=2.4" in app.slicer.harness_messages[-1]
