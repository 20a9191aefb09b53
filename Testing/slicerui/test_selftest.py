"""The module's self-test: every step runs, a broken panel fails it, and what is left out is said."""

import importlib
import unittest

import pytest

pytestmark = pytest.mark.integration

STEPS = [
    "panel opens",
    "sample data is loaded",
    "apply enhances",
    "metrics are shown",
    "structures are measured",
    "review shows the scans side by side",
    "review shows two models side by side",
    "result is exported",
    "scans are registered",
    "course is reviewed",
    "scan that is no phantom is refused",
]


def self_test(app) -> list[str]:
    """Runs it as Slicer does; returns what it said of its steps."""
    app.load_module()
    app.slicer.selfTests["MVCTEnhance"]()
    return app.slicer.harness_messages


def skipped_self_test(app) -> tuple[list[str], str]:
    """Runs it where it is to be skipped; returns what it said of its steps, and why it was skipped."""
    with pytest.raises(unittest.SkipTest) as skip:
        self_test(app)
    return app.slicer.harness_messages, str(skip.value)


@pytest.fixture
def without_packages(app, monkeypatch):
    from MVCTEnhanceLib.slicerui.install import dependencies

    monkeypatch.setattr(dependencies, "missing", lambda *folder: ["torch>=2.4"])


def test_it_passes_with_every_step_and_leaves_nothing(app, small_phantom):
    assert self_test(app) == [*STEPS, "All steps passed"]
    assert app.slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode") == []
    assert app.child_processes() == []


def test_without_the_packages_the_panel_opens_and_nothing_is_installed(app, without_packages):
    said, why = skipped_self_test(app)
    assert said == STEPS[:1]
    assert why.startswith("Not tested") and "torch>=2.4" in why
    assert app.slicer.packaging.installs == [] and app.popups.shown == []


def test_ctest_gets_the_skip_as_one_and_not_as_a_pass_or_failure(app, without_packages):
    """As slicer.testing.runUnitTest() runs it."""
    app.load_module()
    result = unittest.TestResult()
    unittest.TestLoader().loadTestsFromName("MVCTEnhance").run(result)
    assert result.wasSuccessful() and [type(case).__name__ for case, _why in result.skipped] == ["MVCTEnhanceTest"]


@pytest.mark.thorough
def test_without_a_main_window_the_review_is_left_out_with_a_sentence(app, small_phantom, monkeypatch):
    monkeypatch.setattr(app.slicer.util, "mainWindow", lambda: None)
    monkeypatch.setattr(type(app.slicer.app), "layoutManager", lambda self: None)
    said, why = skipped_self_test(app)
    assert said == [step for step in STEPS if "review" not in step]
    assert "without a main window" in why


@pytest.mark.thorough
@pytest.mark.parametrize(
    "place, name, returns, step",
    [
        ("metrics.follower", "update_tables", None, "apply enhances"),
        ("panel.metrics", "metric_rows", [], "metrics are shown"),
        ("panel.structures", "_row", [], "structures are measured"),
        ("review.comparison", "_set_opacity", None, "review shows the scans side by side"),
        ("metrics.two_models", "compare_models", None, "review shows two models side by side"),
        ("panel.export", "export_metrics", None, "result is exported"),
    ],
)
def test_it_fails_where_something_of_the_panel_does_nothing(
    app, small_phantom, monkeypatch, place, name, returns, step
):
    module = importlib.import_module(f"MVCTEnhanceLib.slicerui.{place}")
    monkeypatch.setattr(module, name, lambda *arguments: returns)
    with pytest.raises((AssertionError, AttributeError, ValueError)):
        self_test(app)
    assert app.slicer.harness_messages[-1] == step
    app.failures.take()


def test_it_fails_where_a_slot_fails(app, without_packages, monkeypatch):
    """Which Slicer only prints."""
    from MVCTEnhanceLib.slicerui import selftest
    from MVCTEnhanceLib.slicerui.panel import panel

    def broken(*arguments):
        raise ZeroDivisionError("broken slot")

    def fades(user):
        user.parameters.fade = 0.5

    monkeypatch.setattr(selftest, "_steps", lambda **given: [selftest.panel_opens, fades])
    monkeypatch.setattr(panel.Panel, "_on_modified", broken)
    with pytest.raises(AssertionError, match="broken slot"):
        self_test(app)
    assert "broken slot" in "".join(app.failures.take())
