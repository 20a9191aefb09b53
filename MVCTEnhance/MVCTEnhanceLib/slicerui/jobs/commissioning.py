"""The commissioning of a scanner whose scans lie in folders, as `mvct-enhance commission` does it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ...jobs.requests import CommissionRequest
from ..worker.steps import Step, Steps

_PATIENCE_S = 3.0


@dataclass(frozen=True)
class CommissioningOutcome:
    """What came of it.

    Args:
        passed: whether no criterion failed.
        report: path of the acceptance report.
        profile: path of the site profile.
        criteria: name, outcome and what was found, of each.
        warnings: of the scans.
    """

    passed: bool
    report: Path
    profile: Path
    criteria: Sequence[tuple[str, str, str]]
    warnings: tuple[str, ...] = ()


class Commissioning:
    """Work for a `Job` or `do_now`; gives a `CommissioningOutcome`. What is cancelled can be resumed.

    Args:
        request: of the worker.
    """

    patience_s = _PATIENCE_S
    needs_scene = False

    def __init__(self, request: CommissionRequest):
        self._request = request

    def problem(self) -> str:
        """Always empty: the worker tells it."""
        return ""

    def invalidation_reason(self) -> str:
        """Always empty: it has nothing to do with the scene."""
        return ""

    def steps(self, folder: Path) -> Steps:
        """Run `commission`."""
        done = yield Step(self._request)
        criteria = [(found["name"], found["outcome"], found["text"]) for found in done["criteria"]]
        places = (Path(done[name]) for name in ("report", "profile"))
        return CommissioningOutcome(done["passed"], *places, criteria, tuple(done["warnings"]))
