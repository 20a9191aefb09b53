"""Set up and run on a machine that has only Python (3.10 or newer).

    python .ci/run.py demo      run the demonstration into demo-output/
    python .ci/run.py quick     check the code style and run the quick tests, for every change
    python .ci/run.py test      the same with the integration tests: processes, trainings, whole scans and panels
    python .ci/run.py docs      make a site of the documentation in docs-output/

Each makes a virtual environment in .venv on the first call, with the versions of .ci/constraints.txt. Further arguments
go to `mvct-enhance demo` or to pytest: `test -m ""` runs also the thorough tests, which take long and look at what
seldom changes. Tests run side by side, in one process more than there are cores and at most four. The tests of the
Slicer panel need PySide6 and slicer-core, which are installed for them, and on Linux the system's libraries for
drawing; those of reports as PDF need Pango, those of DICOM dciodvfy, dcmtk and Orthanc, those of quality assurance
pylinac: where these cannot be installed, the tests skip and say so.
"""

import ctypes.util
import hashlib
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CONSTRAINTS = ROOT / ".ci" / "constraints.txt"
ENVIRONMENT = ROOT / ".venv"
PROGRAMS = ENVIRONMENT / ("Scripts" if os.name == "nt" else "bin")
PYTHON = PROGRAMS / ("python.exe" if os.name == "nt" else "python")
STAMP = ENVIRONMENT / "installed.sha256"
# A file's tests share what its fixtures made, so that they stay together.
# One process more than there are cores, since many tests wait for a process that they have started.
SIDE_BY_SIDE = ("-n", str(min(4, (os.cpu_count() or 1) + 1)), "--dist", "loadfile", "--no-loadscope-reorder")
TESTS = {"quick": "not integration and not thorough", "test": "not thorough"}
DRAWING_LIBRARIES = {  # as the loader calls them: Debian's packages
    "EGL": "libegl1 libegl-mesa0",
    "GL": "libgl1 libgl1-mesa-dri",
    "xkbcommon": "libxkbcommon0",
    "fontconfig": "libfontconfig1 fonts-dejavu-core",
    "freetype": "libfreetype6",
    "dbus-1": "libdbus-1-3",
    "glib-2.0": "libglib2.0-0",
    "pango-1.0": "libpango-1.0-0",  # from here on: of WeasyPrint
    "pangoft2-1.0": "libpangoft2-1.0-0",
    "harfbuzz-subset": "libharfbuzz-subset0",
}
DICOM_PROGRAMS = {  # in which of Debian's packages
    "dciodvfy": "dicom3tools",
    "dcmdump": "dcmtk",
    "dcmconv": "dcmtk",
    "Orthanc": "orthanc",
}


def fingerprint() -> str:
    """What an installation depends on: if this changes, the environment is made anew."""
    parts = [CONSTRAINTS.read_bytes(), (ROOT / "pyproject.toml").read_bytes()]
    parts += [text.encode() for text in (str(ROOT), sys.version, sys.platform)]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def run(*command) -> int:
    print("+", *command, flush=True)
    # Without bytecode each of the hundreds of processes that tests start would compile the library anew.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return subprocess.call([str(part) for part in command], cwd=ROOT, env=environment)


def set_up(extras: str) -> None:
    """Make the virtual environment or add to it, unless what is wanted is there (its stamp is written last)."""
    wanted = fingerprint()
    made, _, there = STAMP.read_text().partition(" ") if PYTHON.exists() and STAMP.exists() else ("", "", "")
    if made == wanted and extras in ("", there):
        return
    print(f"Making the virtual environment {ENVIRONMENT} (once, a few minutes) ...", flush=True)
    try:
        venv.EnvBuilder(clear=made != wanted, with_pip=True).create(ENVIRONMENT)
    except (OSError, subprocess.CalledProcessError) as error:
        sys.exit(f"No virtual environment could be made ({error}): on Debian and Ubuntu install python3-venv first.")
    pip = (PYTHON, "-m", "pip", "install", "--constraint", CONSTRAINTS)
    # setuptools comes first and the build is not isolated, so that the build tool is pinned too.
    project = f"{ROOT}[{extras}]" if extras else ROOT
    if run(*pip, "setuptools") or run(*pip, "--no-build-isolation", "--editable", project):
        sys.exit("The packages could not be installed; pip's message above says why (network, proxy, disk space?).")
    STAMP.write_text(f"{wanted} {extras}")


def add_drawing_libraries() -> None:
    """Have Debian's libraries by which Qt, OpenGL and WeasyPrint draw, where this user may install them."""
    missing = [name for name in DRAWING_LIBRARIES if not ctypes.util.find_library(name)]
    packages = {package for name in missing for package in DRAWING_LIBRARIES[name].split()}
    if missing and sys.platform.startswith("linux") and not installed(packages):
        print(f"Tests of the panel or of PDF are skipped without these libraries: {', '.join(missing)}.", flush=True)


def add_dicom_programs() -> None:
    """Have Debian's programs that check DICOM files and receive them, where this user may install them."""
    missing = [name for name in DICOM_PROGRAMS if not shutil.which(name)]
    if missing and not installed({DICOM_PROGRAMS[name] for name in missing}):
        print(f"Some tests of DICOM are skipped without these programs: {', '.join(missing)}.", flush=True)


def add_pylinac() -> None:
    """Have pylinac in its folder inside the virtual environment."""
    if run(PROGRAMS / "mvct-enhance", "install-pylinac"):
        print("The tests of phantoms that pylinac analyses are skipped.", flush=True)


def installed(packages: set[str]) -> bool:
    """Install Debian packages; False where that is not possible."""
    if not (shutil.which("apt-get") and hasattr(os, "geteuid") and os.geteuid() == 0):
        return False
    run("apt-get", "update", "--quiet")
    return not run("apt-get", "install", "--quiet", "--yes", "--no-install-recommends", *sorted(packages))


def main() -> int:
    if sys.version_info < (3, 10):  # noqa: UP036 - whoever starts this may have an older Python
        sys.exit(f"Python 3.10 or newer is needed, this is {sys.version.split()[0]}.")
    action, *arguments = sys.argv[1:] or [""]
    if action not in ("demo", "docs", *TESTS):
        sys.exit(__doc__)
    if action == "demo":
        set_up("")
        return run(PROGRAMS / "mvct-enhance", "demo", "--output", ROOT / "demo-output", *arguments)
    set_up("test,gui,docs,cluster")
    if action == "docs":
        return run(PROGRAMS / "sphinx-build", "--fail-on-warning", ROOT / "docs", ROOT / "docs-output", *arguments)
    add_drawing_libraries()
    add_dicom_programs()
    add_pylinac()
    style = [run(PROGRAMS / "ruff", *check) for check in (("check", "."), ("format", "--check", "."))]
    tests = run(PYTHON, "-m", "pytest", *SIDE_BY_SIDE, "-m", TESTS[action], *arguments)
    return tests or max(style)


if __name__ == "__main__":
    sys.exit(main())
