"""Broken copies of the module, each with one mistake of the kind that is made without a Slicer at hand.

Each names the test that has to fail on it. A test that passes on the broken copy, too, does not look at what it says.
"""

import dataclasses
import os
import shutil
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
MODULE = REPOSITORY / "MVCTEnhance"
TESTS = REPOSITORY / "Testing" / "slicerui"
UI = "Resources/UI/MVCTEnhance.ui"
LIBRARY = "MVCTEnhanceLib/slicerui"


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
        "test_ui_file.py::test_the_loader_takes_the_file_and_every_widget_is_found_by_its_name",
    ),
    Mutant(
        "a widget names a parameter that does not exist",
        UI,
        "<string>planningCT</string>",
        "<string>planningCt</string>",
        "test_ui_file.py::test_every_bound_parameter_is_one_of_the_parameter_node_with_a_type_that_its_widget_can_show",
    ),
    Mutant(
        "a node selector gets no scene",
        UI,
        "<receiver>regionSelector</receiver>\n   <slot>setMRMLScene(vtkMRMLScene*)</slot>",
        "<receiver>mvctSelector</receiver>\n   <slot>setMRMLScene(vtkMRMLScene*)</slot>",
        "test_ui_file.py::test_node_selectors_get_the_scene_and_offer_the_nodes_of_their_parameter",
    ),
    Mutant(
        "a parameter that may be two kinds of node cannot be none",
        "MVCTEnhance.py",
        "vtkMRMLMarkupsROINode, None]",
        "vtkMRMLMarkupsROINode]",
        "test_ui_file.py::test_every_bound_parameter_is_one_of_the_parameter_node_with_a_type_that_its_widget_can_show",
    ),
    Mutant(
        "a property is called as a method",
        f"{LIBRARY}/review.py",
        "if on == self._timer.active:",
        "if on == self._timer.active():",
        "test_review.py::test_flicker_switches_between_both_scans_and_ends_at_the_fade",
    ),
    Mutant(
        "a signal's signature has a typo",
        f"{LIBRARY}/chart_clicks.py",
        "dataSelected(vtkStringArray*,vtkCollection*)",
        "dataSelected(vtkStringArray*,vtkCollection)",
        "test_chart_clicks.py::test_a_click_jumps_to_the_slice_and_one_on_another_chart_does_not",
    ),
    Mutant(
        "an observer is never removed",
        f"{LIBRARY}/window_level.py",
        '"""Let both go."""\n        self.removeObservers()\n        self._displays = ()',
        '"""Let both go."""',
        "test_review.py::test_a_closed_review_follows_nothing_any_more",
    ),
    Mutant(
        "the views of the comparison are not linked",
        f"{LIBRARY}/review.py",
        "composite.SetLinkedControl(True)",
        "composite.SetLinkedControl(False)",
        "test_review.py::test_views_are_linked_with_each_other_and_with_no_other",
    ),
    Mutant(
        "the fade mixes the wrong way round",
        f"{LIBRARY}/review.py",
        "composite.SetForegroundOpacity(fade)",
        "composite.SetForegroundOpacity(1 - fade)",
        "test_review.py::test_fade_mixes_mvct_and_enhanced_scan_in_the_middle_view_only",
    ),
    Mutant(
        "a jump to a slice forgets the scan's parent transform",
        f"{LIBRARY}/review.py",
        "*to_world.TransformPoint(centre)",
        "*centre",
        "test_review.py::test_jump_moves_all_views_to_a_slice_wherever_the_scan_lies",
    ),
    Mutant(
        "the output does not get the input's place in space",
        f"{LIBRARY}/volumes.py",
        "node.CopyOrientation(grid)",
        "node.SetSpacing(grid.GetSpacing())",
        "test_volumes.py::test_a_filled_node_lies_exactly_where_the_other_does",
    ),
    Mutant(
        "RAS of Slicer is taken for LPS of DICOM",
        f"{LIBRARY}/volumes.py",
        "np.diag([-1.0, -1.0, 1.0])",
        "np.diag([1.0, 1.0, 1.0])",
        "test_volumes.py::test_a_volume_holds_the_voxels_and_the_place_in_lps",
    ),
    Mutant(
        "a volume shares its voxels with the node",
        f"{LIBRARY}/volumes.py",
        "array=array.copy() if array is voxels else array,",
        "array=array,",
        "test_volumes.py::test_a_volume_is_a_copy_that_outlives_its_node",
    ),
    Mutant(
        "Apply stays enabled although there is nothing to enhance",
        f"{LIBRARY}/run_section.py",
        "self._ui.applyButton.enabled = not self._problem",
        "self._ui.applyButton.enabled = True",
        "test_panel_run.py::test_closing_the_scene_ends_the_run_and_says_so",
    ),
    Mutant(
        "Cancel ends the launcher only, not the worker that it started",
        f"{LIBRARY}/process_tree.py",
        "if not new:",
        "if True:",
        "test_process.py::test_cancel_ends_the_whole_family_at_once_and_nothing_is_called_any_more",
    ),
    Mutant(
        "closing Slicer does not end the run",
        "MVCTEnhance.py",
        "            self.panel.close()\n",
        "            pass\n",
        "test_panel_run.py::test_closing_slicer_ends_the_run",
    ),
    Mutant(
        "a slot takes more arguments than its signal has",
        f"{LIBRARY}/run_section.py",
        "def _on_clicked(self, checked: bool) -> None:",
        "def _on_clicked(self, checked: bool, button) -> None:",
        "test_panel_run.py::test_cancel_ends_the_worker_and_leaves_the_scene_as_it_was",
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


def run_tests(module: Path, tests: list[str]) -> subprocess.CompletedProcess:
    """Runs tests of Testing/slicerui on a copy of the module, in a process of its own."""
    environment = os.environ | {"MVCTENHANCE_MODULE_FOLDER": str(module), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "--tb=line"]
    command += [str(TESTS / test) for test in tests]
    return subprocess.run(command, env=environment, cwd=REPOSITORY, capture_output=True, text=True, timeout=300)
