"""Noise, coarse noise and CNR of made slices, of real ones with noise added, and of a phantom scanned twice."""

import numpy as np
import pytest
import torch
from MVCTEnhanceLib.model.card import find_model
from MVCTEnhanceLib.model.engine import Engine
from MVCTEnhanceLib.model.package import load_model
from MVCTEnhanceLib.physics.mvct import MVCTSettings, simulate_mvct
from MVCTEnhanceLib.physics.phantom import head_neck_phantom
from MVCTEnhanceLib.quality import noise, tissues
from MVCTEnhanceLib.quality.body import body_mask
from MVCTEnhanceLib.quality.contrast import cnr_muscle_fat
from MVCTEnhanceLib.quality.noise import homogeneous_tissue, noise_of_pair, noise_sd
from MVCTEnhanceLib.volume import Volume
from scipy import ndimage

MODELS = ("simulated-anchor", "unpaired")
NECK_AND_HEAD_MM = (-109.0, 11.0)  # heights above the eyes; the neck is little but edges
WITHIN = {"mvct": 0.15} | dict.fromkeys(MODELS, 0.2)
BEYOND = {  # slices, by less than 40 %
    ("chest-lungdx-a0002", MODELS[0]): 1,
    ("phantom", "mvct"): 1,
    ("phantom", MODELS[0]): 1,
    ("phantom", MODELS[1]): 2,
}


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


def test_boxes_around_body_and_tissue_change_no_value(thorax, fbp_noise, monkeypatch):
    image = thorax + fbp_noise(thorax.shape, 20)
    body = body_mask(image)

    def measured():
        masks = [homogeneous_tissue(image, body, pixel_size=(1, 1))]
        masks += [
            tissues.tissue_mask(image, range_hu, body, pixel_size=(1, 1))
            for range_hu in tissues.TISSUE_RANGES_HU.values()
        ]
        return np.stack(masks), noise_sd(image, body, pixel_size=(1, 1))

    masks, sd = measured()
    for module in (noise, tissues):
        monkeypatch.setattr(module, "box_around", lambda mask, margins: (slice(None), slice(None)))
    of_whole_slice = measured()
    assert masks.any(axis=(1, 2)).all()
    assert np.array_equal(masks, of_whole_slice[0]) and sd == of_whole_slice[1]


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


def realisations(kvct, models=MODELS):
    """Scan -> the same scan twice, as float arrays of shape (k, j, i): MVCT with two noises, and each enhanced."""
    pair = [simulate_mvct(kvct, MVCTSettings(seed=seed)) for seed in (1000, 1001)]
    scans = {"mvct": pair}
    for name in models:
        engine = Engine(load_model(find_model(name)), torch.device("cpu"))
        scans[name] = [engine.enhance(scan) for scan in pair]
    return {name: [scan.array.astype(float) for scan in two] for name, two in scans.items()}


def parts_of_true(scans, scan):
    """Measured noise as a part of the true one, half the variance of the difference of two scans, by slice."""
    parts = []
    for mvct, first, second in zip(scans["mvct"][0], *scans[scan], strict=True):
        body = body_mask(mvct, pixel_size=(0.763, 0.763))
        region = homogeneous_tissue(first, body, pixel_size=(0.763, 0.763))
        true = ((first - second)[region] / np.sqrt(2)).std() if region.any() else np.nan
        pair = noise_of_pair(mvct, first, body, pixel_size=(0.763, 0.763))
        parts.append(pair[scan != "mvct"] / true)
    return np.array(parts)


@pytest.fixture(scope="module")
def phantom_twice():
    planes = [head_neck_phantom(slices=1, centre_z_mm=z).array[0] for z in NECK_AND_HEAD_MM]
    return realisations(Volume(np.stack(planes), (0.763, 0.763, 6.0)))


@pytest.mark.thorough
@pytest.mark.parametrize("scan", WITHIN)
def test_noise_is_that_of_the_difference_of_two_scans_in_neck_and_head(phantom_twice, scan):
    assert parts_of_true(phantom_twice, scan) == pytest.approx(1, abs=WITHIN[scan])


@pytest.mark.thorough
@pytest.mark.parametrize("patient", ["phantom", "chest-lungdx-a0002", "head-ge"])
def test_noise_of_whole_patients_is_that_of_the_difference_of_two_scans(request, patient):
    """At most one slice in ten has no value, of a head, where much is structure, one in four."""
    kvct = head_neck_phantom() if patient == "phantom" else _kvct(request.getfixturevalue("real_data"), patient)
    scans = realisations(kvct)
    for scan in scans:
        parts = parts_of_true(scans, scan)
        known = parts[np.isfinite(parts)]
        assert len(known) >= (0.9 if patient == "chest-lungdx-a0002" else 0.75) * len(parts), scan
        assert (abs(known - 1) > WITHIN[scan]).sum() <= BEYOND.get((patient, scan), 0), scan
        assert abs(known - 1).max() < 0.4, scan
        assert np.median(known) == pytest.approx(1, abs=0.1 if scan == "mvct" else 0.15)


def _kvct(data, patient):
    sitk = pytest.importorskip("SimpleITK")
    scan = sitk.ReadImage(str(data / "kvct" / f"{patient}.nrrd"))
    return Volume(sitk.GetArrayFromImage(scan), scan.GetSpacing())


@pytest.mark.parametrize("texture_hu", [0, 8])
def test_coarse_noise_has_no_value_where_texture_grows_faster(disc, texture_hu):
    rng = np.random.default_rng(0)
    clean = disc(radius_mm=100)
    noise, texture = (ndimage.gaussian_filter(rng.normal(size=clean.shape), sigma) for sigma in (1.2, 4))
    image = clean + 3 * noise / noise.std() + texture_hu * texture / texture.std()
    measured = noise_sd(image, clean > -500, pixel_size=(1, 1))
    assert np.isnan(measured) if texture_hu else measured == pytest.approx(3, rel=0.15)


def test_enhanced_slice_has_noise_where_the_mvct_shows_little_structure(disc, fbp_noise):
    rng = np.random.default_rng(0)
    clean, pixel_size = disc(radius_mm=100), (1, 1)
    body, mvct = clean > -500, clean + fbp_noise(clean.shape, 30)
    fine, coarse = (ndimage.gaussian_filter(rng.normal(size=clean.shape), sigma) for sigma in (1.2, 4))
    texture = 3 * fine / fine.std() + 8 * coarse / coarse.std()
    assert np.isnan(noise_sd(clean + texture, body, pixel_size=pixel_size))
    before, after = noise_of_pair(mvct, clean + texture, body, pixel_size=pixel_size)
    assert before == noise_sd(mvct, body, pixel_size=pixel_size)
    twice = noise_of_pair(mvct, clean + 2 * texture, body, pixel_size=pixel_size)[1]
    assert 3 < after < 8.5 and twice == pytest.approx(2 * after, rel=0.1)
    assert np.isnan(noise_of_pair(clean + texture, mvct, body, pixel_size=pixel_size)).all()


@pytest.mark.parametrize("z_mm", NECK_AND_HEAD_MM)
def test_noise_of_a_planning_ct_of_the_phantom_is_what_was_added(z_mm):
    clean = head_neck_phantom(slices=1, centre_z_mm=z_mm).array[0]
    image = np.rint(clean + np.random.default_rng(3).normal(0, 8, clean.shape))
    body = body_mask(image, pixel_size=(0.763, 0.763))
    assert noise_sd(image, body, pixel_size=(0.763, 0.763)) == pytest.approx(8, rel=0.15)


def test_slice_without_soft_tissue_has_no_noise_and_no_cnr():
    lung = np.full((64, 64), -800.0)
    body = np.ones(lung.shape, bool)
    assert np.isnan(noise_sd(lung, body, pixel_size=(1, 1)))
    assert np.isnan(noise_sd(lung, body, pixel_size=(1, 1), parameters=noise.NoiseParameters(minimum_mm2=0)))
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
