"""MTF and overshoot of circular edges against closed forms."""

import numpy as np
import pytest
from MVCTEnhanceLib.qa.edges import circle_edge
from scipy.special import erf

PIXEL_MM, RADIUS_MM = 0.763, 14.0
AXIS = (np.arange(96) - 47.2) * PIXEL_MM
DISTANCE = np.hypot(AXIS[None, :], AXIS[:, None] + 0.3)


@pytest.mark.parametrize("sd_mm", [0.6, 1.0])
@pytest.mark.parametrize("step", [-700, 700])
def test_mtf_of_a_gaussian_edge_is_its_transform(sd_mm, step):
    image = step * (1 - erf((DISTANCE - RADIUS_MM) / (np.sqrt(2) * sd_mm))) / 2
    edge = circle_edge(image, DISTANCE, RADIUS_MM)
    for found, level in ((edge.mtf_50, 0.5), (edge.mtf_10, 0.1)):
        assert found == pytest.approx(np.sqrt(-np.log(level) / 2) / (np.pi * sd_mm), rel=0.05)
    assert edge.resolution_mm == pytest.approx(1 / (2 * edge.mtf_10))
    assert 0 <= edge.overshoot_hu < 2


@pytest.mark.parametrize("inside", [-700, 700])
def test_overshoot_is_how_far_the_outside_goes_beyond_itself(inside):
    image = inside * (1 - erf((DISTANCE - RADIUS_MM) / np.sqrt(2))) / 2
    bump = -np.sign(inside) * 60 * np.exp(-(((DISTANCE - RADIUS_MM - 2.5) / 0.8) ** 2))
    plain = circle_edge(image, DISTANCE, RADIUS_MM).overshoot_hu
    assert circle_edge(image + bump, DISTANCE, RADIUS_MM).overshoot_hu - plain == pytest.approx(57, abs=6)
