"""The digest of a scan: the same for the same voxels at the same place, another for any other."""

from dataclasses import replace

import numpy as np
from MVCTEnhanceLib.imageio import Volume, read_volume, write_volume
from MVCTEnhanceLib.imageio.product import digest


def _scan() -> Volume:
    values = np.random.default_rng(3).integers(-1000, 1000, (3, 8, 9)).astype(np.int16)
    return Volume(values, spacing=(0.763, 0.763, 4.0), origin=(-195.1, -195.1, 12.5))


def test_a_scan_keeps_its_digest_through_every_format(tmp_path):
    scan = _scan()
    for suffix in (".nrrd", ".nii.gz", ".mha"):
        write_volume(scan, tmp_path / f"scan{suffix}")
        assert digest(read_volume(tmp_path / f"scan{suffix}")) == digest(scan)


def test_one_other_voxel_or_another_place_is_another_scan():
    scan = _scan()
    other = scan.array.copy()
    other[1, 2, 3] += 1
    assert digest(scan.with_array(other)) != digest(scan)
    assert digest(replace(scan, origin=(-195.1, -195.1, 13.5))) != digest(scan)
