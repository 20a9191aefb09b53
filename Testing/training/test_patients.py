"""Patients in training and validation at once are noticed, and never told by name."""

import numpy as np
import pydicom
import pytest
from MVCTEnhanceLib.errors import InputError
from MVCTEnhanceLib.io import write_dicom_series, write_volume
from MVCTEnhanceLib.training.config import DataConfig
from MVCTEnhanceLib.training.data import load_slices
from MVCTEnhanceLib.training.inputs import read_inputs
from MVCTEnhanceLib.volume import Volume

SECRET = "Secretname^Given"


def scan(seed, *, slices=16):
    """Discs of tissue in air with noise of their own."""
    j, i = np.indices((48, 48)) - 23.5
    body = np.where(np.hypot(j, i) < 20, 30.0, -1000.0)
    noise = np.random.default_rng(seed).normal(0, 20, (slices, 48, 48))
    return Volume((body + noise).round().astype(np.int16), (2.0, 2.0, 4.0))


def write_dicom(folder, seed, patient_id, **options):
    write_dicom_series(scan(seed, **options), folder, description="test scan")
    for path in folder.iterdir():
        ds = pydicom.dcmread(path)
        ds.PatientID, ds.PatientName = patient_id, SECRET
        ds.save_as(path)


@pytest.fixture
def site(tmp_path):
    """Folders of a site with a scan in mvct and kvct each, and its configuration."""
    write_volume(scan(1), tmp_path / "mvct" / "a.nrrd")
    write_volume(scan(2), tmp_path / "kvct" / "b.nrrd")
    (tmp_path / "validation").mkdir()
    folders = {name: str(tmp_path / name) for name in ("mvct", "kvct", "validation")}
    return tmp_path, DataConfig(**folders, spacing_mm=2.0, crop_px=32)


def read(config):
    """The inputs, and the warnings."""
    told = []
    return read_inputs(config, on_event=lambda event, **fields: told.append(fields["message"])), told


def refusal(config):
    with pytest.raises(InputError) as caught:
        read(config)
    message = str(caught.value)
    assert message.endswith(".") and "\n" not in message and "secret" not in message.casefold()
    return message


def test_validation_of_other_patients_is_taken(site):
    folder, config = site
    write_volume(scan(3, slices=2), folder / "validation" / "c.nrrd")
    inputs, warnings = read(config)
    assert (len(inputs.mvct), len(inputs.kvct), len(inputs.validation)) == (16, 16, 2)
    assert not warnings


def test_without_validation_scans_the_slices_of_the_training_serve(site):
    _, config = site
    inputs, _ = read(DataConfig(config.mvct, config.kvct, spacing_mm=2.0))
    assert inputs.validation is inputs.mvct


@pytest.mark.parametrize("domain", ["mvct", "kvct"])
def test_same_patient_id_is_refused(site, domain):
    folder, config = site
    write_dicom(folder / domain / "x", 4, "SECRET-1")
    write_dicom(folder / "validation" / "y", 5, " secret-1 ", slices=2)
    message = refusal(config)
    assert str(folder / "validation" / "y") in message and str(folder / domain / "x") in message


def test_other_patient_ids_are_others_whatever_their_folders_are_called(site):
    folder, config = site
    write_dicom(folder / "mvct" / "fraction1", 4, "SECRET-1")
    write_dicom(folder / "validation" / "fraction1", 5, "SECRET-2", slices=2)
    assert len(read(config)[0].validation) == 2


@pytest.mark.parametrize("name", ["a.nrrd", "A.nii.gz", "b.mha"])
def test_same_file_name_is_refused_where_no_header_tells_the_patient(site, name):
    folder, config = site
    write_volume(scan(5), folder / "validation" / name)
    assert str(folder / "validation" / name) in refusal(config)


def test_folder_without_patient_id_counts_by_its_name(site):
    folder, config = site
    write_dicom(folder / "validation" / "a", 5, "", slices=2)
    assert "a.nrrd" in refusal(config)


def test_same_slice_is_refused_under_any_name_and_patient_id(site):
    folder, config = site
    copied = scan(3, slices=2).array
    copied[1] = scan(1).array[7]
    write_volume(Volume(copied, (2.0, 2.0, 4.0)), folder / "validation" / "other.nrrd")
    assert "other.nrrd" in refusal(config)


@pytest.mark.parametrize("domain", ["mvct", "kvct"])
def test_fewer_slices_than_the_papers_smallest_set_are_refused(site, domain):
    folder, config = site
    (path,) = (folder / domain).iterdir()
    write_volume(scan(6, slices=15), path)
    message = refusal(config)
    assert str(folder / domain) in message and "15 slices" in message and "at least 16" in message


def test_slices_in_both_domains_are_warned_of(site):
    folder, config = site
    write_volume(scan(1), folder / "kvct" / "copy.nrrd")
    write_volume(scan(3), folder / "validation" / "c.nrrd")
    (warning,) = read(config)[1]
    assert warning.startswith("16 slices are in") and config.mvct in warning and config.kvct in warning


def test_nothing_of_the_header_is_kept(site):
    folder, _ = site
    write_dicom(folder / "mvct" / "x", 4, "SECRET-1")
    assert "secret" not in repr(load_slices(folder / "mvct", 2.0).scans).casefold()
