"""Registration from several starts, which counts only where they agree."""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from ..errors import InputError
from ..volume import Volume
from .motion import RigidMotion, difference
from .rigid import COARSE, FINE, MIDDLE, Body, Registration, Run, one_thread, pyramid

#: Rotation in degrees and shift in mm of the starts, from where the scans lie.
STARTS = ((0, 0, 0, 0, 0, 0), (3, -3, 3, 8, -8, 8), (-3, 3, -3, -8, 8, -8))
RUNS = len(STARTS) + 1
MAX_REPEATS = 8
SETTLED_MM, SETTLED_DEG = 0.05, 0.05
AGREE_MM, AGREE_DEG = 1.0, 1.0
MIN_OVERLAP = 0.2  # of the body in the MVCT

NO_BODY = "The MVCT shows no body to register: choose a scan of a patient."
MIN_SLICES = 3
TOO_THIN = (
    "The MVCT shows the patient in {count} slices, which do not tell how it is turned: at least {least} are needed, so "
    "register by hand."
)
NO_OVERLAP = (
    "Only {share:.0f} % of the body in the {name} lies within the planning CT: check that both scans show the same "
    "region of the same patient, and move the MVCT roughly over the planning CT first."
)
NOT_FOUND = (
    "The {name} was not registered: from {count} starts the registration ended in places that differ by more than "
    "{mm:g} mm or {deg:g}°. Check that both scans show the same region, and register by hand: few slices or a short "
    "overlap may not suffice."
)


class Finder:
    """Registers scans on the grid of one MVCT to one planning CT.

    Args:
        body: of the MVCT.
        planning_ct: HU (k, j, i) on its own grid.

    Raises:
        InputError: there is no body or hardly a slice of it, or it does not lie on the planning CT.
    """

    def __init__(self, body: Body, planning_ct: Volume):
        if not len(body.points):
            raise InputError(NO_BODY)
        if body.slices < MIN_SLICES:
            raise InputError(TOO_THIN.format(count=body.slices, least=MIN_SLICES))
        self.body, self._planning_ct = body, planning_ct
        self._require_overlap(RigidMotion(np.eye(3), np.zeros(3)), "MVCT")
        self._planning = pyramid(planning_ct)

    def find(
        self, scan: Volume, name: str, *, threads: int = 1, on_run: Callable[[], None] = lambda: None
    ) -> RigidMotion:
        """The motion that brings a scan onto the planning CT.

        From three starts at the coarse levels; that of most mutual information is refined, all of them where no other
        agrees with it.

        Args:
            scan: the MVCT or its enhanced scan.
            name: of the scan, for messages.
            threads: how many starts are run at a time.
            on_run: called `RUNS` times, after each run.

        Raises:
            InputError: no other start agrees with that of most mutual information, refining it leads elsewhere, or too
                little of the body lies on the planning CT.
        """
        registration = Registration(self.body, scan, self._planning)

        def settled(run: Run, seed: int, levels: slice) -> Run:
            """From where a run ended, until it moves no further: a round body turns slowly."""
            for _ in range(MAX_REPEATS):
                before, run = run, registration.run(run.parameters, seed, levels)
                mm, deg = difference(before.motion, run.motion, self.body.points)
                if not run.converged or (mm <= SETTLED_MM and deg <= SETTLED_DEG):
                    break
            return run

        def coarse(number: int) -> Run:
            degrees, shift_mm = STARTS[number][:3], STARTS[number][3:]
            run = registration.run([*np.radians(degrees), *shift_mm], number + 1, COARSE)
            return settled(run, number + 1, MIDDLE) if run.converged else run

        def refined(run: Run) -> Run:
            return settled(run, 1, FINE)

        with one_thread(), ThreadPoolExecutor(threads) as pool:
            runs = []
            for run in pool.map(coarse, range(len(STARTS))):
                runs.append(run)
                on_run()
            best = self._agreed(runs)
            if best is None:  # finer, they may
                found = self._agreed(list(pool.map(refined, runs)))
            else:
                fine = refined(best)
                found = fine if self._agree(best, fine) else None
        on_run()
        if found is None:
            raise InputError(NOT_FOUND.format(name=name, count=len(STARTS), mm=AGREE_MM, deg=AGREE_DEG))
        self._require_overlap(found.motion, name)
        return found.motion

    def _agreed(self, runs: list[Run]) -> Run | None:
        """The run of most mutual information, None where no other ended in its place."""
        best = max(runs, key=lambda one: one.information if one.converged else -math.inf)
        return best if sum(self._agree(best, other) for other in runs) > 1 else None

    def _agree(self, a: Run, b: Run) -> bool:
        mm, deg = difference(a.motion, b.motion, self.body.points)
        return a.converged and b.converged and mm <= AGREE_MM and deg <= AGREE_DEG

    def _require_overlap(self, motion: RigidMotion, name: str) -> None:
        share = _share_on(self._planning_ct, motion.moved(self.body.points))
        if share < MIN_OVERLAP:
            raise InputError(NO_OVERLAP.format(share=100 * share, name=name))


def _share_on(volume: Volume, points: np.ndarray) -> float:
    """Of points (n, 3), how many lie within a volume's voxels."""
    steps = np.asarray(volume.direction, float) * volume.spacing
    index = np.linalg.solve(steps, (points - volume.origin).T).T
    return float(((index > -0.5) & (index < np.array(volume.array.shape[::-1]) - 0.5)).all(axis=1).mean())
