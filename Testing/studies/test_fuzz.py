"""A few hundred damaged scans are read as the study does it with thousands, and the study notices what fails."""

import os
import signal
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "studies" / "faults"))

fuzz = pytest.importorskip("fuzz", reason="limits as Linux has them")

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory as Linux tells it")


@pytest.fixture(scope="module")
def dicom():
    """The phantom in each transfer syntax."""
    return fuzz.dicom_to_damage(None)


@pytest.mark.integration
@pytest.mark.parametrize("what", [pytest.param("dicom", marks=pytest.mark.thorough), "volumes"])
def test_damaged_files_give_a_volume_or_one_sentence(dicom, what):
    told = []
    tallies = fuzz.fuzz(dicom if what == "dicom" else fuzz.volumes(), range(250), seed=5, tell=told.append)
    assert told == [] and set(tallies) <= set(fuzz.GOOD)
    assert sum(tally.count for tally in tallies.values()) == 250
    assert min(tallies[outcome].count for outcome in ("one sentence", "volume, written")) > 50


def test_a_file_is_the_same_each_time_and_another_for_each_number_and_seed(dicom):
    assert fuzz.dicom_to_damage(None) == dicom
    for scans in (dicom, fuzz.volumes()):
        files = [fuzz.case(scans, seed, number) for seed, number in ((1, 7), (1, 7), (1, 8), (2, 7))]
        assert files[0] == files[1]
        assert len({str(content) for content in files}) == 3


def hang(path):
    time.sleep(60)


def crash(path):
    os.kill(os.getpid(), signal.SIGKILL)


def take_memory(path):
    held = b"x" * 700_000_000
    raise fuzz.InputError(f"{len(held)} bytes were taken: do not.")


def fail(path):
    raise KeyError("PatientName")


def say_much(path):
    raise fuzz.InputError("two\nlines")


@pytest.mark.parametrize(
    ("reader", "outcome"),
    [
        (hang, "hang"),
        (crash, "crash (SIGKILL)"),
        (take_memory, "too much memory"),
        (fail, "KeyError while reading"),
        (say_much, "no sentence"),
    ],
)
def test_what_fails_is_noticed_and_the_next_file_is_read(dicom, monkeypatch, tmp_path, reader, outcome):
    monkeypatch.setattr(fuzz, "read_volume", reader)
    limits, told = fuzz.Limits(seconds=1.0 if reader is hang else 60.0, memory=fuzz.GIB // 2), []
    tallies = fuzz.fuzz(dicom, [3, 4], seed=1, limits=limits, keep=tmp_path, tell=told.append)
    assert list(tallies) == [outcome] and tallies[outcome].numbers == [3, 4]
    assert len(told) == 2 and sorted(path.name for path in tmp_path.iterdir()) == ["3", "4"]


def test_memory_held_before_a_file_is_read_does_not_count(dicom):
    held = b"x" * 700_000_000
    tallies = fuzz.fuzz(dicom, range(4), seed=1, limits=fuzz.Limits(seconds=60.0, memory=fuzz.GIB // 2))
    assert len(held) > fuzz.GIB // 2 and set(tallies) <= set(fuzz.GOOD)
