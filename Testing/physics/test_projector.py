"""Projections and reconstructions against chords of discs, Kak and Slaney's taps, scikit-image and ASTRA."""

import math

import numpy as np
import pytest
import torch
from MVCTEnhanceLib.physics.projector import ParallelBeam, back_project, project, ramp_filter
from skimage.transform import iradon, radon

SIZE = 129
BEAM = ParallelBeam(views=90, bins=SIZE, bin_mm=1.0)


def disc(x, y, radius, size=SIZE, pixel_mm=(1.0, 1.0), supersample=5):
    """An anti-aliased disc of height 1 about (x, y) mm, shape (1, j, i)."""
    j, i = ((np.arange(size * supersample) - (size * supersample - 1) / 2) * mm / supersample for mm in pixel_mm)
    inside = np.hypot(i[None, :] - x, j[:, None] - y) <= radius
    return torch.from_numpy(inside.reshape(size, supersample, size, supersample).mean(axis=(1, 3)).astype(np.float32))[
        None
    ]


def chords(x, y, radius, beam):
    """Exact line integrals of that disc, shape (view, bin)."""
    t = beam.positions_mm().numpy()[None, :]
    angles = np.array(beam.angles())[:, None]
    distance = t - (x * np.cos(angles) + y * np.sin(angles))
    return 2 * np.sqrt(np.maximum(radius**2 - distance**2, 0)), np.abs(np.abs(distance) - radius)


@pytest.mark.parametrize("pixel_mm", [(1.0, 1.0), (0.8, 1.2)])
@pytest.mark.parametrize("place", [(0.0, 0.0, 40.0), (15.0, -22.0, 18.0)])
def test_projections_of_a_disc_are_its_chords(place, pixel_mm):
    sinogram = project(disc(*place, pixel_mm=pixel_mm), pixel_mm, BEAM)[0].numpy()
    expected, from_rim = chords(*place, BEAM)
    away_from_rim = from_rim > 2.5
    assert np.abs(sinogram - expected)[away_from_rim].max() < 0.02 * 2 * place[2]
    assert sinogram.sum(axis=1) == pytest.approx(np.full(BEAM.views, math.pi * place[2] ** 2), rel=0.005)


def test_projections_agree_with_scikit_image():
    image = disc(12, -20, 14) + 0.5 * disc(-18, 9, 25)
    ours = project(image, (1.0, 1.0), BEAM)[0].numpy()
    # scikit-image turns the other way round, and both have the axis in the middle of an odd number of pixels.
    theirs = radon(image[0].numpy(), theta=-np.degrees(BEAM.angles()), circle=True).T
    assert np.abs(ours - theirs).max() < 0.02 * theirs.max()
    assert np.sqrt(np.mean((ours - theirs) ** 2)) < 0.005 * theirs.max()


def test_reconstruction_agrees_with_scikit_image_on_the_same_projections():
    sinogram = project(disc(12, -20, 14) + 0.5 * disc(-18, 9, 25), (1.0, 1.0), BEAM)
    ours = back_project(ramp_filter(sinogram, 1.0), (SIZE, SIZE), (1.0, 1.0), BEAM)[0].numpy()
    theirs = iradon(
        sinogram[0].numpy().T, theta=-np.degrees(BEAM.angles()), filter_name="hamming", circle=True, output_size=SIZE
    )
    axis = np.arange(SIZE) - SIZE // 2
    inside = np.hypot(axis[None, :], axis[:, None]) < SIZE // 2 - 1
    assert np.abs(ours - theirs)[inside].max() < 0.005


def test_disc_comes_back_at_its_height_and_place():
    beam = ParallelBeam(views=180, bins=SIZE, bin_mm=1.0)
    image = disc(15, -22, 20)
    reconstructed = back_project(ramp_filter(project(image, (1.0, 1.0), beam), 1.0), (SIZE, SIZE), (1.0, 1.0), beam)[0]
    j, i = np.nonzero(disc(15, -22, 16)[0].numpy() == 1)
    assert reconstructed[j, i].mean().item() == pytest.approx(1, abs=0.002)
    weight = reconstructed.clamp(min=0.2) - 0.2
    axis = torch.arange(SIZE) - SIZE // 2
    assert float((weight * axis[None, :]).sum() / weight.sum()) == pytest.approx(15, abs=0.05)
    assert float((weight * axis[:, None]).sum() / weight.sum()) == pytest.approx(-22, abs=0.05)


@pytest.mark.parametrize("bin_mm", [0.763, 2.0])
def test_filter_has_kak_and_slaneys_taps_in_a_hamming_window(bin_mm):
    """Taps 1/4, -1/(pi n)² for odd n, 0 for even n; the window in frequency weighs neighbours 0.23, 0.54, 0.23."""
    impulse = torch.zeros(1, 65)
    impulse[0, 32] = 1
    n = np.arange(-33, 34)
    taps = np.where(n % 2 == 1, -1 / (np.pi * np.where(n == 0, 1, n)) ** 2, 0.0)
    taps[33] = 0.25
    expected = np.convolve(taps, [0.23, 0.54, 0.23], mode="valid") / bin_mm
    assert ramp_filter(impulse, bin_mm)[0].numpy() == pytest.approx(expected, abs=1e-6)


def test_filter_does_not_lose_the_mean_of_wide_objects():
    """|f| sampled in frequency is zero at DC, which would lower all HU: the true response of the taps is above zero."""
    bins = 101
    response = ramp_filter(torch.ones(1, bins), 1.0)[0]
    # The tails of the infinite filter beyond the detector: sum over odd |n| > reach of 1/(pi n)² = 1/(pi² reach).
    assert response[bins // 2].item() == pytest.approx(1 / (math.pi**2 * (bins / 2)), rel=0.02)


def test_slices_of_a_stack_do_not_mix():
    stack = torch.cat((disc(0, 0, 20), disc(10, 10, 12), torch.zeros(1, SIZE, SIZE)))
    beam = ParallelBeam(views=12, bins=SIZE, bin_mm=1.0)
    together = project(stack, (1.0, 1.0), beam)
    for number in range(3):
        assert torch.allclose(together[number], project(stack[number : number + 1], (1.0, 1.0), beam)[0], atol=1e-4)
    assert (together[2] == 0).all()


def test_air_alone_gives_nothing():
    assert not project(torch.zeros(2, 20, 30), (1.0, 1.0), ParallelBeam(views=3, bins=41, bin_mm=1.0)).any()


def test_what_lies_at_the_border_of_the_slice_is_seen_whole():
    corner = torch.zeros(1, 20, 30)
    corner[0, 0, 29] = 1
    sums = project(corner, (1.0, 1.0), ParallelBeam(views=8, bins=60, bin_mm=1.0)).sum(dim=-1)
    assert torch.allclose(sums, torch.ones(1, 8), atol=0.25)  # sampled at every mm


def test_projections_agree_with_astra():
    astra = pytest.importorskip("astra")
    image = disc(12, -20, 14) + 0.5 * disc(-18, 9, 25)
    angles = np.array(BEAM.angles())
    # ASTRA's y axis points up, so its rotation runs the other way.
    projector = astra.create_projector(
        "linear", astra.create_proj_geom("parallel", 1.0, SIZE, -angles), astra.create_vol_geom(SIZE, SIZE)
    )
    identifier, theirs = astra.create_sino(image[0].numpy(), projector)
    astra.data2d.delete(identifier)
    astra.projector.delete(projector)
    ours = project(image, (1.0, 1.0), BEAM)[0].numpy()
    assert np.abs(ours - theirs).max() < 0.03 * theirs.max()
    assert np.sqrt(np.mean((ours - theirs) ** 2)) < 0.005 * theirs.max()
