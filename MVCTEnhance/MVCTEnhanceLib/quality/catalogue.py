"""Catalogue of the image-quality metrics: names, units, meaning, causes and limits of each, in one place.

Only the standard library is needed, so that results can be shown where nothing else is installed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

SCANS = {"mvct": "MVCT", "enhanced": "Enhanced", "planning_ct": "Planning CT"}
GROUPS = SCANS | {"comparison": "Enhanced against MVCT"}
_OF_SCANS = tuple(SCANS)
_SHARP = "edges are sharper than they can be known from the MVCT"
_SMOOTHED = "detail may have been smoothed away"
_CNR_LOST = "noise is left, or contrast was lost"
_SHIFTED = "the HU calibration of the MVCT may be wrong, or the enhancement changed the HU"
_CHANGED = "the enhancement changed the HU of this tissue: look at the difference map, and do not use them for dose"


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One image-quality metric.

    Args:
        label: name as shown.
        unit: of its values; "1" where there is none.
        digits: after the point.
        meaning: in plain words, with its cautions.
        truth_label: label of a difference from the truth, where that is another.
        better: which values are better, in words; empty where neither side is.
        groups: which groups of a record have it: scans, "comparison", and "truth" (of each scan against the truth).
        part_of: the group within these that holds it, for a value by tissue.
        causes: what it may mean that a value lies (below, above) its range, by the card's group of ranges.
        measured_in: what a slice must contain enough of to have a value.
        pixels: which ones it is a mean over; ranges that a card has for a whole slice hold for no region, and those of
            "slice", which counts the air too, for one field of view only.
        bounds: lowest and highest value that is possible, at which plots end; None for an open side.
        plotted: whether the report plots it slice by slice.
        limit: beyond which to look closer, in plots a dashed line.
        max_widening: width as a part of the MVCT's above which to look closer, and above which not to trust: an
            enhancement is to keep edges or to sharpen them.
        max_above_planning_ct: difference from the planning CT above which to look closer.
        max_offset: distance from the planning CT, on either side, above which to look closer, and above which not to
            trust, unless a card or a site profile has a range.
        of_full_strength: whether its expected ranges hold for an enhancement at full strength only.
        outlier_step: how far a slice must at least lie from its neighbours to stand out.
        outlier_share: the same as a part of the median over the slices.
    """

    label: str
    unit: str
    digits: int
    meaning: str
    truth_label: str = ""
    better: str = ""
    groups: tuple[str, ...] = _OF_SCANS
    part_of: str = ""
    causes: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    measured_in: str = "of this tissue"
    pixels: Literal["body", "around the body", "slice"] = "body"
    bounds: tuple[float | None, float | None] = (None, None)
    plotted: bool = True
    limit: float | None = None
    max_widening: tuple[float, float] | None = None
    max_above_planning_ct: float | None = None
    max_offset: tuple[float, float] | None = None
    of_full_strength: bool = False
    outlier_step: float | None = None
    outlier_share: float | None = None


def intended_use(_: Callable[[str], str] = str) -> str:
    """What the results may be used for, through a function that translates texts."""
    return _(
        "For research only; not a medical device. Do not diagnose, plan or calculate dose on the enhanced scan "
        "alone: it is computed from the MVCT, and what it shows beyond the MVCT is the model's estimate."
    )


def metrics(_: Callable[[str], str] = str) -> dict[str, Metric]:
    """Every metric by its name, in the order of tables.

    Args:
        _: translates labels, meanings and directions; assessments, which are stored with their texts, stay as they are.
    """
    lower, higher, near_zero = _("lower"), _("higher"), _("near 0")
    near_planning_ct = _("near the planning CT")
    edge = {
        "unit": "mm",
        "digits": 2,
        "better": lower,
        "bounds": (0.0, None),
        "max_widening": (1.02, 1.1),
        "causes": {
            "mvct": (
                "the scan is sharper than MVCT is",
                "the scan is more blurred than MVCT is, or its edges are slanted or covered",
            ),
            "enhanced": (_SHARP, "edges are blurred, slanted or covered"),
            "enhanced_to_mvct": (_SHARP, "edges are less sharp than this model leaves them"),
            "planning_ct": ("the planning CT is sharper than usual", "the planning CT is more blurred than usual"),
        },
    }
    at_air = {
        "unit": "HU",
        "digits": 0,
        "better": near_planning_ct,
        "measured_in": "soft tissue beside air",
        "max_above_planning_ct": 30.0,  # the tolerance that TG-148 gives the HU of water
    }
    bright = {
        "mvct": ("", "the scan was sharpened, or thin bone lies beside the air"),
        "planning_ct": ("", "the planning CT was made with a sharp kernel, or thin bone lies beside the air"),
    }
    of_planning_ct = ("the planning CT is smoother than usual", "the planning CT is noisier than usual")
    dig = {
        "groups": ("comparison",),
        "pixels": "slice",
        "bounds": (0.0, None),
        "of_full_strength": True,
        "causes": {
            "comparison": (
                "less was changed than removing the noise takes",
                "more was changed than the noise: look in the difference map for structure that was invented or lost",
            )
        },
    }
    hu_change = {
        "unit": "HU",
        "digits": 1,
        "groups": ("comparison", "truth"),
        "part_of": "hu_bias",
        "better": near_zero,
        "causes": {"comparison": (_CHANGED, _CHANGED)},
    }
    hu_change_in_bone = {
        "better": "",
        "causes": {"comparison": ("bone HU lower than expected for kVCT", "bone HU higher than expected for kVCT")},
    }
    hu_error_at_air = {
        "unit": "HU",
        "digits": 1,
        "groups": ("truth",),
        "part_of": "edge_error",
        "better": near_zero,
    }
    offset = {
        "unit": "HU",
        "digits": 0,
        "better": near_zero,
        "groups": ("comparison",),
        "max_offset": (15.0, 30.0),  # half of the tolerance that TG-148 gives the HU of water, and all of it
    }
    return {
        "nselfssim": Metric(
            label=_("NSelfSSIM"),
            unit="1",
            digits=3,
            meaning=_(
                "Similarity of the scan to itself after adding noise. Lower is not better: it falls with noise "
                "removed, but also with blur, and is lowest for a constant image. The planning CT's value is the "
                "reference; read it together with the edge width."
            ),
            better=near_planning_ct,
            bounds=(None, 1.0),
            of_full_strength=True,
            causes={
                "mvct": ("the scan is smoother than MVCT is, as if filtered", "the scan is noisier or has artefacts"),
                "enhanced": (
                    f"the enhanced scan is smoother than kVCT is, and {_SMOOTHED}",
                    "noise or streaks are left",
                ),
                "planning_ct": of_planning_ct,
            },
        ),
        "noise_hu": Metric(
            label=_("Noise"),
            unit="HU",
            digits=1,
            meaning=_("SD of HU in homogeneous soft tissue."),
            better=near_planning_ct,
            bounds=(0.0, None),
            measured_in="homogeneous soft tissue",
            of_full_strength=True,
            causes={
                "mvct": (
                    "the scan may be filtered already or no MVCT, and is then smoothed too much",
                    "noise may be left in the enhanced scan",
                ),
                "enhanced": (f"{_SMOOTHED} with the noise", "noise is left"),
                "enhanced_to_mvct": (f"{_SMOOTHED} with the noise", "noise is left"),
                "enhanced_to_planning_ct": ("smoother than the planning CT", "noisier than the planning CT"),
                "planning_ct": of_planning_ct,
            },
        ),
        "fine_noise_hu": Metric(
            label=_("Fine noise"),
            unit="HU",
            digits=1,
            meaning=_(
                "SD of what pixels in homogeneous soft tissue differ by from those around, for a body like 30 cm of "
                "water. It shows a change of the noise that the size of the body and coarse structure hide in the "
                "noise itself."
            ),
            groups=("mvct", "enhanced"),
            bounds=(0.0, None),
            measured_in="homogeneous soft tissue",
            of_full_strength=True,
            causes={
                "mvct": (
                    "the scan may be filtered already, or was made with more dose",
                    "the scan was made with less dose or with a sharper kernel",
                ),
                "enhanced": (f"{_SMOOTHED} with the noise", "noise is left"),
            },
        ),
        "cnr_muscle_fat": Metric(
            label=_("CNR muscle-fat"),
            unit="1",
            digits=1,
            meaning=_("Contrast between muscle and fat, divided by the noise. Blur raises it, too."),
            better=near_planning_ct,
            measured_in="muscle and fat",
            of_full_strength=True,
            causes={
                "mvct": ("low contrast may be lost in the noise", "the scan is smoother than MVCT is"),
                "enhanced": (_CNR_LOST, _SMOOTHED),
                "enhanced_to_mvct": (_CNR_LOST, _SMOOTHED),
                "enhanced_to_planning_ct": ("noisier than the planning CT", "smoother than the planning CT"),
                "planning_ct": of_planning_ct[::-1],
            },
        ),
        "edge_width_mm": Metric(
            label=_("Edge width, skin"),
            meaning=_("10-90 % width of the edge of body and air. A wider edge than the MVCT's is blur."),
            measured_in="skin in front of air",
            **edge,
        ),
        "bone_edge_width_mm": Metric(
            label=_("Edge width, bone"),
            meaning=_("10-90 % width of the edge of thick bone and soft tissue; few slices contain one."),
            measured_in="thick bone in soft tissue",
            **edge,
        ),
        "edge_overshoot_hu": Metric(
            label=_("Overshoot at air"),
            meaning=_(
                "How much brighter soft tissue is 1.5 to 3.5 mm from air inside the body than further in. Mucosa and "
                "thin bone raise it, too: compare with the planning CT. More than there, the enhancement made."
            ),
            causes=bright | {"enhanced": ("", "soft tissue beside air is too bright")},
            **at_air,
        ),
        "edge_undershoot_hu": Metric(
            label=_("Undershoot at air"),
            meaning=_("How much darker air inside the body is 1.5 to 2.5 mm from tissue than further in."),
            causes=bright | {"enhanced": ("", "air beside tissue is too dark")},
            **at_air,
        ),
        "dig": Metric(
            label=_("DIG"),
            unit="HU²/px²",
            digits=0,
            meaning=_(
                "Mean squared gradient of MVCT - enhanced over the whole slice: what was changed from pixel to "
                "pixel, removed noise included. Blind to a constant HU shift: read it together with the HU change."
            ),
            outlier_share=0.15,
            **dig,
        ),
        "dig_scaled": Metric(
            label=_("DIG, scaled"),
            unit="1/px²",
            digits=4,
            meaning=_("DIG of HU clipped to [-600, 400] and scaled to [-1, 1]."),
            plotted=False,
            **dig,
        ),
        "air_agreement": Metric(
            label=_("Air agreement"),
            unit="%",
            digits=2,
            meaning=_(
                "Pixels around the body that both scans class the same, as air (below -600 HU) or not. Below 99 %: "
                "look where air or tissue was invented."
            ),
            better=higher,
            groups=("comparison",),
            pixels="around the body",
            bounds=(0.0, 100.0),
            limit=99.0,
            outlier_step=0.2,
            causes={"comparison": ("air or tissue was invented or lost: look at the difference map", "")},
        ),
        "nselfssim_distance": Metric(
            label=_("NSelfSSIM, distance to planning CT"),
            unit="1",
            digits=3,
            meaning=_("Distance of the mean NSelfSSIM from the planning CT's: the MVCT's, then the enhanced scan's."),
            better=lower,
            groups=("comparison",),
            bounds=(0.0, 1.0),
            causes={"comparison": ("", "the enhanced scan does not have the planning CT's image quality")},
        ),
        "fat_offset": Metric(
            label=_("HU offset from planning CT, fat"),
            meaning=_(
                "HU of fat less the planning CT's, in slices that show the same part of the body: the MVCT's, then "
                "the enhanced scan's. It shows a wrong HU calibration of the MVCT; contrast agent hardly changes fat."
            ),
            measured_in="fat that the planning CT shows, too",
            causes={"comparison": (_SHIFTED, _SHIFTED)},
            **offset,
        ),
        "soft_tissue_offset": Metric(
            label=_("HU offset from planning CT, soft tissue"),
            meaning=_(
                "HU of muscle and the like less the planning CT's, in slices that show the same part of the body: the "
                "MVCT's, then the enhanced scan's. Contrast agent in the planning CT lowers it."
            ),
            measured_in="soft tissue that the planning CT shows, too",
            causes={"comparison": (f"the planning CT may have contrast agent, {_SHIFTED}", _SHIFTED)},
            **offset,
        ),
        "lung": Metric(
            label=_("HU change, lung"),
            truth_label=_("HU error, lung"),
            meaning=_("Mean HU difference in lung."),
            **hu_change,
        ),
        "fat": Metric(
            label=_("HU change, fat"),
            truth_label=_("HU error, fat"),
            meaning=_("Mean HU difference in fat."),
            **hu_change,
        ),
        "soft_tissue": Metric(
            label=_("HU change, soft tissue"),
            truth_label=_("HU error, soft tissue"),
            meaning=_("Mean HU difference in muscle and the like."),
            outlier_step=2.0,
            **hu_change,
        ),
        "bone": Metric(
            label=_("HU change, bone"),
            truth_label=_("HU error, bone"),
            meaning=_(
                "Mean HU difference in bone. Against the MVCT it is high on purpose: the same bone has more HU in kVCT."
            ),
            **hu_change | hu_change_in_bone,
        ),
        "tissue_at_air": Metric(
            label=_("HU error, tissue at air"),
            meaning=_("Mean HU difference from the true kVCT in soft tissue 1 to 2.5 mm from air inside the body."),
            **hu_error_at_air,
        ),
        "air_at_tissue": Metric(
            label=_("HU error, air at tissue"),
            meaning=_("Mean HU difference from the true kVCT in air inside the body 1 to 2.5 mm from tissue."),
            **hu_error_at_air,
        ),
        "mae_hu": Metric(
            label=_("MAE"),
            unit="HU",
            digits=1,
            meaning=_("Mean absolute difference from the true kVCT, in the body."),
            better=lower,
            groups=("truth",),
            bounds=(0.0, None),
        ),
        "psnr_db": Metric(
            label=_("PSNR"),
            unit="dB",
            digits=1,
            meaning=_("Peak signal-to-noise ratio, in the body, for a range of 1000 HU."),
            better=higher,
            groups=("truth",),
        ),
        "ssim": Metric(
            label=_("SSIM"),
            unit="1",
            digits=3,
            meaning=_("Structural similarity with the true kVCT, in the body; 1 is equal."),
            better=higher,
            groups=("truth",),
            bounds=(None, 1.0),
        ),
    }


METRICS = MappingProxyType(metrics())
INTENDED_USE = intended_use()
