import numpy as np
import pytest
from MVCTEnhanceLib.quality import body_mask, cnr_muscle_fat, noise_sd


@pytest.mark.parametrize("pixel_mm", [0.5, 0.763, 1.0])
@pytest.mark.parametrize("sd", [5, 33, 55])
@pytest.mark.parametrize("kind", ["white_noise", "fbp_noise"])
def test_noise_of_known_sd_is_found(request, disc, kind, sd, pixel_mm):
    noise = request.getfixturevalue(kind)
    clean = disc(radius_mm=100 * pixel_mm, pixel_mm=pixel_mm)
    measured = noise_sd(clean + noise(clean.shape, sd), clean > -500, pixel_size=(pixel_mm, pixel_mm))
    assert measured == pytest.approx(sd, rel=0.1)


def test_noise_ignores_organs_gradients_and_bone(thorax, fbp_noise):
    cupping = 0.1 * np.abs(np.arange(256.0) - 128)
    image = thorax + cupping + fbp_noise(thorax.shape, 20)
    assert noise_sd(image, body_mask(image), pixel_size=(1, 1)) == pytest.approx(20, rel=0.1)


def test_noise_adds_in_quadrature_on_real_slices(real_data, fbp_noise):
    sitk = pytest.importorskip("SimpleITK")
    for name, k in (("chest-lungdx-a0002", 8), ("abdomen-crlm-1006", 27), ("head-ge", 11)):
        scan = sitk.ReadImage(str(real_data / "kvct" / f"{name}.nrrd"))
        pixel_size = scan.GetSpacing()[1::-1]
        image = sitk.GetArrayFromImage(scan)[k].astype(float)
        body = body_mask(image, pixel_size=pixel_size)
        own = noise_sd(image, body, pixel_size=pixel_size)
        measured = noise_sd(image + fbp_noise(image.shape, 33), body, pixel_size=pixel_size)
        assert measured == pytest.approx(np.hypot(own, 33), rel=0.1)


def test_slice_without_soft_tissue_has_no_noise_and_no_cnr():
    lung = np.full((64, 64), -800.0)
    body = np.ones(lung.shape, bool)
    assert np.isnan(noise_sd(lung, body, pixel_size=(1, 1)))
    assert np.isnan(cnr_muscle_fat(lung, body, pixel_size=(1, 1)))


@pytest.mark.parametrize("sd", [10, 33])
def test_cnr_of_known_tissues_and_noise(thorax, white_noise, sd):
    image = thorax + white_noise(thorax.shape, sd)
    assert cnr_muscle_fat(image, body_mask(image), pixel_size=(1, 1)) == pytest.approx(150 / sd, rel=0.1)


def test_slice_without_fat_has_no_cnr(disc, white_noise):
    image = disc(inside=40) + white_noise((256, 256), 10)
    assert np.isnan(cnr_muscle_fat(image, body_mask(image), pixel_size=(1, 1)))


def test_slice_without_noise_has_no_cnr(thorax):
    assert np.isnan(cnr_muscle_fat(thorax, body_mask(thorax), pixel_size=(1, 1)))
