"""The Python packages that the worker needs and Slicer does not bring: asked for once, installed, never at the cost of
Slicer's own."""

from __future__ import annotations

import importlib
import importlib.metadata
import logging
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import slicer
import slicer.util
from packaging.requirements import Requirement
from slicer.i18n import tr as _

from ...errors import MVCTEnhanceError
from ..worker import files
from . import pip_settings

Ask = Callable[[str, str], bool]
RESOURCES = Path(__file__).resolve().parents[3] / "Resources"
TORCH = "torch>=2.4"
REQUESTER = "MVCT Enhance"
_installing = False


def missing(resource_folder: Path = RESOURCES) -> list[str]:
    """What is not installed, or not in a version that will do; nothing is imported to find out.

    Args:
        resource_folder: where requirements.txt is.
    """
    importlib.invalidate_caches()
    return [str(requirement) for requirement in _required(resource_folder) if not _is_installed(requirement)]


def ensure(
    resource_folder: Path = RESOURCES,
    *,
    wheel_folder: Path | None = None,
    ask: Ask | None = None,
    progress_dialog: bool = True,
) -> None:
    """Install what is missing after one question; ask and do nothing where nothing is.

    Args:
        resource_folder: where requirements.txt is.
        wheel_folder: folder of wheels to install from without a network; None for the network.
        ask: gets the question and the list of packages, tells the answer; Slicer's dialog where none is given.
        progress_dialog: whether Slicer shows what pip says in a dialog, and a failure in another one.

    Raises:
        MVCTEnhanceError: something is still missing; one sentence says why and what to do.
    """
    wanted = missing(resource_folder)
    if not wanted:
        return
    _require_possible(wanted, wheel_folder)
    question = _(
        "MVCT Enhance needs {count} more Python packages. Install them into Slicer now? This takes minutes."
    ).format(count=len(wanted))
    if not (ask or ask_user)(question, "\n".join(wanted)):
        raise MVCTEnhanceError(
            _("Nothing was installed, since you did not agree; needed are: {names}.").format(names=", ".join(wanted))
        )
    global _installing
    _installing = True
    _tell(installing_text())
    try:
        _install(wanted, wheel_folder, progress_dialog)
    finally:
        _installing = False
        _tell("")
    left = missing(resource_folder)
    if left:
        raise _failed(left, wheel_folder)


def ask_user(question: str, packages: str) -> bool:
    """Slicer's dialog; returns whether the user agrees."""
    return slicer.util.confirmOkCancelDisplay(
        question, _("{requester} - Install Python packages").format(requester=REQUESTER), detailedText=packages
    )


def installing_text() -> str:
    """The status text while pip runs."""
    return _("Installing the Python packages that are missing: this takes minutes…")


def _tell(message: str) -> None:
    if hasattr(slicer, "app"):
        slicer.util.showStatusMessage(message)


def _require_possible(wanted: Sequence[str], wheel_folder: Path | None) -> None:
    """Refuse before a question is asked that would lead nowhere."""
    if _installing:
        raise MVCTEnhanceError(_("The Python packages are being installed: wait until that is done."))
    application = getattr(slicer, "app", None)
    if application is not None and application.testingEnabled():
        raise MVCTEnhanceError(
            _("Slicer runs in testing mode, which installs nothing; needed are: {names}.").format(
                names=", ".join(wanted)
            )
        )
    if wheel_folder is not None:
        if not any(Path(wheel_folder).glob("*.whl")):
            raise MVCTEnhanceError(
                _(
                    "The wheel folder '{folder}' holds no wheels (*.whl): choose the folder that they were copied to."
                ).format(folder=wheel_folder)
            )
    elif any(_is_torch(name) for name in wanted):
        _torch_utils()


def _install(wanted: Sequence[str], wheel_folder: Path | None, progress_dialog: bool) -> None:
    with files.temporary_folder() as folder:
        constraints = folder / "constraints.txt"
        constraints.write_text("".join(f"{line}\n" for line in pip_settings.pins()), encoding="utf-8")
        with pip_settings.environment(pip_settings.settings_for(constraints, wheel_folder)):
            try:
                rest = list(wanted)
                if wheel_folder is None:
                    rest = [name for name in wanted if not _is_torch(name)]
                    if len(rest) < len(wanted):
                        _install_torch()
                if rest:
                    _pip_ensure(rest, constraints, progress_dialog)
            except (subprocess.CalledProcessError, OSError, RuntimeError) as error:
                raise _failed(wanted, wheel_folder) from error


def _install_torch() -> None:
    """The build of PyTorch that fits the graphics card, as the PyTorch extension chooses it."""
    import qt

    logic = _torch_utils().PyTorchUtilsLogic()
    qt.QApplication.setOverrideCursor(qt.Qt.WaitCursor)
    try:
        logic.installTorch(askConfirmation=False, torchVersionRequirement=str(Requirement(TORCH).specifier))
    except Exception as error:
        # It imports PyTorch into Slicer at its end, which may fail in many ways although the worker can use it.
        importlib.invalidate_caches()
        if not _is_installed(Requirement(TORCH)):
            logging.warning("PyTorch was not installed: %s", type(error).__name__)
            raise _failed([TORCH], None) from error
    finally:
        qt.QApplication.restoreOverrideCursor()


def _pip_ensure(names: list[str], constraints: Path, progress_dialog: bool) -> None:
    import slicer.packaging

    # No restart is asked for: only the worker, which starts anew each time, uses what was installed.
    slicer.packaging.pip_ensure(
        names,
        constraints=constraints,
        prompt_install=False,
        prompt_restart=False,
        requester=REQUESTER,
        show_progress=progress_dialog,
    )


def _torch_utils():
    try:
        import PyTorchUtils
    except ModuleNotFoundError as error:
        raise MVCTEnhanceError(
            _(
                "PyTorch is needed: install the extension 'PyTorch' in Slicer's Extensions Manager, restart Slicer and "
                "press Apply again, or choose a wheel folder that holds PyTorch."
            )
        ) from error
    return PyTorchUtils


def _failed(names: Sequence[str], wheel_folder: Path | None) -> MVCTEnhanceError:
    if wheel_folder is not None:
        advice = _(
            "the wheel folder '{folder}' lacks one of them or what it needs, in a version for this Slicer's Python: "
            "fill it as docs/troubleshooting.md says, and press Apply again"
        ).format(folder=wheel_folder)
    else:
        advice = _(
            "check the network, or behind a proxy set HTTPS_PROXY, or choose a wheel folder, and press Apply again; "
            "Slicer's Python console shows pip's output"
        )
    return MVCTEnhanceError(
        _("{names} could not be installed: {advice}.").format(names=", ".join(names), advice=advice)
    )


def _required(resource_folder: Path) -> list[Requirement]:
    import slicer.packaging

    return [Requirement(TORCH), *slicer.packaging.load_requirements(Path(resource_folder) / "requirements.txt")]


def _is_installed(requirement: Requirement) -> bool:
    import slicer.packaging

    return slicer.packaging.pip_check(requirement)


def _is_torch(name: str) -> bool:
    return Requirement(name).name == Requirement(TORCH).name
