"""Fine noise of discs, of water cylinders that were simulated, and of a whole enhancement."""

import numpy as np
import pytest
from MVCTEnhanceLib.physics.mvct import MVCTSettings, simulate_mvct
from MVCTEnhanceLib.physics.phantom import density_inserts
from MVCTEnhanceLib.quality.body import body_mask
from MVCTEnhanceLib.quality.fine_noise import fine_noise, water_equivalent_diameter
from MVCTEnhanceLib.quality.metrics import evaluate
from MVCTEnhanceLib.quality.noise import homogeneous_tissue, noise_sd

STANDARD_MM = 300.0


def measured(image, *, pixel_mm=1.0, water_mm=STANDARD_MM):
    size = (pixel_mm, pixel_mm)
    tissue = homogeneous_tissue(image, body_mask(image, pixel_size=size), pixel_size=size)
    return fine_noise(image, tissue, pixel_size=size, water_mm=water_mm)


def water(diameter_mm):
    """A cylinder of it, one slice."""
    return density_inserts(inserts_hu=(), diameter_mm=diameter_mm)[0]


@pytest.mark.parametrize("pixel_mm", [0.5, 0.763, 1.0])
def test_it_is_the_noise_less_its_mean_over_a_gaussian(disc, white_noise, pixel_mm):
    radius = 100 * pixel_mm
    image = disc(radius_mm=radius, pixel_mm=pixel_mm) + white_noise((256, 256), 20)
    sd = 0.763 / pixel_mm
    kernel = np.exp(-(np.arange(-12, 13) ** 2) / (2 * sd**2))
    centre, squares = (kernel / kernel.sum())[12] ** 2, ((kernel / kernel.sum()) ** 2).sum() ** 2
    assert measured(image, pixel_mm=pixel_mm) == pytest.approx(20 * np.sqrt(1 - 2 * centre + squares), rel=0.03)


def test_it_doubles_with_the_noise_and_hardly_sees_coarse_structure(disc, fbp_noise):
    clean, noise = disc(radius_mm=100), fbp_noise((256, 256), 10)
    j, i = np.mgrid[:256, :256]
    coarse = 30 * np.sin(j / 4) * np.sin(i / 4)
    once = measured(clean + noise)
    assert measured(clean + 2 * noise) == pytest.approx(2 * once, rel=0.05)
    assert measured(clean + noise + coarse) == pytest.approx(once, rel=0.1)
    assert noise_sd(clean + noise + coarse, clean > -500, pixel_size=(1, 1), any_growth=True) > 1.3 * 10


@pytest.mark.parametrize("diameter_mm", [200.0, 350.0])
def test_the_diameter_of_water_is_its_own(diameter_mm):
    image = water(diameter_mm)
    size = image.spacing[1::-1]
    body = body_mask(image.array[0], pixel_size=size)
    assert water_equivalent_diameter(image.array[0], body, pixel_size=size) == pytest.approx(diameter_mm, rel=0.01)


def test_lung_counts_by_what_it_attenuates(disc):
    image = disc(radius_mm=100)
    body = image > -500
    lung = disc(radius_mm=50) > -500
    image[lung] = -700
    by_area = 200 * np.sqrt(1 - 0.7 * lung.sum() / body.sum())
    assert water_equivalent_diameter(image, body, pixel_size=(1, 1)) == pytest.approx(by_area, rel=0.01)


def test_of_simulated_water_it_differs_little_with_the_diameter():
    noises, fine = [], []
    for diameter_mm in (200.0, 350.0):
        scan = simulate_mvct(water(diameter_mm), MVCTSettings(seed=5))
        image, size = scan.array[0], scan.spacing[1::-1]
        body = body_mask(image, pixel_size=size)
        noises.append(noise_sd(image, body, pixel_size=size))
        water_mm = water_equivalent_diameter(image, body, pixel_size=size)
        fine.append(measured(image, pixel_mm=size[0], water_mm=water_mm))
    assert noises[1] / noises[0] > 1.4
    assert fine[1] / fine[0] == pytest.approx(1, abs=0.12)


def test_too_little_tissue_has_none():
    image = np.full((64, 64), -1000.0)
    image[30:36, 30:36] = 0
    assert np.isnan(fine_noise(image, image > -500, pixel_size=(1, 1), water_mm=50))


def test_both_scans_of_an_enhancement_are_for_the_same_body(disc, fbp_noise):
    mvct, enhanced = (disc(radius_mm=90) + fbp_noise((256, 256), sd) for sd in (30, 6))
    found = evaluate(mvct[None], enhanced[None], spacing=(1.0, 1.0, 3.0), kvct=mvct[None], kvct_spacing=(1.0, 1.0, 3.0))
    ratio = found.groups["mvct"]["fine_noise_hu"].mean / found.groups["enhanced"]["fine_noise_hu"].mean
    assert ratio == pytest.approx(5, rel=0.05)
    assert found.groups["mvct"]["fine_noise_hu"].mean == pytest.approx(measured(mvct, water_mm=180), rel=0.02)
    assert "fine_noise_hu" not in found.groups["planning_ct"]


def test_a_covered_skin_has_no_width_in_the_enhanced_scan_either(disc):
    body = disc(radius_mm=72, blur_mm=1.0)
    covered = 0.5 * (disc(radius_mm=70, blur_mm=1.0) + disc(radius_mm=73, blur_mm=1.0))  # 3 mm of -500 HU
    assert evaluate(body[None], body[None], spacing=(1.0, 1.0, 3.0)).groups["enhanced"]["edge_width_mm"].has_value
    found = evaluate(covered[None], body[None], spacing=(1.0, 1.0, 3.0))
    assert np.isnan(found.groups["enhanced"]["edge_width_mm"].mean)
