"""Damage scans at random, thousands of them, and see that the reader gives a valid volume or one sentence.

    python studies/faults/fuzz.py dicom DATA_FOLDER --files 10000
    python studies/faults/fuzz.py volumes --files 10000

DICOM: slices of the real series in DATA_FOLDER/dicom and of a phantom written in several transfer syntaxes; what is
done to them is in dicom_damage.py. Volumes: a phantom as NRRD, NIfTI and MetaImage, see volume_damage.py. Each is read
and, where a volume comes of it, written as a derived series or as NRRD, in a process of its own that is watched for its
time and memory. File N of a seed is always the same: --only N runs it again, and --keep FOLDER keeps those that failed.
Prints a Markdown table; the exit code is 1 where anything failed. Linux only.
"""

from __future__ import annotations

import argparse
import io
import multiprocessing
import re
import resource
import shutil
import signal
import sys
import tempfile
import time
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import pydicom
import SimpleITK as sitk
from dicom_damage import damaged
from MVCTEnhanceLib.errors import InputError, OutputError, is_out_of_memory
from MVCTEnhanceLib.io import read_volume, write_dicom_series, write_volume
from MVCTEnhanceLib.io.formats import READABLE, has_suffix
from MVCTEnhanceLib.physics.phantom import head_neck_phantom
from MVCTEnhanceLib.volume import Volume
from pydicom.dataset import FileDataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEGLSLossless,
    RLELossless,
)
from volume_damage import damaged_volume, volumes_to_damage

REAL_SLICES = 2  # of each real series
PHANTOM_SLICES = 3
MOMENT = {"DA": "20200102", "TM": "120000", "DT": "20200102120000"}
GIB = 1 << 30
ADDRESS_SPACE = 16 * GIB  # above what the process has: ends what runs away before the computer does
Scan = dict[str, bytes]  # the files of a scan by their names
GOOD = ("volume, written", "volume, not written (one sentence)", "one sentence")


@dataclass(frozen=True)
class Limits:
    """Args: seconds, and resident bytes above what the process held before, that one file may take."""

    seconds: float = 10.0
    memory: int = 2 * GIB


LIMITS = Limits()


@dataclass
class Tally:
    """What became of the files of one outcome."""

    count: int = 0
    seconds: float = 0.0
    memory: int = 0
    numbers: list[int] = field(default_factory=list)

    def add(self, number: int, seconds: float, memory: int) -> None:
        self.count += 1
        self.seconds, self.memory = max(self.seconds, seconds), max(self.memory, memory)
        self.numbers.append(number)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("dicom", "volumes"))
    parser.add_argument("data", type=Path, nargs="?", help="with real DICOM series")
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", type=int)
    parser.add_argument("--keep", type=Path)
    options = parser.parse_args()
    numbers = range(options.first, options.first + options.files) if options.only is None else [options.only]
    scans = dicom_to_damage(options.data) if options.what == "dicom" else volumes()
    tallies = fuzz(scans, numbers, seed=options.seed, keep=options.keep, tell=print)
    print(table(tallies))
    return int(any(outcome not in GOOD for outcome in tallies))


def dicom_to_damage(data: Path | None) -> list[Scan]:
    """Single real slices, and a phantom of a few small slices in each transfer syntax."""
    real = sorted((data / "dicom").glob("*")) if data else []
    series = [[path.read_bytes()] for folder in real for path in sorted(folder.iterdir())[:REAL_SLICES]]
    return [{f"IM{k}.dcm": content for k, content in enumerate(files)} for files in (*series, *_phantoms())]


def volumes() -> list[Scan]:
    """A phantom of a few small slices in each format."""
    return [{name: content} for name, content in volumes_to_damage(_phantom()).items()]


def fuzz(
    scans: list[Scan],
    numbers: Iterable[int],
    *,
    seed: int,
    limits: Limits = LIMITS,
    keep: Path | None = None,
    tell: Callable[[str], None] = lambda text: None,
) -> dict[str, Tally]:
    """Run the files of these numbers; what came of them by outcome."""
    tallies: dict[str, Tally] = defaultdict(Tally)
    with tempfile.TemporaryDirectory() as work, _Worker(scans, seed, Path(work)) as worker:
        for number in numbers:
            outcome, seconds, memory = worker.run(number, limits)
            if outcome in GOOD and memory > limits.memory:
                outcome = "too much memory"
            tallies[outcome].add(number, seconds, memory)
            if outcome not in GOOD:
                tell(f"{number}: {outcome} ({seconds:.1f} s, {memory / GIB:.2f} GiB; {case(scans, seed, number)[1]})")
                if keep:
                    _write(case(scans, seed, number)[0], keep / str(number))
    return dict(tallies)


def case(scans: list[Scan], seed: int, number: int) -> tuple[Scan, str]:
    """The scan of a number with one of its files damaged, and how."""
    rng = np.random.default_rng([seed, number])
    files = dict(scans[rng.integers(len(scans))])
    name = list(files)[rng.integers(len(files))]
    damage = partial(damaged_volume, name) if has_suffix(name, READABLE) else damaged
    files[name], how = damage(files[name], rng)
    return files, how


def table(tallies: dict[str, Tally]) -> str:
    lines = ["| outcome | files | longest / s | most memory / GiB |", "|---|--:|--:|--:|"]
    for outcome, tally in sorted(tallies.items(), key=lambda item: -item[1].count):
        lines.append(f"| {outcome} | {tally.count} | {tally.seconds:.2f} | {tally.memory / GIB:.2f} |")
    return "\n".join(lines)


class _Worker:
    """A process that reads the files, started anew when one has ended it."""

    def __init__(self, scans: list[Scan], seed: int, work: Path):
        self.arguments = scans, seed, work
        self.process: multiprocessing.Process | None = None

    def __enter__(self) -> _Worker:
        return self

    def __exit__(self, *error: object) -> None:
        self._end()

    def run(self, number: int, limits: Limits) -> tuple[str, float, int]:
        """Outcome, seconds and resident bytes at the most."""
        if self.process is None:
            self._start()
        start = time.monotonic()
        self.pipe.send(number)
        try:
            if self.pipe.poll(limits.seconds):
                outcome, memory = self.pipe.recv()
                return outcome, time.monotonic() - start, memory
            self.process.kill()
            outcome = "hang"
        except (EOFError, ConnectionError):
            self.process.join()
            code = self.process.exitcode
            outcome = f"crash ({signal.Signals(-code).name if code < 0 else code})"
        self._end()
        return outcome, time.monotonic() - start, 0

    def _start(self) -> None:
        context = multiprocessing.get_context("fork")
        self.pipe, other = context.Pipe()
        self.process = context.Process(target=_work, args=(self.pipe, other, *self.arguments), daemon=True)
        self.process.start()
        other.close()
        self.pipe.recv()

    def _end(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.join()
            self.process = None


def _work(parent: Connection, pipe: Connection, scans: list[Scan], seed: int, work: Path) -> None:
    parent.close()  # so that the pipe ends with the parent
    most = memory("VmSize") + ADDRESS_SPACE
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    warnings.simplefilter("ignore")  # of pydicom, while it damages
    pipe.send("ready")
    while True:
        try:
            number = pipe.recv()
        except EOFError:
            return
        shutil.rmtree(work / "case", ignore_errors=True)
        _write(case(scans, seed, number)[0], work / "case" / "scan")
        Path("/proc/self/clear_refs").write_text("5")  # the peak is measured from here on
        before = memory("VmRSS")
        outcome = _outcome(work / "case")
        pipe.send((outcome, memory("VmHWM") - before))


def memory(what: str) -> int:
    """Bytes of this process: resident (VmRSS), the most since that was cleared (VmHWM), addressed (VmSize)."""
    (kilobytes,) = re.findall(rf"{what}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(kilobytes) * 1024


def _outcome(folder: Path) -> str:
    (first, *_) = sorted((folder / "scan").iterdir())
    is_file = has_suffix(first, READABLE)
    try:
        volume = read_volume(first if is_file else folder / "scan")
    except InputError as error:
        return _of_sentence(error, "one sentence")
    except BaseException as error:
        return f"{type(error).__name__} while reading"
    problem = _problem(volume)
    if problem:
        return problem
    try:
        if is_file:
            write_volume(volume, folder / "written.nrrd")
        else:
            write_dicom_series(volume, folder / "derived", description="fuzzed", derivation="fuzzed")
    except (InputError, OutputError) as error:
        return _of_sentence(error, "volume, not written (one sentence)")
    except BaseException as error:
        return f"{type(error).__name__} while writing"
    return "volume, written"


def _of_sentence(error: Exception, good: str) -> str:
    text, cause = str(error), error
    while cause is not None:
        if is_out_of_memory(cause):
            return "asked for too much memory"
        cause = cause.__cause__ or cause.__context__
    return good if text.endswith(".") and text.isprintable() else "no sentence"


def _problem(volume: Volume) -> str:
    """What makes a volume invalid; empty for none."""
    place = np.concatenate([np.ravel(part) for part in (volume.spacing, volume.origin, volume.direction)])
    if volume.array.dtype not in (np.int16, np.float32) or not np.isfinite(volume.array).all():
        return "volume with values that are none"
    if not np.isfinite(place).all() or min(volume.spacing) <= 0:
        return "volume without a place"
    if np.abs(np.asarray(volume.direction).T @ volume.direction - np.eye(3)).max() > 1e-3:
        return "volume with skew axes"
    if not all(text.endswith(".") and text.isprintable() for text in volume.warnings):
        return "volume with odd warnings"
    return ""


def _write(files: Scan, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)


def _phantom() -> Volume:
    phantom = head_neck_phantom(slices=PHANTOM_SLICES, shape=(96, 96), spacing_mm=(2.0, 2.0, 6.0))
    noise = np.random.default_rng(0).normal(0, 30, phantom.array.shape)
    return phantom.with_array((phantom.array + noise).round().astype(np.int16))


def _phantoms() -> Iterator[list[bytes]]:
    with tempfile.TemporaryDirectory() as work:
        write_dicom_series(_phantom(), Path(work) / "plain", description="phantom")
        paths = sorted((Path(work) / "plain").iterdir())
        plain = [_without_its_moment(path.read_bytes(), k) for k, path in enumerate(paths)]
    yield plain
    yield plain[:1]
    for syntax in (ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian, RLELossless):
        yield [_in_syntax(data, syntax) for data in plain]
    for compressor in ("JPEG", "JPEG2000"):
        packed = [_packed(data, compressor) for data in plain]
        yield packed
        yield packed[:1]
    yield [_in_syntax(data, JPEGLSLossless) for data in packed]  # named as what they are not


def _without_its_moment(data: bytes, k: int) -> bytes:
    """Slice k with other dates and UIDs than those of now, by which the files of another run would differ."""
    ds, file = pydicom.dcmread(io.BytesIO(data)), io.BytesIO()
    for element in ds.iterall():
        if element.VR in MOMENT and element.value:
            element.value = MOMENT[element.VR]
    for n, keyword in enumerate(("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID")):
        setattr(ds, keyword, f"1.2.3.{n}")
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = f"1.2.3.4.{k}"
    ds.save_as(file)
    return file.getvalue()


def _in_syntax(data: bytes, syntax: pydicom.uid.UID) -> bytes:
    source, file = pydicom.dcmread(io.BytesIO(data)), io.BytesIO()
    ds = FileDataset("", {element.tag: element for element in source}, preamble=b"\0" * 128, file_meta=source.file_meta)
    if syntax == RLELossless:
        ds.compress(syntax, generate_instance_uid=False)
    elif syntax == ExplicitVRBigEndian:
        ds.PixelData = np.frombuffer(ds.PixelData, "<i2").byteswap().tobytes()
    ds.file_meta.TransferSyntaxUID = syntax
    pydicom.dcmwrite(file, ds, enforce_file_format=True)
    return file.getvalue()


def _packed(data: bytes, compressor: str) -> bytes:
    """A slice compressed by SimpleITK's GDCM, which pydicom's plug-ins need not be able to."""
    ds, file = pydicom.dcmread(io.BytesIO(data)), io.BytesIO()
    with tempfile.TemporaryDirectory() as work:
        writer = sitk.ImageFileWriter()
        writer.SetImageIO("GDCMImageIO")
        writer.SetFileName(f"{work}/packed.dcm")
        writer.UseCompressionOn()
        writer.SetCompressor(compressor)
        writer.Execute(sitk.GetImageFromArray(ds.pixel_array[None]))
        packed = pydicom.dcmread(f"{work}/packed.dcm")
    ds.file_meta.TransferSyntaxUID = packed.file_meta.TransferSyntaxUID
    ds.PixelData = packed.PixelData
    ds["PixelData"].is_undefined_length = True
    ds.save_as(file)
    return file.getvalue()


if __name__ == "__main__":
    sys.exit(main())
