"""The blur of the physical backward generator is measured at the skin of unpaired slices."""

import numpy as np
import pytest
import torch
from MVCTEnhanceLib.errors import InputError
from MVCTEnhanceLib.training.calibration import blur_between, stretch_between
from scipy import ndimage

SPACING_MM = 0.763


def discs(blur_px, *, noise_hu, number=3, seed=0):
    """Slices of tissue discs of different sizes in air, whose outline is 1 pixel wide before the blur."""
    rng = np.random.default_rng(seed)
    j, i = np.indices((160, 160)) - 79.5
    slices = []
    for n in range(number):
        disc = 1040 * np.clip(45.5 + 3 * n - np.hypot(j, i), 0, 1) - 1000
        hu = ndimage.gaussian_filter(disc, blur_px) + rng.normal(0, noise_hu, disc.shape)
        slices.append(torch.from_numpy(hu.round().astype(np.int16)))
    return slices


@pytest.mark.parametrize("blur_px", [0.8, 1.1, 1.6])
def test_blur_between_is_what_was_added_in_square(blur_px):
    kvct = discs(0.6, noise_hu=10)
    mvct = discs(float(np.hypot(0.6, blur_px)), noise_hu=30, number=4, seed=1)
    assert blur_between(mvct, kvct, spacing_mm=SPACING_MM) == pytest.approx(blur_px, rel=0.06)


def test_mvct_that_is_no_less_sharp_gets_the_least_blur():
    assert blur_between(discs(0.6, noise_hu=5), discs(0.8, noise_hu=5), spacing_mm=SPACING_MM) == 0.3


def test_stretch_is_that_of_soft_tissue_from_air():
    kvct = discs(0.6, noise_hu=10)
    mvct = [(1.02 * (hu + 1000.0) - 1000).round() for hu in discs(1.2, noise_hu=30, seed=1)]
    assert stretch_between(mvct, kvct, spacing_mm=SPACING_MM) == pytest.approx(1.02, abs=0.002)


def test_slices_without_soft_tissue_are_refused_with_what_to_do():
    air = [torch.full((96, 96), -1000, dtype=torch.int16)]
    with pytest.raises(InputError, match=r"No MVCT slice .* soft tissue .* losses\.calibrate_hu"):
        stretch_between(air, discs(0.6, noise_hu=5), spacing_mm=SPACING_MM)


def test_hu_are_measured_where_asked_for_only(make_trainer):
    for asked, expected in ((False, 1.0), (True, 1.03)):
        trainer = make_trainer(preset="density-physics", calibrate_hu=asked)
        trainer.samplers["kv"].slices.hu[:] = discs(0.6, noise_hu=10)
        trainer.samplers["mv"].slices.hu[:] = [(1.03 * (hu + 1000.0) - 1000).round() for hu in discs(1.2, noise_hu=30)]
        trainer.calibrate()
        assert float(trainer.average.backward_generator.stretch) == pytest.approx(expected, abs=0.002)


def test_slices_without_skin_are_refused_with_what_to_do():
    inside = [torch.zeros(64, 64, dtype=torch.int16)]
    with pytest.raises(InputError, match=r"No MVCT slice .* skin .* outline"):
        blur_between(inside, discs(0.6, noise_hu=5), spacing_mm=SPACING_MM)


def test_trainer_gives_the_measured_blur_to_the_weights_that_are_kept(make_trainer):
    trainer = make_trainer(preset="density-physics")
    for domain, blur_px, noise in (("mv", 1.25, 30), ("kv", 0.6, 10)):
        trainer.samplers[domain].slices.hu[:] = discs(blur_px, noise_hu=noise)
    trainer.calibrate()
    measured = trainer.average.state_dict()["backward_generator.blur_px"]
    expected = blur_between(
        trainer.samplers["mv"].slices.hu, trainer.samplers["kv"].slices.hu, spacing_mm=trainer.config.data.spacing_mm
    )
    assert measured == pytest.approx(expected)


def test_other_presets_need_no_skin(make_trainer):
    make_trainer(preset="density-residual").calibrate()
