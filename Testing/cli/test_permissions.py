"""Files that are written may be read by those whom the user's umask lets, and by no others."""

import os
import stat

import pytest

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX systems"),
]


@pytest.mark.parametrize("umask", [0o027, pytest.param(0o077, marks=pytest.mark.thorough)], ids=oct)
def test_every_file_and_folder_follows_the_umask(main, dicom_scan, tmp_path, umask):
    out = tmp_path / "out"
    given = set(tmp_path.rglob("*"))
    outputs = ["--difference", out / "d.nrrd", "--cycle-error", out / "c.nii.gz", "--report", out / "report", "--force"]
    before = os.umask(umask)
    try:
        assert main("enhance", dicom_scan, "--output", out / "dicom", *outputs, "--progress", "none").code == 0
        assert main("dicom", out / "d.nrrd", "--output", out / "other", "--source", dicom_scan).code == 0
    finally:
        os.umask(before)
    written = {path: path.stat() for path in set(tmp_path.rglob("*")) - given}
    assert len(written) == 17
    wrong = {
        path.name: oct(stat.S_IMODE(status.st_mode))
        for path, status in written.items()
        if stat.S_IMODE(status.st_mode) != (0o777 if path.is_dir() else 0o666) & ~umask
    }
    assert wrong == {}


def test_a_batch_follows_the_umask(run, scan, tmp_path):
    umask = 0o027
    (tmp_path / "in").mkdir()
    scan.rename(tmp_path / "in" / "scan.nrrd")
    out = tmp_path / "out"
    result = run("batch", tmp_path / "in", out, "--progress", "none", preexec_fn=lambda: os.umask(umask))
    assert result.code == 0, result.stderr
    written = {path: stat.S_IMODE(path.stat().st_mode) for path in [out, *out.rglob("*")]}
    assert {"summary.csv", "batch.json", "readouts.json"} <= {path.name for path in written}
    wrong = {
        path.name: oct(mode) for path, mode in written.items() if mode != (0o777 if path.is_dir() else 0o666) & ~umask
    }
    assert wrong == {}
