"""Runs pytest on several copies of the module, each in a process forked from this one, which has the large libraries.

To import them takes longer than most of the tests. The argument is a JSON list of pairs: the folder of a copy and the
tests. Beside each copy pytest's output is left in pytest.txt; printed is a JSON object of exit codes by copy.
"""

import json
import os
import sys
from importlib import import_module
from pathlib import Path

SLOW_TO_IMPORT = ("scipy.ndimage", "scipy.optimize", "slicer", "slicer.util", "torch")
AT_ONCE = 2


def main(jobs: list[tuple[str, list[str]]]) -> dict[str, int]:
    for name in SLOW_TO_IMPORT:
        import_module(name)
    running: dict[int, str] = {}
    codes: dict[str, int] = {}
    for copy, tests in jobs:
        if len(running) == AT_ONCE:
            wait_for_one(running, codes)
        child = os.fork()
        if not child:
            run(Path(copy), tests)
        running[child] = copy
    while running:
        wait_for_one(running, codes)
    return codes


def wait_for_one(running: dict[int, str], codes: dict[str, int]) -> None:
    child, status = os.wait()
    codes[running.pop(child)] = os.waitstatus_to_exitcode(status)


def run(copy: Path, tests: list[str]) -> None:
    """Ends this process with pytest's exit code."""
    code = 3  # pytest's for an error of its own
    try:
        import pytest

        os.environ["MVCTENHANCE_MODULE_FOLDER"] = str(copy)
        with copy.with_name("pytest.txt").open("w", encoding="utf-8") as file:
            for stream in (1, 2):
                os.dup2(file.fileno(), stream)
        code = pytest.main(["-q", "-x", "-p", "no:cacheprovider", "--tb=line", *tests])
        sys.stdout.flush()
    finally:
        os._exit(code)


if __name__ == "__main__":
    sys.path.pop(0)  # the harness's folder, whose modules have names that others have too
    print(json.dumps(main(json.loads(sys.argv[1]))))
