"""Missing packages: one question, then real pip from a folder of wheels into a throw-away place."""

import importlib.metadata
import os
import shutil
import subprocess
import sys
import types
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[3]


def make_wheel(folder: Path, name: str, version: str = "1.0", requires: tuple[str, ...] = ()) -> None:
    """A wheel of an empty package."""
    folder.mkdir(parents=True, exist_ok=True)
    info = f"{name}-{version}.dist-info"
    needs = "".join(f"Requires-Dist: {line}\n" for line in requires)
    files = {
        f"{name}/__init__.py": "",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{path},,\n" for path in files) + f"{info}/RECORD,,\n"
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
        for path, text in {**files, f"{info}/RECORD": record}.items():
            wheel.writestr(path, text)


@pytest.fixture
def place(app, tmp_path, monkeypatch):
    """A folder that stands for Slicer's site-packages: pip installs there, and Python finds what it has installed.

    With a target folder pip never takes anything away from the Python that runs it, whatever the module asks for.
    """
    folder = tmp_path / "site-packages"
    folder.mkdir()
    monkeypatch.setenv("PIP_TARGET", str(folder))
    monkeypatch.setattr(sys, "path", [*sys.path, str(folder)])
    monkeypatch.setattr(app.slicer.packaging, "really_install", True)
    app.slicer.packaging.installs.clear()
    return folder


@pytest.fixture
def resources(tmp_path, monkeypatch):
    """A requirements file of packages that only this test knows, and a torch that is not there."""
    from MVCTEnhanceLib.slicerui.install import dependencies

    folder = tmp_path / "resources"
    folder.mkdir()
    (folder / "requirements.txt").write_text("# a comment\nmvct_test_a>=1\nnumpy>=1\n")
    monkeypatch.setattr(dependencies, "TORCH", "mvct_test_torch>=2.4")
    return folder


class Answer:
    """Answers the question and counts how often it came."""

    def __init__(self, answer: bool):
        self.answer, self.questions = answer, []

    def __call__(self, question, packages):
        self.questions.append((question, packages))
        return self.answer


@pytest.fixture
def wheels(tmp_path) -> Path:
    """A folder, with a space and a letter that is not ASCII in its name, that holds all that is missing."""
    folder = tmp_path / "whéel folder"
    make_wheel(folder, "mvct_test_a", requires=("numpy", "mvct_test_b"))
    make_wheel(folder, "mvct_test_b")
    make_wheel(folder, "mvct_test_torch", "2.5")
    make_wheel(folder, "numpy", importlib.metadata.version("numpy"))  # a target folder knows of nothing installed
    return folder


def test_nothing_is_asked_where_nothing_is_missing(app):
    from MVCTEnhanceLib.slicerui.install import dependencies

    answer = Answer(True)
    assert dependencies.missing() == []
    dependencies.ensure(ask=answer)
    assert answer.questions == []


def test_what_is_missing_is_found_without_importing_it(app, resources):
    from MVCTEnhanceLib.slicerui.install import dependencies

    before = set(sys.modules)
    assert dependencies.missing(resources) == ["mvct_test_torch>=2.4", "mvct_test_a>=1"]
    assert {"torch", "safetensors", "matplotlib"} & (set(sys.modules) - before) == set()


@pytest.mark.integration
def test_a_version_that_is_too_old_counts_as_missing(app, place, wheels, resources):
    from MVCTEnhanceLib.slicerui.install import dependencies

    make_wheel(wheels, "mvct_test_torch", "2.3")
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "-q", "--no-index", wheels / "mvct_test_torch-2.3-py3-none-any.whl"],
        check=True,
    )
    assert importlib.metadata.version("mvct_test_torch") == "2.3"
    assert "mvct_test_torch>=2.4" in dependencies.missing(resources)


@pytest.mark.integration
def test_a_wheel_folder_is_enough_without_a_network(app, place, wheels, resources):
    from MVCTEnhanceLib.slicerui.install import dependencies

    numpy, before = importlib.metadata.version("numpy"), dict(os.environ)
    app.popups.answer_next("ok")
    dependencies.ensure(resources, wheel_folder=wheels)
    assert len(app.popups.shown) == 1 and "2 more Python packages" in app.popups.shown[0]
    assert dependencies.missing(resources) == []
    assert importlib.metadata.version("mvct_test_torch") == "2.5"
    assert importlib.metadata.version("mvct_test_b") == "1.0"
    assert importlib.metadata.version("numpy") == numpy
    assert dict(os.environ) == before
    assert not list(app.folder.glob("MVCTEnhance-*"))


@pytest.mark.integration
def test_slicer_s_own_packages_are_never_replaced(app, place, wheels, resources):
    from MVCTEnhanceLib.errors import MVCTEnhanceError
    from MVCTEnhanceLib.slicerui.install import dependencies

    make_wheel(wheels, "numpy", "99.0")
    dependencies.ensure(resources, wheel_folder=wheels, ask=Answer(True))
    assert [path.name for path in place.glob("numpy-*")] == [f"numpy-{importlib.metadata.version('numpy')}.dist-info"]

    shutil.rmtree(place)
    make_wheel(wheels, "mvct_test_a", "2.0", requires=("SimpleITK==99.0",))
    (wheels / "mvct_test_a-1.0-py3-none-any.whl").unlink()
    make_wheel(wheels, "SimpleITK", "99.0")
    with pytest.raises(MVCTEnhanceError, match="could not be installed"):
        dependencies.ensure(resources, wheel_folder=wheels, ask=Answer(True), progress_dialog=False)
    assert not list(place.glob("SimpleITK*"))


def test_what_is_pinned_are_the_versions_that_are_installed(app):
    from MVCTEnhanceLib.slicerui.install import pip_settings

    pins = list(pip_settings.pins())
    assert f"numpy=={importlib.metadata.version('numpy')}" in pins
    assert f"pydicom=={importlib.metadata.version('pydicom')}" in pins
    assert f"SimpleITK=={importlib.metadata.version('SimpleITK')}" in pins


def test_a_wheel_folder_that_lacks_something_is_told_in_a_sentence(app, place, wheels, resources):
    from MVCTEnhanceLib.errors import MVCTEnhanceError
    from MVCTEnhanceLib.slicerui.install import dependencies

    (wheels / "mvct_test_b-1.0-py3-none-any.whl").unlink()
    app.popups.answer_next("ok")
    with pytest.raises(MVCTEnhanceError) as error:
        dependencies.ensure(resources, wheel_folder=wheels, ask=Answer(True))
    assert app.popups.shown == ["Package installation failed."]  # Slicer's own dialog, which it logs, too
    assert all("Package installation failed." in failure for failure in app.failures.take())
    sentence = str(error.value)
    assert "mvct_test_a" in sentence and "whéel folder" in sentence
    assert sentence.endswith(".") and "\n" not in sentence


def test_a_folder_without_wheels_is_told_before_anything_is_asked(app, place, tmp_path, resources):
    from MVCTEnhanceLib.errors import MVCTEnhanceError
    from MVCTEnhanceLib.slicerui.install import dependencies

    answer = Answer(True)
    with pytest.raises(MVCTEnhanceError, match="holds no wheels"):
        dependencies.ensure(resources, wheel_folder=tmp_path / "nothing here", ask=answer)
    assert answer.questions == []


def test_a_no_is_taken_for_a_no(app, place, wheels, resources):
    from MVCTEnhanceLib.errors import MVCTEnhanceError
    from MVCTEnhanceLib.slicerui.install import dependencies

    app.popups.answer_next("cancel")
    answer = Answer(False)
    for ask in (None, answer):
        with pytest.raises(MVCTEnhanceError, match="you did not agree"):
            dependencies.ensure(resources, wheel_folder=wheels, ask=ask)
    assert "mvct_test_a>=1" in answer.questions[0][1]
    assert list(place.iterdir()) == [] and app.slicer.packaging.installs == []
    assert len(app.popups.shown) == 1  # the question, and no error after it


@pytest.fixture
def torch_utils(monkeypatch, wheels):
    """The PyTorch extension; its install puts the wheel where pip does, under the constraints of the environment."""
    calls = []

    class PyTorchUtilsLogic:
        def installTorch(self, askConfirmation=False, forceComputationBackend=None, torchVersionRequirement=None,
                         torchvisionVersionRequirement=None):  # fmt: skip
            calls.append((askConfirmation, torchVersionRequirement, os.environ.get("PIP_CONSTRAINT")))
            command = [sys.executable, "-m", "pip", "install", "-q", "--no-index", "--find-links", str(wheels)]
            subprocess.run([*command, f"mvct_test_torch{torchVersionRequirement}"], check=True)
            raise ModuleNotFoundError("No module named 'torch'")  # as where the application cannot load it

    module = types.ModuleType("PyTorchUtils")
    module.PyTorchUtilsLogic = PyTorchUtilsLogic
    monkeypatch.setitem(sys.modules, "PyTorchUtils", module)
    return calls


@pytest.mark.integration
def test_torch_comes_through_the_pytorch_extension_and_the_rest_through_pip(
    app, place, wheels, resources, torch_utils, monkeypatch
):
    from MVCTEnhanceLib.slicerui.install import dependencies

    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", wheels.as_uri())  # in the place of the network
    answer = Answer(True)
    dependencies.ensure(resources, ask=answer)
    assert len(answer.questions) == 1 and app.popups.shown == []
    assert torch_utils[0][:2] == (False, ">=2.4") and torch_utils[0][2].startswith("file://")
    assert [entry["requirements"] for entry in app.slicer.packaging.installs] == [["mvct_test_a>=1"]]
    assert dependencies.missing(resources) == []
    assert app.qt.QApplication.overrideCursor() is None


def test_without_the_pytorch_extension_nothing_is_asked_and_it_is_named(app, place, resources):
    from MVCTEnhanceLib.errors import MVCTEnhanceError
    from MVCTEnhanceLib.slicerui.install import dependencies

    answer = Answer(True)
    with pytest.raises(MVCTEnhanceError, match="extension 'PyTorch'"):
        dependencies.ensure(resources, ask=answer)
    assert answer.questions == []


def test_a_failure_of_the_pytorch_extension_is_told_in_a_sentence(app, place, resources, torch_utils, wheels):
    from MVCTEnhanceLib.errors import MVCTEnhanceError
    from MVCTEnhanceLib.slicerui.install import dependencies

    (wheels / "mvct_test_torch-2.5-py3-none-any.whl").unlink()
    with pytest.raises(MVCTEnhanceError, match="check the network"):
        dependencies.ensure(resources, ask=Answer(True))


@pytest.mark.integration
@pytest.mark.parametrize(
    "error",
    [
        OSError("[WinError 126]"),
        pytest.param(AttributeError("'Popen' has no attribute 'x'"), marks=pytest.mark.thorough),
    ],
)
def test_a_torch_that_is_there_is_enough_whatever_loading_it_raised(
    app, place, wheels, resources, torch_utils, monkeypatch, error
):
    from MVCTEnhanceLib.slicerui.install import dependencies

    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", wheels.as_uri())
    logic = sys.modules["PyTorchUtils"].PyTorchUtilsLogic
    install = logic.installTorch

    def fail(self, **options):
        with pytest.raises(ModuleNotFoundError):
            install(self, **options)
        raise error

    monkeypatch.setattr(logic, "installTorch", fail)
    dependencies.ensure(resources, ask=Answer(True))
    assert dependencies.missing(resources) == []


def test_a_pytorch_extension_that_fails_in_any_way_is_told_in_a_sentence(
    app, place, resources, torch_utils, monkeypatch
):
    from MVCTEnhanceLib.errors import MVCTEnhanceError
    from MVCTEnhanceLib.slicerui.install import dependencies

    def fail(self, **options):
        raise AttributeError("_executePythonModule")

    monkeypatch.setattr(sys.modules["PyTorchUtils"].PyTorchUtilsLogic, "installTorch", fail)
    with pytest.raises(MVCTEnhanceError, match=r"could not be installed.*\.$"):
        dependencies.ensure(resources, ask=Answer(True))


def test_a_script_gets_the_failure_of_pip_as_an_error_and_no_dialog(app, place, wheels, resources, monkeypatch):
    from MVCTEnhanceLib.errors import MVCTEnhanceError
    from MVCTEnhanceLib.slicerui import logic
    from MVCTEnhanceLib.slicerui.install import dependencies

    (wheels / "mvct_test_b-1.0-py3-none-any.whl").unlink()
    monkeypatch.setattr(dependencies, "missing", lambda *_: ["mvct_test_a>=1"])
    app.popups.answer_next("ok")
    with pytest.raises(MVCTEnhanceError, match="could not be installed"):
        logic.install_dependencies(wheels)
    assert len(app.popups.shown) == 1 and "Install them into Slicer now?" in app.popups.shown[0]


def test_the_status_bar_says_that_it_takes_minutes(app, place, wheels, resources, monkeypatch):
    from MVCTEnhanceLib.slicerui.install import dependencies

    told = []
    monkeypatch.setattr(app.slicer.util, "showStatusMessage", lambda text, duration=0: told.append(text))
    answer = Answer(True)
    monkeypatch.setattr(dependencies, "_install", lambda *_: told.append("pip"))
    with pytest.raises(dependencies.MVCTEnhanceError):
        dependencies.ensure(resources, wheel_folder=wheels, ask=answer)
    assert "minutes" in answer.questions[0][0]
    assert "minutes" in told[0] and told[1:] == ["pip", ""]


def test_testing_mode_installs_nothing_and_asks_nothing(app, place, wheels, resources, monkeypatch):
    from MVCTEnhanceLib.errors import MVCTEnhanceError
    from MVCTEnhanceLib.slicerui.install import dependencies

    monkeypatch.setattr(app.slicer.app, "_testing", True)
    answer = Answer(True)
    with pytest.raises(MVCTEnhanceError, match="testing mode"):
        dependencies.ensure(resources, wheel_folder=wheels, ask=answer)
    assert answer.questions == [] and list(place.iterdir()) == []


def test_a_second_apply_during_the_install_starts_no_second_one(app, place, wheels, resources, monkeypatch):
    from MVCTEnhanceLib.errors import MVCTEnhanceError
    from MVCTEnhanceLib.slicerui.install import dependencies

    again = []

    class PyTorchUtilsLogic:
        def installTorch(self, **_):  # it lets the user press buttons meanwhile
            with pytest.raises(MVCTEnhanceError, match="wait until that is done") as error:
                dependencies.ensure(resources, ask=Answer(True))
            again.append(error)
            raise ImportError

    module = types.ModuleType("PyTorchUtils")
    module.PyTorchUtilsLogic = PyTorchUtilsLogic
    monkeypatch.setitem(sys.modules, "PyTorchUtils", module)
    with pytest.raises(MVCTEnhanceError, match="could not be installed"):
        dependencies.ensure(resources, ask=Answer(True))
    assert len(again) == 1
    with pytest.raises(MVCTEnhanceError, match="did not agree"):  # afterwards it may be tried again
        dependencies.ensure(resources, ask=Answer(False))


def test_requirements_are_those_of_the_library_but_for_what_slicer_brings():
    import re

    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    listed = re.search(r"^dependencies = \[(.*?)^\]", text, re.DOTALL | re.MULTILINE)[1]
    library = {Requirement(line) for line in re.findall(r'"([^"]+)"', listed)}
    lines = (ROOT / "MVCTEnhance" / "Resources" / "requirements.txt").read_text(encoding="utf-8").splitlines()
    slicer = {Requirement(line) for line in lines if not line.startswith("#")}
    by_slicer = {"numpy", "scipy", "SimpleITK", "pydicom", "tomli"}
    assert {str(entry) for entry in library if entry.name not in by_slicer | {"torch"}} == set(map(str, slicer))
    # The extension installs the newest torch that fits; the least version stands in the module's own code.
    assert str(next(entry for entry in library if entry.name == "torch")) in (
        ROOT / "MVCTEnhance" / "MVCTEnhanceLib" / "slicerui" / "install" / "dependencies.py"
    ).read_text(encoding="utf-8")
