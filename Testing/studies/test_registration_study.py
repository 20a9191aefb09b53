"""The registration study finds known misalignments again, repeatably, and says what its figures show."""

import importlib
import math
from pathlib import Path

import numpy as np
import pytest
from MVCTEnhanceLib.registration import rigid as library
from MVCTEnhanceLib.registration.motion import RigidMotion
from MVCTEnhanceLib.volume import Volume

FOLDER = Path(__file__).resolve().parents[2] / "studies" / "results"


@pytest.fixture
def rigid(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    return importlib.import_module("robustness.rigid")


@pytest.fixture
def registration(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    return importlib.import_module("robustness.registration")


def patient(noise_hu=0.0):
    """A body of 240 x 180 x 72 mm with bone, air and soft tissue that differ from slice to slice; HU (k, j, i)."""
    z, y, x = np.meshgrid(np.arange(12) * 6.0 - 33, np.arange(96) * 3.0 - 142, np.arange(96) * 3.0 - 142, indexing="ij")
    hu = np.where((x / 120) ** 2 + (y / 90) ** 2 < 1, 0.0, -1000.0)
    for cx, cy, cz, radius, value in [(0, 50, 0, 25, 350), (-60, 0, 20, 32, -500), (50, -20, -20, 30, 150)]:
        hu[(x - cx) ** 2 + (y - cy) ** 2 + (1.5 * (z - cz)) ** 2 < radius**2] = value
    hu += noise_hu * np.random.default_rng(0).standard_normal(hu.shape)
    return Volume(hu.astype(np.float32), (3.0, 3.0, 6.0), (-142.0, -142.0, -33.0))


@pytest.fixture(scope="module")
def scan():
    return patient(noise_hu=20.0)


def row(method, gain=None, low=None, high=None, failures=0, common_noise=""):
    gains = {} if gain is None else {"gain_mm": gain, "gain_low_mm": low, "gain_high_mm": high}
    return {"method": method, "failures": failures, "starts": 50, "common_noise": common_noise} | gains


def registration_of(scan, hu=None):
    converted = scan if hu is None else scan.with_array(hu)
    return library.Registration(library.Body(scan), converted, library.pyramid(patient()))


def test_known_misalignment_is_found_again(rigid, scan):
    start = [math.radians(4), math.radians(-3), math.radians(5), 12.0, -14.0, 9.0]
    errors = rigid.errors_from(registration_of(scan), start, seed=1)
    assert errors.mm < 1 and errors.shift_mm < 1 and errors.rotation_deg < 1


def test_scan_without_the_patient_is_not_registered_well(rigid, scan):
    nothing = np.random.default_rng(1).normal(0, 50, scan.array.shape)
    assert rigid.errors_from(registration_of(scan, nothing), [0.08, -0.08, 0.08, 12.0, -14.0, 9.0], seed=1).mm > 2


def test_same_start_and_seed_give_the_same_errors_to_the_last_bit(rigid, scan):
    start = rigid.random_starts(1)[0]
    with library.one_thread():
        first, second = (rigid.errors_from(registration_of(scan), start, seed=3) for _ in range(2))
    assert first == second


def test_error_of_a_misalignment_is_its_displacement_of_the_body(rigid, scan):
    body = library.Body(scan)
    shifted = rigid.Errors.of(RigidMotion(np.eye(3), np.array([3.0, 4.0, 12.0])), body)
    assert (shifted.mm, shifted.shift_mm, shifted.rotation_deg) == pytest.approx((13, 13, 0))
    cos, sin = math.cos(math.radians(5)), math.sin(math.radians(5))
    rotation = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
    turned = rigid.Errors.of(RigidMotion(rotation, body.centre - rotation @ body.centre), body)
    radii = np.linalg.norm((body.points - body.centre)[:, :2], axis=1)
    assert turned.mm == pytest.approx(2 * math.sin(math.radians(2.5)) * radii.mean())
    assert (turned.shift_mm, turned.rotation_deg) == pytest.approx((0, 5))


def test_points_lie_in_the_body(scan):
    points = library.Body(scan).points
    assert len(points) > 500
    assert ((points[:, 0] / 125) ** 2 + (points[:, 1] / 95) ** 2 < 1).all()
    assert set(points[:, 2]) == set(np.arange(12) * 6.0 - 33)


def test_starts_stay_within_their_limits_and_fewer_are_the_first_of_many(rigid):
    starts = rigid.random_starts(200)
    assert np.degrees(np.abs(starts[:, :3]).max()) == pytest.approx(5, abs=0.1)
    assert np.abs(starts[:, 3:]).max() == pytest.approx(15, abs=0.3)
    assert (rigid.random_starts(5) == starts[:5]).all()


def test_part_of_a_scan_keeps_its_place(registration, scan):
    cut = registration.part(scan, range(1, 12, 2))
    assert (cut.array == scan.array[1::2]).all()
    assert cut.origin == (-142.0, -142.0, -27.0) and cut.spacing == (3.0, 3.0, 12.0)


@pytest.mark.parametrize("total", [3, 4, 15, 21, 41])
def test_places_lie_in_the_scan_and_away_from_the_ends_where_there_is_room(registration, total):
    found = registration.places(total, 3)
    assert all(len(place) == 3 and place.start >= 0 and place.stop <= total for place in found)
    if total > 14:
        assert len(found) == registration.PLACES
        assert found[0].start >= 2 and found[-1].stop <= total - 2


def test_without_a_number_of_slices_the_whole_scan_is_taken(registration):
    assert registration.places(30, 0) == [range(30)]


def test_gain_is_the_paired_difference_with_its_interval(registration):
    base = np.random.default_rng(2).uniform(0, 5, 50)
    assert registration.gain(base, base - 0.5) == pytest.approx((0.5, 0, 0.5, 0.5), abs=1e-9)
    noise = np.random.default_rng(3).standard_normal(50)
    mean, sd, low, high = registration.gain(base + noise, base)
    assert (mean, sd) == pytest.approx((noise.mean(), noise.std(ddof=1)))
    half = 1.96 * sd / math.sqrt(50)
    assert (low, high) == pytest.approx((mean - half, mean + half), abs=0.05)


@pytest.mark.parametrize(
    ("intervals", "words"),
    [
        ([(0.2, 0.1, 0.3), (0.0, -0.1, 0.1)], "**a gain** (gain in 1 of 2, loss in 0; means +0.00 to +0.20 mm)"),
        ([(0.1, -0.1, 0.3), (0.0, -0.1, 0.1)], "**no gain** (gain in 0 of 2, loss in 0; means +0.00 to +0.10 mm)"),
        ([(-0.2, -0.3, -0.1), (0.0, -0.1, 0.1)], "**a loss** (gain in 0 of 2, loss in 1; means -0.20 to +0.00 mm)"),
        ([(0.2, 0.1, 0.3), (-0.2, -0.3, -0.1)], "**gains and losses** (gain in 1 of 2, loss in 1;"),
    ],
)
def test_verdict_says_whether_there_is_a_gain(registration, intervals, words):
    rows = [row("MVCT", failures=4), row("MVCT", failures=3)]
    rows += [row("net", *values, failures=1) for values in intervals]
    text = registration.verdict(rows, ["net"])
    assert f"- net: {words}" in text
    assert "Failures: 2 of 100 with net, 7 of 100 with MVCT." in text


def test_verdict_keeps_a_gain_by_common_noise_apart(registration):
    rows = [row("net", 0.2, 0.1, 0.3, common_noise="yes"), row("net", 0.0, -0.1, 0.1)]
    text = registration.verdict(rows, ["net"])
    assert "**no gain** (gain in 0 of 1, loss in 0; means +0.00 to +0.00 mm) where no noise is common" in text
    assert "**a gain** (gain in 1 of 1, loss in 0; means +0.20 to +0.20 mm) where the kVCT's noise is in both" in text


def test_study_writes_table_and_figure_and_does_nothing_twice(registration, scan, tmp_path, monkeypatch):
    study_module = importlib.import_module("study")
    methods = importlib.import_module("methods")
    kvct = patient()

    class SmallStudy(study_module.Study):
        def cases(self, use):
            return [
                study_module.Case("chest-lungdx-a0002", scan, kvct),
                study_module.Case("head-ge", scan, kvct),
            ]

    converted = []

    def smooth(mvct):
        converted.append(mvct)
        return np.round(mvct.array / 10) * 10

    monkeypatch.setattr(library, "LEVELS", (library.Level(6.0, 4_000, 2.0, 0.2),))
    monkeypatch.setattr(registration, "STARTS", 2)
    monkeypatch.setattr(registration, "SETTINGS", registration.SETTINGS[::2])
    monkeypatch.setattr(registration, "real_kvct", lambda study, name: kvct)
    monkeypatch.setattr(registration, "simulate_mvct", lambda kvct, settings: kvct)
    monkeypatch.setattr(
        registration, "conventional", lambda study: [methods.Versioned("MVCT", lambda v: v.array), *unused]
    )
    unused = [methods.Versioned("median", None)]
    monkeypatch.setattr(registration, "trained", lambda study: [methods.Versioned("net", smooth, "1")])
    monkeypatch.setattr(registration, "described", lambda study: "- net: smooths")
    study = SmallStudy(tmp_path, tmp_path / "work", tmp_path / "results")
    registration.run(study)
    table = (tmp_path / "results" / "registration.csv").read_text().splitlines()
    assert len(table) == 1 + 2 * len(registration.SETTINGS)
    assert "head-ge is left out" in (tmp_path / "results" / "registration.md").read_text()
    assert (tmp_path / "results" / "registration.png").stat().st_size > 1000
    whole = [mvct for mvct in converted if len(mvct.array) == 12]
    assert len(whole) == 1, "a whole scan is converted once for all settings of full dose"
    before = len(converted)
    registration.run(study)
    assert len(converted) == before
