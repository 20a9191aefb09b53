"""The couch shift that a rigid motion asks for, in the fixed coordinates of IEC 61217."""

from __future__ import annotations

from types import MappingProxyType

import numpy as np

from .motion import RigidMotion, euler_deg

_LEFT, _POSTERIOR, _SUPERIOR = np.eye(3)
# What of the patient points up, by the last letters of DICOM's Patient Position.
_UP = MappingProxyType({"S": -_POSTERIOR, "P": _POSTERIOR, "DR": _LEFT, "DL": -_LEFT})
#: DICOM's Patient Positions (C.7.3.1.1.2) of a patient who lies along the couch.
PATIENT_POSITIONS = tuple(f"{end}{side}" for end in ("HF", "FF") for side in _UP)


def room_axes(patient_position: str) -> np.ndarray:
    """The axes of IEC 61217's fixed coordinates as rows of LPS unit vectors, shape (3, 3), for a couch at 0°.

    x points to the right of somebody who faces the gantry, y to the gantry, z up.

    Args:
        patient_position: one of `PATIENT_POSITIONS`; feet first, the head lies away from the gantry.
    """
    y = _SUPERIOR if patient_position.startswith("HF") else -_SUPERIOR
    z = _UP[patient_position[2:]]
    return np.stack([np.cross(y, z), y, z])


def couch_shift(motion: RigidMotion, about: np.ndarray, patient_position: str) -> dict[str, float]:
    """The movement of the couch that brings the patient, as the MVCT shows him, to his place in the planning CT.

    First the rotation about the point (yaw about z, pitch about the x and roll about the y that have turned with it, as
    IEC 61217 has it; right-handed angles), then the shift along the axes of the room.

    Args:
        motion: from MVCT to planning CT.
        about: the point, LPS in mm.
        patient_position: one of `PATIENT_POSITIONS`.

    Returns:
        lateral_mm (x), longitudinal_mm (y), vertical_mm (z), pitch_deg, roll_deg, yaw_deg.
    """
    axes = room_axes(patient_position)
    lateral, longitudinal, vertical = axes @ motion.shift_of(about)
    pitch, roll, yaw = euler_deg(axes @ motion.rotation @ axes.T)
    return {
        "lateral_mm": float(lateral),
        "longitudinal_mm": float(longitudinal),
        "vertical_mm": float(vertical),
        "pitch_deg": pitch,
        "roll_deg": roll,
        "yaw_deg": yaw,
    }
