"""The cheese phantom before and after enhancing with the shipped model: the whole command, with pylinac."""

import sys

import pytest
from MVCTEnhanceLib.physics.mvct import simulate_mvct
from MVCTEnhanceLib.physics.qa_phantoms import CHEESE_PLUGS, cheese_phantom
from MVCTEnhanceLib.qa import pylinac
from MVCTEnhanceLib.qa.phantoms import TOMO_CHEESE

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(not pylinac.is_installed(), reason="pylinac is not installed: mvct-enhance install-pylinac"),
]


def test_cheese_phantom_passes_and_every_plug_has_its_hu(main, series, tmp_path):
    mvct = simulate_mvct(cheese_phantom(slices=10, offset_mm=(4.0, -3.0), roll=1.0))
    arguments = ("--phantom", TOMO_CHEESE, "--output", tmp_path / "qa", "--device", "cpu", "--json")
    result = main("qa", series(mvct), *arguments, "--progress", "none")
    assert result.code == 0, result.stderr
    values = result.json()["values"]
    for number, plug in CHEESE_PLUGS.items():
        row = values[f"insert_{number}"]
        assert row["mvct"]["value"] == pytest.approx(plug.mv_hu, abs=6), row
        assert row["enhanced"]["value"] == pytest.approx(plug.kv_hu, abs=10), row
    assert values["noise_hu"]["enhanced"]["value"] < values["noise_hu"]["mvct"]["value"] / 2
    assert values["resolution_mm"]["enhanced"]["value"] < values["resolution_mm"]["mvct"]["value"]
    assert result.json()["position"]["roll_degrees"] == pytest.approx(1, abs=0.1)
    assert result.json()["made"]["pylinac"] == "3.49.0"
    # This process has nothing of it.
    assert str(pylinac.folder()) not in sys.path and "pylinac" not in sys.modules
    assert sorted(path.name for path in (tmp_path / "qa").iterdir()) == ["qa.csv", "qa.json", "report.html"]
