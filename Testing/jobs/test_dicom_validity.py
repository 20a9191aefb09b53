"""DICOM that is written is accepted by other programs, with no error even where the source had some."""

import re
import shutil
import subprocess

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from MVCTEnhanceLib.io import read_volume


def output_of(*command) -> str:
    if not shutil.which(command[0]):
        pytest.skip(f"{command[0]} is not installed (Debian: dcmtk, dicom3tools)")
    result = subprocess.run([*map(str, command)], capture_output=True, text=True, errors="replace")
    return f"{result.stdout}{result.stderr}exit code {result.returncode}\n"


def errors_of(path) -> set[str]:
    """What dciodvfy finds wrong."""
    asked_for = "Element=<Laterality>"  # wherever no body part is named, though only paired ones have a side
    lines = output_of("dciodvfy", path).splitlines()
    return {line for line in lines if line.startswith("Error") and asked_for not in line}


@pytest.fixture(scope="module")
def real_source(real_data, tmp_path_factory):
    """Three slices of a real chest CT."""
    folder = tmp_path_factory.mktemp("real")
    for path in sorted((real_data / "dicom" / "chest-lungdx-a0001").iterdir())[:3]:
        shutil.copy(path, folder)
    return folder


@pytest.fixture(params=["phantom", "real"])
def source(request):
    return request.getfixturevalue("dicom_scan" if request.param == "phantom" else "real_source")


@pytest.fixture
def derived(main, source, tmp_path):
    """The enhanced scan and the difference map as series derived from the source."""
    outputs = {"enhanced": tmp_path / "enhanced", "difference": tmp_path / "difference"}
    arguments = ["--output", outputs["enhanced"], "--difference", outputs["difference"], "--force"]
    assert main("enhance", source, *arguments, "--progress", "none").code == 0
    return outputs


def slices(folder):
    return sorted(folder.iterdir())


@pytest.mark.integration
def test_derived_series_are_accepted_by_other_programs(source, derived, tmp_path):
    for folder in derived.values():
        volume = read_volume(folder)
        reader = sitk.ImageSeriesReader()
        reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
        np.testing.assert_array_equal(sitk.GetArrayFromImage(reader.Execute()), volume.array)
        for path in slices(folder):
            ds = pydicom.dcmread(path)
            np.testing.assert_array_equal(ds.pixel_array, volume.array[ds.InstanceNumber - 1])
    for path in slices(derived["enhanced"]) + slices(derived["difference"])[:1]:
        assert errors_of(path) == set()
        told = output_of("dcmdump", "-q", path) + output_of("dcmconv", "-v", path, tmp_path / "converted.dcm")
        assert told.count("exit code 0") == 2 and not re.search(r"^[EW]: ", told, re.MULTILINE)
        converted = pydicom.dcmread(tmp_path / "converted.dcm")
        np.testing.assert_array_equal(converted.pixel_array, pydicom.dcmread(path).pixel_array)


def test_series_without_a_source_has_no_error(main, scan, tmp_path):
    assert main("enhance", scan, "--output", tmp_path / "enhanced", "--progress", "none", "--force").code == 0
    for path in slices(tmp_path / "enhanced"):
        assert errors_of(path) == set()
