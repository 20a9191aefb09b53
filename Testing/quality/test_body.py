"""Body mask: lungs inside, couch and air outside."""

import numpy as np
import pytest
from MVCTEnhanceLib.errors import InputError
from MVCTEnhanceLib.quality.body import body_mask


def true_body(shape=(256, 256)):
    j, i = np.mgrid[: shape[0], : shape[1]]
    return ((j - 120) / 75) ** 2 + ((i - 128) / 105) ** 2 <= 1


def dice(a, b):
    return 2 * (a & b).sum() / (a.sum() + b.sum())


@pytest.mark.parametrize("sd", [0, 33, 55])
def test_body_is_the_ellipse_with_its_lungs_and_without_the_couch(thorax, white_noise, sd):
    mask = body_mask(thorax + white_noise(thorax.shape, sd))
    assert mask.dtype == bool
    assert dice(mask, true_body()) > 0.99
    assert mask[120, 80] and mask[120, 176]
    assert not mask[200:].any()


def test_noisy_air_has_no_body(white_noise):
    assert not body_mask(-1000 + white_noise((128, 128), 55)).any()


def test_body_cut_by_the_field_of_view_reaches_the_border(thorax):
    assert body_mask(thorax[:, 45:211])[120, [0, -1]].all()


def test_opening_is_in_millimetres(thorax):
    fine = np.kron(thorax, np.ones((2, 2)))
    assert dice(body_mask(fine, pixel_size=(0.5, 0.5)), np.kron(true_body(), np.ones((2, 2))) > 0) > 0.99


def test_int16_slices_are_taken(thorax):
    np.testing.assert_array_equal(body_mask(thorax.astype(np.int16)), body_mask(thorax))


def test_volume_instead_of_slice_is_named_with_its_shape():
    with pytest.raises(InputError, match=r"\(2, 8, 8\)"):
        body_mask(np.zeros((2, 8, 8)))
