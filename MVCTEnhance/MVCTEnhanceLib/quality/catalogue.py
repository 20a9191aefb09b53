"""Names, units and explanations of the metrics."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class ReadoutText:
    """Args: name as shown; digits after the point; meaning in plain words, with its cautions."""

    name: str
    digits: int
    meaning: str


def intended_use(_: Callable[[str], str] = str) -> str:
    """What the results may be used for, through a function that translates texts."""
    return _(
        "For research only; not a medical device. Do not diagnose, plan or calculate dose on the enhanced scan "
        "alone: it is computed from the MVCT, and what it shows beyond the MVCT is the model's estimate."
    )


def readout_texts(_: Callable[[str], str] = str) -> dict[str, ReadoutText]:
    """The text of each readout by its name, through a function that translates texts."""
    return {
        "nselfssim": ReadoutText(
            _("NSelfSSIM"),
            3,
            _(
                "How alike the scan stays when noise is added to it. Lower is not better: it falls with noise "
                "removed, but also with blur, and is lowest for a constant image. Aim at the planning CT's value, "
                "and read it together with the edge width."
            ),
        ),
        "noise_hu": ReadoutText(
            _("Noise"),
            1,
            _("SD of HU in flat soft tissue."),
        ),
        "cnr_muscle_fat": ReadoutText(
            _("CNR muscle-fat"),
            1,
            _("Contrast between muscle and fat, divided by the noise. Blur raises it, too."),
        ),
        "edge_width_mm": ReadoutText(
            _("Edge width, skin"),
            2,
            _("10-90 % width of the edge of body and air. A wider edge than the MVCT's is blur."),
        ),
        "bone_edge_width_mm": ReadoutText(
            _("Edge width, bone"),
            2,
            _("10-90 % width of the edge of thick bone and soft tissue; few slices show one."),
        ),
        "edge_overshoot_hu": ReadoutText(
            _("Overshoot at air"),
            0,
            _(
                "How much brighter soft tissue is 1.5 to 3.5 mm from air inside the body than further in. Mucosa and "
                "thin bone raise it, too: compare with the planning CT. More than there, the enhancement made."
            ),
        ),
        "edge_undershoot_hu": ReadoutText(
            _("Undershoot at air"),
            0,
            _("How much darker air inside the body is 1.5 to 2.5 mm from tissue than further in."),
        ),
        "dig": ReadoutText(
            _("DIG"),
            0,
            _(
                "Mean squared gradient of MVCT - enhanced over the whole slice: what was changed from pixel to "
                "pixel, removed noise included. Blind to a constant HU shift: read it together with the HU bias."
            ),
        ),
        "dig_scaled": ReadoutText(
            _("DIG, scaled"),
            4,
            _("DIG of HU clipped to [-600, 400] and scaled to [-1, 1]."),
        ),
        "air_agreement": ReadoutText(
            _("Air agreement"),
            2,
            _(
                "Pixels around the body that both scans class the same, as air (below -600 HU) or not. Below 99 %: "
                "look where air or tissue was invented."
            ),
        ),
        "nselfssim_distance": ReadoutText(
            _("NSelfSSIM, distance"),
            3,
            _("How far it is from the planning CT's, which is what to aim at: the MVCT's, then the enhanced scan's."),
        ),
        "lung": ReadoutText(
            _("HU bias, lung"),
            1,
            _("Mean HU difference in lung."),
        ),
        "fat": ReadoutText(
            _("HU bias, fat"),
            1,
            _("Mean HU difference in fat."),
        ),
        "soft_tissue": ReadoutText(
            _("HU bias, soft tissue"),
            1,
            _("Mean HU difference in muscle and the like."),
        ),
        "bone": ReadoutText(
            _("HU bias, bone"),
            1,
            _("Mean HU difference in bone. Against the MVCT it is high on purpose: the same bone has more HU in kVCT."),
        ),
        "tissue_at_air": ReadoutText(
            _("HU bias, tissue at air"),
            1,
            _("Mean HU difference in soft tissue 1 to 2.5 mm from air inside the body."),
        ),
        "air_at_tissue": ReadoutText(
            _("HU bias, air at tissue"),
            1,
            _("Mean HU difference in air inside the body 1 to 2.5 mm from tissue."),
        ),
        "mae_hu": ReadoutText(
            _("MAE"),
            1,
            _("Mean absolute difference from the true kVCT, in the body."),
        ),
        "psnr_db": ReadoutText(
            _("PSNR"),
            1,
            _("Peak signal-to-noise ratio, in the body, for a range of 1000 HU."),
        ),
        "ssim": ReadoutText(
            _("SSIM"),
            3,
            _("Structural similarity with the true kVCT, in the body; 1 is equal."),
        ),
    }


SCANS = {"mvct": "MVCT", "enhanced": "Enhanced", "planning_ct": "Planning CT"}
GROUPS = SCANS | {"comparison": "Enhanced against MVCT"}
TEXTS = MappingProxyType(readout_texts())
INTENDED_USE = intended_use()
