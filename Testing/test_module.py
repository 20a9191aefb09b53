"""MVCTEnhance.py as Slicer loads it at its start, with everybody's extensions: quick, and with nothing heavy."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

TESTING = Path(__file__).resolve().parent
if str(TESTING) not in sys.path:
    sys.path.insert(0, str(TESTING))
MODULE = TESTING.parent / "MVCTEnhance" / "MVCTEnhance.py"
HEAVY = {"torch", "jinja2", "pydicom", "safetensors", "scipy", "matplotlib", "SimpleITK", "numpy"}
MAX_SECONDS = 0.2
LOAD = """
import json, sys, time
sys.path.insert(0, sys.argv[1])
from harness import install
install.enter()
import numpy, slicer
from pathlib import Path
from harness.driver import App
from harness.failures import Watch

with Watch() as watch:
    App(Path(sys.argv[3]), watch)
    before = set(sys.modules)
    sys.path.insert(0, str(Path(sys.argv[2]).parent))
    start = time.process_time()
    import MVCTEnhance
    print(json.dumps({"seconds": time.process_time() - start, "modules": sorted(set(sys.modules) - before)}))
"""


@pytest.fixture(scope="module")
def loaded(tmp_path_factory) -> dict:
    """What loading the file did in a process of its own: CPU seconds, and the modules that it brought."""
    from harness.fixtures import skip_without_needed

    skip_without_needed()
    arguments = [sys.executable, "-c", LOAD, str(TESTING), str(MODULE), str(tmp_path_factory.mktemp("slicer"))]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def tree() -> ast.Module:
    return ast.parse(MODULE.read_text(encoding="utf-8"))


def test_loading_brings_nothing_heavy(loaded):
    assert "MVCTEnhance" in loaded["modules"]
    assert {name.split(".")[0] for name in loaded["modules"]} & HEAVY == set()
    library = {name for name in loaded["modules"] if name.startswith("MVCTEnhanceLib.slicerui.")}
    assert library == {"MVCTEnhanceLib.slicerui.parameters"}


def test_loading_takes_no_time(loaded):
    assert loaded["seconds"] < MAX_SECONDS


def test_it_has_the_classes_that_slicer_looks_for(tree):
    classes = {node.name for node in tree.body if isinstance(node, ast.ClassDef)}
    assert classes == {f"MVCTEnhance{kind}" for kind in ("", "ParameterNode", "Widget", "Logic", "Test")}


def test_it_stays_thin(tree):
    """Without its docstrings, which every class and function has."""
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef)
    docstrings = [node.body[0] for node in ast.walk(tree) if isinstance(node, kinds) and ast.get_docstring(node)]
    prose = sum(text.end_lineno - text.lineno + 1 for text in docstrings)
    assert len(MODULE.read_text(encoding="utf-8").splitlines()) - prose < 200


def test_it_can_be_read_by_the_python_of_slicer(tree):
    """No syntax that is newer than Python 3.10, the oldest that the library supports."""
    ast.parse(MODULE.read_text(encoding="utf-8"), feature_version=(3, 10))
