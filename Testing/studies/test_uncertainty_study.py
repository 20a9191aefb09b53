"""The study of the uncertainty finds errors that depend on what it sees, and reads no scan twice."""

import sys
from pathlib import Path

import numpy as np
import pytest
from MVCTEnhanceLib.io import write_volume
from MVCTEnhanceLib.model.card import find_model
from MVCTEnhanceLib.model.engine import Engine
from MVCTEnhanceLib.volume import Volume

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "studies" / "models"))

import uncertainty


def drawn(seed, pixels=6_000):
    """Pixels whose error is Laplace distributed with a scale of 5 to 40 HU, which the third of four features tells."""
    rng = np.random.default_rng(seed)
    seen = rng.normal(size=(pixels, 4)).astype(np.float32)
    scale = np.clip(15 * np.exp(0.8 * seen[:, 2]), 5, 40)
    error = np.abs(rng.laplace(scale=scale)).astype(np.float32)
    return {"features": seen, "error": error, "local_error": scale.astype(np.float32), "gradient": seen[:, 0]}


@pytest.mark.thorough
def test_head_finds_where_errors_are_large_and_its_band_holds_nine_of_ten_on_others():
    head = uncertainty.Head.fitted([drawn(1), drawn(2)])
    head.calibrate([drawn(3)])
    found = uncertainty.figures(head, drawn(4))
    assert found["head"] > 0.95 and abs(found["gradient"]) < 0.1
    assert 0.88 < found["covered"] < 0.92
    assert found["half_width_median_hu"] == pytest.approx(np.log(10) * 15, rel=0.15)


@pytest.fixture
def scan(tmp_path):
    """An MVCT of two slices with its truth; in the second the left half is disturbed."""
    j, i = np.ogrid[:96, :96]
    hu = np.where((j - 48) ** 2 + (i - 48) ** 2 < 40**2, 40, -1000)
    region = np.ones((2, 96, 96), np.int16)
    region[1, :, :48] = 0
    noise = np.random.default_rng(5).normal(0, 30, (2, 96, 96))
    noise[1, :, :48] += 600
    paths = [tmp_path / "1" / kind / "patient.nrrd" for kind in ("mvct", "truth", "region")]
    for path, values in zip(paths, (hu + noise, np.broadcast_to(hu, noise.shape), region), strict=True):
        path.parent.mkdir(parents=True)
        write_volume(Volume(np.rint(values).astype(np.int16), (0.763, 0.763, 3.0)), path)
    return uncertainty.Scan(*paths)


def test_scans_are_read_once_and_pixels_come_from_the_body_where_a_comparison_is_fair(scan, tmp_path, monkeypatch):
    def reader():
        return uncertainty.Reader(find_model("simulated-anchor"), tmp_path / "kept", 1)

    before = reader().read([scan], rivals=True)
    names = {"features", "error", "local_error", "gradient", "gradient_3px", "passes", "difference"}
    assert before.keys() == names
    assert {len(values) for values in before.values()} == {2 * uncertainty.PIXELS}
    assert before["passes"].any() and before["difference"].any()
    assert np.median(before["features"][:, 0]) == pytest.approx(40, abs=10)
    assert np.quantile(before["error"][uncertainty.PIXELS :], 0.9) < 200
    monkeypatch.setattr(Engine, "enhance", lambda *_: pytest.fail("enhanced again"))
    again = reader().read([scan], rivals=True)
    for name, values in before.items():
        np.testing.assert_array_equal(again[name], values)


def test_features_of_a_pixel_depend_on_no_pixel_further_than_they_say():
    rng = np.random.default_rng(3)
    pair = [rng.normal(0, 50, (64, 64)).astype(np.float32) for _ in range(2)]
    before = uncertainty.features(*pair)
    for changed in range(2):
        other = [image.copy() for image in pair]
        other[changed][32, 32] += 500
        differing = np.abs(uncertainty.features(*other) - before).max(axis=1) > 1e-3
        j, i = np.divmod(np.flatnonzero(differing), 64)
        assert len(j) and max(abs(j - 32).max(), abs(i - 32).max()) <= 16
