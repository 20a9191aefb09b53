"""What the command line asks of the computer: memory that is kept, threads, garbage."""

import gc
import os
import subprocess
import sys

import pytest
from MVCTEnhanceLib.cli import commands
from MVCTEnhanceLib.runtime.machine import threads

PAGE_FAULTS = """
import resource, numpy as np
from MVCTEnhanceLib.runtime.machine import tune_malloc
if {kept}:
    tune_malloc()
image = np.ones((512, 512))
several = [image * k for k in range(6)]
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(100):
    several = [image * k for k in range(6)]
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="for the C library of Linux")
def test_kept_memory_is_used_again_without_page_faults():
    programs = [[sys.executable, "-c", PAGE_FAULTS.format(kept=kept)] for kept in (False, True)]
    without, kept = (int(subprocess.run(program, capture_output=True, check=True).stdout) for program in programs)
    pages_of_all = 100 * 6 * 512 * 512 * 8 // os.sysconf("SC_PAGESIZE")
    assert kept < 0.1 * pages_of_all < without


@pytest.mark.integration
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="for GNU's OpenMP, which tells what it was set to")
def test_threads_of_torch_sleep_while_they_wait():
    result = subprocess.run(
        [sys.executable, "-m", "MVCTEnhanceLib", "devices"],
        env={name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
        | {"OMP_DISPLAY_ENV": "TRUE"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "OMP_WAIT_POLICY = 'PASSIVE'" in result.stderr and "'ACTIVE'" not in result.stderr


@pytest.mark.parametrize(("granted", "expected"), [("3", 3), ("64", 8), ("", 5), ("0", 5), ("many", 5)])
def test_threads_are_those_granted_else_one_a_core_but_not_too_many(monkeypatch, granted, expected):
    monkeypatch.setattr("MVCTEnhanceLib.runtime.machine.cores", lambda: 5)
    monkeypatch.setenv("OMP_NUM_THREADS", granted)
    assert threads() == expected


def test_garbage_is_collected_again_from_the_first_event_on(main, monkeypatch):
    seen = []

    def models(request, on_event):
        seen.append(gc.isenabled())
        on_event("stage", stage="read")
        seen.append(gc.isenabled() and gc.get_freeze_count() > 0)
        return {}

    monkeypatch.setattr(commands, "models", models)
    gc.disable()
    try:
        result = main("models", "--json")
    finally:
        gc.enable()
        gc.unfreeze()
    assert (result.code, seen) == (0, [False, True])
