"""Bodies that the round field of view of a slice cuts."""

import numpy as np
import pytest
from MVCTEnhanceLib.quality.field_of_view import away_from_cut, cutting_field
from MVCTEnhanceLib.quality.metrics import evaluate
from scipy import ndimage, special

SPACING = (1.0, 1.0, 3.0)


def ellipse(rows_mm, columns_mm, shape=(200, 200)):
    j, i = np.indices(shape, float) - (np.array(shape)[:, None, None] - 1) / 2
    return np.hypot(j / rows_mm, i / columns_mm)


def trunk(columns_mm):
    """A slice of 200 mm: an ellipse with an edge of 1.5 mm (SD) and some noise."""
    distance = (1 - ellipse(86, columns_mm)) * 86
    noise = np.random.default_rng(2).normal(0, 8, (200, 200))
    return -1000 + 1040 * special.ndtr(distance / 1.5) + ndimage.gaussian_filter(noise, 0.8)


def cut(image):
    """What a round field of view shows of it, blurred at its rim."""
    return -1000 + (image + 1000) * special.ndtr((99 - ellipse(1, 1)) / 4)


@pytest.mark.parametrize(
    ("body", "is_round"),
    [
        (ellipse(60, 80) < 1, None),
        ((ellipse(60, 120) < 1) & (ellipse(99.5, 99.5) < 1), True),
        (ellipse(60, 150) < 1, False),
        (ellipse(60, 98, (130, 200)) < 1, None),
        (np.zeros((200, 200), bool), None),
    ],
    ids=["within", "cut by the circle", "cut by the image", "cropped around the body", "air"],
)
def test_a_body_is_cut_that_ends_at_the_field_of_view_and_not_beyond(body, is_round):
    field = cutting_field(body, (1.0, 1.0))
    assert (field and field.round) == is_round


def test_what_lies_near_the_cut_is_left_out():
    body = (ellipse(60, 120) < 1) & (ellipse(99.5, 99.5) < 1)
    away = away_from_cut(body, (1.0, 1.0), margin_mm=10)
    assert away[100, 12] and not away[100, 8] and not away[0, 0]
    away = away_from_cut(ellipse(60, 150) < 1, (1.0, 1.0), margin_mm=10)
    assert away[100, 12] and away[15, 15] and not away[100, 8]
    assert away_from_cut(ellipse(60, 80) < 1, (1.0, 1.0), margin_mm=10) is None


def test_the_edge_of_the_field_of_view_is_no_skin():
    whole, part = trunk(80)[None], cut(trunk(200))[None]
    skin = evaluate(whole, whole, spacing=SPACING).groups["mvct"]["edge_width_mm"].mean
    measured = evaluate(part, part, spacing=SPACING, kvct=part, kvct_spacing=SPACING).groups
    for scan in ("mvct", "enhanced", "planning_ct"):
        assert measured[scan]["edge_width_mm"].mean == pytest.approx(skin, rel=0.1)
    rim = ellipse(90, 90)[None] > 1
    assert np.isnan(evaluate(part, part, spacing=SPACING, region=rim).groups["mvct"]["edge_width_mm"].mean)
