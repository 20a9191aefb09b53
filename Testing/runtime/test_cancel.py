"""A wish to end takes effect wherever it comes, quietly and with nothing half written left."""

import os
import signal

import pytest

QUIET = (130, "mvct-enhance: Cancelled. No incomplete files were left.\n")
only_posix = pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
# Runs `mvct-enhance models` with another body; what it needs of the library is imported before.
BEFORE = (
    "import signal, sys, time\n"
    "from pathlib import Path\n"
    "from MVCTEnhanceLib.cli import program, commands\n"
    "from MVCTEnhanceLib.storage.atomic import atomic_file, atomic_folder\n"
    "from MVCTEnhanceLib.storage.lock import locked\n"
    "from MVCTEnhanceLib.runtime import cancel\n"
)
RUN = "commands.models = models\nsys.exit(program.main(['models', '--json']))\n"


@pytest.mark.integration
@only_posix
@pytest.mark.parametrize(
    "module", ["numpy._core.multiarray", "torch", "torch._C", "torch.nn", "torch.library", "scipy"]
)
def test_signal_in_the_middle_of_an_import_ends_at_once(run, scan, tmp_path, module):
    code = (
        "import os, signal, sys\n"
        "class Finder:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name == {module!r}: os.kill(os.getpid(), signal.SIGTERM)\n"
        "from MVCTEnhanceLib.cli.program import main\n"
        "from MVCTEnhanceLib.runtime import cancel\n"
        "cancel.GRACE_S = 600.0\n"
        "sys.meta_path.insert(0, Finder())\n"
        "sys.exit(main())\n"
    )
    result = run("enhance", scan, "--output", tmp_path / "e.nrrd", "--progress", "jsonl", python=("-c", code))
    assert (result.code, result.stderr) == QUIET
    assert '"event": "error"' in result.stdout.splitlines()[-1]
    assert not (tmp_path / "e.nrrd").exists()


@only_posix
def test_signal_in_an_import_while_something_is_written_leaves_nothing_of_it(run, tmp_path, files):
    slow = "import signal, time\nsignal.raise_signal(signal.SIGTERM)\ntime.sleep(0.3)\nDONE = True\n"
    (tmp_path / "slow_module.py").write_text(slow)
    code = (
        f"{BEFORE}sys.path.append({str(tmp_path)!r})\nsys.dont_write_bytecode = True\n"
        "def models(request, on_event):\n"
        f"    with atomic_folder({str(tmp_path / 'out')!r}) as folder:\n"
        "        (folder / 'half').write_text('half')\n"
        "        import slow_module\n"
        "        print(slow_module.DONE)\n"
        "        time.sleep(9)\n" + RUN
    )
    result = run(python=("-c", code))
    assert (result.code, result.stderr) == QUIET
    assert result.stdout == "True\n"
    assert files() == result.before


@only_posix
def test_signal_in_a_destructor_is_not_lost(run):
    code = (
        f"{BEFORE}cancel.GRACE_S = 600.0\n"
        "class Loud:\n"
        "    def __del__(self): signal.raise_signal(signal.SIGTERM)\n"
        "def models(request, on_event):\n"
        "    Loud()\n"
        "    time.sleep(60)\n" + RUN
    )
    result = run(python=("-c", code))
    assert (result.code, result.stderr) == QUIET


@only_posix
def test_error_that_a_library_makes_of_it_is_still_the_wish_to_end(run):
    code = (
        f"{BEFORE}"
        "def models(request, on_event):\n"
        "    try: signal.raise_signal(signal.SIGTERM)\n"
        "    except BaseException as error: raise ImportError('a library failed') from error\n" + RUN
    )
    result = run(python=("-c", code))
    assert (result.code, result.stderr) == QUIET


@only_posix
def test_work_that_takes_no_notice_is_ended_with_nothing_half_written(run, tmp_path, files):
    code = (
        f"{BEFORE}cancel.GRACE_S = 0.3\n"
        "def models(request, on_event):\n"
        f"    folder = Path({str(tmp_path)!r})\n"
        "    file, series = folder / 'e.nrrd', folder / 'out'\n"
        "    with locked(file, patience_s=1), atomic_file(file) as file, atomic_folder(series) as series:\n"
        "        for part in (file, series / 'half'): part.write_text('half')\n"
        "        while True:\n"
        "            try: signal.raise_signal(signal.SIGTERM); time.sleep(9)\n"
        "            except BaseException: pass\n" + RUN
    )
    result = run(python=("-c", code))
    assert (result.code, result.stderr) == QUIET
    assert files() == result.before


@only_posix
def test_library_that_does_not_return_is_not_waited_for(run, tmp_path, files):
    """As when a long scan is compressed; no handler of Python runs then."""
    code = (
        f"{BEFORE}import os, threading, zlib\n"
        "def models(request, on_event):\n"
        f"    with atomic_file(Path({str(tmp_path)!r}) / 'e.nrrd') as file:\n"
        "        file.write_text('half')\n"
        "        data = os.urandom(1_000_000) * 400\n"
        "        threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGTERM)).start()\n"
        "        zlib.compress(data, 9)\n"
        "        print('returned')\n" + RUN
    )
    result = run(python=("-c", code))
    assert (result.code, result.stderr, result.stdout) == (*QUIET, "")
    assert files() == result.before


@only_posix
@pytest.mark.parametrize("module", ["MVCTEnhanceLib.cli", "argparse", "MVCTEnhanceLib.runtime.cancel"])
def test_signal_before_there_is_work_shows_no_trace(run, module):
    """Python's own handler of Ctrl+C would."""
    code = (
        "import os, runpy, signal, sys\n"
        "class Finder:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name == {module!r}: os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Finder())\n"
        "runpy.run_module('MVCTEnhanceLib', run_name='__main__', alter_sys=True)\n"
    )
    result = run("models", python=("-c", code))
    assert (result.code, result.stdout, result.stderr) == (-signal.SIGINT, "", "")


@only_posix
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_signal_while_signals_are_prepared_for_shows_no_trace(run, name):
    code = (
        f"{BEFORE}import os, threading\n"
        "begin = threading.Thread.start\n"
        "def start(thread):\n"
        "    begin(thread)\n"
        f"    os.kill(os.getpid(), signal.{name})\n"
        "signal.signal(signal.SIGINT, signal.SIG_DFL)\n"
        "threading.Thread.start = start\n"
        "sys.exit(program.main(['models']))\n"
    )
    result = run(python=("-c", code))
    assert (result.code, result.stdout, result.stderr) == (-getattr(signal, name), "", "")


@only_posix
def test_signal_after_all_is_told_changes_nothing(run):
    code = (
        f"{BEFORE}import atexit\n"
        "atexit.register(lambda: signal.raise_signal(signal.SIGTERM))\n"
        "sys.exit(program.main(['models', '--progress', 'jsonl']))\n"
    )
    result = run(python=("-c", code))
    assert (result.code, result.stderr) == (0, "")
    assert '"event": "result"' in result.stdout


def test_other_losses_are_told_as_ever(run):
    code = (
        f"{BEFORE}"
        "class Broken:\n"
        "    def __del__(self): raise ValueError('told')\n"
        "def models(request, on_event):\n"
        "    Broken()\n"
        "    return {}\n" + RUN
    )
    result = run(python=("-c", code))
    assert result.code == 0
    assert "ValueError: told" in result.stderr


@only_posix
def test_an_application_that_calls_main_goes_on_after_a_cancelled_command(run):
    code = (
        f"{BEFORE}cancel.GRACE_S = cancel.TELL_S = 0.2\n"
        "commands.models = lambda request, on_event: signal.raise_signal(signal.SIGTERM)\n"
        "code = program.main(['models'])\n"
        "time.sleep(0.6)\n"
        "print('goes on after', code)\n"
    )
    result = run(python=("-c", code))
    assert (result.code, result.stdout) == (0, "goes on after 130\n")
