"""A rigid motion of the patient in LPS and mm, and its parts about a point."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

NOT_FOR_POSITIONING = "Research only: not for positioning."


@dataclass(frozen=True, eq=False)
class RigidMotion:
    """The motion that brings each point p of the MVCT to its place in the planning CT, rotation @ p + offset.

    Args:
        rotation: matrix of shape (3, 3) whose determinant is 1.
        offset: mm, shape (3,): where the origin goes to.
    """

    rotation: np.ndarray
    offset: np.ndarray

    @classmethod
    def of_itk(cls, transform: sitk.Transform) -> RigidMotion:
        """The motion that an ITK transform makes of points."""
        origin = np.array(transform.TransformPoint((0.0, 0.0, 0.0)))
        units = np.eye(3).tolist()
        return cls(np.stack([transform.TransformPoint(unit) - origin for unit in units], axis=1), origin)

    def moved(self, points: np.ndarray) -> np.ndarray:
        """Where points go to, shape (..., 3)."""
        return points @ self.rotation.T + self.offset

    def shift_of(self, point: np.ndarray) -> np.ndarray:
        """By how many mm a point is moved, shape (3,)."""
        return self.moved(np.asarray(point, float)) - point

    @property
    def inverse(self) -> RigidMotion:
        """The motion back."""
        return RigidMotion(self.rotation.T, -self.rotation.T @ self.offset)

    @property
    def matrix(self) -> np.ndarray:
        """Homogeneous matrix, shape (4, 4)."""
        matrix = np.eye(4)
        matrix[:3, :3], matrix[:3, 3] = self.rotation, self.offset
        return matrix

    @property
    def angle_deg(self) -> float:
        """The one angle of the rotation about its own axis, 0 to 180."""
        return math.degrees(math.acos(np.clip((np.trace(self.rotation) - 1) / 2, -1, 1)))

    def to_itk(self, centre: np.ndarray) -> sitk.Euler3DTransform:
        """As ITK's transform of points, with a point about which it rotates."""
        transform = sitk.Euler3DTransform()
        transform.SetCenter([float(place) for place in centre])
        transform.SetMatrix(self.rotation.ravel().tolist(), 1e-6)
        transform.SetTranslation(self.shift_of(centre).tolist())
        return transform


def euler_deg(rotation: np.ndarray) -> tuple[float, float, float]:
    """Right-handed angles (x, y, z) of a rotation matrix that is Rz @ Rx @ Ry.

    This order is that of IEC 61217, for a couch that turns about z and whose top is pitched about x and then rolled
    about y, and that of ITK's Euler3DTransform.
    """
    x = math.asin(np.clip(rotation[2, 1], -1, 1))
    y = math.atan2(-rotation[2, 0], rotation[2, 2])
    z = math.atan2(-rotation[0, 1], rotation[1, 1])
    return math.degrees(x), math.degrees(y), math.degrees(z)


def difference(a: RigidMotion, b: RigidMotion, points: np.ndarray) -> tuple[float, float]:
    """How far two motions differ: mean distance in mm of where they bring points (n, 3), and the angle between them in
    degrees."""
    distance = np.linalg.norm(a.moved(points) - b.moved(points), axis=1).mean()
    return float(distance), RigidMotion(a.rotation @ b.rotation.T, np.zeros(3)).angle_deg
