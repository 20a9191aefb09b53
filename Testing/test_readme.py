"""The examples of README.md work as they stand there."""

import csv
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.thorough

TEXT = (Path(__file__).resolve().parents[1] / "README.md").read_text(encoding="utf-8")


def examples(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Where the examples for the shell were run, one line after the other."""
    folder = tmp_path_factory.mktemp("readme")
    (shell,) = examples("sh")
    for line in shell.splitlines():
        program, *arguments = shlex.split(line)
        assert program == "mvct-enhance"
        subprocess.run([sys.executable, "-m", "MVCTEnhanceLib", *arguments], cwd=folder, check=True, timeout=300)
    return folder


def test_shell_examples_leave_what_they_say(folder):
    for name in (
        "enhanced.nrrd",
        "difference.nrrd",
        "correction.nrrd",
        "report/report.html",
        "cohort/summary.csv",
        "water-qa/report.html",
        "at-site.nrrd",
    ):
        assert (folder / name).is_file(), name
    assert len(list((folder / "enhanced-dicom").glob("*.dcm"))) > 0
    with (folder / "cohort" / "summary.csv").open(encoding="utf-8", newline="") as table:
        assert [(row["case"], row["status"]) for row in csv.DictReader(table)] == [("mvct.nrrd", "done")]


def test_python_example_without_slicer(folder):
    example = next(text for text in examples("python") if "slicer" not in text.lower())
    result = subprocess.run([sys.executable, "-c", example], cwd=folder, capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("{'verdict': ")
