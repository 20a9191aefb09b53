"""The example of README.md for Slicer's Python console works as it stands there."""

import re
from pathlib import Path

import pytest

README = Path(__file__).resolve().parents[2] / "README.md"


@pytest.mark.thorough
def test_example_for_the_console(app, tmp_path, monkeypatch, capsys):
    examples = re.findall(r"^```python\n(.*?)^```$", README.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    (example,) = (text for text in examples if "MVCTEnhanceLogic" in text)
    app.load_module()
    monkeypatch.chdir(tmp_path)
    capsys.readouterr()
    exec(compile(example, "README.md", "exec"), {})
    nselfssim = float(capsys.readouterr().out.split()[0])
    assert 0.7 < nselfssim < 0.9
    assert (tmp_path / "report" / "report.html").is_file()
    assert list((tmp_path / "enhanced-dicom").glob("*.dcm"))
