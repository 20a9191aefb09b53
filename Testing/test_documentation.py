"""The documentation becomes a site without a warning: links, anchors and pictures are there."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("furo")

ROOT = Path(__file__).resolve().parents[1]
LINK = re.compile(r"\]\(([^)#\s]*)(#[^)\s]*)?\)")


def test_site_of_the_documentation_has_every_page_link_and_picture(tmp_path):
    command = [sys.executable, "-m", "sphinx", "--fail-on-warning", "--keep-going", "-q", ROOT / "docs", tmp_path]
    made = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert made.returncode == 0, made.stderr
    assert (tmp_path / "first-scan.html").is_file()
    assert any((tmp_path / "_images").glob("panel*.png"))


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "Testing/harness/README.md"])
def test_pages_outside_of_the_site_link_to_what_is_there(page):
    path = ROOT / page
    for target, anchor in LINK.findall(path.read_text(encoding="utf-8")):
        if ":" in target:
            continue
        other = path.parent / target if target else path
        assert other.exists(), target
        if anchor:
            assert anchor[1:] in anchors(other), target + anchor


def anchors(page: Path) -> set[str]:
    """Of the headings of a page, as GitHub and MyST make them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
