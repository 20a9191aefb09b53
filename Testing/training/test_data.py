"""Crops show the patient, are the same for the same step, and keep MVCT and truth together."""

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from MVCTEnhanceLib.errors import InputError
from MVCTEnhanceLib.io import write_volume
from MVCTEnhanceLib.training.config import DataConfig
from MVCTEnhanceLib.training.data import CropSampler, Slices, at_spacing, load_slices
from MVCTEnhanceLib.volume import Volume


def config(**changes):
    return DataConfig("", "", **{"crop_px": 32, "translation_px": 4, "rotated": 0.0} | changes)


def labelled_slice(shape=(150, 170)):
    """A slice whose HU say where they are: 200 * row + column, shifted; nowhere air."""
    return (torch.arange(shape[0])[:, None] * 200 + torch.arange(shape[1])[None, :]).to(torch.int16)


@pytest.mark.integration
def test_scans_of_a_folder_are_read_with_their_truth(scans):
    slices = load_slices(scans / "mvct", 2.0, truth_folder=scans / "truth")
    assert len(slices) == len(slices.truth) == len(slices.cells) == 16
    assert all(hu.dtype == torch.int16 and hu.shape == (96, 96) for hu in slices.hu)
    for hu, truth in zip(slices.hu, slices.truth, strict=True):
        soft_tissue = (truth > -150) & (truth < 100)
        assert abs(float((hu - truth)[soft_tissue].float().mean())) < 20


def test_slices_are_resampled_to_the_spacing(scans):
    assert all(hu.shape == (64, 64) for hu in load_slices(scans / "kvct", 3.0).hu)
    same = Volume(np.arange(400, dtype=np.int16).reshape(1, 20, 20), (2.0, 2.0, 5.0))
    assert torch.equal(at_spacing(same, 2.0)[0], torch.from_numpy(same.array[0]))


def test_slices_are_axial_in_one_order_however_a_scan_and_its_truth_are_stored(scans, tmp_path):
    expected = load_slices(scans / "mvct", 2.0, truth_folder=scans / "truth")
    for kind, order in (("mvct", "PSL"), ("truth", "LAI")):
        (tmp_path / kind).mkdir()
        for path in (scans / kind).iterdir():
            sitk.WriteImage(sitk.DICOMOrient(sitk.ReadImage(str(path)), order), str(tmp_path / kind / path.name))
    found = load_slices(tmp_path / "mvct", 2.0, truth_folder=tmp_path / "truth")
    assert len(found) == len(expected) > 0
    assert all(map(torch.equal, found.hu + found.truth, expected.hu + expected.truth))


def test_slices_of_nothing_but_air_are_left_out(tmp_path):
    array = np.full((3, 64, 64), -1000, np.int16)
    array[1, 10:50, 10:50] = 30
    write_volume(Volume(array, (2.0, 2.0, 5.0)), tmp_path / "scan.nrrd")
    slices = load_slices(tmp_path, 2.0)
    assert len(slices) == 1 and slices.hu[0][20, 20] == 30


def test_folder_without_scans_is_refused(tmp_path):
    with pytest.raises(InputError, match="No CT slice that shows a patient"):
        load_slices(tmp_path, 2.0)
    with pytest.raises(InputError, match="does not exist"):
        load_slices(tmp_path / "nowhere", 2.0)


@pytest.mark.parametrize("change", ["shape", "origin", "spacing", "missing"])
def test_truth_that_does_not_lie_on_the_mvct_is_refused(tmp_path, change):
    array = np.full((1, 64, 64), 30, np.int16)
    truths = {
        "shape": Volume(array[:, 1:], (2.0, 2.0, 5.0)),
        "origin": Volume(array, (2.0, 2.0, 5.0), (1.0, 0.0, 0.0)),
        "spacing": Volume(array, (2.0, 2.1, 5.0)),
        "missing": None,
    }
    write_volume(Volume(array, (2.0, 2.0, 5.0)), tmp_path / "mvct" / "a.nrrd")
    (tmp_path / "truth").mkdir()
    if truths[change]:
        write_volume(truths[change], tmp_path / "truth" / "a.nrrd")
    with pytest.raises(InputError, match=r"a\.nrrd"):
        load_slices(tmp_path / "mvct", 2.0, truth_folder=tmp_path / "truth")


def test_crops_contain_tissue(scans):
    slices = load_slices(scans / "mvct", 2.0)
    crops, _ = CropSampler(slices, config(rotated=1.0), seed=0).crops(0, 40)
    tissue = (crops > -400).float().mean(dim=(1, 2, 3))
    assert tissue.min() > 0.05 and tissue.mean() > 0.5
    assert crops.shape == (40, 1, 32, 32)


def test_crops_depend_on_seed_and_step_only(random_slices):
    slices = random_slices()
    first = CropSampler(slices, config(rotated=0.5), seed=3)
    again = CropSampler(slices, config(rotated=0.5), seed=3)
    for step in range(4):  # another history of calls
        again.crops(step, 2)
    assert torch.equal(first.crops(7, 4)[0], again.crops(7, 4)[0])
    assert not torch.equal(first.crops(7, 4)[0], first.crops(8, 4)[0])
    assert not torch.equal(first.crops(7, 4)[0], CropSampler(slices, config(rotated=0.5), seed=4).crops(7, 4)[0])


def test_unrotated_crop_is_a_copy_of_the_pixels():
    slices = Slices([labelled_slice()], [], [np.array([[70, 90]])])
    crop = CropSampler(slices, config(translation_px=0), seed=0).crops(0, 1)[0][0, 0]
    assert torch.equal(crop, labelled_slice()[54:86, 74:106].float())


def test_turned_crops_are_copies_in_all_eight_ways_and_their_truth_with_them():
    """The steps between neighbours tell how a crop of `labelled_slice` lies."""
    one = labelled_slice()
    slices = Slices([one], [one - 7], [np.array([[75, 85]])])
    crops, truth = CropSampler(slices, config(turned=True), 1).crops(0, 64)
    assert torch.equal(crops - truth, torch.full_like(crops, 7))
    ways = {(int(c[0, 1, 0] - c[0, 0, 0]), int(c[0, 0, 1] - c[0, 0, 0])) for c in crops}
    assert ways == {(a * s, b * t) for a, b in ((200, 1), (1, 200)) for s in (1, -1) for t in (1, -1)}


def test_rotated_crop_is_the_slice_turned_about_the_same_centre():
    """A slope stays a slope, turned by the angle, and its middle keeps its value."""
    slices = Slices([labelled_slice()], [], [np.array([[70, 90]])])
    sampler = CropSampler(slices, config(translation_px=0, rotated=1.0, rotation_deg=20), seed=0)
    angles = set()
    for step in range(5):
        crop = sampler.crops(step, 1)[0][0, 0]
        middle = crop[15:17, 15:17].mean()
        assert middle.item() == pytest.approx(69.5 * 200 + 89.5, abs=5)
        along_j, along_i = (crop.diff(dim=axis).mean().item() for axis in (0, 1))
        assert np.hypot(along_j, along_i) == pytest.approx(np.hypot(200, 1), rel=0.01)
        angle = np.degrees(np.arctan2(along_i, along_j) - np.arctan2(1, 200))
        assert 0.05 < abs(angle) <= 20.1
        angles.add(round(angle, 1))
    assert len(angles) == 5


@pytest.mark.parametrize("rotated", [0.0, 1.0])
def test_truth_is_cut_at_the_same_place(rotated):
    """The truth is the MVCT plus 1000 HU: if it were cut elsewhere, the difference would not be constant."""
    slices = [labelled_slice(), labelled_slice() + 7]
    both = Slices(slices, [hu + 1000 for hu in slices], [np.array([[70, 90], [60, 60]])] * 2)
    hu, truth = CropSampler(both, config(rotated=rotated, translation_px=9), seed=1).crops(0, 8)
    assert truth.shape == hu.shape
    assert torch.allclose(truth - hu, torch.full_like(hu, 1000), atol=1)


def test_there_is_no_truth_where_none_was_given(random_slices):
    assert CropSampler(random_slices(), config(), seed=0).crops(0, 1)[1] is None


@pytest.mark.parametrize("rotated", [0.0, 1.0])
@pytest.mark.parametrize("centre", [(0, 0), (39, 59), (-70, 20), (20, 120), (300, -300)])
def test_outside_of_the_slice_is_air(centre, rotated):
    slices = Slices([torch.full((40, 60), 50, dtype=torch.int16)], [], [np.array([centre])])
    crop = CropSampler(slices, config(translation_px=0, rotated=rotated), seed=0).crops(0, 1)[0]
    assert crop.shape == (1, 1, 32, 32)
    assert crop.min() >= -1150 and crop.max() <= 200
    assert (crop < -900).float().mean() > 0.3


def test_translation_stays_within_its_limit():
    slices = Slices([labelled_slice()], [], [np.array([[70, 90]])])
    crops = CropSampler(slices, config(translation_px=3), seed=0).crops(0, 60)[0]
    shifts = crops[:, 0, 16, 16] - (70 * 200 + 90)
    rows = torch.round(shifts / 200)
    columns = shifts - 200 * rows
    assert set(rows.tolist()) == set(columns.tolist()) == {-3, -2, -1, 0, 1, 2, 3}
