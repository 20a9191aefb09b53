"""A few hundred damaged DICOM files are read as the study does it with thousands, and the study notices what fails."""

import os
import signal
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "studies" / "faults"))

fuzz_dicom = pytest.importorskip("fuzz_dicom", reason="limits as Linux has them")

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory as Linux tells it")


@pytest.fixture(scope="module")
def series():
    """The phantom in each transfer syntax."""
    return fuzz_dicom.series_to_damage(None)


def test_damaged_files_give_a_volume_or_one_sentence(series):
    told = []
    tallies = fuzz_dicom.fuzz(series, range(250), seed=5, tell=told.append)
    assert told == [] and set(tallies) <= set(fuzz_dicom.GOOD)
    assert sum(tally.count for tally in tallies.values()) == 250
    assert min(tallies[outcome].count for outcome in ("one sentence", "volume, written")) > 50


def test_a_file_is_the_same_each_time_and_another_for_each_number_and_seed(series):
    files = [fuzz_dicom.case(series, seed, number) for seed, number in ((1, 7), (1, 7), (1, 8), (2, 7))]
    assert files[0] == files[1]
    assert len({str(content) for content in files}) == 3


def hang(path):
    time.sleep(60)


def crash(path):
    os.kill(os.getpid(), signal.SIGKILL)


def take_memory(path):
    held = b"x" * 700_000_000
    raise fuzz_dicom.InputError(f"{len(held)} bytes were taken: do not.")


def fail(path):
    raise KeyError("PatientName")


def say_much(path):
    raise fuzz_dicom.InputError("two\nlines")


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
def test_what_fails_is_noticed_and_the_next_file_is_read(series, monkeypatch, tmp_path, reader, outcome):
    monkeypatch.setattr(fuzz_dicom, "read_volume", reader)
    limits, told = fuzz_dicom.Limits(seconds=1.0 if reader is hang else 60.0, memory=fuzz_dicom.GIB // 2), []
    tallies = fuzz_dicom.fuzz(series, [3, 4], seed=1, limits=limits, keep=tmp_path, tell=told.append)
    assert list(tallies) == [outcome] and tallies[outcome].numbers == [3, 4]
    assert len(told) == 2 and sorted(path.name for path in tmp_path.iterdir()) == ["3", "4"]
