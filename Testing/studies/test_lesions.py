"""Planted lesions: they are what they are said to be, and keeping, losing and inventing them is told apart."""

import csv
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from MVCTEnhanceLib.io import write_volume
from MVCTEnhanceLib.physics.mvct import MVCTSettings, simulate_mvct
from MVCTEnhanceLib.volume import Volume
from scipy import ndimage

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "studies" / "results"))

from lesions import blobs, lesion_measures, lesions, lesions_figure, planting
from lesions.planting import Lesion
from methods import Versioned
from study import Study

SIZE = 136
SPACING = (1.0, 1.0, 6.0)
SCANNER = MVCTSettings(matrix=128, pixel_mm=1.0, views=90)
TISSUE_HU = 40


@pytest.fixture(scope="module")
def kvct():
    """Five slices of a round body of 120 mm; the last one is empty."""
    j, i = (np.indices((SIZE, SIZE)) - (SIZE - 1) / 2) * SPACING[0]
    slice_hu = np.where(np.hypot(j, i) < 60, TISSUE_HU, -1000)
    return Volume(np.stack([slice_hu] * 4 + [np.full_like(slice_hu, -1000)]).astype(np.int16), SPACING)


@pytest.fixture(scope="module")
def planted(kvct):
    """A disc of +60 HU and one of -40 HU, with their noisy MVCT."""
    run = Volume(kvct.array[:1], SPACING)
    two = [Lesion("disc", 12.0, 60, 0, -25.0, 3.0), Lesion("disc", 10.0, -40, 0, 20.0, -10.0)]
    added = planting.added_hu(two, run)
    mvct = simulate_mvct(run, SCANNER)
    truth = mvct.with_array(planting.on_mvct_grid((run.array + 1000).astype(np.float32), run, mvct) - 1000)
    with_lesions = mvct.with_array(planting.mvct_with(added, run, mvct, SCANNER))
    on_grid = planting.on_mvct_grid(added, run, mvct)
    return lesion_measures.Planted("phantom", two, mvct, with_lesions, truth, on_grid)


def recovered(planted, with_lesions, without):
    return [row["recovered"] for row in lesion_measures.measure_lesions(planted, with_lesions, without)]


def test_a_disc_adds_its_contrast_over_its_area_in_its_slice_only(kvct):
    added = planting.added_hu([Lesion("disc", 10.0, -40, 2, 7.3, -11.2)], kvct)
    assert added.min() == -40 and not added[[0, 1, 3, 4]].any()
    assert added.sum() * SPACING[0] * SPACING[1] == pytest.approx(-40 * np.pi * 5**2, rel=0.01)
    j, i = ndimage.center_of_mass(added[2])
    assert np.array([i, j]) * SPACING[0] - (SIZE - 1) / 2 * SPACING[0] == pytest.approx([7.3, -11.2], abs=0.1)


def test_a_sphere_adds_its_contrast_over_its_volume_and_is_cut_by_the_slices(kvct):
    added = planting.added_hu([Lesion("sphere", 15.0, 20, 2, 3.0, 4.0, z_mm=1.5)], kvct)
    assert added.sum() * np.prod(SPACING) == pytest.approx(20 * 4 / 3 * np.pi * 7.5**3, rel=0.01)
    areas = (added > 10).sum(axis=(1, 2))
    assert areas[2] > areas[3] > areas[1] == areas[0] == 0 < added[1].max()


def test_lesions_lie_in_homogeneous_tissue_of_the_body_and_apart(kvct):
    placed = planting.place(kvct, "somebody")
    for lesion in placed:
        outside = kvct.array[lesion.k] < 0
        assert planting.distance_mm(lesion, kvct)[outside].min(initial=np.inf) > lesion.radius_mm + 4.5
    for one in placed:
        for other in placed:
            if one is not other and one.k == other.k:
                apart = np.hypot(one.x_mm - other.x_mm, one.y_mm - other.y_mm)
                assert apart > one.radius_mm + other.radius_mm + 4.5
    assert {4.0, 6.0} < {lesion.diameter_mm for lesion in placed}
    assert {lesion.contrast_hu for lesion in placed} == set(planting.CONTRASTS_HU)


def test_places_are_the_same_again_and_others_for_another_patient(kvct):
    assert planting.place(kvct, "somebody") == planting.place(kvct, "somebody")
    assert planting.place(kvct, "somebody") != planting.place(kvct, "somebody else")


def test_spheres_that_two_slices_cannot_show_are_left_out(kvct):
    spheres = [lesion for lesion in planting.place(kvct, "somebody") if lesion.shape == "sphere"]
    assert all(sphere.diameter_mm >= 12 for sphere in spheres)


def test_the_run_of_slices_is_where_there_is_room(kvct):
    upside_down = kvct.with_array(kvct.array[::-1].copy())
    assert planting.best_run(kvct, 3) == slice(0, 3)
    assert planting.best_run(upside_down, 3) == slice(1, 4)


def test_noise_with_and_without_lesions_is_the_same_and_far_away_nothing_changes(planted):
    change = planted.with_lesions.array.astype(int) - planted.mvct.array
    noise = planted.mvct.array[0][50:78, 50:78].std()
    far = np.min([planting.distance_mm(lesion, planted.mvct) for lesion in planted.lesions], axis=0) > 20
    assert noise > 5 and change[0][far].std() < 0.1 * noise


def test_the_mvct_with_lesions_is_what_simulations_with_noise_show_on_average(kvct, planted):
    run = Volume(kvct.array[:1], SPACING)
    with_lesions = run.with_array(np.round(run.array + planting.added_hu(planted.lesions, run)).astype(np.int16))
    scanners = [replace(SCANNER, photons=10 * SCANNER.photons, seed=seed) for seed in range(1, 5)]
    measured = [
        recovered(planted, *(simulate_mvct(scan, scanner).array for scan in (with_lesions, run)))
        for scanner in scanners
    ]
    error = np.std(measured, axis=0, ddof=1) / np.sqrt(len(measured))
    difference = np.mean(measured, axis=0) - recovered(planted, planted.with_lesions.array, planted.mvct.array)
    assert np.all(error < 0.1) and np.all(np.abs(difference) < 4 * error)


def test_simulated_mvct_keeps_the_contrast(planted):
    assert recovered(planted, planted.with_lesions.array, planted.mvct.array) == pytest.approx([1, 1], abs=0.15)


@pytest.mark.parametrize("part", [0.0, 0.5, 1.0, 1.3])
def test_the_part_of_the_contrast_that_a_conversion_keeps_is_recovered(planted, part):
    """On whatever background: what is there without lesions cancels."""
    without = planted.truth.array + 30 * np.random.default_rng(1).standard_normal(planted.truth.array.shape)
    assert recovered(planted, without + part * planted.added, without) == pytest.approx([part] * 2, abs=1e-3)


def summary_of(planted, with_lesions, without, visible=(True, True)):
    return lesion_measures.summary(
        {"phantom": lesion_measures.measure(planted, with_lesions, without)}, {"phantom": visible}
    )


def test_a_conversion_that_removes_one_lesion_has_lost_it(planted):
    truth = planted.truth.array
    kept = planting.distance_mm(planted.lesions[0], planted.mvct) < 12
    row = summary_of(planted, truth + planted.added * kept, truth)
    assert (row["large_lesions"], row["large_lost"], row["lost"]) == (2, 1, 1)
    assert (row["large_least"], row["large_kept_percent"]) == (pytest.approx(0, abs=1e-3), 50)


@pytest.mark.parametrize(("visible", "lost"), [((True, True), 1), ((False, True), 1), ((True, False), 0)])
def test_the_lesions_visible_in_the_mvct_are_counted_apart(planted, visible, lost):
    truth = planted.truth.array
    kept = planting.distance_mm(planted.lesions[0], planted.mvct) < 12
    row = summary_of(planted, truth + planted.added * kept, truth, visible)
    assert (row["visible_lesions"], row["visible_lost"], row["lost"]) == (sum(visible), lost, 1)


def test_a_lesion_is_visible_from_five_times_what_noise_passes_off_as_one_of_its_kind():
    def lesion(shape, contrast_hu, recovered, chance_hu):
        kind = {"shape": shape, "diameter_mm": 6.0}
        return {**kind, "contrast_hu": contrast_hu, "recovered": recovered, "chance_hu": chance_hu}

    noise = 3 * 2**0.5  # SD of 3 and -3
    first = [lesion("disc", -60, 5.01 * noise / 60, 3.0), lesion("sphere", 20, 1.0, 1.0)]
    second = [lesion("disc", 60, 4.99 * noise / 60, -3.0), lesion("sphere", 5, 1.0, -1.0)]
    visible = lesion_measures.visible_in_mvct({"first": {"lesions": first}, "second": {"lesions": second}})
    assert visible == {"first": [True, True], "second": [False, False]}


def test_the_true_kvct_loses_and_invents_nothing(planted):
    row = summary_of(planted, planted.truth.array + planted.added, planted.truth.array)
    assert (row["lost"], row["invented_percent"], row["blobs_per_slice"]) == (0, 0, 0)
    assert row["recovered"] == pytest.approx(1)


def test_a_lesion_shown_where_there_is_none_is_invented_and_not_in_the_mvct(planted):
    without = planted.truth.array + planted.added * (planted.added > 0)
    row = summary_of(planted, without, without)
    assert row["invented_percent"] == row["large_invented_percent"] == 50
    assert row["blobs_per_slice"] == row["large_blobs_per_slice"] == row["new_blobs_per_slice"] == 1


def test_noise_that_a_conversion_leaves_is_in_the_mvct(planted):
    row = summary_of(planted, planted.with_lesions.array, planted.mvct.array)
    assert row["blobs_per_slice"] > 0 and row["new_blobs_per_slice"] == 0


@pytest.mark.parametrize("diameter", planting.DIAMETERS_MM)
def test_a_disc_is_found_once_with_its_size_place_and_contrast(diameter):
    grid = Volume(np.zeros((1, 128, 128), np.int16), (0.763, 0.763, 5.0))
    disc = planting.added_hu([Lesion("disc", diameter, -40, 0, 8.0, -6.0)], grid)[0]
    (blob,) = blobs.find_blobs(
        disc,
        np.full(disc.shape, 100.0),
        diameters_mm=planting.DIAMETERS_MM,
        threshold_hu=20.0,
        pixel_mm=(0.763, 0.763),
    )
    assert blob.diameter_mm == diameter
    assert blob.contrast_hu == pytest.approx(-40, rel=0.1)
    assert np.hypot((blob.i - 63.5) * 0.763 - 8, (blob.j - 63.5) * 0.763 + 6) < 1


def test_blobs_outside_of_the_region_or_below_the_threshold_do_not_count():
    grid = Volume(np.zeros((1, 128, 128), np.int16), (1.0, 1.0, 5.0))
    disc = planting.added_hu([Lesion("disc", 10.0, 30, 0, 0.0, 0.0)], grid)[0]

    def found(depth_mm, threshold_hu):
        depth = np.full(disc.shape, depth_mm)
        return blobs.find_blobs(disc, depth, diameters_mm=[10.0], threshold_hu=threshold_hu, pixel_mm=(1.0, 1.0))

    assert len(found(6.0, 20.0)) == 1
    assert not found(4.0, 20.0) and not found(6.0, 35.0)


@pytest.mark.parametrize("others", [0, 1, 9])
def test_the_figure_shows_the_reference_and_as_many_networks_as_fit(others):
    names = ["MVCT", "MVCT + density curve", *map(str, range(others)), "true kVCT"]
    shown = lesions_figure._shown(names)
    assert shown[:3] == ["true kVCT", "MVCT", "MVCT + density curve"]
    assert shown[3:] == [str(number) for number in range(others)][-3:]


@pytest.fixture
def study(tmp_path, kvct, monkeypatch):
    """A study of one test patient, at a scanner of coarse pixels, with two methods that count their calls."""
    mvct = simulate_mvct(kvct, SCANNER)
    truth = planting.on_mvct_grid((kvct.array + 1000).astype(np.float32), kvct, mvct) - 1000
    write_volume(kvct, tmp_path / "data" / "kvct" / "phantom.nrrd")
    write_volume(mvct, tmp_path / "work" / "data" / "test" / "mvct" / "phantom.nrrd")
    write_volume(mvct.with_array(truth.astype(np.int16)), tmp_path / "work/data/test/truth/phantom.nrrd")
    calls = []

    def smooth(volume):
        calls.append(volume)
        return ndimage.gaussian_filter(volume.array.astype(np.float32), (0, 4, 4))

    two = [Versioned("MVCT", lambda volume: volume.array), Versioned("smooth", smooth, "4")]
    monkeypatch.setattr(lesions, "methods", lambda study: two)
    monkeypatch.setattr(lesions, "described", lambda study: "")
    monkeypatch.setattr(lesions, "mvct_with", lambda *scans: planting.mvct_with(*scans, SCANNER))
    return Study(tmp_path / "data", tmp_path / "work", tmp_path / "results"), calls


def rows_of(study, name):
    with (study.results / f"{name}.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_study_tells_a_blurring_method_from_a_keeping_one_and_does_not_convert_again(study):
    study, calls = study
    lesions.run(study)
    raw, smooth, truth = rows_of(study, "lesions")
    assert (raw["method"], smooth["method"], truth["method"]) == ("MVCT", "smooth", "true kVCT")
    assert float(smooth["recovered"]) < 0.7 < 0.8 < float(raw["recovered"]) < 1.2
    assert int(smooth["lost"]) > 0 == int(raw["lost"]) == int(truth["lost"])
    small, large = (
        [float(row["recovered"]) for row in rows_of(study, "lesions_by_size") if float(row["diameter_mm"]) == size]
        for size in (4, 10)
    )
    assert small[1] < large[1]
    assert {row["patient"] for row in rows_of(study, "lesions_by_patient")} == {"phantom"}
    assert (study.results / "lesions.png").stat().st_size > 1000
    first, converted = (study.results / "lesions.csv").read_bytes(), len(calls)
    lesions.run(study)
    assert len(calls) == converted == 2
    assert (study.results / "lesions.csv").read_bytes() == first
