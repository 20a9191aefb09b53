"""The module's self-test: what a user does in the panel, with the real worker where its packages are installed."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import slicer
import slicer.util

from ..install import dependencies
from . import runs, views
from . import steps as base
from .user import User

Step = Callable[[User], None]


def run(case) -> None:
    """Run all steps that this application allows; the test is skipped at its end where some had to be left out.

    Args:
        case: the unittest.TestCase of the module.

    Raises:
        unittest.SkipTest: with a sentence on what was left out, when all the rest has passed.
    """
    missing = dependencies.missing()
    with_views = slicer.app.layoutManager() is not None and slicer.util.mainWindow() is not None
    try:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, User(case, Path(folder)) as user:
            for step in steps(with_worker=not missing, with_views=with_views):
                case.delayDisplay(step.__name__.replace("_", " "))
                step(user)
                user.require_no_errors()
    finally:
        slicer.mrmlScene.Clear(0)
    left_out = _left_out(missing, with_views)
    if left_out:
        case.skipTest(left_out)
    case.delayDisplay("All steps passed")


def steps(*, with_worker: bool, with_views: bool) -> list[Step]:
    """The steps in their order: most go on where the one before has ended.

    Args:
        with_worker: the packages that the worker needs are there.
        with_views: the application has slice and plot views.
    """
    found = [base.panel_opens, base.choices_are_kept_as_parameters]
    if with_worker:
        found += [runs.apply_enhances_and_shows_how_far_it_is, runs.result_has_the_place_of_the_scan_and_less_noise]
    else:
        found += [base.made_up_result_is_chosen]
    found += [base.table_shows_readouts_and_verdicts, base.readouts_by_slice_go_into_table_and_chart]
    if with_views:
        found += [views.review_layout_is_taken, views.review_shows_the_scans_side_by_side]
        found += [views.review_fades_flickers_and_is_restored, views.click_on_the_chart_jumps_to_the_slice]
        found += [views.review_is_left_again]
    found += [base.readouts_are_exported_as_csv]
    if with_worker:
        found += [runs.result_is_exported_as_report_and_dicom]
    found += [base.saved_scene_comes_back, base.closed_scene_leaves_an_empty_panel]
    if with_worker:
        found += [runs.cancel_leaves_the_scene_as_it_was, runs.closing_the_scene_ends_the_run]
        found += [runs.deleting_the_scan_ends_the_run, runs.reloading_the_module_ends_the_run]
        return found
    if slicer.app.testingEnabled():  # else the user would be asked whether to install them
        found += [base.missing_packages_are_named_and_not_installed]
    return [*found, base.reloaded_module_works]


def _left_out(missing: list[str], with_views: bool) -> str:
    sentences = []
    if missing:
        packages = ", ".join(missing)
        sentences += [f"Not tested: all that runs the worker, since Python packages are missing ({packages})."]
    if not with_views:
        sentences += ["Not tested: review layout and clicks on the chart, since Slicer runs without a main window."]
    return " ".join(sentences)
