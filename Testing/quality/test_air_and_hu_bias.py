"""Air agreement and the HU change of each tissue."""

import numpy as np
import pytest
from MVCTEnhanceLib.errors import InputError
from MVCTEnhanceLib.quality.air import air_agreement
from MVCTEnhanceLib.quality.body import body_mask
from MVCTEnhanceLib.quality.hu_bias import hu_bias


def test_air_agreement_of_the_same_slice_is_complete(thorax):
    assert air_agreement(thorax, thorax + 20, body_mask(thorax), pixel_size=(1, 1)) == 100


def test_air_agreement_counts_changed_pixels_in_the_box_around_the_body():
    mvct = np.full((100, 100), -1000.0)
    mvct[30:70, 30:70] = 0
    enhanced = mvct.copy()
    enhanced[40:50, 40:50] = -1000
    enhanced[0:5, 0:5] = 0
    # Box: 40 px of body and 10 mm on either side at 2 mm a pixel; the change in the far corner is outside of it.
    assert air_agreement(mvct, enhanced, mvct > -500, pixel_size=(2, 2)) == pytest.approx(100 * (1 - 100 / 50**2))


def test_air_that_stays_air_agrees_at_any_level():
    mvct, body = np.full((20, 20), -1000.0), np.ones((20, 20), bool)
    assert air_agreement(mvct, mvct + 399, body, pixel_size=(1, 1)) == 100
    assert air_agreement(mvct, mvct + 400, body, pixel_size=(1, 1)) == 0


def test_slice_without_body_has_no_air_agreement():
    air = np.full((8, 8), -1000.0)
    assert np.isnan(air_agreement(air, air, np.zeros((8, 8), bool), pixel_size=(1, 1)))


def test_hu_bias_is_found_tissue_by_tissue_in_noise(thorax, white_noise):
    shifts = {"lung": 30.0, "fat": -15.0, "soft_tissue": 8.0, "bone": 250.0}
    shifted = thorax.copy()
    for tissue, hu in (("lung", -750), ("fat", -100), ("soft_tissue", 50), ("bone", 800)):
        shifted[thorax == hu] += shifts[tissue]
    noisy = thorax + white_noise(thorax.shape, 33)
    bias = hu_bias(shifted + white_noise(thorax.shape, 33), noisy, body_mask(thorax), pixel_size=(1, 1))
    assert bias == {tissue: pytest.approx(shift, abs=4) for tissue, shift in shifts.items()}


def test_blur_alone_is_no_bias(thorax, white_noise):
    ndimage = pytest.importorskip("scipy.ndimage")
    noisy = thorax + white_noise(thorax.shape, 33)
    bias = hu_bias(ndimage.gaussian_filter(noisy, 1), noisy, body_mask(noisy), pixel_size=(1, 1))
    assert bias["soft_tissue"] == pytest.approx(0, abs=1.5)
    assert bias["fat"] == pytest.approx(0, abs=1.5)


def test_missing_tissue_has_no_bias():
    fat = np.full((40, 40), -100.0)
    bias = hu_bias(fat + 5, fat, np.ones((40, 40), bool), pixel_size=(1, 1))
    assert bias["fat"] == pytest.approx(5)
    assert all(np.isnan(bias[tissue]) for tissue in ("lung", "soft_tissue", "bone"))


@pytest.mark.parametrize("radius_mm", [4, 8, 30])
def test_partial_volume_beside_air_is_no_lung(disc, white_noise, radius_mm):
    """The rim of an airway or a sinus passes through the HU of lung, that of a bone through those of fat and muscle."""
    ndimage = pytest.importorskip("scipy.ndimage")
    j, i = np.indices((256, 256))
    head = disc(inside=40)
    head[np.hypot(j - 128, i - 128) < radius_mm] = -1000
    head = ndimage.gaussian_filter(head, 3) + white_noise(head.shape, 20)
    bias = hu_bias(head + 5, head, body_mask(head), pixel_size=(1, 1))
    assert np.isnan(bias["lung"]) and np.isnan(bias["fat"]) and np.isnan(bias["bone"])
    assert bias["soft_tissue"] == pytest.approx(5)


def test_a_real_head_has_no_lung_and_a_real_chest_has(real_data):
    sitk = pytest.importorskip("SimpleITK")
    lungs = {}
    for name in ("head-ge", "chest-lungdx-a0002"):
        scan = sitk.ReadImage(str(real_data / "kvct" / f"{name}.nrrd"))
        pixel_size = scan.GetSpacing()[1::-1]
        slices = sitk.GetArrayFromImage(scan)[::3].astype(float)
        masks = [body_mask(plane, pixel_size=pixel_size) for plane in slices]
        pairs = zip(slices, masks, strict=True)
        lungs[name] = [hu_bias(plane, plane, mask, pixel_size=pixel_size)["lung"] for plane, mask in pairs]
    assert np.isnan(lungs["head-ge"]).all()
    assert np.isfinite(lungs["chest-lungdx-a0002"]).mean() >= 0.7


def test_different_shapes_are_both_named():
    for function in (air_agreement, hu_bias):
        with pytest.raises(InputError, match=r"\(8, 8\).*\(8, 9\)"):
            function(np.zeros((8, 8)), np.zeros((8, 9)), np.ones((8, 8), bool), pixel_size=(1, 1))
