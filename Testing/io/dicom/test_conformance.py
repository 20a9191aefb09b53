"""Series that are written have no error by dciodvfy, whatever their source lacks or has wrong."""

import shutil
import subprocess
from dataclasses import replace

import numpy as np
import pydicom
import pytest
from MVCTEnhanceLib.io import read_volume, write_dicom_series
from MVCTEnhanceLib.volume import Volume
from MVCTEnhanceLib.volume.product import Product
from pydicom.dataset import Dataset
from pydicom.uid import ImplicitVRLittleEndian

NEEDED = (  # without these the source could not be read
    "Modality",
    "SeriesInstanceUID",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "PixelSpacing",
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "Rows",
    "Columns",
    "BitsAllocated",
    "BitsStored",
    "PixelRepresentation",
    "PixelData",
)
NOT_PAIRED = "Element=<Laterality>"  # asked for wherever no body part is named, though only paired ones have a side


def bare(ds):
    for element in list(ds):
        if element.keyword not in NEEDED:
            del ds[element.tag]
    ds.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    ds.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4"


def empty(ds):
    for element in ds:
        if element.keyword not in NEEDED and element.VR != "US":
            element.value = None
    ds.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    ds.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4"


def parts_of_modules(ds):
    """Elements that ask for others, which are not there."""
    ds.ClinicalTrialProtocolID = "trial"
    ds.ContrastBolusRoute = "IV"
    ds.PatientIdentityRemoved = "YES"
    ds.WindowCenter, ds.VOILUTFunction = 40, "LINEAR"
    ds.PatientSpeciesDescription = "dog"
    ds.LongitudinalTemporalOffsetFromEvent = 1.0
    for keyword in ("ReferencedStudySequence", "ProcedureCodeSequence", "DeidentificationMethodCodeSequence"):
        item = Dataset()
        item.ReferencedSOPInstanceUID = "1.2.3"
        setattr(ds, keyword, [item])
    ds.RequestAttributesSequence = [Dataset()]


def odd_values(ds):
    ds.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    ds.add_new("PatientSex", "CS", "male")
    ds.add_new("PatientBirthDate", "LO", "1950.12.31.")
    ds.add_new("StudyDescription", "LO", "long " * 30)
    ds.add_new("KVP", "LO", "not a number")
    ds.add_new("ReferringPhysicianName", "PN", "x" * 70)
    ds.add_new("RescaleType", "LO", "US")
    ds.add_new("ImageType", "CS", ["ORIGINAL"])
    ds.add_new("StudyInstanceUID", "UI", "a.b")
    ds.add_new("ImagePositionPatient", "LO", ["-10.00000000000000001", "-20", str(ds.ImagePositionPatient[2])])
    ds.add_new("ExposureInuAs", "IS", "7")
    ds.add_new("AcquisitionNumber", "IS", ["1", "2"])


@pytest.fixture
def assert_conformant():
    if not shutil.which("dciodvfy"):
        pytest.skip("dciodvfy is not installed (Debian: dicom3tools)")

    def check(folder):
        for path in folder.iterdir():
            told = subprocess.run(["dciodvfy", path], capture_output=True, text=True, errors="replace")
            lines = (told.stdout + told.stderr).splitlines()
            assert "CTImage" in lines
            assert [line for line in lines if line.startswith("Error") and NOT_PAIRED not in line] == []

    return check


@pytest.mark.filterwarnings("ignore::UserWarning")  # pydicom's, of the odd values
@pytest.mark.parametrize("kind", ["enhanced", "difference", "correction", "cycle error"])
@pytest.mark.parametrize("change", [None, bare, empty, parts_of_modules, odd_values])
def test_derived_series_are_conformant(make_series, tmp_path, assert_conformant, change, kind):
    folder = make_series(slices=2)
    for path in folder.iterdir():
        ds = pydicom.dcmread(path)
        if change:
            change(ds)
        ds.save_as(path)
    source = replace(read_volume(folder), product=Product(kind, "ab" * 32))
    write_dicom_series(source, tmp_path / "out", description=kind, derivation="by a network", comments="text\n" * 20)
    assert_conformant(tmp_path / "out")


@pytest.mark.parametrize("direction", [np.eye(3), np.eye(3)[:, [1, 2, 0]]], ids=["axial", "sagittal"])
@pytest.mark.parametrize("derivation", [None, "by a network"])
def test_fresh_series_are_conformant(tmp_path, assert_conformant, derivation, direction):
    volume = Volume(np.zeros((2, 5, 4), np.int16), spacing=(0.8, 0.7, 3.0), direction=direction)
    write_dicom_series(volume, tmp_path / "out", description="scan", derivation=derivation)
    assert_conformant(tmp_path / "out")
