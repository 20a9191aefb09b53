"""The twin of a scanner: settings with which simulated MVCT have the scanner's noise, sharpness and cupping."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from types import MappingProxyType

import numpy as np
import torch
from scipy.optimize import lsq_linear

from ..errors import InputError
from ..physics.mvct import Scan, scanned
from ..physics.phantom import density_inserts
from ..physics.qa_phantoms import cheese_phantom
from ..physics.settings import MVCTSettings
from ..qa.phantoms import TOMO_CHEESE
from ..qa.position import distances_mm
from ..quality.noise_power import noise_power
from ..runtime.events import EventHandler, ignore_event
from ..volume import Volume
from .curves import (
    CENTRE_SHARE,
    CUPPING,
    KINDS,
    MAX_CENTRE_MM,
    NOISE,
    SKIN,
    Curve,
    Curves,
    phantom_noise,
    phantom_sharpness,
    skin_curve,
    tissue_masks,
)

ROUNDS, STEP, MAX_STRIDE = 8, 0.25, 1.5  # of the search, in SDs of the parameters
CLOSE = 0.05
TOLD = 0.7  # of its SD before: a parameter that the scans leave more uncertain is not told by them
NOISE_SLICES = 6
SHARP_VIEWS, PATIENT_VIEWS = 200, 300  # at most: noise and edges need no more
AIR_MM = 24.0  # around a phantom
GRID_MM = 0.5  # of the digital phantom
PHOTONS = (MVCTSettings.photons / 100, MVCTSettings.photons * 100)


@dataclass(frozen=True)
class Parameter:
    """A setting that is searched for.

    Args:
        typical, sd: what is expected before any scan is seen, in the search's own unit.
        low, high: limits in that unit.
        setting: the setting of a value in that unit.
    """

    typical: float
    sd: float
    low: float
    high: float
    setting: Callable[[float], float] = float


#: Dose is no part of the search: noise power is proportional to its inverse.
PARAMETERS: Mapping[str, Parameter] = MappingProxyType(
    {
        "kernel": Parameter(0.1, 0.4, math.log(0.4), math.log(3), math.exp),
        "blur_fwhm_mm": Parameter(1.5, 0.5, 0, 5),
        "denoising_mm": Parameter(0.4, 0.6, 0, 6, math.sqrt),  # its square, in mm²
        "scatter": Parameter(0.008, 0.01, 0, 0.1),
    }
)


@dataclass(frozen=True, eq=False)
class Twin:
    """A scanner's twin.

    Args:
        settings: of the simulator.
        uncertain: for each setting of the search its SD as a part of what it was before any scan was seen.
        measured, simulated: curves of the scanner's MVCT, and of the twin's.
    """

    settings: MVCTSettings
    uncertain: Mapping[str, float]
    measured: Curves
    simulated: Curves

    @property
    def untold(self) -> tuple[str, ...]:
        """Settings that the scans do not tell: they stay near the typical ones."""
        return tuple(name for name, part in self.uncertain.items() if part > TOLD)

    def deviation(self, name: str) -> float:
        """Root mean square of the differences of a curve, in the unit of its `Kind`."""
        kind = KINDS[name]
        return _rms(kind.differences(self.measured[name].values, self.simulated[name].values))


class PhantomSubject:
    """A digital phantom to simulate, once without noise and as small as its middle with it.

    Args:
        phantom: "tomo-cheese" or "water".
        diameter_mm: of the site's.
        settings: grid of the site's MVCT.
        device: where to compute.
    """

    def __init__(self, phantom: str, diameter_mm: float, settings: MVCTSettings, device: torch.device):
        self.diameter_mm, self.plugs = diameter_mm, phantom == TOMO_CHEESE
        side = math.ceil((diameter_mm + 2 * AIR_MM) / GRID_MM)
        grid = {"shape": (side, side), "spacing_mm": (GRID_MM, GRID_MM, 3.0)}
        made = cheese_phantom(slices=1, **grid) if self.plugs else None
        made = made or density_inserts(inserts_hu=(), diameter_mm=diameter_mm, **grid)[0]
        many = replace(made, array=np.repeat(made.array, NOISE_SLICES, axis=0))
        whole = math.ceil((diameter_mm + 2 * AIR_MM) / settings.pixel_mm)
        middle = math.ceil(2 * min(CENTRE_SHARE * diameter_mm, MAX_CENTRE_MM) / settings.pixel_mm) + 1
        sharp = replace(settings, matrix=whole, views=min(SHARP_VIEWS, settings.views), photons=0)
        self._sharp = Scan(scanned(made, sharp), sharp, device)
        self._noisy = Scan(many, replace(settings, matrix=middle), device)

    def noise(self, settings: MVCTSettings) -> tuple[np.ndarray, np.ndarray]:
        """Power of the noise at these settings' photons, and of what is not noise, which a phantom has not."""
        self._noisy, images = _again(self._noisy, settings)
        curve = phantom_noise(images, [np.zeros(2)] * len(images), _grid(self._noisy), self.diameter_mm)
        return curve.values, np.zeros_like(curve.values)

    def sharpness(self, settings: MVCTSettings) -> dict[str, Curve]:
        """The other curves."""
        self._sharp, images = _again(self._sharp, replace(settings, photons=0))
        distance = distances_mm(_grid(self._sharp), np.zeros(2))
        return phantom_sharpness(images[0], distance, self.diameter_mm, plugs=self.plugs)


class PatientSubject:
    """Slices of planning CTs to simulate.

    Args:
        slices: of planning CTs, each a volume of one axial slice.
        settings: grid of the site's MVCT.
        device: where to compute.
    """

    def __init__(self, slices: Sequence[Volume], settings: MVCTSettings, device: torch.device):
        self._dose = settings.views / min(PATIENT_VIEWS, settings.views)  # more photons in fewer views
        fewer = replace(settings, views=min(PATIENT_VIEWS, settings.views))
        self._scans = [Scan(scanned(one, fewer), replace(fewer, seed=seed), device) for seed, one in enumerate(slices)]

    def noise(self, settings: MVCTSettings) -> tuple[np.ndarray, np.ndarray]:
        """Power at these settings' photons, and of what is no noise: structure of the patients."""
        pixel_mm = settings.pixel_mm
        noisy, clean = self._images(settings), self._images(replace(settings, photons=0))
        masks = tissue_masks(noisy, pixel_mm)
        return tuple(noise_power(images, masks, pixel_mm=pixel_mm)[1] for images in (noisy, clean))

    def sharpness(self, settings: MVCTSettings) -> dict[str, Curve]:
        """The other curves."""
        return {SKIN: skin_curve(self._images(replace(settings, photons=0)), settings.pixel_mm)}

    def _images(self, settings: MVCTSettings) -> np.ndarray:
        settings = replace(settings, photons=settings.photons * self._dose)
        self._scans, images = zip(*(_again(scan, settings) for scan in self._scans), strict=True)
        return np.concatenate(images)


def _again(scan: Scan, settings: MVCTSettings) -> tuple[Scan, np.ndarray]:
    """A scan with other settings on its own grid, and its slices (k, j, i)."""
    names = ("photons", *PARAMETERS)
    scan = scan.by(**{name: getattr(settings, name) for name in names})
    return scan, scan.slices(range(len(scan.kvct.array))).cpu().numpy()


def _grid(scan: Scan) -> Volume:
    matrix, pixel_mm = scan.settings.matrix, scan.settings.pixel_mm
    return Volume(np.zeros((1, matrix, matrix), np.int16), (pixel_mm, pixel_mm, 1.0), (0.0, 0.0, 0.0))


Subject = PhantomSubject | PatientSubject


def fit_twin(
    measured: Curves, subject: Subject, settings: MVCTSettings, *, on_event: EventHandler = ignore_event
) -> Twin:
    """Settings with which the simulated subject has the curves that were measured.

    Gauss-Newton on the differences of the curves in SDs, with the parameters' typical values as a prior. Noise
    power is that of the typical blur and scatter, which change it little; in the end it is simulated as it is.

    Args:
        measured: of the scanner's MVCT, in HU of an exact scanner.
        subject: what is simulated.
        settings: of which grid and seed are taken.
        on_event: called with the progress.

    Raises:
        InputError: the scans lack a curve, or no plausible settings have these curves; one sentence.
    """
    _require_measured(measured)
    search = _Search(measured, subject, settings)
    low, high = np.array([((p.low - p.typical) / p.sd, (p.high - p.typical) / p.sd) for p in search.parameters]).T
    place = np.zeros(len(low))
    before = search.differences(place)
    for number in range(ROUNDS):
        on_event("progress", stage="twin", done=number, total=ROUNDS)
        steps = np.where(place + STEP > high, -STEP, STEP)  # at a limit inwards: beyond it nothing changes
        slopes = np.stack([(search.differences(place + step) - before) / step.sum() for step in np.diag(steps)], axis=1)
        rows = np.concatenate([slopes, np.eye(len(place))])
        wanted = lsq_linear(rows, -np.concatenate([before, place]), bounds=(low - place - 1e-9, high - place + 1e-9)).x
        place, after = search.along(place, np.clip(wanted, -MAX_STRIDE, MAX_STRIDE), before)
        moved, before = float(np.abs(before - after).max()), after
        if moved < CLOSE:
            break
    on_event("progress", stage="twin", done=ROUNDS, total=ROUNDS)
    uncertain = np.sqrt(np.diag(np.linalg.inv(rows.T @ rows)))
    found, simulated = search.result(place)
    twin = Twin(found, dict(zip(search.names, map(float, uncertain), strict=True)), measured, simulated)
    _require_plausible(twin)
    return twin


class _Search:
    """The curves of a subject at places in the space of the parameters, in SDs from what is typical."""

    def __init__(self, measured: Curves, subject: Subject, settings: MVCTSettings):
        self.measured, self.settings = measured, settings
        self.names = [name for name in PARAMETERS if name != "scatter" or CUPPING in measured]
        self.parameters = [PARAMETERS[name] for name in self.names]
        self.noise, self.sharpness = lru_cache(None)(subject.noise), lru_cache(None)(subject.sharpness)

    def at(self, place: np.ndarray, photons: float = MVCTSettings.photons) -> MVCTSettings:
        values = {
            name: round(p.setting(float(np.clip(p.typical + p.sd * x, p.low, p.high))), 4)
            for name, p, x in zip(self.names, self.parameters, place, strict=True)
        }
        return replace(self.settings, photons=photons, **values)

    def differences(self, place: np.ndarray) -> np.ndarray:
        """Of all curves, in SDs, each curve weighing as much as four values."""
        settings = self.at(place)
        typical = {"blur_fwhm_mm": PARAMETERS["blur_fwhm_mm"].typical, "scatter": 0.0}
        power = self._at_best_dose(*self.noise(replace(settings, **typical)))[1]
        values = {name: curve.values for name, curve in self.sharpness(settings).items()} | {NOISE: power}
        parts = []
        for name, curve in self.measured.items():
            kind = KINDS[name]
            parts.append(kind.differences(curve.values, values[name]) / kind.sd * math.sqrt(4 / len(curve.values)))
        return np.concatenate(parts)

    def along(self, place: np.ndarray, step: np.ndarray, before: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The next place, and the differences there: where the step does not help, half of it."""
        for part in (1.0, 0.5, 0.25):
            there = place + part * step
            after = self.differences(there)
            if after @ after + there @ there <= before @ before + place @ place:
                return there, after
        return place, before

    def result(self, place: np.ndarray) -> tuple[MVCTSettings, dict[str, Curve]]:
        """Settings, and the curves that they have in a simulation with that dose."""
        settings = self.at(place)
        for _ in range(2):
            factor, _ = self._at_best_dose(*self.noise(settings))
            settings = replace(settings, photons=round(float(np.clip(settings.photons * factor, *PHOTONS))))
        power, _ = self.noise(settings)
        return settings, {NOISE: Curve(self.measured[NOISE].x, power)} | self.sharpness(settings)

    def _at_best_dose(self, power: np.ndarray, structure: np.ndarray) -> tuple[float, np.ndarray]:
        """Factor on the photons with which noise power is nearest to the measured, and the power then."""
        wanted = self.measured[NOISE].values
        quantum = np.maximum(power - structure, 1e-3 * power)
        factors = np.geomspace(0.02, 50, 400)
        powers = structure + quantum / factors[:, None]
        best = int(np.argmin((np.log(powers / wanted) ** 2).sum(axis=1)))
        return float(factors[best]), powers[best]


def _require_measured(measured: Curves) -> None:
    for name, curve in measured.items():
        if not np.isfinite(curve.values).all():
            what = {NOISE: "homogeneous tissue", SKIN: "skin in air"}.get(name, "of the phantom")
            raise InputError(
                f"The MVCT show too little {what} to fit the scanner's twin: give a phantom's scan, or more patients."
            )


def _require_plausible(twin: Twin) -> None:
    for name in twin.measured:
        kind, deviation = KINDS[name], twin.deviation(name)
        if deviation > kind.limit:
            shown = f"{100 * deviation:.0f} %" if kind.relative else f"{deviation:.2g}"
            limit = f"{100 * kind.limit:.0f} %" if kind.relative else f"{kind.limit:g}"
            raise InputError(
                f"No settings of the simulator have this scanner's {kind.label.split(' /')[0]}: the nearest are off by "
                f"{shown} (limit {limit}), so check that the scans are MVCT in HU, as they were reconstructed."
            )


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(values))))
