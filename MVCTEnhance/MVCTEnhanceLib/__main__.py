"""`mvct-enhance` by another name: `python -m MVCTEnhanceLib`, or this file run as a script, which needs no install."""

import signal
import sys
from pathlib import Path


def _find_package() -> None:
    """Make the package importable from this file's place, and its own modules (model, io, ...) by no other name."""
    folder = Path(__file__).absolute().parent
    others = [entry for entry in sys.path if Path(entry).resolve() != folder.resolve()]
    sys.path[:] = [str(folder.parent), *others]


if __name__ == "__main__":  # a process that multiprocessing spawned imports this file again
    # Python's own handler would show where it was, until more is imported.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    if not __package__:
        _find_package()
    from MVCTEnhanceLib.cli.program import command

    command()
