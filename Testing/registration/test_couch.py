"""Motions and their couch shifts: the axes of IEC 61217 for each Patient Position, and the angles of a rotation."""

import numpy as np
import pytest
import SimpleITK as sitk
from MVCTEnhanceLib.jobs.requests import PATIENT_POSITIONS
from MVCTEnhanceLib.registration.couch import couch_shift, room_axes
from MVCTEnhanceLib.registration.motion import RigidMotion, difference, euler_deg

AXES = {  # what of the patient points to x (right, seen from the couch's foot), y (to the gantry) and z (up)
    "HFS": "L S A",
    "HFP": "R S P",
    "FFS": "R I A",
    "FFP": "L I P",
    "HFDR": "P S L",
    "HFDL": "A S R",
    "FFDR": "A I L",
    "FFDL": "P I R",
}
LPS = {"L": (1, 0, 0), "R": (-1, 0, 0), "P": (0, 1, 0), "A": (0, -1, 0), "S": (0, 0, 1), "I": (0, 0, -1)}
ABOUT = np.array([30.0, -20.0, 50.0])


def about(rotation, shift):
    """A motion of a rotation about ABOUT and a shift."""
    rotation = np.asarray(rotation, float)
    return RigidMotion(rotation, ABOUT - rotation @ ABOUT + shift)


def turn(axis, degrees):
    """Rotation matrix about one of the axes x, y, z, right-handed."""
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    matrix, (a, b) = np.eye(3), [(1, 2), (2, 0), (0, 1)][axis]
    matrix[[a, a, b, b], [a, b, a, b]] = cos, -sin, sin, cos
    return matrix


def test_every_patient_position_is_known():
    assert set(AXES) == set(PATIENT_POSITIONS)


@pytest.mark.parametrize("position", AXES)
def test_axes_of_the_room_are_those_of_the_patient_on_the_couch(position):
    axes = room_axes(position)
    assert axes.tolist() == [list(LPS[letter]) for letter in AXES[position].split()]
    assert np.linalg.det(axes) == pytest.approx(1)


def test_patient_who_lies_supine_is_moved_to_the_left_head_and_front_by_a_couch_that_goes_right_in_and_up():
    found = couch_shift(about(np.eye(3), (4.0, -6.0, 5.0)), ABOUT, "HFS")
    expected = (4, 5, 6, 0, 0, 0)
    assert list(found) == ["lateral_mm", "longitudinal_mm", "vertical_mm", "pitch_deg", "roll_deg", "yaw_deg"]
    assert list(found.values()) == pytest.approx(expected, abs=1e-9)
    found = couch_shift(about(np.eye(3), (4.0, -6.0, 5.0)), ABOUT, "FFS")
    assert list(found.values()) == pytest.approx((-4, -5, 6, 0, 0, 0), abs=1e-9)


@pytest.mark.parametrize("position", AXES)
def test_angles_are_yaw_then_pitch_then_roll_about_the_axes_of_the_room(position):
    axes = room_axes(position)
    in_room = turn(2, 4.0) @ turn(0, -3.0) @ turn(1, 2.0)
    found = couch_shift(about(axes.T @ in_room @ axes, (0, 0, 0)), ABOUT, position)
    assert (found["yaw_deg"], found["pitch_deg"], found["roll_deg"]) == pytest.approx((4, -3, 2))
    assert [found[f"{way}_mm"] for way in ("lateral", "longitudinal", "vertical")] == pytest.approx([0] * 3, abs=1e-9)


def test_shift_depends_on_the_point_that_is_rotated_about():
    motion = about(turn(2, 5.0), (0, 0, 0))
    other = couch_shift(motion, ABOUT + np.array([100.0, 0, 0]), "HFS")
    assert other["vertical_mm"] == pytest.approx(-100 * np.sin(np.radians(5)))
    assert other["roll_deg"] == pytest.approx(couch_shift(motion, ABOUT, "HFS")["roll_deg"])


def test_angles_are_those_of_itk():
    transform = sitk.Euler3DTransform()
    transform.SetRotation(0.05, -0.08, 0.03)
    matrix = np.array(transform.GetMatrix()).reshape(3, 3)
    assert euler_deg(matrix) == pytest.approx(np.degrees((0.05, -0.08, 0.03)))


def test_motion_as_itk_s_transform_and_back_moves_points_the_same():
    motion = about(turn(2, 4.0) @ turn(0, -3.0), (4.0, -6.0, 5.0))
    points = np.random.default_rng(0).normal(0, 100, (5, 3))
    transform = motion.to_itk(ABOUT)
    assert motion.moved(points) == pytest.approx(np.array([transform.TransformPoint(p) for p in points.tolist()]))
    again = RigidMotion.of_itk(transform)
    assert difference(again, motion, points) == pytest.approx((0, 0), abs=1e-4)
    assert motion.inverse.moved(motion.moved(points)) == pytest.approx(points)
    assert (motion.matrix @ [*points[0], 1])[:3] == pytest.approx(motion.moved(points[0]))


def test_difference_is_the_mean_distance_of_the_points_and_the_angle_between_both():
    still = RigidMotion(np.eye(3), np.zeros(3))
    points = ABOUT + np.array([[10.0, 0, 0], [0, 30.0, 0]])
    mm, deg = difference(about(turn(2, 90.0), (0, 0, 0)), still, points)
    assert mm == pytest.approx(20 * np.sqrt(2)) and deg == pytest.approx(90)
