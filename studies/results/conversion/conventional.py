"""Conventional denoisers, each followed by the curve from MV to kV HU, and their strengths tuned on training patients.

A denoiser works slice by slice on the MVCT's own HU: noise is even there, whereas the curve doubles it above 100 HU.
Values are never clipped. Strengths of all but Gaussian and median are multiples of the slice's own noise, so that they
follow the size of the patient.

BM3D is optional (`pip install bm3d`): its licence allows non-commercial use only, and it asks that results made with it
name its authors: Y. Mäkinen, L. Azzari, A. Foi, IEEE Trans Image Process 29, 2020; K. Dabov, A. Foi, V. Katkovnik,
K. Egiazarian, IEEE Trans Image Process 16, 2007.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import fmean, geometric_mean

import numpy as np
import torch
from conversion.flat_tissue import flattest_windows, local_variance
from MVCTEnhanceLib.physics.density import kv_hu_from_density
from MVCTEnhanceLib.quality.body import body_mask
from MVCTEnhanceLib.quality.paired import mae, ssim
from MVCTEnhanceLib.volume import Volume
from scipy import ndimage
from skimage.restoration import denoise_bilateral, denoise_nl_means, denoise_tv_chambolle
from study import Case, Row, Study

try:
    import bm3d
except ImportError:
    bm3d = None

OF_NOISE = "noise SD"  # unit of the strengths that are multiplied by the noise of a slice
NOISE_HU = 24.0  # of 20 cm of water, for a slice that shows too little soft tissue to measure its own
NOTE_ON_BM3D = (
    "BM3D: the package `bm3d` (free for non-commercial use only), after Y. Mäkinen, L. Azzari, A. Foi, IEEE Trans "
    "Image Process 29, 2020, and K. Dabov, A. Foi, V. Katkovnik, K. Egiazarian, IEEE Trans Image Process 16, 2007."
    if bm3d
    else "BM3D is left out: the package `bm3d`, free for non-commercial use only, is not installed."
)
COLUMNS = {
    "method": "method",
    "variant": "variant",
    "strength": "strength",
    "unit": "its unit",
    "mae": "MAE / HU, geometric mean",
    "mean_mae": "mean",
    "ssim": "SSIM",
    "chosen": "chosen",
}


@dataclass(frozen=True)
class Denoiser:
    """One way to denoise a slice.

    Args:
        name: of the method in tables.
        variant: what tells it from others of that name; the best of them is chosen.
        unit: of the strength.
        strengths: that are tried.
        denoise: gives of a slice (float32 HU, shape (j, i)) and a strength, in HU or pixels, such a slice.
    """

    name: str
    variant: str
    unit: str
    strengths: tuple[float, ...]
    denoise: Callable[[np.ndarray, float], np.ndarray]


@dataclass(frozen=True)
class Tuned:
    """A denoiser at one strength."""

    denoiser: Denoiser
    strength: float

    def convert(self, mvct: Volume) -> np.ndarray:
        """Denoised, then through the density curve: float32 HU, shape (k, j, i)."""
        slices = [self.denoise_slice(image, (mvct.spacing[1], mvct.spacing[0])) for image in mvct.array]
        return density_curve(np.stack(slices))

    def denoise_slice(self, image: np.ndarray, pixel_size: tuple[float, float]) -> np.ndarray:
        """An MVCT slice (j, i) denoised, still in MV HU."""
        image, strength = image.astype(np.float32), self.strength
        if self.denoiser.unit == OF_NOISE:
            strength *= slice_noise(image, pixel_size)
        return self.denoiser.denoise(image, strength).astype(np.float32)


def denoisers() -> list[Denoiser]:
    """All variants in the order of the tables; without BM3D where it is not installed."""
    found = [
        Denoiser("Gaussian", "", "SD / px", (0.4, 0.6, 0.8, 1.0, 1.3, 1.7), _gaussian),
        Denoiser("median", "", "width / px", (1, 3, 5, 7), _median),
        *(
            Denoiser("bilateral", f"SD {sd:g} px", OF_NOISE, (0.5, 1.0, 1.25, 1.5, 2.0, 3.0), partial(_bilateral, sd))
            for sd in (1.5, 2.0)
        ),
        *(
            Denoiser(
                "non-local means",
                f"patches of {patch} px within {reach} px",
                OF_NOISE,
                (0.7, 0.8, 0.9, 1.0, 1.1, 1.3),
                partial(_non_local_means, patch, reach),
            )
            for patch, reach in ((5, 6), (7, 6), (7, 10))
        ),
        Denoiser("total variation", "", OF_NOISE, (0.4, 0.6, 0.8, 1.0, 1.3, 1.7), _total_variation),
    ]
    if bm3d:
        for name, strengths in (("np", (2.0,)), ("vn", (1.5, 2.0, 2.5))):
            variant = f"profile '{name}'"
            found.append(Denoiser("BM3D", variant, OF_NOISE, strengths, partial(_bm3d, name)))
    return found


def density_curve(mv_hu: np.ndarray) -> np.ndarray:
    """MV HU -> kV HU by the line that the MVCT was simulated with: float32, any shape."""
    return kv_hu_from_density(torch.from_numpy(mv_hu.astype(np.float32))).numpy()


def slice_noise(image: np.ndarray, pixel_size: tuple[float, float]) -> float:
    """Noise SD in HU of an MVCT slice (j, i), from the windows of soft tissue that vary least.

    The unit of the strengths, which a change of the noise metric must not change: any estimate serves that follows the
    noise, since the strengths were tuned with it. Where it cannot be measured it is that of 20 cm of water.
    """
    flat = flattest_windows([image], pixel_size)
    variance = float(np.median(local_variance(image.astype(float), pixel_size)[flat])) if flat.any() else 0.0
    return math.sqrt(variance) or NOISE_HU


def tuned(study: Study) -> list[Tuned]:
    """The best variant and strength of each method: those of the lowest MAE, geometric mean over the tuning slices."""
    return [row["tuned"] for row in _best(_tried(study))]


def write_tuning(study: Study) -> None:
    """The table "tuning": every variant and strength that was tried."""
    tried = list(_tried(study))
    best = _best(tried)
    rows = [
        {
            "method": row["tuned"].denoiser.name,
            "variant": row["tuned"].denoiser.variant,
            "strength": float(row["tuned"].strength),
            "unit": row["tuned"].denoiser.unit,
            "mae": geometric_mean(row["mae"]),
            "mean_mae": fmean(row["mae"]),
            "ssim": fmean(row["ssim"]),
            "chosen": "yes" if row in best else "",
        }
        for row in tried
    ]
    slices = len(tried[0]["mae"])
    notes = f"""
MAE and mean SSIM in the body against the true kVCT over {slices} slices of training patients, the density curve
included: two slices, at a third and two thirds, of every patient with more than one slice, and two of the single
ones. MVCT is simulated. The variant and strength with the lowest geometric mean of the MAE is what the other tables
show: slices with much bone, whose error is large at any strength, count no more in it than others. No test patient
took part. Nothing is random. Strengths in units of the noise SD are multiples of that of each MVCT slice, measured in
windows of 11 mm whatever the noise metric is.

{_at_the_end(best)} BM3D's slower profile 'np' was tried at one strength only. Strengths are chosen by MAE alone. BM3D
is told that the noise is white; that of a reconstruction is correlated, which larger strengths than 1 make up for.

{NOTE_ON_BM3D}
"""
    study.write_table("tuning", rows, COLUMNS, title="Strengths of the conventional denoisers", notes=notes)


def _best(tried: Iterable[Row]) -> list[Row]:
    """The row of the lowest MAE of each method."""
    best: dict[str, Row] = {}
    for row in tried:
        name = row["tuned"].denoiser.name
        if name not in best or geometric_mean(row["mae"]) < geometric_mean(best[name]["mae"]):
            best[name] = row
    return list(best.values())


def _at_the_end(best: Sequence[Row]) -> str:
    """Whose best strength is the first or last that was tried, so that a better one may lie beyond."""
    names = [
        row["tuned"].denoiser.name
        for row in best
        if row["tuned"].strength in (row["tuned"].denoiser.strengths[0], row["tuned"].denoiser.strengths[-1])
    ]
    return f"Best at the end of what was tried: {', '.join(names) or 'none'}."


def tuning_slices(cases: Sequence[Case]) -> list[Case]:
    """Two slices, at a third and two thirds, of every patient with more than one slice, and two of the single ones."""
    single = [case for case in cases if len(case.mvct.array) == 1]
    picked = []
    for case in cases:
        total = len(case.mvct.array)
        if total > 1:
            picked += [one_slice(case, total // 3), one_slice(case, 2 * total // 3)]
    return picked + single[:: max(1, len(single) // 2)][:2]


def one_slice(case: Case, k: int) -> Case:
    """Slice k of a patient, as a case of its own."""
    mvct, truth = (Volume(v.array[k : k + 1], v.spacing, v.origin, v.direction) for v in (case.mvct, case.truth))
    return Case(f"{case.patient} {k}", mvct, truth)


def _tried(study: Study) -> Iterator[Row]:
    """Each variant at each strength, with its MAE and SSIM in every tuning slice."""
    slices: list[Case] = []
    for denoiser in denoisers():
        for strength in denoiser.strengths:
            one = Tuned(denoiser, strength)

            def compute(one=one):
                if not slices:  # read only where something is left to be done
                    slices.extend(tuning_slices(study.cases("train")))
                return _against_truth(one, slices)

            key = f"tuning/{denoiser.name} {denoiser.variant} {strength:g}".replace("'", "")
            yield {"tuned": one} | study.once(key, compute)


def _against_truth(one: Tuned, slices: Sequence[Case]) -> dict[str, list[float]]:
    maes, ssims = [], []
    for case in slices:
        image, truth = one.convert(case.mvct)[0], case.truth.array[0]
        body = body_mask(truth, pixel_size=(case.truth.spacing[1], case.truth.spacing[0]))
        maes.append(mae(image, truth, body))
        ssims.append(ssim(image, truth, body))
    return {"mae": maes, "ssim": ssims}


def _gaussian(image: np.ndarray, sd_px: float) -> np.ndarray:
    return ndimage.gaussian_filter(image, sd_px)


def _median(image: np.ndarray, width_px: int) -> np.ndarray:
    return ndimage.median_filter(image, width_px)


def _bilateral(sd_px: float, image: np.ndarray, strength_hu: float) -> np.ndarray:
    # scikit-image scales its table of weights by the largest value, which must not lie below the range of values.
    lowest = image.min()
    width = 2 * math.ceil(2.5 * sd_px) + 1
    return lowest + denoise_bilateral(image - lowest, width, sigma_color=strength_hu, sigma_spatial=sd_px)


def _non_local_means(patch_px: int, reach_px: int, image: np.ndarray, strength_hu: float) -> np.ndarray:
    return denoise_nl_means(image, patch_px, reach_px, h=strength_hu, fast_mode=True, preserve_range=True)


def _total_variation(image: np.ndarray, strength_hu: float) -> np.ndarray:
    # The default tolerance stops after a few steps, well before the minimum.
    return denoise_tv_chambolle(image, strength_hu, eps=1e-6, max_num_iter=500)


def _bm3d(profile: str, image: np.ndarray, strength_hu: float) -> np.ndarray:
    settings = {"np": bm3d.BM3DProfile, "vn": bm3d.BM3DProfileVN}[profile]()
    settings.num_threads = 1  # with more, results differ from run to run
    return 1000 * bm3d.bm3d(image / 1000, strength_hu / 1000, settings)
