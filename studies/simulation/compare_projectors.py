"""Our projector beside scikit-image's and ASTRA's: processor time and HU of a noise-free slice (docs/simulation.md).

    OMP_NUM_THREADS=1 python studies/simulation/compare_projectors.py

needs scikit-image, and shows ASTRA where `pip install astra-toolbox` has put it. The slice is a water cylinder with
eight density inserts, 512 x 512 pixels of 0.763 mm; 600 views over 180 degrees; a detector as wide as the diagonal, so
that nothing is truncated; a Hamming window on the ramp filter.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import numpy as np
import torch
from MVCTEnhanceLib.physics.density import density_hu_from_kv
from MVCTEnhanceLib.physics.mvct import WATER_PER_MM
from MVCTEnhanceLib.physics.phantom import density_inserts
from MVCTEnhanceLib.physics.projector import ParallelBeam, back_project, project, ramp_filter
from scipy import ndimage
from skimage.transform import iradon, radon

try:
    import astra
except ModuleNotFoundError:
    astra = None

SIZE = 512
PIXEL_MM = 0.763
BATCH = 8  # slices that ours takes together, as in a simulation
BEAM = ParallelBeam(600, math.ceil(math.sqrt(2) * SIZE), PIXEL_MM)


def main() -> None:
    torch.set_num_threads(1)
    phantom, labels = density_inserts()
    truth = density_hu_from_kv(torch.from_numpy(phantom.array[0].astype(np.float32))).numpy()
    attenuation = (WATER_PER_MM * (1 + truth / 1000)).astype(np.float32)
    slices = {name: timed(reconstruct, attenuation) for name, reconstruct in PROJECTORS.items()}
    slices["ours"] = (slices["ours"][0], slices["ours"][1] / BATCH)
    ours, _ = slices["ours"]
    inside = ndimage.binary_erosion(labels[0] > 0, iterations=4)
    print("projector    CPU s/slice   largest insert error (HU)   SD of the difference to ours (HU)")
    for name, (hu, seconds) in slices.items():
        error = max(abs(hu[rod].mean() - truth[rod].mean()) for rod in rods(labels[0]))
        print(f"{name:12} {seconds:13.1f} {error:27.2f} {np.std((hu - ours)[inside]):35.2f}")


def timed(reconstruct: Callable[[np.ndarray], np.ndarray], attenuation: np.ndarray) -> tuple[np.ndarray, float]:
    """HU of the slice and the processor time it took."""
    started = time.process_time()
    result = reconstruct(attenuation)
    return 1000 * (result / WATER_PER_MM - 1), time.process_time() - started


def rods(labels: np.ndarray) -> list[np.ndarray]:
    """The inside of each insert."""
    return [ndimage.binary_erosion(labels == label, iterations=7) for label in range(2, labels.max() + 1)]


def with_ours(attenuation: np.ndarray) -> np.ndarray:
    pixel = (PIXEL_MM, PIXEL_MM)
    sinogram = project(torch.from_numpy(attenuation).repeat(BATCH, 1, 1), pixel, BEAM)
    return back_project(ramp_filter(sinogram, PIXEL_MM), (SIZE, SIZE), pixel, BEAM)[0].numpy()


def with_scikit_image(attenuation: np.ndarray) -> np.ndarray:
    theta = np.degrees(BEAM.angles())
    sinogram = radon(attenuation * PIXEL_MM, theta=theta, circle=False)
    return iradon(sinogram, theta=theta, filter_name="hamming", circle=False, output_size=SIZE) / PIXEL_MM


def with_astra(attenuation: np.ndarray) -> np.ndarray:
    """Projection and its adjoint by ASTRA's CPU code, with our filter between them."""
    volume = astra.create_vol_geom(SIZE, SIZE)
    geometry = astra.create_proj_geom("parallel", 1.0, BEAM.bins, np.array(BEAM.angles()))
    projector = astra.create_projector("linear", geometry, volume)
    _, sinogram = astra.create_sino(attenuation * PIXEL_MM, projector)
    filtered = ramp_filter(torch.from_numpy(sinogram), PIXEL_MM).numpy()
    _, back = astra.create_backprojection(filtered, projector)
    astra.clear()
    return back * math.pi / BEAM.views


PROJECTORS = {"ours": with_ours, "scikit-image": with_scikit_image} | ({"ASTRA (CPU)": with_astra} if astra else {})

if __name__ == "__main__":
    main()
