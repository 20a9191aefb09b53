"""Small DICOM series written with pydicom alone, to read them with the library."""

import os

import numpy as np
import pydicom
import pytest
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

ROWS, COLUMNS, SLICES = 24, 20, 5


def build_slice(pixels=None, *, series_uid="1.2.3", **elements):
    """A CT image in memory: unsigned 16-bit, intercept -1024; `elements` set or (None) remove header elements."""
    rng = np.random.default_rng(elements.get("InstanceNumber", 0))
    if pixels is None:
        pixels = rng.integers(0, 3000, (ROWS, COLUMNS)).astype(np.uint16)
    ds = FileDataset("", {}, preamble=b"\0" * 128)
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID = CTImageStorage
    ds.SOPInstanceUID = generate_uid()
    ds.SeriesInstanceUID = series_uid
    ds.StudyInstanceUID = "1.2.3.99"
    ds.FrameOfReferenceUID = "1.2.3.98"
    ds.Modality = "CT"
    ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.PatientName = "Secret^Name"
    ds.PatientID = "secret-id"
    ds.SeriesDescription = "test scan"
    ds.SeriesNumber = 7
    ds.PatientPosition = "HFS"
    ds.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    ds.ImagePositionPatient = [-10, -20, -30]
    ds.PixelSpacing = [0.8, 0.7]
    ds.SliceThickness = 3
    ds.RescaleSlope, ds.RescaleIntercept = 1, -1024
    ds.Rows, ds.Columns = pixels.shape[:2]
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated = ds.BitsStored = 8 * pixels.itemsize
    ds.HighBit = ds.BitsStored - 1
    ds.PixelRepresentation = int(pixels.dtype.kind == "i")
    ds.PixelData = pixels.tobytes()
    ds["PixelData"].VR = "OW"
    for keyword, value in elements.items():
        if value is None:
            delattr(ds, keyword)
        else:
            setattr(ds, keyword, value)
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    return ds


@pytest.fixture
def limited_user(tmp_path_factory):
    """Skips where permissions do not bind: an administrator, or a system without them."""
    probe = tmp_path_factory.mktemp("probe") / "closed"
    probe.touch(0)
    if os.access(probe, os.R_OK):
        pytest.skip("needs a user without all rights")


@pytest.fixture
def make_slice():
    """Function (pixels=None, *, series_uid, **elements) -> an unsaved CT image."""
    return build_slice


@pytest.fixture
def make_series(tmp_path):
    """Function that writes a regular series and returns its folder.

    change(ds, k) may alter each slice, or return False to leave it out. Files and instance numbers run against the
    positions, so that only the positions give the right order.
    """

    def make(folder="scan", *, slices=SLICES, change=lambda ds, k: None, **elements):
        folder = tmp_path / folder
        folder.mkdir(parents=True, exist_ok=True)
        for k in range(slices):
            number = slices - k
            ds = build_slice(**{"ImagePositionPatient": [-10, -20, -30 + 3 * k], "InstanceNumber": number, **elements})
            if change(ds, k) is not False:
                pydicom.dcmwrite(folder / f"IM{number:03d}.dcm", ds, enforce_file_format=True)
        return folder

    return make
