"""Each setting of the simulated scanner does what its physics demands, and nothing else."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from MVCTEnhanceLib.errors import InputError
from MVCTEnhanceLib.physics import couch, helical
from MVCTEnhanceLib.physics.denoise import denoise
from MVCTEnhanceLib.physics.density import density_hu_from_kv
from MVCTEnhanceLib.physics.mvct import simulate_mvct
from MVCTEnhanceLib.physics.phantom import density_inserts
from MVCTEnhanceLib.physics.settings import LIMITS, MVCTSettings, random_scanner
from MVCTEnhanceLib.physics.truth import METAL, RIM_MM, TRUNCATED, disturbed, true_kvct
from MVCTEnhanceLib.volume import Volume
from MVCTEnhanceLib.volume.grid import reorient_like, turned

STANDARD_HU = (
    9, 18, 5, 3, 16, 19, 6, -5, 8, 7, 13, -4, 6, 6, 13, -5, -3, -10, -4, 2, 1, -8, -5, 11, 14, 6, -3, 9, -5, 5, 3, 13,
)  # fmt: skip
QUIET = MVCTSettings(matrix=96, pixel_mm=3.0, views=120, blur_fwhm_mm=3.0, photons=0)
FINE = MVCTSettings(matrix=120, views=200)  # the scanner's own pixels


def cylinder(diameter_mm=200, *, pixels=96, pixel_mm=3.0, slices=1, step_mm=3.0, inserts_hu=()):
    return density_inserts(
        inserts_hu=inserts_hu,
        diameter_mm=diameter_mm,
        insert_mm=diameter_mm / 5,
        slices=slices,
        shape=(pixels, pixels),
        spacing_mm=(pixel_mm, pixel_mm, step_mm),
    )[0]


def radius_mm(volume):
    places = (np.arange(volume.array.shape[1]) - (volume.array.shape[1] - 1) / 2) * volume.spacing[0]
    return np.hypot(places[:, None], places)


def scan(settings, volume=None):
    """HU of the MVCT as floats."""
    return simulate_mvct(cylinder() if volume is None else volume, settings).array.astype(float)


def change(setting, volume=None, quiet=QUIET):
    """What settings change in a scan without noise."""
    return scan(replace(quiet, **setting), volume) - scan(quiet, volume)


@cache
def water_scan(settings):
    """HU of 12 cm of water with inserts of 60 HU on a ring of 39 mm."""
    return scan(settings, cylinder(120, pixels=160, pixel_mm=0.763, inserts_hu=(60, 60, 60)))[0]


def noise(settings):
    places = (np.arange(120) - 59.5) * 0.763
    middle = np.hypot(places[:, None], places) < 25
    return np.std(water_scan(settings) - water_scan(replace(settings, photons=0)), where=middle)


def mtf10(settings):
    """Where the MTF falls to 10 %, in line pairs per mm: of the edge of the insert in front, without noise."""
    image = water_scan(replace(settings, photons=0))
    places = (np.arange(120) - 59.5) * 0.763
    distance = np.hypot(places, places[:, None] + 0.65 * 60).ravel()
    steps = np.arange(4, 20, 0.2)
    number = np.digitize(distance, steps)
    profile = np.array([image.ravel()[number == n].mean() for n in range(1, len(steps))])
    spread = np.diff(profile) * np.hanning(len(profile) - 1)
    transfer = np.abs(np.fft.rfft(spread, 4096))
    return np.fft.rfftfreq(4096, 0.2)[np.argmax(transfer < 0.1 * transfer[0])]


def test_standard_scan_of_a_seed_stays_as_it_was():
    """Every setting at its default changes nothing: these are the HU of the simulation before it had them."""
    array = scan(MVCTSettings(matrix=64, pixel_mm=3.0, views=60, seed=5), cylinder(120, pixels=64, slices=2))
    assert array[:, 30:34, 30:34].ravel() == pytest.approx(STANDARD_HU, abs=1)


def test_variance_of_noise_falls_as_the_dose_rises():
    low, high = (noise(replace(FINE, photons=photons)) for photons in (1e4, 4e4))
    assert low**2 / high**2 == pytest.approx(4, rel=0.1)


def test_softer_kernel_lowers_noise_and_resolution():
    kernels = [replace(FINE, kernel=kernel) for kernel in (0.6, 1.0, 2.0)]
    noises, resolutions = ([measure(kernel) for kernel in kernels] for measure in (noise, mtf10))
    assert noises[0] < 0.65 * noises[1] and noises[1] < 0.75 * noises[2]
    assert resolutions[0] < 0.8 * resolutions[1] < 0.9 * resolutions[2]


@pytest.mark.parametrize(("denoising_mm", "cnr"), [(0.87, 7.4 / 3.3), (1.33, 12 / 3.3)])
def test_denoising_trades_resolution_for_cnr_as_iterative_reconstruction_does(denoising_mm, cnr):
    """Velten et al., J Appl Clin Med Phys 21(5), 2020: CNR 3.3, 7.4 and 12, resolution from 0.4 to 0.2 lp/mm."""
    denoised = replace(FINE, denoising_mm=denoising_mm)
    assert noise(FINE) / noise(denoised) == pytest.approx(cnr, rel=0.1)
    assert mtf10(FINE) == pytest.approx(0.4, abs=0.03)
    assert 0.2 <= mtf10(denoised) <= 0.3


def test_denoising_spares_strong_edges_and_no_hu_get_lost():
    steps = [torch.where(torch.arange(64) < 32, -height, height).repeat(1, 64, 1) for height in (25.0, 500.0)]
    weak, strong = (denoise(step, 1.5) for step in steps)
    assert (strong.diff(dim=-1).max() / 1000) > 1.5 * (weak.diff(dim=-1).max() / 50)
    assert strong.sum() == pytest.approx(0, abs=1)
    assert denoise(torch.full((1, 8, 8), 40.0), 1.5).unique().tolist() == [40]


def axial_step(slices=24, step_mm=1.0):
    """Air below and water above the middle of the stack."""
    array = np.repeat(cylinder().array, slices, axis=0)
    array[: slices // 2] = -1000
    return Volume(array, (3.0, 3.0, step_mm))


@pytest.mark.parametrize(("slice_mm", "fwhm_mm"), [(2, 4), (4, 5), (6, 7)])
def test_axial_step_is_blurred_to_the_slice_profile(slice_mm, fwhm_mm):
    """A beam of 4 mm, convolved with the triangle of the interpolation (base two slice widths).

    Published FWHM with the 4 mm jaws: 6.7 mm (Lee et al., J Radiol Sci Technol 36, 2013).
    """
    rise = scan(replace(QUIET, slice_mm=slice_mm), axial_step())[:, 44:52, 44:52].mean(axis=(1, 2))
    profile = np.diff(rise) / 1000
    places = np.arange(len(profile)) - (len(profile) - 1) / 2
    fine = np.linspace(-12, 12, 2401)
    triangle = np.maximum(0, slice_mm - np.abs(fine))
    ideal = np.convolve(np.abs(fine) <= 2, triangle, "same")
    assert profile.sum() == pytest.approx(1, abs=0.01)
    assert profile == pytest.approx(np.interp(places, fine, ideal / ideal.sum() * 100), abs=0.02)
    half = fine[np.interp(fine, places, profile) > profile.max() / 2]
    assert half[-1] - half[0] == pytest.approx(fwhm_mm, abs=0.3)


def test_truth_of_wide_slices_has_the_profile_of_the_mvct():
    settings = replace(QUIET, slice_mm=4)
    truth = true_kvct(axial_step(), settings).array[:, 44:52, 44:52].mean(axis=(1, 2))
    assert truth == pytest.approx(scan(settings, axial_step())[:, 44:52, 44:52].mean(axis=(1, 2)), abs=6)


def test_views_of_a_helical_slice_see_pairs_of_passes():
    """At the angle at which the beam passes through the slice it sees nothing else."""
    weights = helical.view_weights(0, 120, 4, 1)
    assert torch.allclose(weights.sum(dim=1), torch.ones(120))
    assert weights[0].tolist() == pytest.approx([0, 0, 0, 0, 0.125, 0.25, 0.25, 0.25, 0.125, 0, 0, 0, 0])
    assert (weights[60] > 0).sum() > (weights[0] > 0).sum()


def test_slices_thicker_than_beam_and_slice_width_are_seen_alone():
    assert np.array_equal(
        scan(replace(QUIET, slice_mm=2), axial_step(step_mm=8.0)), scan(QUIET, axial_step(step_mm=8.0))
    )


def test_scatter_cups_and_leaves_the_calibrated_centre_at_0():
    cupping = scan(replace(QUIET, scatter=0.05))[0]
    radius = radius_mm(cylinder())
    rings = [cupping[(radius >= low) & (radius < low + 12)].mean() for low in (0, 30, 60, 80)]
    assert rings[0] == pytest.approx(0, abs=2)
    assert rings == sorted(rings) and 20 < rings[3] < 60
    assert cupping[radius > 120].mean() == pytest.approx(-1000, abs=5)


def test_one_bad_detector_makes_a_ring_at_its_radius(monkeypatch):
    bad = 20

    def one(bins, sd, generator):
        errors = torch.zeros(bins)
        errors[bins // 2 + bad] = sd
        return errors

    monkeypatch.setattr("MVCTEnhanceLib.physics.mvct.gain_errors", one)
    ring = change({"gain_sd": 0.02})[0]
    radius = radius_mm(cylinder())
    bins = -(-round(np.sqrt(2) * 96 * 3) // 3)
    place = (bins // 2 + bad - (bins - 1) / 2) * 3.0
    strength = [np.abs(ring[np.abs(radius - r) < 1.5].mean()) for r in np.arange(6, 120, 1.5)]
    assert np.arange(6, 120, 1.5)[np.argmax(strength)] == pytest.approx(place, abs=2)


def test_gains_are_those_of_the_seed_in_all_slices():
    gains = {"gain_sd": 0.005}
    rings = change(gains, cylinder(slices=2))
    assert np.abs(rings[0] - rings[1]).max() <= 1
    other = change(gains | {"seed": 1}, cylinder(slices=2))
    assert np.corrcoef(rings[0].ravel(), other[0].ravel())[0, 1] < 0.3
    assert rings[0][radius_mm(cylinder()) < 80].std() > 5


def test_couch_lies_under_the_patient_and_nowhere_else():
    added = change({"couch": True})[0]
    top = (np.flatnonzero((cylinder().array[0] > -400).any(axis=1))[-1] + 0.5 - 47.5) * 3.0
    y = (np.arange(96) - 47.5) * 3.0
    beneath = (y > top + 1) & (y < top + couch.FOAM_MM + 2 * couch.PLATE_MM - 1)
    assert added[beneath, 8:88].mean() > 100
    away = (y < top - 9) | (y > top + couch.FOAM_MM + 2 * couch.PLATE_MM + 9)
    assert np.abs(added[away]).mean() < 5


def test_couch_of_the_mvct_and_of_its_truth_lie_in_the_same_place():
    settings = replace(QUIET, couch=True)
    truth = density_hu_from_kv(true_kvct(cylinder(), settings).array.astype(np.float32))
    rows = np.arange(96) * 3.0
    amounts = [1000 + image[0, :, 10:40].mean(axis=1) for image in (scan(settings), truth)]
    beneath = rows > 84 * 3
    centres = [np.average(rows[beneath], weights=amount[beneath]) for amount in amounts]
    assert centres[0] == pytest.approx(centres[1], abs=1)
    assert amounts[0][beneath].sum() == pytest.approx(amounts[1][beneath].sum(), rel=0.15)


def test_own_couch_of_the_kvct_makes_room_for_the_scanners():
    with_own = cylinder()
    with_own.array[0, 84:86] = 0
    assert np.array_equal(scan(replace(QUIET, couch=True), with_own), scan(replace(QUIET, couch=True)))


def test_patient_larger_than_the_field_has_a_bright_rim_and_a_right_centre():
    large, field = cylinder(420, pixels=160), replace(QUIET, matrix=130)
    whole, cut = (scan(replace(field, truncated=truncated), large)[0] for truncated in (False, True))
    radius = radius_mm(Volume(np.zeros((1, 130, 130)), (3.0, 3.0, 3.0)))
    assert np.abs(cut - whole)[radius < 60].mean() < 8
    rim = (radius > 180) & (radius < 192)
    assert cut[rim].mean() > whole[rim].mean() + 20
    assert (cut[radius > 196] == -1000).all()


def test_patient_within_the_field_is_not_truncated():
    radius = radius_mm(cylinder())
    assert np.abs(change({"truncated": True})[0, radius < 140]).max() <= 1


def test_offset_and_slope_are_exact():
    changed = scan(replace(QUIET, hu_offset=12, hu_slope=1.02))
    assert np.abs(changed - (1.02 * scan(QUIET) + 12)).max() <= 1.02


@pytest.mark.parametrize("metal", ["teeth", "hip"])
def test_metal_is_bright_and_streaks_beyond_itself(metal):
    dose = replace(QUIET, photons=MVCTSettings.photons)
    added, radius = scan(replace(dose, metal=metal)) - scan(dose), radius_mm(cylinder())
    assert added.max() > 3000
    assert np.std(added[0], where=(radius < 90) & (added[0] < 800)) > 20


def test_metal_lies_in_the_middle_slices_only_and_they_alone_are_apart():
    volume, settings = cylinder(slices=15), replace(QUIET, metal="teeth")
    apart = disturbed(volume, settings).array
    holds = np.flatnonzero((change({"metal": "teeth"}, volume) != 0).any(axis=(1, 2)))
    assert holds.tolist() == np.flatnonzero((apart == METAL).all(axis=(1, 2))).tolist() == [5, 6, 7, 8, 9]
    assert not apart[[4, 10]].any()
    wide = disturbed(volume, replace(settings, slice_mm=6)).array
    assert (wide == METAL).all(axis=(1, 2)).sum() > 5


def test_rim_of_a_truncated_patient_is_apart():
    small, large = cylinder(200, pixels=160), cylinder(420, pixels=160)
    settings = replace(QUIET, matrix=130, truncated=True)
    assert not disturbed(small, settings).array.any()
    apart = disturbed(large, settings).array[0]
    radius = radius_mm(Volume(np.zeros((1, 130, 130)), (3.0, 3.0, 3.0)))
    assert np.array_equal(apart == TRUNCATED, radius > 195 - RIM_MM)


def test_motion_between_views_doubles_the_edges_that_it_crosses():
    """Front and back move, the sides do not."""
    added, radius = change({"motion_mm": 6})[0], radius_mm(cylinder())
    y, x = np.indices((96, 96)) - 47.5
    rim = np.abs(radius - 100) < 9
    front, side = rim & (np.abs(x) < 8), rim & (np.abs(y) < 8)
    assert np.std(added, where=front) > 60
    assert np.std(added, where=side) < 0.5 * np.std(added, where=front)
    assert np.abs(added[radius < 60]).mean() < 5


def test_motion_goes_on_from_slice_to_slice():
    moving = scan(replace(QUIET, motion_mm=4), cylinder(slices=2))
    assert np.abs(moving[0] - moving[1]).max() > 50


ALL = {
    "kernel": 0.7, "denoising_mm": 1.0, "slice_mm": 4, "scatter": 0.02, "gain_sd": 0.001, "couch": True,
    "truncated": True, "hu_offset": 5, "hu_slope": 1.01, "metal": "hip", "motion_mm": 2, "photons": 2e4, "seed": 3,
}  # fmt: skip


def test_same_settings_give_the_same_scan_whatever_the_batch():
    volume, settings = cylinder(slices=7), replace(QUIET, **ALL)
    whole = simulate_mvct(volume, settings).array
    for batch in (1, 3):
        assert np.array_equal(simulate_mvct(volume, settings, batch=batch).array, whole)


@pytest.mark.parametrize("order", [np.diag([-1.0, 1, -1]), np.array([[0.0, 0, 1], [1, 0, 0], [0, 1, 0]])])
def test_scan_truth_and_mask_do_not_depend_on_the_order_of_the_voxels(order):
    volume, settings = cylinder(slices=5, inserts_hu=(-500, 300)), replace(QUIET, **ALL)
    for made in (simulate_mvct, true_kvct, disturbed):
        expected = made(volume, settings)
        assert np.array_equal(reorient_like(made(turned(volume, order), settings), expected).array, expected.array)


def test_random_scanner_is_that_of_its_seed_and_within_limits():
    scanners = [random_scanner(seed) for seed in range(200)]
    assert random_scanner(7) == scanners[7] and len(set(scanners)) == 200
    assert {scanner.slice_mm for scanner in scanners} == {2, 4, 6}
    assert {scanner.metal for scanner in scanners} == {"", "teeth", "hip"}
    for name in ("photons", "blur_fwhm_mm", "kernel", "denoising_mm", "scatter", "gain_sd", "hu_offset", "hu_slope"):
        assert len({getattr(scanner, name) for scanner in scanners}) > 20, name


@pytest.mark.parametrize(
    ("name", "value"), [*((name, low - 1) for name, (low, _) in LIMITS.items()), ("kernel", float("nan"))]
)
def test_setting_out_of_its_limits_is_refused_in_one_sentence(name, value):
    with pytest.raises(InputError, match=f"The scanner's {name} is {value}: give a number from"):
        MVCTSettings(**{name: value})


def test_unknown_metal_is_refused():
    with pytest.raises(InputError, match="no metal 'gold'"):
        MVCTSettings(metal="gold")


@pytest.mark.parametrize("slice_mm", [0, 6])
def test_some_slices_alone_are_those_of_the_whole_scan(slice_mm):
    settings = replace(QUIET, slice_mm=slice_mm, photons=1e4)
    some = simulate_mvct(axial_step(12), settings, only=np.array([2, 6, 7])).array
    assert np.array_equal(some, simulate_mvct(axial_step(12), settings).array[[2, 6, 7]])
