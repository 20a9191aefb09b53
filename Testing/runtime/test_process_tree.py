"""Processes and what they have started are found and ended, as far as the system allows it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from MVCTEnhanceLib.runtime import process_tree


@pytest.mark.parametrize("way", ["proc", "ps"])
def test_both_ways_to_look_for_processes_find_them(way):
    if not (Path("/proc/self/stat").exists() if way == "proc" else shutil.which("ps")):
        pytest.skip(f"this system has no {way}")
    sleeper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        assert getattr(process_tree, f"_parents_from_{way}")()[sleeper.pid] == os.getpid()
    finally:
        sleeper.kill()
        sleeper.wait()


def test_on_windows_the_system_s_own_command_ends_the_family(monkeypatch):
    commands = []
    monkeypatch.setattr(process_tree.subprocess, "run", lambda command, **_: commands.append(command))
    process_tree._end_on_windows(4711)
    assert commands == [["taskkill", "/T", "/F", "/PID", "4711"]]
