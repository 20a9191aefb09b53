"""Phantoms that pylinac analyses, before and after enhancing: the whole command, with pylinac in its child process."""

import sys

import pytest
from MVCTEnhanceLib.physics.mvct import simulate_mvct
from MVCTEnhanceLib.physics.qa_phantoms import CHEESE_PLUGS, catphan_phantom, cheese_phantom, kv_hu
from MVCTEnhanceLib.qa import pylinac
from MVCTEnhanceLib.qa.phantoms import CATPHAN_DENSITIES, TOMO_CHEESE

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(not pylinac.is_installed(), reason="pylinac is not installed: mvct-enhance install-pylinac"),
]


@pytest.mark.thorough
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


@pytest.mark.thorough
def test_cylinder_without_the_modules_of_a_catphan_is_refused(main, series, water, tmp_path):
    scan = series(water(slices=40))
    result = main("qa", scan, "--phantom", "catphan504", "--enhanced", scan, "--output", tmp_path / "qa")
    assert result.code == 1 and not (tmp_path / "qa").exists()
    assert "pylinac does not find the parts of the Catphan 504 in the MVCT" in result.stderr


@pytest.mark.thorough
def test_catphan_passes_before_enhancing_and_every_insert_has_its_hu(main, series, tmp_path):
    mvct = simulate_mvct(catphan_phantom())
    arguments = ("--phantom", "catphan504", "--output", tmp_path / "qa", "--device", "cpu", "--json")
    result = main("qa", series(mvct), *arguments, "--progress", "none")
    values = result.json()["values"]
    assert [name for name, row in values.items() if row["mvct"]["passed"] is False] == []
    assert values["resolution_mm"]["enhanced"]["value"] < values["resolution_mm"]["mvct"]["value"]
    for name in ("air", "pmp", "ldpe", "poly", "acrylic", "delrin", "teflon"):
        density = next(value for key, value in CATPHAN_DENSITIES.items() if key.casefold() == name)
        row = values[f"insert_{name}"]
        assert row["mvct"]["value"] == pytest.approx(1000 * (density - 1), abs=30), row
        if density < 1.4:
            assert row["enhanced"]["value"] == pytest.approx(kv_hu(density), abs=40), row
    assert values["slice_mm"]["mvct"]["value"] == pytest.approx(3, abs=0.5)
    assert values["square_mm"]["mvct"]["value"] == pytest.approx(50, abs=0.5)
