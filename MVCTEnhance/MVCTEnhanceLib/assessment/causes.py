"""Possible causes of a metric below or above its expected range, or without a value."""

from __future__ import annotations

from types import MappingProxyType

_CHANGED = "the enhancement changed the HU of this tissue: look at the difference map, and do not use them for dose"
_SHARP = "edges are sharper than they can be known from the MVCT"
_INVENTED = "more was changed than the noise: look in the difference map for structure that was invented or lost"
_TOO_LITTLE = "less was changed than removing the noise takes"
_SMOOTH_AIM, _NOISY_AIM = "the planning CT is smoother than usual", "the planning CT is noisier than usual"
_SHARP_AIM, _BLURRED_AIM = "the planning CT is sharper than usual", "the planning CT is more blurred than usual"
_SHARP_MVCT = "the scan is sharper than MVCT is"
_BRIGHT_MVCT = "the scan was sharpened, or thin bone lies beside the air"
_BRIGHT_AIM = "the planning CT was made with a sharp kernel, or thin bone lies beside the air"
_BLURRED_MVCT = "the scan is more blurred than MVCT is, or its edges are slanted or covered"

# group -> readout -> (below, above)
CAUSES = MappingProxyType(
    {
        "mvct": {
            "nselfssim": ("the scan is smoother than MVCT is, as if filtered", "the scan is noisier or has artefacts"),
            "noise_hu": (
                "the scan may be filtered already or no MVCT, and is then smoothed too much",
                "noise may be left in the enhanced scan",
            ),
            "cnr_muscle_fat": ("low contrast may be lost in the noise", "the scan is smoother than MVCT is"),
            "edge_width_mm": (_SHARP_MVCT, _BLURRED_MVCT),
            "bone_edge_width_mm": (_SHARP_MVCT, _BLURRED_MVCT),
            "edge_overshoot_hu": ("", _BRIGHT_MVCT),
            "edge_undershoot_hu": ("", _BRIGHT_MVCT),
        },
        "enhanced": {
            "nselfssim": (
                "the enhanced scan is smoother than kVCT is, and detail may have been smoothed away",
                "noise or streaks are left",
            ),
            "noise_hu": ("detail may have been smoothed away with the noise", "noise is left"),
            "cnr_muscle_fat": ("noise is left, or contrast was lost", "detail may have been smoothed away"),
            "edge_width_mm": (_SHARP, "edges are blurred, slanted or covered"),
            "bone_edge_width_mm": (_SHARP, "edges are blurred, slanted or covered"),
            "edge_overshoot_hu": ("", "soft tissue beside air is too bright"),
            "edge_undershoot_hu": ("", "air beside tissue is too dark"),
        },
        "enhanced_to_mvct": {
            "noise_hu": ("detail may have been smoothed away with the noise", "noise is left"),
            "cnr_muscle_fat": ("noise is left, or contrast was lost", "detail may have been smoothed away"),
            "edge_width_mm": (_SHARP, "edges are less sharp than this model leaves them"),
            "bone_edge_width_mm": (_SHARP, "edges are less sharp than this model leaves them"),
        },
        "enhanced_to_planning_ct": {
            "noise_hu": ("it is smoother than what to aim at", "it is noisier than what to aim at"),
            "cnr_muscle_fat": ("it is noisier than what to aim at", "it is smoother than what to aim at"),
        },
        "planning_ct": {
            "nselfssim": (_SMOOTH_AIM, _NOISY_AIM),
            "noise_hu": (_SMOOTH_AIM, _NOISY_AIM),
            "cnr_muscle_fat": (_NOISY_AIM, _SMOOTH_AIM),
            "edge_width_mm": (_SHARP_AIM, _BLURRED_AIM),
            "bone_edge_width_mm": (_SHARP_AIM, _BLURRED_AIM),
            "edge_overshoot_hu": ("", _BRIGHT_AIM),
            "edge_undershoot_hu": ("", _BRIGHT_AIM),
        },
        "comparison": {
            "dig": (_TOO_LITTLE, _INVENTED),
            "dig_scaled": (_TOO_LITTLE, _INVENTED),
            "air_agreement": ("air or tissue was invented or lost: look at the difference map", ""),
            "nselfssim_distance": ("", "the enhanced scan does not have the planning CT's image quality"),
            "lung": (_CHANGED, _CHANGED),
            "fat": (_CHANGED, _CHANGED),
            "soft_tissue": (_CHANGED, _CHANGED),
            "bone": ("bone has fewer HU than kVCT gives it", "bone has more HU than kVCT gives it"),
        },
    }
)

_MEASURED_IN = MappingProxyType(
    {
        "noise_hu": "homogeneous soft tissue",
        "cnr_muscle_fat": "muscle and fat",
        "edge_width_mm": "skin in front of air",
        "bone_edge_width_mm": "thick bone in soft tissue",
        "edge_overshoot_hu": "soft tissue beside air",
        "edge_undershoot_hu": "soft tissue beside air",
    }
)


def not_applicable(name: str) -> str:
    """Why a readout has no value, where that is no doubt."""
    return f"Not applicable: no slice contains enough {_MEASURED_IN.get(name, 'of this tissue')}."
