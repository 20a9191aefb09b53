"""A water cylinder before and after enhancing: the whole command, without pylinac."""

import csv
import json

import numpy as np
import pytest
from MVCTEnhanceLib.qa.phantoms import WATER

TOLERANCES = "[mvct]\nwater_hu = 30\nnoise_hu = 50\n[enhanced]\nwater_hu = 20\nnoise_hu = {noise}\n"


@pytest.fixture
def qa(main, tmp_path, no_pylinac, series, water):
    """Function (noise after, its tolerance, date): the result of quality assurance of water in the folder qa."""
    mvct = water()
    scan = series(mvct, "mvct")

    def qa(sd=5.0, noise=20, date="2026-03-01"):
        (tmp_path / "limits.toml").write_text(TOLERANCES.format(noise=noise))
        # Stands for an enhanced scan: the cylinder with less noise.
        smooth = np.where(mvct.array > -500, 0, -1000) + np.random.default_rng(1).normal(0, sd, mvct.array.shape)
        enhanced = series(mvct.with_array(np.rint(smooth).astype(np.int16)), f"enhanced-{len([*tmp_path.iterdir()])}")
        where = ("--output", tmp_path / "qa", "--tolerances", tmp_path / "limits.toml", "--date", date)
        return main("qa", scan, "--phantom", WATER, "--enhanced", enhanced, *where, "--json", "--progress", "none")

    return qa


def test_values_within_tolerance_pass(qa, tmp_path):
    result = qa()
    assert result.code == 0
    found = result.json()
    assert found["passed"] and found["phantom"] == WATER
    noise = found["values"]["noise_hu"]
    assert noise["enhanced"]["value"] == pytest.approx(5, rel=0.1)
    assert noise["difference"] == pytest.approx(noise["enhanced"]["value"] - noise["mvct"]["value"])
    assert abs(found["values"]["water_hu"]["mvct"]["value"]) < 1.5
    assert found["values"]["diameter_mm"]["mvct"]["value"] == pytest.approx(200, abs=0.5)
    assert found["values"]["mtf_50"]["mvct"]["passed"] is None
    stored = json.loads((tmp_path / "qa" / "qa.json").read_text(encoding="utf-8"))
    assert stored == {name: value for name, value in found.items() if name != "report"}


def test_value_out_of_tolerance_fails_with_exit_code_3_and_is_named(qa, tmp_path):
    result = qa(noise=4)
    assert result.code == 3 and result.json()["passed"] is False
    page = (tmp_path / "qa" / "report.html").read_text(encoding="utf-8")
    assert "Enhanced, Noise: SD in the centre:</strong> 5.0 HU, tolerance ≤ 4" in page
    assert page.count(">failed<") == 2  # the outcome and the value


def test_each_scan_is_a_line_and_the_same_scan_replaces_its_own(qa, main, tmp_path, series, water):
    assert qa().code == qa(sd=6.0).code == 0
    second = series(water(slices=7), "second")
    arguments = ("--phantom", WATER, "--enhanced", second, "--output", tmp_path / "qa", "--progress", "none")
    main("qa", second, *arguments)
    with (tmp_path / "qa" / "qa.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2
    assert float(rows[0]["enhanced.noise_hu"]) == pytest.approx(6, rel=0.1)
    assert len({row["scan_sha256"] for row in rows}) == 2
    assert "2 so far" in (tmp_path / "qa" / "report.html").read_text(encoding="utf-8")


def test_line_has_the_date_that_is_given_and_no_other_text(qa, tmp_path):
    assert "give year, month and day" in qa(date="31.1.2026").stderr
    assert qa(date="2026-01-31").json()["date"] == "2026-01-31"
    assert "\n2026-01-31,water," in (tmp_path / "qa" / "qa.csv").read_text(encoding="utf-8")


def test_folder_with_files_of_something_else_is_kept(qa, tmp_path):
    (tmp_path / "qa").mkdir()
    for name, sentence in (("report.html", "without a qa.csv"), ("qa.csv", "is no file of 'mvct-enhance qa'")):
        (tmp_path / "qa" / name).write_text("of somebody")
        result = qa()
        assert result.code == 1 and sentence in result.stderr
        assert {path.read_text() for path in (tmp_path / "qa").iterdir()} == {"of somebody"}


def test_folder_of_another_phantom_is_kept(qa, tmp_path):
    assert qa().code == 0
    path = tmp_path / "qa" / "qa.csv"
    path.write_text(path.read_text(encoding="utf-8").replace(",water,", ",tomo-cheese,"), encoding="utf-8")
    before = {path: path.read_bytes() for path in (tmp_path / "qa").iterdir()}
    result = qa()
    assert result.code == 1 and "values of another phantom" in result.stderr
    assert {path: path.read_bytes() for path in (tmp_path / "qa").iterdir()} == before


def test_enhanced_scan_on_another_grid_is_refused(main, tmp_path, series, water):
    scans = series(water(), "a"), series(water(slices=5), "b")
    result = main("qa", scans[0], "--phantom", WATER, "--enhanced", scans[1], "--output", tmp_path / "qa")
    assert result.code == 1 and "lie on different grids" in result.stderr and not (tmp_path / "qa").exists()
