"""A batch on a real Dask scheduler with real workers, which are killed, stopped and refused."""

import csv
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pydicom
import pytest
from MVCTEnhanceLib.assessment.provenance import PROGRAM
from MVCTEnhanceLib.batch import cluster as cluster_module
from MVCTEnhanceLib.batch.cluster import connected, require_safe, unsafe
from MVCTEnhanceLib.batch.remote import Wanted, problem
from MVCTEnhanceLib.batch.settings import Settings
from MVCTEnhanceLib.errors import DeviceError, InputError
from MVCTEnhanceLib.io import read_volume, write_dicom_series, write_volume
from MVCTEnhanceLib.model.card import DEFAULT_MODEL, find_model, model_sha256

needs_dask = pytest.mark.skipif(not find_spec("distributed"), reason="the package distributed is not installed")
only_linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="processes are listed as Linux does")
SECRETS = {"PatientName": "Secretname^Given", "PatientID": "SECRET-ID-1"}
PATIENCE_S = 600  # many processes start at a time
# Python imports this as it starts: a child that opens a scan 'held' says so, and waits as long as there is a gate.
HELD = (
    "import os, sys, time\n"
    "def wait(event, arguments):\n"
    "    if event != 'open' or 'held' not in str(arguments[0]): return\n"
    "    if os.path.exists({gate!r}):\n"
    "        with open({begun!r}, 'a') as file: file.write(f'{{os.getppid()}} {{os.getpid()}}\\n')\n"
    "    while os.path.exists({gate!r}): time.sleep(0.05)\n"
    "if 'worker' in sys.orig_argv: sys.addaudithook(wait)\n"
)


class Dask:
    """A scheduler and workers as processes of their own, whose logs are kept in a folder."""

    def __init__(self, folder: Path, environment: dict[str, str]):
        self.folder, self.environment = folder, environment
        self.processes: dict[str, subprocess.Popen] = {}

    def start(self, name: str, *options: str) -> subprocess.Popen:
        kind = "scheduler" if name == "scheduler" else "worker"
        where = ["--scheduler-file", str(self.folder / "scheduler.json"), "--no-dashboard"]
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [sys.executable, "-m", "dask", kind, *where, *options],
                cwd=self.folder,
                env=self.environment,
                stdout=log,
                stderr=log,
            )
        return self.processes[name]

    def start_scheduler(self, *options: str) -> str:
        """Its address."""
        file = self.folder / "scheduler.json"
        file.unlink(missing_ok=True)
        self.start("scheduler", *(options or ("--host", "127.0.0.1")), "--port", "0")
        return json.loads(eventually(lambda: file.exists() and file.read_text()))["address"]

    def start_workers(self, *names: str, options: Sequence[str] = ("--host", "127.0.0.1")):
        """Workers that are known to the scheduler."""
        for name in names:
            own = ("--no-nanny", "--nthreads", "1", "--memory-limit", "0")
            self.start(name, *own, "--local-directory", str(self.folder / name), *options)
        eventually(lambda: all("Registered to" in (self.folder / f"{name}.log").read_text() for name in names))

    def logs(self) -> str:
        return "".join(path.read_text(errors="replace") for path in self.folder.glob("*.log"))

    def end(self):
        for process in self.processes.values():
            process.send_signal(getattr(signal, "SIGCONT", signal.SIGTERM))
            process.kill()
            process.wait()


def eventually(wanted, *, seconds: float = PATIENCE_S):
    """What `wanted` gives once it is true."""
    until = time.monotonic() + seconds
    while not (found := wanted()):
        assert time.monotonic() < until, "it did not come about"
        time.sleep(0.05)
    return found


def read_rows(output: Path) -> dict[str, dict[str, str]]:
    with (output / "summary.csv").open(encoding="utf-8", newline="") as file:
        return {row["case"]: row for row in csv.DictReader(file)}


def contents(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def hidden(folder: Path) -> list[Path]:
    return list(folder.rglob(".*"))


@pytest.fixture(scope="module")
def small():
    from MVCTEnhanceLib.physics.phantom import head_neck_phantom

    phantom = head_neck_phantom(slices=3, shape=(64, 64), spacing_mm=(3.0, 3.0, 6.0))
    noise = np.random.default_rng(5).normal(0, 30, phantom.array.shape)
    return phantom.with_array(np.rint(phantom.array + noise).astype(np.int16))


@pytest.fixture
def run(start):
    """Runs the command line as its own process, patiently: run(*arguments, **of Popen) -> code, stdout, stderr."""

    def run(*arguments, **options):
        process = start(*arguments, **options)
        out, err = process.communicate(timeout=PATIENCE_S)
        return SimpleNamespace(code=process.returncode, stdout=out, stderr=err)

    return run


@pytest.fixture
def gate(tmp_path):
    """Children of the workers wait before they open a scan 'held' for as long as this file is there."""
    (tmp_path / "python").mkdir()
    gate, begun = tmp_path / "gate", tmp_path / "begun"
    (tmp_path / "python" / "sitecustomize.py").write_text(HELD.format(gate=str(gate), begun=str(begun)))
    gate.touch()
    return gate


@pytest.fixture
def dask(tmp_path):
    """A scheduler and workers that have yet to be started."""
    (tmp_path / "dask").mkdir()
    path = os.pathsep.join([str(tmp_path / "python"), *filter(None, [os.environ.get("PYTHONPATH")])])
    dask = Dask(tmp_path / "dask", os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": path})
    yield dask
    dask.end()


@pytest.fixture
def held(gate, small, tmp_path):
    """An input folder with a scan that waits at the gate, and another."""
    (tmp_path / "in").mkdir()
    for name in ("held.nrrd", "other.nrrd"):
        write_volume(small, tmp_path / "in" / name)
    return tmp_path / "in"


@pytest.fixture
def holders(tmp_path):
    """Function (number): numbers of the Dask workers' processes and of their children that came to the gate."""

    def holders(number):
        begun = tmp_path / "begun"
        lines = eventually(lambda: begun.exists() and (text := begun.read_text()).count("\n") >= number and text)
        return [tuple(map(int, line.split())) for line in lines.splitlines()]

    return holders


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes() != b""
    except OSError:
        return False


@needs_dask
@pytest.mark.integration
def test_cases_are_done_by_a_worker_and_dask_s_logs_name_no_patient(dask, small, tmp_path, run):
    folder, output = tmp_path / "in", tmp_path / "out"
    write_dicom_series(small, folder / "Secretfolder" / "fx1", description="test")
    for path in (folder / "Secretfolder" / "fx1").iterdir():
        ds = pydicom.dcmread(path)
        for keyword, value in SECRETS.items():
            setattr(ds, keyword, value)
        ds.save_as(path)
    (folder / "Secretbad.nrrd").write_text("NRRD0004\nno volume")
    address = dask.start_scheduler()
    dask.start_workers("one")
    result = run("batch", folder, output, "--force", "--scheduler", address, "--progress", "jsonl")
    assert result.stderr == "mvct-enhance: 1 of 2 cases failed: the reasons are in summary.csv.\n"
    assert result.code == 1
    rows = read_rows(output)
    assert {name: row["status"] for name, row in rows.items()} == {
        "Secretbad.nrrd": "failed",
        "Secretfolder/fx1": "done",
    }
    assert rows["Secretbad.nrrd"]["reason"].startswith("Secretbad.nrrd is not a valid volume file")
    assert (output / "Secretfolder" / "fx1" / "enhanced").is_dir()
    assert not hidden(output)
    events = [json.loads(line) for line in result.stdout.splitlines()]
    progress = [(e["done"], e["total"]) for e in events if e["event"] == "progress" and e["stage"] == "batch"]
    assert progress == [(0, 2), (1, 2), (2, 2)]
    stages = [e["stage"] for e in events if e["event"] == "case" and e["case"] == 2 and "stage" in e]
    assert list(dict.fromkeys(stages))[-4:] == ["read", "enhance", "measure", "write"]
    assert [e["event"] for e in events[-2:]] == ["result", "error"]
    dask.end()
    logs = dask.logs()
    assert "Registered to" in logs
    for secret in ("Secret", "SECRET", "fx1", str(folder), str(output)):
        assert secret not in logs + result.stdout + result.stderr


@needs_dask
@pytest.mark.thorough
def test_it_leaves_what_a_local_batch_leaves_and_goes_on_from_it(dask, small, tmp_path, run):
    folder = tmp_path / "in"
    write_dicom_series(small, folder / "a" / "fx1", description="test")
    write_volume(small, folder / "b.nii.gz")
    (folder / "bad.nrrd").write_text("NRRD0004\nno volume")
    options = ("--difference", "--report", "--force", "--json", "--progress", "none")
    local = run("batch", folder, tmp_path / "local", *options)
    remote = ("batch", folder, tmp_path / "remote", *options, "--scheduler", dask.start_scheduler())
    dask.start_workers("one", "two")
    result = run(*remote)
    assert (result.code, result.stderr) == (local.code, local.stderr)
    first, second = json.loads(local.stdout), json.loads(result.stdout)
    assert {**first, "seconds": 0} == {**second, "seconds": 0}
    rows = [read_rows(tmp_path / name) for name in ("local", "remote")]
    for name in rows[0]:
        left, right = ({k: v for k, v in one[name].items() if k not in ("seconds", "time")} for one in rows)
        assert left == right
    left, right = contents(tmp_path / "local"), contents(tmp_path / "remote")
    assert set(left) == set(right)
    scans = [name for name in left if name.endswith((".nii.gz", ".dcm"))]
    assert len(scans) == 8
    for name in scans:
        is_dicom = name.endswith(".dcm")
        read = (lambda path: pydicom.dcmread(path).pixel_array) if is_dicom else (lambda path: read_volume(path).array)
        assert np.array_equal(read(tmp_path / "local" / name), read(tmp_path / "remote" / name))
    write_volume(small, folder / "bad.nrrd")
    again = run(*remote, "--resume")
    assert again.code == 0, again.stderr
    assert (json.loads(again.stdout)["done"], json.loads(again.stdout)["kept"]) == (3, 2)
    assert run("batch", folder, tmp_path / "remote", *options, "--resume").code == 0  # here, without the workers


@needs_dask
@only_linux
@pytest.mark.thorough
def test_case_of_a_killed_worker_is_done_by_another(dask, held, gate, holders, tmp_path, start):
    address = dask.start_scheduler()
    dask.start_workers("one", "two")
    batch = start("batch", held, tmp_path / "out", "--scheduler", address, "--progress", "none")
    (worker, child), *_ = holders(1)
    os.kill(worker, signal.SIGKILL)
    holders(2)
    gate.unlink()
    _, err = batch.communicate(timeout=PATIENCE_S)
    assert (batch.returncode, err) == (0, "Warning: The worker of case 1 was lost: the case is done again.\n")
    assert {row["status"] for row in read_rows(tmp_path / "out").values()} == {"done"}
    eventually(lambda: not is_running(child))
    assert not hidden(tmp_path / "out")


@needs_dask
@only_linux
@pytest.mark.thorough
def test_case_that_has_lost_three_workers_fails(dask, held, holders, tmp_path, start):
    address = dask.start_scheduler()
    dask.start_workers("one", "two", "three", "four")
    batch = start("batch", held, tmp_path / "out", "--scheduler", address, "--progress", "none")
    for number in (1, 2, 3):
        os.kill(holders(number)[-1][0], signal.SIGKILL)
    _, err = batch.communicate(timeout=PATIENCE_S)
    assert batch.returncode == 1
    assert err.endswith("mvct-enhance: 1 of 2 cases failed: the reasons are in summary.csv.\n")
    rows = read_rows(tmp_path / "out")
    assert rows["held.nrrd"]["reason"].startswith("3 workers were lost while they did this case")
    assert rows["other.nrrd"]["status"] == "done"
    assert len(holders(3)) == 3


@needs_dask
@only_linux
@pytest.mark.thorough
def test_worker_that_is_slow_and_ends_later_changes_nothing(dask, held, gate, holders, tmp_path, start):
    dask.environment["DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL"] = "20s"  # without a word, after which it is lost
    address, output = dask.start_scheduler(), tmp_path / "out"
    dask.start_workers("one", "two")
    batch = start("batch", held, output, "--scheduler", address, "--progress", "none")
    (worker, child), *_ = holders(1)
    os.kill(child, signal.SIGSTOP)
    os.kill(worker, signal.SIGSTOP)
    holders(2)
    gate.unlink()
    _, err = batch.communicate(timeout=PATIENCE_S)
    assert batch.returncode == 0, err
    before = contents(output)
    os.kill(child, signal.SIGCONT)
    eventually(lambda: hidden(output) or not is_running(child))  # it begins to write
    os.kill(worker, signal.SIGCONT)
    eventually(lambda: not is_running(child) and not hidden(output))
    assert contents(output) == before


@needs_dask
@only_linux
@pytest.mark.thorough
def test_killed_scheduler_ends_the_batch_and_the_work_and_loses_no_case(
    dask, held, gate, holders, tmp_path, start, run
):
    address, output = dask.start_scheduler(), tmp_path / "out"
    dask.start_workers("one", "two")
    batch = start("batch", held, output, "--scheduler", address, "--progress", "none")
    (_, child), *_ = holders(1)
    eventually(lambda: (output / "other" / "done.json").exists())
    dask.processes["scheduler"].kill()
    _, err = batch.communicate(timeout=PATIENCE_S)
    assert batch.returncode == 1
    assert err == "mvct-enhance: The scheduler is gone: start it again, and continue with --resume.\n"
    eventually(lambda: not is_running(child) and not hidden(output))
    assert [row["status"] for row in read_rows(output).values()] == ["waiting", "done"]
    gate.unlink()
    dask.end()
    address = dask.start_scheduler()
    dask.start_workers("one")
    result = run("batch", held, output, "--scheduler", address, "--progress", "none", "--resume", "--json")
    assert result.code == 0, result.stderr
    assert json.loads(result.stdout)["kept"] == 1


@needs_dask
@only_linux
@pytest.mark.thorough
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_batch_that_is_ended_ends_the_work_and_leaves_the_workers(
    dask, held, gate, holders, tmp_path, start, run, number
):
    address, output = dask.start_scheduler(), tmp_path / "out"
    dask.start_workers("one")
    batch = start("batch", held, output, "--scheduler", address, "--progress", "none")
    (_, child), *_ = holders(1)
    batch.send_signal(number)
    _, err = batch.communicate(timeout=PATIENCE_S)
    if number == signal.SIGTERM:
        assert (batch.returncode, err) == (130, "mvct-enhance: Cancelled. No incomplete files were left.\n")
        assert not is_running(child) and not hidden(output)
    gate.unlink()
    result = run("batch", held, output, "--scheduler", address, "--progress", "none", "--resume")
    assert (result.code, result.stderr) == (0, "")
    eventually(lambda: not hidden(output))


@needs_dask
@pytest.mark.thorough
def test_shared_folder_may_show_late_what_another_computer_has_written(dask, small, tmp_path, run):
    (tmp_path / "in").mkdir()
    write_volume(small, tmp_path / "in" / "a.nrrd")
    (tmp_path / "late.py").write_text(
        "import threading\n"
        "from pathlib import Path\n"
        "from MVCTEnhanceLib.batch import remote\n"
        "at_once = vars(remote).setdefault('at_once', remote._enhance)\n"  # Dask may load this twice
        "def later(task, folder):\n"
        "    outcome = at_once(task, folder)\n"
        "    for path in list(folder.glob('*.nrrd')):\n"
        "        away = Path(__file__).with_name('away')\n"
        "        path.rename(away)\n"
        "        threading.Timer(3, lambda: away.rename(path)).start()\n"
        "    return outcome\n"
        "remote._enhance = later\n"
    )
    address = dask.start_scheduler()
    dask.start_workers("one", options=("--host", "127.0.0.1", "--preload", str(tmp_path / "late.py")))
    result = run("batch", tmp_path / "in", tmp_path / "out", "--scheduler", address, "--progress", "none")
    assert result.code == 0, result.stderr
    assert (tmp_path / "out" / "a" / "enhanced.nrrd").is_file()
    assert not hidden(tmp_path / "out")


@needs_dask
@pytest.mark.thorough
def test_worker_of_another_version_is_not_used(dask, small, tmp_path, run):
    (tmp_path / "in").mkdir()
    write_volume(small, tmp_path / "in" / "a.nrrd")
    (tmp_path / "older.py").write_text("import MVCTEnhanceLib\nMVCTEnhanceLib.__version__ = '0.0.1'\n")
    batch = ("batch", tmp_path / "in", tmp_path / "out", "--progress", "none", "--resume")
    address = dask.start_scheduler()
    dask.start_workers("older", options=("--host", "127.0.0.1", "--preload", str(tmp_path / "older.py")))
    result = run(*batch, "--scheduler", address)
    assert result.code == 1
    warning, error = result.stderr.splitlines()
    assert warning.endswith(f"is not used: it has MVCTEnhance 0.0.1, not {PROGRAM}.")
    assert error.startswith("mvct-enhance: No worker can be used. The worker tcp://127.0.0.1:")
    dask.start_workers("right")
    result = run(*batch, "--scheduler", address)
    assert result.code == 0, result.stderr
    assert result.stderr.splitlines() == [warning]


@needs_dask
@pytest.mark.thorough
@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl, which makes certificates, is not installed")
def test_tls_with_certificates(dask, small, tmp_path, run, monkeypatch):
    (tmp_path / "in").mkdir()
    write_volume(small, tmp_path / "in" / "a.nrrd")
    for name in ("ours", "theirs"):
        subject = ("-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}")
        files = ("-keyout", tmp_path / f"{name}.key", "-out", tmp_path / f"{name}.pem")
        subprocess.run(["openssl", "req", *subject, *files], check=True, capture_output=True)

    def certificates(name):
        file, key = str(tmp_path / f"{name}.pem"), str(tmp_path / f"{name}.key")
        prefix = "DASK_DISTRIBUTED__COMM__TLS__"
        roles = {
            f"{prefix}{role}__{what}": where
            for role in ("CLIENT", "SCHEDULER", "WORKER")
            for what, where in (("CERT", file), ("KEY", key))
        }
        return {f"{prefix}CA_FILE": file} | roles

    dask.environment |= certificates("ours")
    address = dask.start_scheduler("--host", "127.0.0.1", "--protocol", "tls")
    dask.start_workers("one")
    assert address.startswith("tls://")
    batch = ("batch", tmp_path / "in", tmp_path / "out", "--scheduler", address, "--progress", "none", "--resume")
    result = run(*batch)
    assert (result.code, result.stderr) == (
        1,
        "mvct-enhance: scheduler: tls:// needs certificates, set them as docs/batch.md says.\n",
    )
    result = run(*batch, env=certificates("theirs"))
    assert result.code == 1
    assert "does not answer" in result.stderr and result.stderr.count("\n") == 1
    result = run(*batch, env=certificates("ours"))
    assert (result.code, result.stderr) == (0, "")


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:1", "tcp://localhost:8786", "tcp://[::1]:8786", "tls://far:8786"])
def test_addresses_that_are_safe(address):
    assert unsafe(address) == ""


@pytest.mark.parametrize("address", ["tcp://10.0.0.1:8786", "tcp://127.0.0.1.example.org:8786", "tcp://[::]:8786"])
def test_addresses_that_anybody_reaches_are_refused(address, tmp_path, main, small, assert_refused):
    (tmp_path / "in").mkdir()
    write_volume(small, tmp_path / "in" / "a.nrrd")
    result = main("batch", tmp_path / "in", tmp_path / "out", "--scheduler", address, "--progress", "none")
    assert_refused(result, "is not encrypted", "use tls:// with certificates")


@pytest.mark.parametrize("address", ["far:8786", "far", "", "tcp://127.0.0.1", "ws://127.0.0.1:8786", "tls://far:x"])
def test_what_is_no_address_is_refused(address):
    with pytest.raises(InputError, match="is no address: give one such as"):
        require_safe(address)


@needs_dask
def test_scheduler_that_does_not_answer_is_named(monkeypatch):
    monkeypatch.setattr(cluster_module, "CONNECT_S", 0.2)
    with pytest.raises(DeviceError, match=r"'tcp://127\.0\.0\.1:9' does not answer"), connected("tcp://127.0.0.1:9"):
        pass


def test_workers_are_of_this_computer_or_of_the_scheduler(main, tmp_path, small, assert_refused):
    (tmp_path / "in").mkdir()
    write_volume(small, tmp_path / "in" / "a.nrrd")
    options = ("--workers", "2", "--scheduler", "tcp://127.0.0.1:8786", "--progress", "none")
    assert_refused(main("batch", tmp_path / "in", tmp_path / "out", *options), "either --scheduler or --workers")


@pytest.fixture
def wanted(tmp_path):
    """Function (**changes): what a worker must have, which is all here but for the changes."""
    (tmp_path / "in").touch()
    (tmp_path / "probe").mkdir()

    def wanted(program=PROGRAM, sample=tmp_path / "in", probe=tmp_path / "probe", **changes):
        model = {"model": DEFAULT_MODEL, "model_digest": model_sha256(find_model(DEFAULT_MODEL))}
        settings = Settings(**model | {"device": "auto", "outputs": frozenset(), "format": None} | changes)
        return Wanted(program, settings, str(sample), str(probe))

    return wanted


def test_worker_that_has_all_is_used(wanted):
    assert problem(wanted()) == ""


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"program": "MVCTEnhance 99.0"}, f"it has {PROGRAM}, not MVCTEnhance 99.0."),
        ({"model_digest": "0" * 64}, "its model is another one under the same name, copy the model to it."),
        ({"model": "gone"}, "it does not see the model or the site profile, put them into the shared folder."),
        ({"site": "gone"}, "it does not see the model or the site profile, put them into the shared folder."),
        ({"site_digest": "0"}, "its site profile is another one under the same name, copy the profile to it."),
        ({"sample": "gone"}, "it does not see the input folder under the same path."),
        ({"probe": "gone"}, "it does not see the output folder under the same path."),
    ],
)
def test_worker_that_lacks_something_says_what(wanted, changes, sentence, monkeypatch):
    monkeypatch.setattr("MVCTEnhanceLib.batch.remote.SHARED_S", 0.0)
    assert problem(wanted(**changes)) == sentence


@pytest.mark.integration
def test_worker_without_the_device_says_so(wanted):
    assert problem(wanted(device="cuda:77")) == "it has no device 'cuda:77'."
