"""The digest of a scan, the same for the same voxels at the same place, and the marker of what is made of it."""

from dataclasses import replace

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from MVCTEnhanceLib.io import read_volume, write_dicom_series, write_volume
from MVCTEnhanceLib.volume import Volume
from MVCTEnhanceLib.volume.grid import digest
from MVCTEnhanceLib.volume.product import Product, product_of_file

KINDS = ("enhanced", "difference", "correction", "cycle error")


def _scan() -> Volume:
    values = np.random.default_rng(3).integers(-1000, 1000, (3, 8, 9)).astype(np.int16)
    return Volume(values, spacing=(0.763, 0.763, 4.0), origin=(-195.1, -195.1, 12.5))


def test_a_scan_keeps_its_digest_through_every_format(tmp_path):
    scan = _scan()
    for suffix in (".nrrd", ".nii.gz", ".mha"):
        write_volume(scan, tmp_path / f"scan{suffix}")
        assert digest(read_volume(tmp_path / f"scan{suffix}")) == digest(scan)


@pytest.mark.parametrize("order", ["LAS", "RAI", "PSL"])
def test_a_scan_keeps_its_digest_in_every_order_of_its_axes(tmp_path, order):
    write_volume(_scan(), tmp_path / "scan.nrrd")
    copy = sitk.DICOMOrient(sitk.ReadImage(str(tmp_path / "scan.nrrd")), order)
    sitk.WriteImage(copy, str(tmp_path / "copy.nrrd"))
    assert digest(read_volume(tmp_path / "copy.nrrd")) == digest(_scan())


def test_one_other_voxel_or_another_place_is_another_scan():
    scan = _scan()
    other = scan.array.copy()
    other[1, 2, 3] += 1
    assert digest(scan.with_array(other)) != digest(scan)
    assert digest(replace(scan, origin=(-195.1, -195.1, 13.5))) != digest(scan)


@pytest.mark.parametrize("suffix", [".nrrd", ".nii", ".nii.gz", ".mha"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_product_is_known_again_from_every_format(tmp_path, kind, suffix):
    scan, path = _scan(), tmp_path / f"v{suffix}"
    product = Product(kind, digest(scan))
    write_volume(replace(scan, product=product), path)
    found = read_volume(path).product
    assert found == product_of_file(path)
    assert found.kind == kind and found.is_made_of(digest(scan))
    assert not found.is_made_of(digest(scan.with_array(scan.array + np.int16(1))))
    assert found == product or (suffix.startswith(".nii") and len(found.input_digest) >= 48)


def test_other_files_are_no_products(tmp_path):
    for suffix in (".nrrd", ".nii.gz", ".mha"):
        write_volume(_scan(), tmp_path / f"v{suffix}")
        assert read_volume(tmp_path / f"v{suffix}").product is None
    write_dicom_series(_scan(), tmp_path / "dicom", description="MVCT enhanced")
    assert read_volume(tmp_path / "dicom").product is None


def test_the_marker_survives_a_program_that_keeps_fields(tmp_path):
    """As SimpleITK does, and Slicer with NRRD."""
    write_volume(replace(_scan(), product=Product("difference", "ab12")), tmp_path / "a.nrrd")
    sitk.WriteImage(sitk.ReadImage(str(tmp_path / "a.nrrd")), str(tmp_path / "b.mha"), useCompression=True)
    assert read_volume(tmp_path / "b.mha").product == Product("difference", "ab12")


def test_no_other_field_of_an_input_is_passed_on(tmp_path):
    image = sitk.GetImageFromArray(_scan().array)
    image.SetMetaData("patient", "Doe")
    sitk.WriteImage(image, str(tmp_path / "a.nrrd"))
    write_volume(replace(read_volume(tmp_path / "a.nrrd"), product=Product("enhanced", "ab")), tmp_path / "b.nrrd")
    assert b"Doe" in (tmp_path / "a.nrrd").read_bytes() and b"Doe" not in (tmp_path / "b.nrrd").read_bytes()


def test_other_values_are_no_product_any_more():
    scan = replace(_scan(), product=Product("enhanced", "ab"))
    assert scan.with_array(scan.array + np.int16(1)).product is None


@pytest.mark.parametrize("kind", KINDS)
def test_a_product_is_known_again_from_dicom(tmp_path, kind):
    product = Product(kind, digest(_scan()))
    write_dicom_series(replace(_scan(), product=product), tmp_path / "a", description="x", derivation="y")
    assert read_volume(tmp_path / "a").product == product


@pytest.mark.parametrize(
    ("description", "derivation", "kind"),
    [
        ("MVCT enhanced (MVCTEnhance)", "MVCT enhanced to kVCT-like quality by MVCTEnhance 1.0, model m", "enhanced"),
        ("mine", "Made from an MVCT by MVCTEnhance 1.0", "enhanced"),
        ("MVCT enhanced - MVCT, difference in HU", "Difference enhanced - MVCT, by MVCTEnhance 1.0", "difference"),
        ("MVCT cycle error in HU", "Absolute difference of the MVCT and of what the enhanced scan", "cycle error"),
        ("Simulated MVCT", "MVCT simulated from a kVCT by MVCTEnhance", None),
    ],
)
def test_dicom_without_a_marker_is_known_by_its_equipment(tmp_path, description, derivation, kind):
    write_dicom_series(_scan(), tmp_path / "a", description=description, derivation=derivation)
    found = read_volume(tmp_path / "a").product
    assert found == (Product(kind) if kind else None)


def test_equipment_of_another_maker_or_damaged_is_no_product(tmp_path):
    write_dicom_series(replace(_scan(), product=Product("enhanced", "ab")), tmp_path / "a", description="x")
    for path in (tmp_path / "a").iterdir():
        ds = pydicom.dcmread(path)
        ds.ContributingEquipmentSequence[0].Manufacturer = "Other"
        ds.save_as(path)
    assert read_volume(tmp_path / "a").product is None
