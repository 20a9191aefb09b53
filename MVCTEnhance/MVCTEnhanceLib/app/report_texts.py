"""What the readouts are called and what they tell, in plain words."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

INTENDED_USE = (
    "For research only; not a medical device. Do not diagnose, plan or calculate dose on the enhanced scan alone: "
    "it is computed from the MVCT, and what it shows beyond the MVCT is the model's estimate."
)


@dataclass(frozen=True)
class ReadoutText:
    """Args: name as shown; digits after the point; meaning in plain words, with its cautions."""

    name: str
    digits: int
    meaning: str


SCANS = {"mvct": "MVCT", "enhanced": "Enhanced", "planning_ct": "Planning CT"}

TEXTS = MappingProxyType(
    {
        "nselfssim": ReadoutText(
            "NSelfSSIM",
            3,
            "How alike the scan stays when noise is added to it. Lower is not better: it falls with noise removed, but "
            "also with blur, and is lowest for a constant image. Aim at the planning CT's value, and read it together "
            "with the edge width.",
        ),
        "noise_hu": ReadoutText("Noise", 1, "SD of HU in flat soft tissue."),
        "cnr_muscle_fat": ReadoutText(
            "CNR muscle-fat", 1, "Contrast between muscle and fat, divided by the noise. Blur raises it, too."
        ),
        "edge_width_mm": ReadoutText(
            "Edge width, skin", 2, "10-90 % width of the edge of body and air. A wider edge than the MVCT's is blur."
        ),
        "bone_edge_width_mm": ReadoutText(
            "Edge width, bone", 2, "10-90 % width of the edge of thick bone and soft tissue; few slices show one."
        ),
        "dig": ReadoutText(
            "DIG",
            0,
            "Mean squared gradient of MVCT - enhanced over the whole slice: what was changed from pixel to pixel, "
            "removed noise included. Blind to a constant HU shift: read it together with the HU bias.",
        ),
        "dig_scaled": ReadoutText("DIG, scaled", 4, "DIG of HU clipped to [-600, 400] and scaled to [-1, 1]."),
        "air_agreement": ReadoutText(
            "Air agreement",
            2,
            "Pixels around the body that both scans class the same, as air (below -600 HU) or not. "
            "Below 99 %: look where air or tissue was invented.",
        ),
        "nselfssim_distance": ReadoutText(
            "NSelfSSIM, distance",
            3,
            "How far it is from the planning CT's, which is what to aim at: the MVCT's, then the enhanced scan's.",
        ),
        "lung": ReadoutText("HU bias, lung", 1, "Mean HU difference in lung."),
        "fat": ReadoutText("HU bias, fat", 1, "Mean HU difference in fat."),
        "soft_tissue": ReadoutText("HU bias, soft tissue", 1, "Mean HU difference in muscle and the like."),
        "bone": ReadoutText(
            "HU bias, bone",
            1,
            "Mean HU difference in bone. Against the MVCT it is high on purpose: the same bone has more HU in kVCT.",
        ),
        "mae_hu": ReadoutText("MAE", 1, "Mean absolute difference from the true kVCT, in the body."),
        "psnr_db": ReadoutText("PSNR", 1, "Peak signal-to-noise ratio, in the body, for a range of 1000 HU."),
        "ssim": ReadoutText("SSIM", 3, "Structural similarity with the true kVCT, in the body; 1 is equal."),
    }
)
