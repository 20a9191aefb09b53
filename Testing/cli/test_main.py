"""The library's own file run as a script, as Slicer runs it: from its folder, without an install."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import MVCTEnhanceLib
import pytest
from MVCTEnhanceLib.io import read_volume
from MVCTEnhanceLib.model.card import DEFAULT_MODEL, find_model

LIBRARY = Path(MVCTEnhanceLib.__file__).parent


@pytest.fixture
def copy(tmp_path) -> Path:
    """A copy of the library, of another version, in a folder whose name has a space and letters that are not ASCII."""
    folder = tmp_path / "Prüfung ß 断層" / "MVCTEnhanceLib"
    shutil.copytree(LIBRARY, folder, ignore=shutil.ignore_patterns("__pycache__", "Models"))
    (folder / "__init__.py").write_text('__version__ = "9.9.9"\n')
    return folder


@pytest.mark.parametrize("python", [["__main__.py"], ["-s", "__main__.py"], ["-I", "__main__.py"], ["."]])
def test_script_runs_the_library_around_it_from_any_folder(copy, tmp_path, python):
    *options, name = python
    result = subprocess.run(
        [sys.executable, *options, str(copy / name), "--version"], cwd=tmp_path, capture_output=True, text=True
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, "mvct-enhance 9.9.9\n", "")


def test_script_started_in_its_own_folder_by_a_relative_path(copy):
    result = subprocess.run([sys.executable, "__main__.py", "--version"], cwd=copy, capture_output=True, text=True)
    assert (result.returncode, result.stdout) == (0, "mvct-enhance 9.9.9\n")


@pytest.mark.integration
def test_scan_in_a_folder_of_such_a_name_is_enhanced(run, copy, scan, tmp_path):
    folder = tmp_path / "Ünter suchung 1"
    folder.mkdir()
    shutil.copy(scan, folder / "große Aufnahme.nrrd")
    result = run(
        "enhance", folder / "große Aufnahme.nrrd", "--output", folder / "ver bessert.nrrd", "--progress", "jsonl",
        "--report", folder / "Bericht", "--model", find_model(DEFAULT_MODEL), python=(str(copy / "__main__.py"),),
    )  # fmt: skip
    assert result.code == 0, result.stderr
    assert read_volume(folder / "ver bessert.nrrd").array.shape == (4, 96, 96)
    assert (folder / "Bericht" / "report.html").exists()


def test_modules_of_the_library_are_not_importable_by_their_short_names(copy):
    """`model`, `quality` or `errors` of another package would be taken for ours."""
    code = (
        "import importlib.util, runpy, sys\n"
        f"sys.path[0] = {str(copy)!r}\n"  # as Python has it for a script
        "sys.argv = ['__main__.py', '--version']\n"
        f"try: runpy.run_path({str(copy / '__main__.py')!r}, run_name='__main__')\n"
        "except SystemExit: pass\n"
        "names = ('cli', 'errors', 'jobs', 'model', 'quality')\n"
        "origins = [str(getattr(importlib.util.find_spec(name), 'origin', None)) for name in names]\n"
        f"sys.exit(any(origin.startswith({str(copy)!r}) for origin in origins))\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


def test_process_that_multiprocessing_spawns_runs_no_command(copy):
    code = (
        "import runpy\n"
        f"names = runpy.run_path({str(copy / '__main__.py')!r}, run_name='__mp_main__')\n"
        "print('main' in names)\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=os.environ)
    assert result.stdout == "False\n"
