"""Two runs on one output at the same time: one whole result or a refusal, never something of both."""

import json
import os
import signal
import subprocess
import sys

import pytest
from MVCTEnhanceLib.io import read_volume, write_volume
from MVCTEnhanceLib.jobs.requests import BatchRequest

pytestmark = pytest.mark.integration

# Writes all outputs of a run whose voxels are all of one value, slowly.
WRITER = (
    "import sys, time\n"
    "from pathlib import Path\n"
    "from types import SimpleNamespace\n"
    "import numpy as np\n"
    "from MVCTEnhanceLib.jobs import outputs\n"
    "from MVCTEnhanceLib.jobs.requests import EnhanceRequest\n"
    "from MVCTEnhanceLib.errors import OutputError\n"
    "from MVCTEnhanceLib.volume import Volume\n"
    "folder, suffix, value = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])\n"
    "write = outputs.write_scan\n"
    "def slow(*arguments, **named):\n"
    "    write(*arguments, **named)\n"
    "    time.sleep(0.2)\n"
    "outputs.write_scan = slow\n"
    "scan = Volume(np.full((2, 8, 8), value, np.int16), (1.0, 1.0, 3.0))\n"
    "result = SimpleNamespace(mvct=scan.with_array(scan.array * 0), enhanced=scan, cycle_error=scan, record=None)\n"
    "paths = {name: folder / f'{name}{suffix}' for name in ('output', 'difference', 'cycle_error')}\n"
    "request = EnhanceRequest(Path('mvct.nrrd'), **paths, overwrite=len(sys.argv) > 4)\n"
    "print('ready', flush=True)\n"
    "input()\n"
    "try: outputs.write_outputs(request, result, {})\n"
    "except OutputError as error: sys.exit(str(error))\n"
)


@pytest.mark.parametrize(("suffix", "overwrite"), [(".nrrd", []), ("", []), (".nii.gz", ["--overwrite"])])
def test_outputs_of_two_runs_are_never_mixed(tmp_path, suffix, overwrite):
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    runs = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path), suffix, str(value), *overwrite], **pipes)
        for value in (1, 2)
    ]
    for run in runs:
        assert run.stdout.readline() == "ready\n"
    for run in runs:  # both at the same time
        run.stdin.write("\n")
        run.stdin.flush()
    errors = [run.communicate(timeout=60)[1] for run in runs]
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == [f"{name}{suffix}" for name in ("cycle_error", "difference", "output")]
    values = [set(read_volume(tmp_path / name).array.ravel().tolist()) for name in names]
    assert values in ([{1}] * 3, [{2}] * 3)
    if overwrite:
        assert errors == ["", ""]
    else:  # what the first run has written is not replaced by the second, which was begun when nothing was there
        assert sorted(error == "" for error in errors) == [False, True]
        assert ("exists already" if suffix else "is not empty") in "".join(errors)


def test_lock_that_a_killed_run_has_left_holds_nobody_up(tmp_path):
    code = (
        "import os\n"
        "from MVCTEnhanceLib.storage.lock import locked\n"
        f"with locked({str(tmp_path / 'e')!r}, patience_s=0): os._exit(0)\n"
    )
    for _ in range(2):
        assert subprocess.run([sys.executable, "-c", code]).returncode == 0
    assert len(list(tmp_path.iterdir())) == 1


def test_second_batch_in_a_folder_is_refused_and_the_first_undisturbed(start, run, tmp_path, mvct, assert_one_sentence):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write_volume(mvct, tmp_path / name / f"{name}.nrrd")
    first = start("batch", tmp_path / "a", tmp_path / "out", "--progress", "jsonl")
    while json.loads(first.stdout.readline()).get("stage") != "batch":
        pass
    first.send_signal(signal.SIGSTOP)  # until the others were refused, however slow the computer is
    for options in ([], ["--resume"]):
        second = run("batch", tmp_path / "b", tmp_path / "out", "--progress", "none", *options)
        assert second.code == 1
        assert_one_sentence(second.stderr)
    assert "Another run writes to" in second.stderr
    first.send_signal(signal.SIGCONT)
    first.communicate()
    assert first.returncode == 0
    assert sorted(os.listdir(tmp_path / "out")) == ["a", "batch.json", "summary.csv"]  # noqa: PTH208


def test_batch_that_another_one_came_before_does_not_add_its_cases_to_it(tmp_path, mvct, monkeypatch):
    """It looked into the folder while that was empty."""
    from MVCTEnhanceLib.batch import cohort
    from MVCTEnhanceLib.errors import OutputError

    (tmp_path / "in").mkdir()
    write_volume(mvct, tmp_path / "in" / "a.nrrd")
    find = cohort.find_cases

    def find_slowly(*arguments, **named):
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "batch.json").write_text("{}")
        return find(*arguments, **named)

    monkeypatch.setattr(cohort, "find_cases", find_slowly)
    with pytest.raises(OutputError, match="not empty"):
        cohort.enhance_folder(BatchRequest(tmp_path / "in", tmp_path / "out"))
