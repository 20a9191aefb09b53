"""One job after another in one process, which loads its libraries once.

The program that started it writes a line for each job on stdin: the command and its options as a JSON list. The event
"ready" says that a job is waited for, "result" ends one. A job that fails ends the process, with the same event and
exit code as a process of its own, since the state of the libraries is not known then. The process ends by itself with
its stdin, after MAX_JOBS, and when it holds MAX_GROWTH_BYTES more memory than after its first job.
"""

from __future__ import annotations

import gc
import json
from typing import TextIO

from ..errors import InputError
from ..runtime.events import EventHandler
from ..runtime.machine import memory_in_use, return_memory
from .parser import parser

MAX_JOBS = 100
MAX_GROWTH_BYTES = 512 << 20


def run_jobs(requests: TextIO, on_event: EventHandler) -> None:
    """Do the jobs that are asked for.

    Raises:
        MVCTEnhanceError: a job failed, or a line is no request.
    """
    commands, memory = parser(), None
    for _ in range(MAX_JOBS):
        on_event("ready")
        line = requests.readline()
        if not line:
            return
        options = commands.parse_args(_arguments(line))
        on_event("result", **options.run(options.request.from_namespace(options), on_event))
        gc.collect()
        return_memory()
        memory = memory or memory_in_use()
        if memory_in_use() - memory > MAX_GROWTH_BYTES:
            return


def _arguments(line: str) -> list[str]:
    try:
        arguments = json.loads(line)
    except ValueError:
        arguments = None
    if not isinstance(arguments, list) or not all(isinstance(argument, str) for argument in arguments):
        raise InputError(
            'A line on stdin is no request: write the command and its options as a JSON list, such as ["models"].'
        )
    return arguments
