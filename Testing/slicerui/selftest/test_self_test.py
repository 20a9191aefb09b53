"""The module's self-test: every step runs, a broken step fails it, and what is left out is said."""

import os
import signal
import unittest

import pytest

NEEDS_VIEWS = ("layout", "review", "click")
NEEDS_WORKER = ("apply", "exported as report", "cancel", "ends the run")


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


def step_names(app, **given: bool) -> list[str]:
    from MVCTEnhanceLib.slicerui.selftest.main import steps

    return [step.__name__.replace("_", " ") for step in steps(**given)]


def about(names: list[str], words: tuple[str, ...]) -> list[str]:
    return [name for name in names if any(word in name for word in words)]


@pytest.fixture
def without_packages(app, monkeypatch):
    from MVCTEnhanceLib.slicerui.install import dependencies

    monkeypatch.setattr(dependencies, "missing", lambda *folder: ["torch>=2.4"])


def test_every_step_of_the_modules_is_among_the_steps(app):
    from MVCTEnhanceLib.slicerui.selftest import runs, views
    from MVCTEnhanceLib.slicerui.selftest import steps as self_test_steps

    defined = {
        name.replace("_", " ")
        for module in (runs, self_test_steps, views)
        for name, value in vars(module).items()
        if callable(value) and value.__module__ == module.__name__ and not name.startswith("_")
    }
    app.slicer.app._testing = True
    everything = step_names(app, with_worker=True, with_views=True)
    assert defined == {*everything, *step_names(app, with_worker=False, with_views=True)}
    for words in (NEEDS_VIEWS, NEEDS_WORKER):
        assert all(about(everything, (word,)) for word in words)


def test_it_passes_with_every_step_and_leaves_nothing(app):
    said = self_test(app)
    assert said == [*step_names(app, with_worker=True, with_views=True), "All steps passed"]
    assert app.slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode") == []
    assert app.child_processes() == []


def test_without_the_packages_it_does_the_rest_and_is_skipped_with_a_sentence(app, without_packages):
    said, why = skipped_self_test(app)
    assert said == step_names(app, with_worker=False, with_views=True)
    assert about(said, NEEDS_VIEWS) and about(said, ("table", "saved", "csv")) and not about(said, NEEDS_WORKER)
    assert "torch>=2.4" in why and why.startswith("Not tested")


def test_ctest_gets_the_skip_as_one_and_not_as_a_pass_or_failure(app, without_packages):
    """As slicer.testing.runUnitTest() runs it."""
    app.load_module()
    result = unittest.TestResult()
    unittest.TestLoader().loadTestsFromName("MVCTEnhance").run(result)
    assert result.wasSuccessful() and [type(case).__name__ for case, _why in result.skipped] == ["MVCTEnhanceTest"]


def test_in_testing_mode_missing_packages_are_not_installed(app, without_packages):
    app.slicer.app._testing = True
    said, _why = skipped_self_test(app)
    assert "missing packages are named and not installed" in said
    assert app.slicer.packaging.installs == [] and app.popups.shown == []


def test_without_a_main_window_the_views_are_left_out_with_a_sentence(app, without_packages, monkeypatch):
    monkeypatch.setattr(app.slicer.util, "mainWindow", lambda: None)
    monkeypatch.setattr(type(app.slicer.app), "layoutManager", lambda self: None)
    said, why = skipped_self_test(app)
    assert said == step_names(app, with_worker=False, with_views=False)
    assert not about(said, NEEDS_VIEWS) and "without a main window" in why


@pytest.mark.parametrize(
    "place, name",
    [
        ("metrics.follower", "update_tables"),
        ("metrics.follower", "result_of"),
        ("metrics.chart", "jump_to_slice"),
        ("review.comparison", "_set_opacity"),
        ("panel.export", "export_readouts"),
        ("panel.metrics", "metric_rows"),
    ],
)
def test_it_fails_where_something_of_the_panel_does_nothing(app, without_packages, monkeypatch, place, name):
    import importlib

    module = importlib.import_module(f"MVCTEnhanceLib.slicerui.{place}")
    monkeypatch.setattr(module, name, lambda *arguments: [] if name == "metric_rows" else None)
    with pytest.raises((AssertionError, AttributeError, ValueError)):
        self_test(app)
    app.failures.take()


def test_it_fails_where_a_slot_fails(app, without_packages, monkeypatch):
    from MVCTEnhanceLib.slicerui.metrics import chart

    def broken(*arguments):
        raise ZeroDivisionError("broken slot")

    monkeypatch.setattr(chart, "jump_to_slice", broken)
    with pytest.raises(AssertionError, match="broken slot"):
        self_test(app)
    assert "broken slot" in "".join(app.failures.take())


def test_it_fails_where_cancel_leaves_the_worker_running(app, monkeypatch):
    """The worker is stopped in the place of ended, so that it cannot have ended by itself when it is looked for."""
    from MVCTEnhanceLib.slicerui.selftest import main, runs
    from MVCTEnhanceLib.slicerui.worker import process
    from MVCTEnhanceLib.slicerui.worker.process_tree import descendants, end_tree

    stopped = []

    def stop(pid, **patience):
        stopped.append(pid)
        for member in {pid, *descendants({pid})}:
            os.kill(member, signal.SIGSTOP)

    try:
        with monkeypatch.context() as broken:
            broken.setattr(main, "steps", lambda **given: [runs.cancel_leaves_the_scene_as_it_was])
            broken.setattr(process, "end_tree", stop)
            broken.setattr(runs, "_PATIENCE_S", 1)
            with pytest.raises(AssertionError, match="the end of the worker"):
                app.load_module()
                app.slicer.selfTests["MVCTEnhance"]()
    finally:
        for pid in stopped:
            end_tree(pid)
