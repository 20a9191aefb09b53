"""Image-quality readouts: pure functions of HU arrays, slices (j, i) and volumes (k, j, i)."""

from .air import AirParameters, air_agreement
from .body import BodyParameters, body_mask
from .contrast import cnr_muscle_fat
from .dig import dig, dig_scaled
from .edges import EdgeParameters, bone_edge_width, skin_edge_width
from .hu_bias import hu_bias
from .noise import NoiseParameters, noise_sd
from .nselfssim import NSelfSSIMParameters, nselfssim
from .paired import mae, psnr, ssim
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
    "Readout",
    "Readouts",
    "SSIMParameters",
    "TissueParameters",
    "air_agreement",
    "body_mask",
    "bone_edge_width",
    "cnr_muscle_fat",
    "dig",
    "dig_scaled",
    "evaluate",
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
