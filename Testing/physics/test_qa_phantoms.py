"""Phantoms for quality assurance hold the HU of their densities at their places."""

import numpy as np
import pytest
from MVCTEnhanceLib.physics.density import density_hu_from_kv
from MVCTEnhanceLib.physics.qa_phantoms import CHEESE_DIAMETER_MM, CHEESE_PLUGS, cheese_phantom

GRID = {"slices": 3, "shape": (340, 340), "spacing_mm": (1.0, 1.0, 6.0)}


def hu_at(volume, k, x, y):
    """HU at a place in mm about the middle of a slice."""
    rows, columns = volume.array.shape[1:]
    return volume.array[k, round((rows - 1) / 2 + y), round((columns - 1) / 2 + x)]


def test_plugs_of_the_cheese_phantom_have_the_hu_of_their_density():
    phantom = cheese_phantom(**GRID)
    for plug in CHEESE_PLUGS.values():
        hu = hu_at(phantom, 1, *plug.place_mm())
        assert hu == pytest.approx(plug.kv_hu, abs=1)
        assert density_hu_from_kv(np.array([hu]))[0] == pytest.approx(1000 * (plug.density - 1), abs=1)
    assert hu_at(phantom, 0, 0, 0) == 0 and hu_at(phantom, 0, 160, 0) == -1000


def test_plugs_of_the_cheese_phantom_do_not_overlap():
    places = np.array([plug.place_mm() for plug in CHEESE_PLUGS.values()])
    distances = np.hypot(*(places[:, None] - places[None]).T)
    assert len(places) == 20
    assert distances[~np.eye(20, dtype=bool)].min() > 28 + 2
    assert np.hypot(*places.T).max() + 14 < CHEESE_DIAMETER_MM / 2


def test_cheese_phantom_has_its_area():
    phantom = cheese_phantom(**GRID)
    body = phantom.array[1] > -500
    lungs = sum(plug.kv_hu < -500 for plug in CHEESE_PLUGS.values()) * np.pi * 14**2
    assert body.sum() + lungs == pytest.approx(np.pi * 150**2, rel=3e-3)


def test_cheese_phantom_is_moved_rolled_and_tilted_as_asked():
    phantom = cheese_phantom(**GRID, offset_mm=(5.0, -10.0), roll=4.0, tilt=10.0)
    plug = CHEESE_PLUGS["10"]
    angle = np.radians(75 + 4)
    x, y = 110 * np.cos(angle) + 5, 110 * np.sin(angle) - 10
    for k in range(3):
        assert hu_at(phantom, k, x + (k - 1) * 6 * np.tan(np.radians(10)), y) == pytest.approx(plug.kv_hu, abs=1)
