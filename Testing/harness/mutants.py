"""Broken copies of the module, each with one mistake of the kind that is made without a Slicer at hand.

Each names the test that has to fail on it. A test that passes on the broken copy, too, does not look at what it says.
"""

import dataclasses
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from subprocess import CompletedProcess

REPOSITORY = Path(__file__).resolve().parents[2]
MODULE = REPOSITORY / "MVCTEnhance"
TESTS = REPOSITORY / "Testing" / "slicerui"
UI = "Resources/UI/MVCTEnhance.ui"
LIBRARY = "MVCTEnhanceLib/slicerui"
FORKED = Path(__file__).with_name("forked.py")


@dataclasses.dataclass(frozen=True)
class Mutant:
    """A mistake: `old` (found once in `file`) becomes `new`, and `test` (file::name in Testing/slicerui) must fail."""

    mistake: str
    file: str
    old: str
    new: str
    test: str


MUTANTS = (
    Mutant(
        "a property in the .ui file has a wrong name",
        UI,
        '<property name="noneDisplay">\n         <string>Choose the MVCT</string>',
        '<property name="noneText">\n         <string>Choose the MVCT</string>',
        "panel/test_ui_file.py::test_the_loader_takes_the_file_and_every_widget_is_found_by_its_name",
    ),
    Mutant(
        "a widget names a parameter that does not exist",
        UI,
        "<string>planningCT</string>",
        "<string>planningCt</string>",
        "panel/test_ui_file.py::test_every_bound_parameter_is_one_of_the_parameter_node_with_a_type_that_its_widget_can_show",
    ),
    Mutant(
        "a node selector gets no scene",
        UI,
        "<receiver>regionSelector</receiver>\n   <slot>setMRMLScene(vtkMRMLScene*)</slot>",
        "<receiver>mvctSelector</receiver>\n   <slot>setMRMLScene(vtkMRMLScene*)</slot>",
        "panel/test_ui_file.py::test_node_selectors_get_the_scene_and_offer_the_nodes_of_their_parameter",
    ),
    Mutant(
        "a parameter that may be two kinds of node cannot be none",
        "MVCTEnhance.py",
        "vtkMRMLMarkupsROINode, None]",
        "vtkMRMLMarkupsROINode]",
        "panel/test_ui_file.py::test_every_bound_parameter_is_one_of_the_parameter_node_with_a_type_that_its_widget_can_show",
    ),
    Mutant(
        "a property is called as a method",
        f"{LIBRARY}/review/comparison.py",
        "if on == self._timer.active:",
        "if on == self._timer.active():",
        "review/test_comparison.py::test_flicker_switches_between_both_scans_and_ends_at_the_fade",
    ),
    Mutant(
        "a signal's signature has a typo",
        f"{LIBRARY}/metrics/chart.py",
        "dataSelected(vtkStringArray*,vtkCollection*)",
        "dataSelected(vtkStringArray*,vtkCollection)",
        "panel/test_review.py::test_a_click_on_the_chart_jumps_to_the_slice",
    ),
    Mutant(
        "series that a chart no longer shows are deleted before its views know of it",
        f"{LIBRARY}/metrics/nodes.py",
        "        chart.RemoveAllPlotSeriesNodeIDs()\n",
        "        chart.RemoveAllPlotSeriesNodeIDs()\n"
        "        for node in series[len(lines) :]:\n            slicer.mrmlScene.RemoveNode(node)\n",
        "panel/test_review.py::test_the_chart_has_all_lines_however_often_another_readout_is_chosen",
    ),
    Mutant(
        "a table is filled column by column while a chart draws from it",
        f"{LIBRARY}/metrics/nodes.py",
        "    with slicer.util.NodeModify(by_slice):",
        "    if True:",
        "panel/test_review.py::test_other_values_of_a_chart_that_is_shown_are_drawn_without_a_word_in_the_log",
    ),
    Mutant(
        "a result keeps maps that were deleted",
        f"{LIBRARY}/metrics/follower.py",
        ", *map(enhanced.GetNodeReference, MAP_ROLES))",
        ")",
        "panel/test_review.py::test_a_difference_map_that_is_deleted_leaves_its_view_empty_until_there_is_another",
    ),
    Mutant(
        "a scene that is loaded in the review has no colour legend in views that came after it",
        f"{LIBRARY}/review/comparison.py",
        "            qt.QTimer.singleShot(0, lambda: self._show_missing_legend(volumes.difference))\n",
        "",
        "panel/test_review.py::test_a_scene_that_was_saved_in_the_review_has_its_colour_legend_in_a_fresh_session",
    ),
    Mutant(
        "the review goes on with the images of the result before",
        f"{LIBRARY}/panel/review.py",
        "            if not self._review.shows(now):\n                self._put()\n",
        "            pass\n",
        "panel/test_review.py::test_another_result_that_is_chosen_in_the_review_takes_the_place_of_the_one_before",
    ),
    Mutant(
        "the review shows the whole field of view of the scan",
        f"{LIBRARY}/review/comparison.py",
        "        if body is not None:",
        "        if False:",
        "review/test_comparison.py::test_the_body_fills_the_views_after_they_got_their_size",
    ),
    Mutant(
        "a zoom is undone by other things than 'Restore comparison'",
        f"{LIBRARY}/review/comparison.py",
        "            self.put(volumes, fade)\n            return\n",
        "            self.restore(volumes, fade)\n            return\n",
        "panel/test_review.py::test_a_zoom_is_that_of_all_views_and_stays_until_the_review_is_entered_anew_or_restored",
    ),
    Mutant(
        "an observer is never removed",
        f"{LIBRARY}/review/window_level.py",
        '"""Let both go."""\n        self.removeObservers()\n        self._displays = ()',
        '"""Let both go."""',
        "review/test_comparison.py::test_a_closed_review_follows_nothing_any_more",
    ),
    Mutant(
        "the views of the comparison are not linked",
        f"{LIBRARY}/review/comparison.py",
        "composite.SetLinkedControl(True)",
        "composite.SetLinkedControl(False)",
        "review/test_comparison.py::test_views_are_linked_with_each_other_and_with_no_other",
    ),
    Mutant(
        "the fade mixes the wrong way round",
        f"{LIBRARY}/review/comparison.py",
        "composite.SetForegroundOpacity(fade)",
        "composite.SetForegroundOpacity(1 - fade)",
        "review/test_comparison.py::test_fade_mixes_mvct_and_enhanced_scan_in_the_middle_view_only",
    ),
    Mutant(
        "a jump to a slice forgets the scan's parent transform",
        f"{LIBRARY}/scene/volumes.py",
        "to_world.TransformPoint(to_ras.MultiplyPoint((*ijk, 1))[:3])",
        "to_ras.MultiplyPoint((*ijk, 1))[:3]",
        "review/test_comparison.py::test_jump_moves_all_views_to_a_slice_wherever_the_scan_lies",
    ),
    Mutant(
        "the output does not get the input's place in space",
        f"{LIBRARY}/scene/volumes.py",
        "node.CopyOrientation(grid)",
        "node.SetSpacing(grid.GetSpacing())",
        "scene/test_volumes.py::test_a_filled_node_lies_exactly_where_the_other_does",
    ),
    Mutant(
        "RAS of Slicer is taken for LPS of DICOM",
        f"{LIBRARY}/scene/volumes.py",
        "np.diag([-1.0, -1.0, 1.0])",
        "np.diag([1.0, 1.0, 1.0])",
        "scene/test_volumes.py::test_a_volume_holds_the_voxels_and_the_place_in_lps",
    ),
    Mutant(
        "a volume shares its voxels with the node",
        f"{LIBRARY}/scene/volumes.py",
        "array=array.copy() if array is voxels else array,",
        "array=array,",
        "scene/test_volumes.py::test_a_volume_is_a_copy_that_outlives_its_node",
    ),
    Mutant(
        "Apply stays enabled although there is nothing to enhance",
        f"{LIBRARY}/panel/run.py",
        "self._ui.applyButton.enabled = not self._problem",
        "self._ui.applyButton.enabled = True",
        "panel/test_inputs.py::test_without_a_scan_apply_says_what_to_choose",
    ),
    Mutant(
        "Cancel ends the launcher only, not the worker that it started",
        "MVCTEnhanceLib/runtime/process_tree.py",
        "if not new:",
        "if True:",
        "worker/test_process.py::test_cancel_ends_the_whole_family_at_once_and_nothing_is_called_any_more",
    ),
    Mutant(
        "closing Slicer leaves a child process behind",
        f"{LIBRARY}/panel/panel.py",
        "        self._run.close()\n",
        "",
        "panel/test_inputs.py::test_leaving_slicer_while_devices_are_looked_for_leaves_no_process",
    ),
    Mutant(
        "a panel that was reloaded goes on following the scene",
        "MVCTEnhance.py",
        "        self.removeObservers()\n",
        "",
        "panel/test_parameters.py::test_after_a_reload_the_old_panel_follows_nothing",
    ),
    Mutant(
        "closing Slicer does not end the run",
        f"{LIBRARY}/panel/run.py",
        '"""End all work for good."""\n        self.cancel()\n',
        '"""End all work for good."""\n',
        "panel/test_run.py::test_closing_slicer_ends_the_run",
    ),
    Mutant(
        "outputs that hold another scan's results are filled anew",
        f"{LIBRARY}/panel/outputs.py",
        "if node is None or node in others or node in kept:",
        "if node is None or node in kept:",
        "panel/test_run.py::test_apply_never_overwrites_the_results_of_another_scan",
    ),
    Mutant(
        "results of another scan stay chosen as outputs",
        f"{LIBRARY}/panel/panel.py",
        "        self._outputs.refresh(parameters)\n",
        "",
        "panel/test_inputs.py::test_another_mvct_lets_go_of_the_results_of_the_one_before",
    ),
    Mutant(
        "a selector whose node is deleted moves on to another scan",
        f"{LIBRARY}/panel/panel.py",
        "        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.NodeAboutToBeRemovedEvent, self._on_removed)\n",
        "",
        "panel/test_deletions.py::test_delete_current_leaves_none_in_every_selector_that_shows_the_node",
    ),
    Mutant(
        "a scan that nobody has chosen as output is overwritten",
        f"{LIBRARY}/panel/outputs.py",
        "return node in own or node.GetImageData() is None or self._by_hand.get(name) is node",
        "return True",
        "panel/test_deletions.py::test_a_choice_by_hand_ends_with_the_next_choice",
    ),
    Mutant(
        "the next scene shows the time of the last one's enhancement",
        f"{LIBRARY}/panel/panel.py",
        "            self._run.forget()\n",
        "",
        "panel/test_run.py::test_the_next_scene_is_told_nothing_of_the_last_one",
    ),
    Mutant(
        "the chart's series lie at the root of the subject hierarchy",
        f"{LIBRARY}/metrics/nodes.py",
        "    for node in new:\n        place_beside(node, enhanced)\n",
        "",
        "metrics/test_nodes.py::test_all_nodes_lie_beside_the_enhanced_scan_in_the_subject_hierarchy",
    ),
    Mutant(
        "a click in Sample Data is not answered for seconds",
        f"{LIBRARY}/jobs/sample_data.py",
        '    _tell(_("Making the phantom…"))  # the worker takes seconds until it tells of anything\n',
        "",
        "jobs/test_sample_data.py::test_a_click_on_the_button_is_answered_at_once",
    ),
    Mutant(
        "a dialog that an installation has failed holds up a script",
        f"{LIBRARY}/logic.py",
        "progress_dialog=False",
        "progress_dialog=True",
        "install/test_dependencies.py::test_a_script_gets_the_failure_of_pip_as_an_error_and_no_dialog",
    ),
    Mutant(
        "Slicer that is closed in the review layout saves a layout that it does not know at its start",
        f"{LIBRARY}/panel/review.py",
        "        if not name:\n            self._review.leave()\n",
        "        pass\n",
        "panel/test_review.py::test_slicer_that_is_closed_in_the_review_layout_saves_the_layout_before",
    ),
    Mutant(
        "the layout of a loaded scene stays empty",
        f"{LIBRARY}/review/layout.py",
        "        node.SetViewArrangement(node.GetViewArrangement())",
        "        pass",
        "review/test_comparison.py::test_a_scene_that_asked_for_the_layout_before_it_was_known_gets_its_views",
    ),
    Mutant(
        "the windows of both scans are no longer linked after a visit to another module",
        f"{LIBRARY}/panel/review.py",
        "        self._review.adopt(now)\n",
        "",
        "panel/test_review.py::test_both_scans_keep_one_window_after_the_user_was_in_another_module",
    ),
    Mutant(
        "a slot takes more arguments than its signal has",
        f"{LIBRARY}/panel/review.py",
        "def _on_review(self, checked: bool) -> None:",
        "def _on_review(self, checked: bool, button) -> None:",
        "panel/test_review.py::test_one_button_shows_the_comparison_and_takes_it_away_again",
    ),
    Mutant(
        "a choice is written to an attribute that is no parameter",
        f"{LIBRARY}/panel/inputs.py",
        "self._parameters.segmentID = self._ui",
        "self._parameters.segmentId = self._ui",
        "panel/test_inputs.py::test_segments_can_be_chosen_only_where_there_are_some",
    ),
    Mutant(
        "the MVCT may be overwritten",
        f"{LIBRARY}/scene/request.py",
        "{self.mvct, self.planningCT} & set(chosen)",
        "{self.planningCT} & set(chosen)",
        "panel/test_inputs.py::test_an_output_is_never_an_input",
    ),
    Mutant(
        "events are processed in the middle of a function",
        f"{LIBRARY}/panel/panel.py",
        "        self._refreshing = True\n",
        "        self._refreshing = True\n        slicer.app.processEvents()\n",
        "panel/test_inputs.py::test_a_scan_that_is_there_is_chosen_and_apply_can_be_pressed",
    ),
    Mutant(
        "a tool tip is set on a table's item as if it were a property",
        f"{LIBRARY}/panel/table.py",
        'item.setToolTip(f"<p>{tip}</p>" if tip else "")',
        'item.toolTip = f"<p>{tip}</p>" if tip else ""',
        "panel/test_metrics.py::test_choosing_an_enhanced_volume_shows_its_readouts",
    ),
    Mutant(
        "the panel does not ask for the height that it needs after a visit to another module",
        f"{LIBRARY}/panel/height.py",
        "if event.type() in (qt.QEvent.LayoutRequest, qt.QEvent.Resize):",
        "if False:",
        "panel/test_layout.py::test_nothing_overlaps_or_is_cut_after_a_visit_to_another_module",
    ),
    Mutant(
        "a long sentence makes the panel wider than its place",
        UI,
        '<widget class="QLabel" name="verdictLabel">\n        <property name="sizePolicy">\n'
        '         <sizepolicy hsizetype="Ignored"',
        '<widget class="QLabel" name="verdictLabel">\n        <property name="sizePolicy">\n'
        '         <sizepolicy hsizetype="Preferred"',
        "panel/test_layout.py::test_nothing_overlaps_or_is_cut",
    ),
    Mutant(
        "a long name makes the panel wider than its place",
        UI,
        '<widget class="qMRMLNodeComboBox" name="mvctSelector">\n        <property name="sizeAdjustPolicy">\n'
        "         <enum>QComboBox::AdjustToMinimumContentsLengthWithIcon</enum>",
        '<widget class="qMRMLNodeComboBox" name="mvctSelector">\n        <property name="sizeAdjustPolicy">\n'
        "         <enum>QComboBox::AdjustToContents</enum>",
        "panel/test_layout.py::test_long_names_do_not_widen_the_panel_and_are_told_apart",
    ),
    Mutant(
        "the table is not made as high as its rows",
        f"{LIBRARY}/panel/table.py",
        "        table.setFixedHeight(",
        "        (",
        "panel/test_layout.py::test_nothing_overlaps_or_is_cut",
    ),
    Mutant(
        "the names of the readouts get no room",
        f"{LIBRARY}/panel/table.py",
        "setSectionResizeMode(0, qt.QHeaderView.Stretch)",
        "setSectionResizeMode(2, qt.QHeaderView.Stretch)\n        table.setColumnWidth(0, 52)\n"
        "        table.horizontalHeader().setSectionResizeMode(0, qt.QHeaderView.Fixed)",
        "panel/test_layout.py::test_the_names_of_the_readouts_are_not_cut",
    ),
    Mutant(
        "sections that are not needed yet are open",
        UI,
        '<string>Outputs</string>\n     </property>\n     <property name="collapsed">\n      <bool>true</bool>',
        '<string>Outputs</string>\n     </property>\n     <property name="collapsed">\n      <bool>false</bool>',
        "panel/test_layout.py::test_apply_is_in_sight_below_the_input_warnings",
    ),
    Mutant(
        "what is left of a run is not removed",
        f"{LIBRARY}/worker/work.py",
        "            files.remove_folder(folder)\n",
        "            pass\n",
        "worker/test_work.py::test_cancel_leaves_neither_processes_nor_files_nor_a_trace_in_the_scene",
    ),
)


def break_module(mutant: Mutant | None, folder: Path) -> Path:
    """Copies the module's folder and puts the mistake in; raises where the code has changed under the entry."""
    copy = folder / "MVCTEnhance"
    shutil.copytree(MODULE, copy, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    if mutant:
        path = copy / mutant.file
        text = path.read_text(encoding="utf-8")
        if text.count(mutant.old) != 1:
            raise ValueError(f"mutant '{mutant.mistake}': {mutant.old!r} is not in {mutant.file} once, write it anew")
        path.write_text(text.replace(mutant.old, mutant.new), encoding="utf-8")
    return copy


def run_tests(jobs: list[tuple[Path, list[str]]]) -> list[CompletedProcess]:
    """Runs tests of Testing/slicerui on copies of the module, each in a process of its own; see `forked.py`."""
    wanted = [(str(copy), [str(TESTS / test) for test in tests]) for copy, tests in jobs]
    command = [sys.executable, str(FORKED), json.dumps(wanted)]
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, env=environment, cwd=REPOSITORY, capture_output=True, text=True, timeout=900)
    if done.returncode:
        raise RuntimeError(done.stderr)
    codes = json.loads(done.stdout)
    return [
        CompletedProcess(tests, codes[str(copy)], copy.with_name("pytest.txt").read_text(encoding="utf-8"))
        for copy, tests in jobs
    ]
