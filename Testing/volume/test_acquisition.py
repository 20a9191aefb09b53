"""The acquisition of a scan goes from file to file, and not on to what is made of the scan."""

import numpy as np
import pytest
from MVCTEnhanceLib.io import read_volume, write_volume
from MVCTEnhanceLib.volume import Volume
from MVCTEnhanceLib.volume.acquisition import UNKNOWN, Acquisition, acquisition_in

SCAN = Volume(np.zeros((2, 3, 4), np.int16), acquisition=Acquisition("CT", 120.0, 'Gerät "Zürich"\\1'))


@pytest.mark.parametrize("suffix", ["nrrd", "mha"])
def test_a_file_tells_the_acquisition(tmp_path, suffix):
    path = tmp_path / f"scan.{suffix}"
    write_volume(SCAN, path)
    assert read_volume(path).acquisition == SCAN.acquisition
    write_volume(SCAN.with_array(SCAN.array), path)
    assert read_volume(path).acquisition == UNKNOWN


@pytest.mark.parametrize("text", ["", "CT", "[]", "{}", '{"modality": "CT", "kvp": "much", "scanner": ""}'])
def test_other_texts_tell_nothing(text):
    assert acquisition_in(text) == UNKNOWN
