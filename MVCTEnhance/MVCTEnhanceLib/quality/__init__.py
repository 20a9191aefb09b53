"""Image-quality readouts: pure functions of HU arrays, slices (j, i) and volumes (k, j, i)."""

from .air import AirParameters, air_agreement
from .body import BodyParameters, body_mask
from .contrast import cnr_muscle_fat
from .dig import dig, dig_scaled
from .edges import bone_edge_width, skin_edge_width
from .hu_bias import hu_bias
from .noise import NoiseParameters, homogeneous_tissue, noise_sd
from .nselfssim import NSelfSSIMParameters, nselfssim
from .overshoot import OvershootParameters, air_edge_errors, air_edge_overshoot
from .paired import mae, psnr, ssim
from .profiles import EdgeParameters
from .readout import Readout, Readouts, readout_parameters
from .readouts import evaluate
from .ssim import SSIMParameters, ssim_map
from .tissues import TISSUE_RANGES_HU, TissueParameters, tissue_mask

__all__ = [
    "TISSUE_RANGES_HU",
    "AirParameters",
    "BodyParameters",
    "EdgeParameters",
    "NSelfSSIMParameters",
    "NoiseParameters",
    "OvershootParameters",
    "Readout",
    "Readouts",
    "SSIMParameters",
    "TissueParameters",
    "air_agreement",
    "air_edge_errors",
    "air_edge_overshoot",
    "body_mask",
    "bone_edge_width",
    "cnr_muscle_fat",
    "dig",
    "dig_scaled",
    "evaluate",
    "homogeneous_tissue",
    "hu_bias",
    "mae",
    "noise_sd",
    "nselfssim",
    "psnr",
    "readout_parameters",
    "skin_edge_width",
    "ssim",
    "ssim_map",
    "tissue_mask",
]
