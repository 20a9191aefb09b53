"""Outputs appear whole or not at all."""

import errno
import os
import stat
from contextlib import nullcontext

import pytest
from MVCTEnhanceLib.errors import OutputError
from MVCTEnhanceLib.storage.atomic import atomic_file, atomic_folder


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def umask():
    """A umask that gives the group its rights, restored afterwards."""
    before = os.umask(0o002)
    yield 0o002
    os.umask(before)


def test_file_has_its_final_name_only_after_the_block(tmp_path):
    path = tmp_path / "out.nii.gz"
    with atomic_file(path) as partial:
        partial.write_text("new")
        assert partial.parent == tmp_path and partial.name.startswith(".") and partial.name.endswith(".nii.gz")
        assert not path.exists()
    assert path.read_text() == "new"
    assert names(tmp_path) == ["out.nii.gz"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_any_exception_leaves_the_old_file_and_no_partial_one(tmp_path, error):
    path = tmp_path / "out.txt"
    path.write_text("old")
    with pytest.raises(error), atomic_file(path) as partial:
        partial.write_text("half")
        raise error
    assert path.read_text() == "old"
    assert names(tmp_path) == ["out.txt"]


@pytest.mark.parametrize("has_links", [True, False])
def test_file_that_appears_meanwhile_is_kept(tmp_path, monkeypatch, has_links):
    """Also where the disk knows no hard links."""
    if not has_links:
        monkeypatch.setattr(os, "link", lambda *paths: (_ for _ in ()).throw(OSError(errno.EPERM, "no links")))
    with atomic_file(tmp_path / "new.txt", overwrite=False) as partial:
        partial.write_text("new")
    with (
        pytest.raises(OutputError, match=r"old\.txt' exists already and was not replaced"),
        atomic_file(tmp_path / "old.txt", overwrite=False) as partial,
    ):
        partial.write_text("new")
        (tmp_path / "old.txt").write_text("old")
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"new.txt": "new", "old.txt": "old"}


def test_file_that_is_there_is_refused_before_anything_is_written(tmp_path):
    (tmp_path / "old.txt").symlink_to(tmp_path / "nowhere")  # also a link that leads nowhere
    with pytest.raises(OutputError, match="exists already"), atomic_file(tmp_path / "old.txt", overwrite=False):
        pytest.fail("something was written")


def test_folder_is_replaced_as_a_whole_where_it_may(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "old").write_text("old")
    asked = []
    with atomic_folder(tmp_path / "out", may_replace=lambda path: not asked.append(path)) as partial:
        (partial / "new").write_text("new")
        assert names(tmp_path / "out") == ["old"]
    assert names(tmp_path / "out") == ["new"] and names(tmp_path) == ["out"]
    assert set(asked) == {tmp_path / "out"}


def test_missing_parent_folders_are_made(tmp_path):
    with atomic_file(tmp_path / "a" / "b" / "out.txt") as partial:
        partial.write_text("x")
    with atomic_folder(tmp_path / "c" / "d") as partial:
        (partial / "f").write_text("x")
    assert (tmp_path / "a/b/out.txt").is_file() and (tmp_path / "c/d/f").is_file()


@pytest.mark.parametrize(
    ("number", "hint"),
    [
        (errno.ENOSPC, "disk is full"),
        (errno.EACCES, "no permission"),
        (errno.EROFS, "read-only"),
        (errno.EIO, "choose"),
    ],
)
@pytest.mark.parametrize("context", [atomic_file, atomic_folder])
def test_system_errors_become_one_sentence_with_the_path_and_what_to_do(tmp_path, context, number, hint):
    path = tmp_path / "result"
    with pytest.raises(OutputError, match=hint) as caught, context(path):
        raise OSError(number, os.strerror(number))
    assert str(path) in str(caught.value)
    assert str(caught.value).count("\n") == 0
    assert names(tmp_path) == []


def _written_in(context, path):
    with context(path) as partial:
        (partial / "slice" if context is atomic_folder else partial).write_text("x")


@pytest.mark.parametrize("context", [atomic_file, atomic_folder])
def test_the_disk_holds_what_gets_its_final_name(tmp_path, monkeypatch, context):
    """The only check that a failure of power can be given: what is waited for, and what is there at this moment."""
    held, wait = [], os.fsync

    def waiting(handle):
        held.append((os.fstat(handle).st_size, (tmp_path / "result").exists()))
        wait(handle)

    monkeypatch.setattr(os, "fsync", waiting)
    _written_in(context, tmp_path / "result")
    assert held == [(1, False)]


@pytest.mark.parametrize("context", [atomic_file, atomic_folder])
@pytest.mark.parametrize(("number", "written"), [(errno.EINVAL, True), (errno.ENOSPC, False)])
def test_a_disk_that_cannot_wait_is_written_to_but_not_one_that_turns_out_full(
    tmp_path, monkeypatch, context, number, written
):
    def refusing(handle):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", refusing)
    with nullcontext() if written else pytest.raises(OutputError, match="disk is full"):
        _written_in(context, tmp_path / "result")
    assert names(tmp_path) == ["result"] * written


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX systems")
def test_permissions_follow_the_umask(tmp_path, umask):
    with atomic_file(tmp_path / "file") as partial:
        partial.write_text("x")
    with atomic_folder(tmp_path / "folder") as partial:
        (partial / "slice").write_text("x")
    for name, full in (("file", 0o666), ("folder", 0o777), ("folder/slice", 0o666)):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == full & ~umask


def test_folder_appears_whole(tmp_path):
    with atomic_folder(tmp_path / "series") as partial:
        (partial / "1.dcm").write_text("x")
        assert not (tmp_path / "series").exists()
    assert names(tmp_path) == ["series"]
    assert names(tmp_path / "series") == ["1.dcm"]


def test_folder_is_gone_after_an_exception(tmp_path):
    with pytest.raises(ValueError), atomic_folder(tmp_path / "series") as partial:
        (partial / "1.dcm").write_text("x")
        raise ValueError
    assert names(tmp_path) == []


def test_an_empty_folder_is_taken_and_a_full_one_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    with atomic_folder(tmp_path / "empty") as partial:
        (partial / "1.dcm").write_text("x")
    with pytest.raises(OutputError, match=r"empty is not empty.*choose"), atomic_folder(tmp_path / "empty"):
        pytest.fail("the block must not run")
    assert names(tmp_path / "empty") == ["1.dcm"]


def test_a_folder_filled_meanwhile_is_not_touched(tmp_path):
    with pytest.raises(OutputError, match="not empty"), atomic_folder(tmp_path / "series") as partial:
        (partial / "mine").write_text("x")
        (tmp_path / "series").mkdir()
        (tmp_path / "series" / "theirs").write_text("x")
    assert names(tmp_path / "series") == ["theirs"]


def test_files_and_folders_do_not_replace_each_other(tmp_path):
    (tmp_path / "file").write_text("x")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OutputError, match="is a file"), atomic_folder(tmp_path / "file"):
        pass
    with pytest.raises(OutputError, match="is a folder"), atomic_file(tmp_path / "folder"):
        pass
    with pytest.raises(OutputError, match="is a file"), atomic_file(tmp_path / "file" / "below"):
        pass
    assert (tmp_path / "file").read_text() == "x"
