"""slicer.packaging: the same signatures as Slicer's; installs are recorded, and run with pip only where allowed."""

import importlib.metadata
import pathlib
import shlex
import subprocess
import sys

import slicer
from packaging.requirements import Requirement

installs: list[dict] = []  # every call of pip_install: requirements and constraints
really_install = False


def load_requirements(path) -> list[Requirement]:
    """Requirements of a file; comments and options of pip are left out."""
    lines = [line.strip() for line in pathlib.Path(path).read_text().splitlines()]
    return [Requirement(line) for line in lines if line and not line.startswith(("#", "-"))]


def _as_requirements(wanted) -> list[Requirement]:
    if isinstance(wanted, (str, Requirement)):
        wanted = [wanted] if isinstance(wanted, Requirement) or ";" in wanted else wanted.split()
    if not isinstance(wanted, list):
        raise TypeError(f"Expected str, Requirement, or list, got {type(wanted).__name__}")
    return [Requirement(entry) if isinstance(entry, str) else entry for entry in wanted]


def pip_check(req, _seen=None) -> bool:
    """Whether all requirements are installed."""
    return all(_installed(requirement) for requirement in _as_requirements(req))


def _installed(requirement: Requirement) -> bool:
    if requirement.marker is not None and not requirement.marker.evaluate():
        return True
    try:
        return importlib.metadata.version(requirement.name) in requirement.specifier
    except importlib.metadata.PackageNotFoundError:
        return False


def isPipInstallInProgress() -> bool:
    return False


def pip_ensure(
    requirements,
    constraints=None,
    skip_packages=None,
    prompt_install=True,
    prompt_restart=True,
    requester=None,
    skip_in_testing=True,
    show_progress=True,
):
    """Asks once, then installs what is missing; raises RuntimeError where the user says no."""
    missing = [requirement for requirement in _as_requirements(requirements) if not pip_check(requirement)]
    if not missing or (skip_in_testing and slicer.app.testingEnabled()):
        return None
    question = f"{len(missing)} Python packages need to be installed. Continue?"
    if prompt_install and not slicer.util.confirmOkCancelDisplay(question, f"{requester} - Install Python Packages"):
        raise RuntimeError("User declined package installation")
    return pip_install(
        [str(entry) for entry in missing],
        constraints=constraints,
        skip_packages=skip_packages,
        show_progress=show_progress,
        requester=requester,
    )


def pip_install(
    requirements,
    constraints=None,
    no_deps_requirements=None,
    skip_packages=None,
    blocking=True,
    show_progress=True,
    requester=None,
    logCallback=None,
    completedCallback=None,
):
    """Records the call; runs pip where `really_install` is set.

    Raises CalledProcessError where pip fails, after a dialog that says so unless `show_progress` is off.
    """
    arguments = shlex.split(requirements) if isinstance(requirements, str) else list(requirements)
    installs.append({"requirements": arguments, "constraints": constraints})
    if really_install:
        options = ["-c", str(constraints)] if constraints else []
        command = [sys.executable, "-m", "pip", "install", *arguments, *options]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode and show_progress and not slicer.app.testingEnabled():
            slicer.util.errorDisplay("Package installation failed.", detailedText=done.stdout + done.stderr)
        done.check_returncode()
    return [] if skip_packages is not None else None


def pip_uninstall(requirements, blocking=True, logCallback=None, completedCallback=None) -> None:
    """Not used by the module."""
    raise AssertionError("the module must not uninstall packages")
