"""The phantoms have the HU, sizes and symmetry they state, so that what is measured on them has a known truth."""

import numpy as np
import pytest
from MVCTEnhanceLib.errors import InputError
from MVCTEnhanceLib.physics.head_neck import INSERTS, TISSUE_HU, Tissue, anatomy, label_hu
from MVCTEnhanceLib.physics.phantom import (
    PSF_FWHM_MM,
    SHAPE,
    SLICE_MM,
    SPACING_MM,
    density_inserts,
    head_neck_phantom,
)
from MVCTEnhanceLib.physics.shapes import Ellipse, Outline, Stroke, paint


def area(shape, step=0.1):
    """Area in mm² by counting points of a fine grid."""
    axis = np.arange(-40, 40, step)
    canvas = np.zeros((axis.size, axis.size), np.uint8)
    paint(canvas, axis, axis, [(1, shape)])
    return canvas.sum() * step**2


def head_neck_labels(*, slices=1, shape=SHAPE, spacing_mm=SPACING_MM, centre_z_mm=-40.0):
    """Tissue at each voxel centre of `head_neck_phantom` with the same arguments, unblurred: uint8, shape (k, j, i).

    The n-th low-contrast rod of `INSERTS` has len(Tissue) + n.
    """
    labels = np.zeros((slices, *shape), np.uint8)
    x, y, z = (
        (np.arange(size) - (size - 1) / 2) * step for size, step in zip((*shape[::-1], slices), spacing_mm, strict=True)
    )
    for plane, height in zip(labels, z + centre_z_mm, strict=True):
        paint(plane, x.astype(np.float32), y.astype(np.float32), anatomy(height))
    return labels


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        (Ellipse(3, -2, 12, 7, angle=30), np.pi * 12 * 7),
        (Ellipse(0, 0, 10, 6, power=200), 4 * 10 * 6),
        (Stroke(((-10, 0), (10, 0)), 3), 20 * 6 + np.pi * 9),
        (Outline(0, (20, 20, 20, 20)), np.pi * 400),
        (Ellipse(0, 0, 5, 0), 0),
        (Ellipse(0, 0, 5, 0).grown(2), 0),
        (Stroke(((0, 0), (5, 5)), 0).grown(2), 0),
    ],
)
def test_shapes_cover_their_exact_area(shape, expected):
    assert area(shape) == pytest.approx(expected, rel=0.01, abs=0.1)


def test_bounding_boxes_cut_nothing_off():
    axis = np.arange(-60, 60, 0.5)
    for z in np.arange(-150.0, 100.0, 12.5):
        for _, shape in anatomy(z):
            x_min, x_max, y_min, y_max = shape.bounds()
            if x_max < x_min:
                continue
            with np.errstate(divide="ignore", invalid="ignore"):
                rows, columns = np.nonzero(shape.inside(axis[None, :], axis[:, None]))
            if rows.size:
                assert x_min <= axis[columns].min() and axis[columns].max() <= x_max
                assert y_min <= axis[rows].min() and axis[rows].max() <= y_max


def test_later_paint_covers_earlier():
    axis = np.arange(-5.0, 6.0)
    canvas = np.zeros((11, 11), np.uint8)
    paint(canvas, axis, axis, [(1, Ellipse(0, 0, 4.1, 4.1)), (2, Ellipse(0, 0, 2.1, 2.1))])
    assert canvas[5].tolist() == [0, 1, 1, 2, 2, 2, 2, 2, 1, 1, 0]


@pytest.mark.integration
def test_head_neck_holds_every_tissue_at_its_hu():
    grid = {"slices": 40, "shape": (256, 256), "spacing_mm": (1.0, 1.0, 6.0)}
    volume = head_neck_phantom(**grid)
    labels = head_neck_labels(**grid)
    assert volume.array.dtype == np.int16
    assert volume.array.shape == labels.shape == (40, 256, 256)
    blurred = {Tissue.SKIN, Tissue.CORTICAL_BONE, Tissue.MARROW, Tissue.DENTINE, Tissue.LENS}  # no thicker than an edge
    for label, hu in enumerate(label_hu()):
        voxels = volume.array[labels == label]
        assert voxels.size, f"label {label} is nowhere in the phantom"
        assert np.median(voxels) == pytest.approx(hu, abs=250 if label in blurred else 20), label


def test_head_neck_edges_are_averages_of_the_tissues_that_meet():
    volume = head_neck_phantom(slices=1, centre_z_mm=30.0, supersample=4)
    table = label_hu()
    assert volume.array.min() == table.min()
    assert volume.array.max() <= table.max()
    assert np.setdiff1d(volume.array, table).size > 100


def test_head_neck_has_the_edges_of_a_scanner():
    """Where the skin runs along z, its edge against air is that of a Gaussian: 10 to 50 % over 0.544 FWHM."""
    grid = {"slices": 1, "shape": (1024, 16), "spacing_mm": (0.2, 0.2, 6.0), "centre_z_mm": 30.0}
    behind = head_neck_phantom(**grid).array[0, 512:, 8].astype(float)
    share = (behind + 1000) / (TISSUE_HU[Tissue.SKIN] + 1000)
    outwards = share[np.nonzero(share > 0.9)[0].max() :]
    places = np.interp([0.5, 0.1], outwards[::-1], np.arange(outwards.size)[::-1])
    width = 0.2 * (places[1] - places[0])
    assert width == pytest.approx(0.544 * PSF_FWHM_MM, rel=0.05)


def test_head_neck_slice_is_the_mean_over_its_thickness():
    grid = {"slices": 1, "shape": (256, 256), "spacing_mm": (1.0, 1.0, 6.0)}
    planes = [
        label_hu()[head_neck_labels(**grid, centre_z_mm=z)].mean()
        for z in np.linspace(95, 95 + SLICE_MM, 31) - SLICE_MM / 2
    ]
    slice_mean = head_neck_phantom(**grid, centre_z_mm=95.0, supersample=4).array.mean()
    assert slice_mean == pytest.approx(np.mean(planes), abs=1.0)


def test_head_neck_is_symmetric_but_for_the_inserts():
    volume = head_neck_phantom(slices=3, centre_z_mm=-12.0, spacing_mm=(0.763, 0.763, 10.0))
    mirrored = volume.array[:, :, ::-1]
    assert np.mean(volume.array != mirrored) < 0.02


@pytest.mark.thorough
def test_low_contrast_inserts_have_their_diameter_and_contrast():
    for number, (x, y, low, high, diameter, background, contrast) in enumerate(INSERTS):
        height = (low + high) / 2
        grid = {"slices": 1, "shape": (1024, 1024), "spacing_mm": (0.2, 0.2, 6.0), "centre_z_mm": height}
        labels = head_neck_labels(**grid)[0]
        selected = labels == len(Tissue) + number
        assert selected.sum() * 0.2**2 == pytest.approx(np.pi * diameter**2 / 4, rel=0.03)
        axis = (np.arange(1024) - 511.5) * 0.2
        outside = np.hypot(axis[None, :] - x, axis[:, None] - y) - diameter / 2
        image = head_neck_phantom(**grid, supersample=1).array[0]
        assert image[outside < -1.5] == pytest.approx(TISSUE_HU[background] + contrast, abs=1)
        assert np.mean(labels[(outside > 0.3) & (outside < 1)] == background) > 0.9, (
            f"insert {number} is not in {background.name}"
        )


def test_neighbouring_slices_differ_little_and_far_ones_much():
    volume = head_neck_phantom(slices=24, shape=(128, 128), spacing_mm=(3.0, 3.0, 2.0))
    body = volume.array.astype(float)
    near = np.abs(np.diff(body, axis=0)).mean(axis=(1, 2))
    assert near.max() < 0.5 * np.abs(body[0] - body[-1]).mean()
    assert near.min() > 0


@pytest.mark.integration
def test_phantom_lies_in_patient_space_head_up_and_face_forward():
    volume = head_neck_phantom(slices=24, shape=(256, 256), spacing_mm=(1.5, 1.5, 6.0), centre_z_mm=-40.0)
    assert volume.origin == pytest.approx((-127.5 * 1.5, -127.5 * 1.5, -40 - 11.5 * 6))
    assert np.array_equal(volume.direction, np.eye(3))
    cartilage = head_neck_labels(slices=24, shape=(256, 256), spacing_mm=(1.5, 1.5, 6.0)) == Tissue.CARTILAGE
    eyes = head_neck_labels(slices=24, shape=(256, 256), spacing_mm=(1.5, 1.5, 6.0)) == Tissue.VITREOUS
    assert np.nonzero(cartilage)[0].min() < np.nonzero(eyes)[0].min()
    assert np.nonzero(eyes)[1].max() < 128


def test_water_without_rods_has_its_area_and_only_water_and_air():
    volume, _ = density_inserts(inserts_hu=(), diameter_mm=200, slices=2)
    assert volume.array.shape == (2, 512, 512)
    assert volume.array[0, 256, 256] == 0 and volume.array[0, 0, 0] == -1000
    assert np.sum(volume.array[1] + 1000.0) / 1000 * 0.763**2 == pytest.approx(np.pi * 100**2, rel=1e-3)


def test_density_inserts_are_labelled_and_hold_their_hu():
    values = (-700, -100, 300, 1200)
    volume, labels = density_inserts(inserts_hu=values, insert_mm=28)
    for number, value in enumerate(values):
        rod = labels == 2 + number
        assert np.median(volume.array[rod]) == value
        assert rod.sum() * 0.763**2 == pytest.approx(np.pi * 14**2, rel=0.02)
    assert np.median(volume.array[labels == 1]) == 0
    first_row, first_column = (axis.mean() for axis in np.nonzero(labels[0] == 2))
    assert first_row < 256 and first_column == pytest.approx(255.5)


def test_inserts_that_overlap_are_refused():
    with pytest.raises(InputError, match="do not fit"):
        density_inserts(inserts_hu=range(10), insert_mm=60)
