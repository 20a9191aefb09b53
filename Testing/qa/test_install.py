"""pylinac's installation by pip into a folder of its own."""

import pytest
from MVCTEnhanceLib.qa import pylinac

pytestmark = pytest.mark.integration


@pytest.fixture
def place(tmp_path, monkeypatch):
    """The folder that it goes to; pip reaches no network."""
    monkeypatch.setattr(pylinac, "folder", lambda: tmp_path / "pylinac")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    return tmp_path / "pylinac"


def test_installation_that_fails_says_what_pip_says_and_leaves_what_was_there(main, place, tmp_path):
    place.mkdir()
    (place / "old.py").write_text("")
    result = main("install-pylinac")
    assert result.code == 1
    assert "pip could not install pylinac (No matching distribution found for" in result.stderr
    assert "--wheels" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["pylinac"] and [*place.iterdir()] == [place / "old.py"]


def test_versions_are_stamped_so_that_other_ones_are_installed_anew(main, place, monkeypatch, tmp_path):
    (tmp_path / "wanted").mkdir()
    wanted = tmp_path / "wanted" / "pylinac.txt"
    wanted.write_text("# nothing\n")
    monkeypatch.setattr(pylinac, "REQUIREMENTS", wanted)
    assert main("install-pylinac", "--json").json() == {"folder": str(place)}
    assert pylinac.is_installed()
    wanted.write_text("# something else\n")
    assert not pylinac.is_installed()
