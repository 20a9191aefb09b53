"""Too little memory, by the system's own limit, is one sentence that calls neither a scan damaged nor a disk full."""

import sys

import numpy as np
import pytest
from MVCTEnhanceLib.io import read_volume, write_volume
from MVCTEnhanceLib.volume import Volume

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits as Linux has them"),
]
SENTENCE = "mvct-enhance: Out of memory: close other programs.\n"
# Allows the process so many bytes more than it has.
LIMIT = (
    "import resource, sys\n"
    "from pathlib import Path\n"
    "def limit(more):\n"
    "    pages = int(Path('/proc/self/statm').read_text().split()[0])\n"
    "    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + more, -1))\n"
)
MB = 1_000_000


@pytest.fixture
def large_scan(tmp_path):
    """16 MB as int16."""
    values = np.random.default_rng(0).normal(0, 30, (2, 2000, 2000)).astype(np.int16)
    write_volume(Volume(values, (0.763, 0.763, 3.0)), tmp_path / "large.nrrd")
    return tmp_path / "large.nrrd"


def limited_at(stage, more):
    """The command line, which has little memory from a stage on; one thread has no stack of its own to ask for."""
    return (
        f"{LIMIT}"
        "import torch\n"
        "from MVCTEnhanceLib.cli import program\n"
        "from MVCTEnhanceLib.runtime.events import event_handler\n"
        "def limiting(style):\n"
        "    on_event = event_handler(style)\n"
        "    def tell(event, **fields):\n"
        "        on_event(event, **fields)\n"
        f"        if fields.get('stage') == {stage!r} and event == 'stage': limit({more})\n"
        "    return tell\n"
        "program.event_handler = limiting\n"
        "sys.exit(program.main())\n"
    )


@pytest.mark.thorough
@pytest.mark.parametrize("stage", ["read", "enhance"])
def test_memory_that_ends_in_the_work(run, large_scan, tmp_path, files, stage):
    arguments = ["enhance", large_scan, "--output", tmp_path / "e.nrrd", "--progress", "none"]
    result = run(*arguments, python=("-c", limited_at(stage, 8 * MB)))
    assert result.code == 1
    error = result.stderr.splitlines()[-1]
    assert "memory" in error and error.endswith("close other programs.")
    assert files() == result.before


def test_memory_that_does_not_hold_the_libraries(run, scan, tmp_path, files):
    """The system's loader cannot map them, which Python calls an ImportError."""
    code = f"{LIMIT}from MVCTEnhanceLib.cli import program\nlimit({40 * MB})\nsys.exit(program.main())\n"
    result = run("enhance", scan, "--output", tmp_path / "e.nrrd", python=("-c", code))
    assert (result.code, result.stderr) == (1, SENTENCE)
    assert files() == result.before


@pytest.mark.parametrize(("name", "more"), [("e.nrrd", 24 * MB), ("e.nii.gz", 16 * MB), ("e.mha", 40 * MB)])
def test_memory_that_does_not_hold_what_is_written(run, tmp_path, files, name, more):
    """A copy of 32 MB is written, and read again to see that it is complete, of which NIfTI needs two."""
    code = (
        f"{LIMIT}import numpy as np\n"
        "from MVCTEnhanceLib.io import write_volume\n"
        "from MVCTEnhanceLib.volume import Volume\n"
        "volume = Volume(np.zeros((4, 2000, 2000), np.int16))\n"
        "np.zeros((4, 2000, 2000), np.int16).fill(1)\n"
        f"limit({more})\n"
        "try: write_volume(volume, sys.argv[1])\n"
        "except MemoryError: sys.exit(3)\n"
    )
    result = run(tmp_path / name, python=("-c", code))
    assert result.code == 3, result.stderr
    assert files() == result.before


def test_a_difference_map_is_held_once_while_it_is_written(run, tmp_path):
    """In ITK's copy, but in no array beside it."""
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "import numpy as np\n"
        "from MVCTEnhanceLib.jobs.outputs import Enhanced\n"
        "from MVCTEnhanceLib.jobs.requests import EnhanceRequest\n"
        "from MVCTEnhanceLib.jobs.outputs import write_outputs\n"
        "from MVCTEnhanceLib.quality.record import EnhancementRecord\n"
        "from MVCTEnhanceLib.volume import Volume\n"
        "def peak(): return 1024 * int(Path('/proc/self/status').read_text().split('VmHWM:')[1].split()[0])\n"
        "mvct, enhanced = (Volume(np.full((50, 1000, 1000), hu, np.int16)) for hu in (0, 50))\n"
        "folder = Path(sys.argv[1])\n"
        "request = EnhanceRequest(folder, folder / 'enhanced.nrrd', difference=folder / 'difference.nrrd')\n"
        "before = peak()\n"
        "write_outputs(request, Enhanced(mvct, enhanced, EnhancementRecord({})), {})\n"
        "print((peak() - before) / mvct.array.nbytes)\n"
    )
    result = run(tmp_path, python=("-c", code))
    assert 0.9 < float(result.stdout) < 1.6, result.stderr
    assert set(np.unique(read_volume(tmp_path / "difference.nrrd").array)) == {50}


def test_slices_go_through_fewer_at_a_time_where_memory_is_short(run, tmp_path):
    """With a limit that holds for the processor as another does for a graphics card: the same HU, and a warning."""
    code = (
        f"{LIMIT}import numpy as np, torch\n"
        "from MVCTEnhanceLib.volume import Volume\n"
        "from MVCTEnhanceLib.model.card import DEFAULT_MODEL, find_model\n"
        "from MVCTEnhanceLib.model.engine import Engine\n"
        "from MVCTEnhanceLib.model.package import load_model\n"
        "torch.set_num_threads(1)\n"
        "values = np.random.default_rng(0).normal(0, 30, (8, 256, 256)).astype(np.int16)\n"
        "scan = Volume(values, (0.763, 0.763, 3.0))\n"
        "model, cpu = load_model(find_model(DEFAULT_MODEL)), torch.device('cpu')\n"
        "one = Engine(model, cpu, batch=1).enhance(scan).array\n"
        "def tell(event, **fields):\n"
        "    if event == 'warning': print(fields['message'])\n"
        f"limit({60 * MB})\n"
        "many = Engine(model, cpu, batch=8, on_event=tell).enhance(scan).array\n"
        "print(int(np.abs(one.astype(int) - many).max()))\n"
    )
    result = run(python=("-c", code))
    assert result.code == 0, result.stderr
    *warnings, difference = result.stdout.splitlines()
    assert warnings[0] == "Low memory: continuing with 4 slices at a time."
    assert int(difference) <= 1
