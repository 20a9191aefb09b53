"""Set up and run on a machine that has only Python (3.10 or newer).

    python .ci/run.py demo      run the demonstration into demo-output/
    python .ci/run.py test      check the code style and run the tests

Both make a virtual environment in .venv on the first call, with the versions of .ci/constraints.txt. Further arguments
go to `mvct-enhance demo` or to pytest.
"""

import hashlib
import os
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


def fingerprint() -> str:
    """What an installation depends on: if this changes, the environment is made anew."""
    parts = [CONSTRAINTS.read_bytes(), (ROOT / "pyproject.toml").read_bytes()]
    parts += [text.encode() for text in (str(ROOT), sys.version, sys.platform)]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def run(*command) -> int:
    print("+", *command, flush=True)
    return subprocess.call([str(part) for part in command], cwd=ROOT)


def set_up() -> None:
    """Make the virtual environment, unless a complete one is there (its stamp is written last)."""
    wanted = fingerprint()
    if PYTHON.exists() and STAMP.exists() and STAMP.read_text() == wanted:
        return
    print(f"Making the virtual environment {ENVIRONMENT} (once, a few minutes) ...", flush=True)
    try:
        venv.EnvBuilder(clear=True, with_pip=True).create(ENVIRONMENT)
    except (OSError, subprocess.CalledProcessError) as error:
        sys.exit(f"No virtual environment could be made ({error}): on Debian and Ubuntu install python3-venv first.")
    pip = (PYTHON, "-m", "pip", "install", "--constraint", CONSTRAINTS)
    # setuptools comes first and the build is not isolated, so that the build tool is pinned too.
    if run(*pip, "setuptools") or run(*pip, "--no-build-isolation", "--editable", f"{ROOT}[test]"):
        sys.exit("The packages could not be installed; pip's message above says why (network, proxy, disk space?).")
    STAMP.write_text(wanted)


def main() -> int:
    if sys.version_info < (3, 10):  # noqa: UP036 - whoever starts this may have an older Python
        sys.exit(f"Python 3.10 or newer is needed, this is {sys.version.split()[0]}.")
    action, *arguments = sys.argv[1:] or [""]
    if action not in ("demo", "test"):
        sys.exit(__doc__)
    set_up()
    if action == "demo":
        return run(PROGRAMS / "mvct-enhance", "demo", "--output", ROOT / "demo-output", *arguments)
    style = [run(PROGRAMS / "ruff", *check) for check in (("check", "."), ("format", "--check", "."))]
    tests = run(PYTHON, "-m", "pytest", *arguments)
    return tests or max(style)


if __name__ == "__main__":
    sys.exit(main())
