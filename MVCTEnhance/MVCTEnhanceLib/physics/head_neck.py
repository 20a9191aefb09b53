"""The anatomy of the head-and-neck phantom: which tissue lies where in an axial plane.

Coordinates in mm: x to the patient's left, y to the back, z to the head; the origin lies in the middle of the head at
the height of the eyes. z = 100 is the top of the skull, -48 the hard palate, -92 the hyoid bone and the chin, -110 the
larynx, below -126 the trachea. Sizes are those of a small adult.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum

import numpy as np

from .shapes import Ellipse, Outline, Shape, Stroke


class Tissue(IntEnum):
    """Labels of the phantom."""

    AIR = 0
    SKIN = 1
    FAT = 2
    MUSCLE = 3
    CORTICAL_BONE = 4
    MARROW = 5
    DENTINE = 6
    CARTILAGE = 7
    GREY_MATTER = 8
    WHITE_MATTER = 9
    CSF = 10
    VITREOUS = 11
    LENS = 12
    GLAND = 13
    MUCOSA = 14
    BLOOD = 15
    CORD = 16
    DISC = 17
    THYROID = 18


#: HU at 120 kV of each tissue, after tables of CT numbers of ICRP tissues (ICRU 44; Schneider 1996), rounded.
TISSUE_HU = {
    Tissue.AIR: -1000,
    Tissue.SKIN: 20,
    Tissue.FAT: -100,
    Tissue.MUSCLE: 55,
    Tissue.CORTICAL_BONE: 1100,
    Tissue.MARROW: 250,
    Tissue.DENTINE: 1700,
    Tissue.CARTILAGE: 120,
    Tissue.GREY_MATTER: 38,
    Tissue.WHITE_MATTER: 28,
    Tissue.CSF: 8,
    Tissue.VITREOUS: 10,
    Tissue.LENS: 90,
    Tissue.GLAND: 15,
    Tissue.MUCOSA: 40,
    Tissue.BLOOD: 150,
    Tissue.CORD: 35,
    Tissue.DISC: 80,
    Tissue.THYROID: 100,
}

#: Low-contrast rods along z: (x, y, lower z, upper z, diameter in mm, background, HU above the background).
INSERTS = (
    (-28.0, -38.0, 20.0, 56.0, 20.0, Tissue.WHITE_MATTER, 20),
    (28.0, -38.0, 20.0, 56.0, 14.0, Tissue.WHITE_MATTER, -20),
    (-30.0, 12.0, 14.0, 62.0, 10.0, Tissue.WHITE_MATTER, 40),
    (30.0, 12.0, 14.0, 62.0, 8.0, Tissue.WHITE_MATTER, -40),
    (-35.0, 36.0, 14.0, 56.0, 6.0, Tissue.WHITE_MATTER, 60),
    (35.0, 36.0, 14.0, 56.0, 4.0, Tissue.WHITE_MATTER, 60),
    (-9.0, -50.0, -88.0, -56.0, 12.0, Tissue.MUSCLE, -40),
    (11.0, -42.0, -88.0, -56.0, 8.0, Tissue.MUSCLE, 40),
    (-26.0, 40.0, -150.0, -50.0, 10.0, Tissue.MUSCLE, -60),
    (26.0, 40.0, -150.0, -50.0, 6.0, Tissue.MUSCLE, 60),
)

# Radii in mm at 0° (front), 30° ... 180° (back) for rising z; above the last plane the head closes like an ellipsoid.
_SKIN = {
    -160.0: (46, 56, 74, 84, 82, 74, 71),
    -125.0: (47, 53, 62, 66, 68, 69, 69),
    -110.0: (49, 53, 58, 61, 65, 68, 68),
    -99.0: (63, 65, 62, 60, 62, 66, 67),
    -92.0: (88, 80, 67, 61, 61, 65, 66),
    -86.0: (93, 83, 68, 61, 61, 65, 66),
    -66.0: (97, 87, 73, 64, 63, 68, 69),
    -45.0: (95, 87, 77, 69, 70, 76, 78),
    -20.0: (92, 91, 80, 72, 77, 87, 89),
    0.0: (94, 92, 81, 75, 82, 92, 94),
    30.0: (96, 92, 82, 77, 84, 94, 96),
}
_FAT_THICKNESS = {
    -150.0: (6, 7, 9, 8, 7, 9, 10),
    -100.0: (6, 7, 7, 6, 6, 8, 9),
    -66.0: (4, 7, 10, 6, 5, 7, 8),
    -30.0: (3, 6, 10, 4, 4, 4, 5),
    10.0: (3, 3, 3, 3, 3, 3, 4),
}
_SKULL_DEPTH = (7, 8, 13, 13, 9, 8, 8)
_SKULL_THICKNESS = (9, 7, 5, 5, 6, 7, 9)
_SKULL_BASE = 8.0
_SKIN_THICKNESS = 2.0


def anatomy(z: float) -> Iterator[tuple[int, Shape]]:
    """The axial plane at height z (mm) as (label, shape) in painting order, the later over the earlier.

    Labels are those of `Tissue`; the n-th of `INSERTS` has the label len(Tissue) + n.
    """
    for part in (_soft_outline, _skull, _brain, _skull_base, _face, _jaws, _throat, _spine, _neck):
        yield from part(z)
    for number, (x, y, low, high, diameter, *_) in enumerate(INSERTS):
        if low <= z <= high:
            yield len(Tissue) + number, Ellipse(x, y, diameter / 2, diameter / 2)


def label_hu() -> np.ndarray:
    """HU of each label that `anatomy` uses, int16, shape (labels,)."""
    inserts = [TISSUE_HU[background] + contrast for *_, background, contrast in INSERTS]
    return np.array([*(TISSUE_HU[tissue] for tissue in Tissue), *inserts], dtype=np.int16)


def _between(z: float, table: dict[float, tuple[float, ...] | float]) -> np.ndarray:
    """Values of a table of planes at height z, linear between the planes."""
    values = np.array(list(table.values()), dtype=float)
    position = np.interp(z, list(table), np.arange(len(table)))
    low = min(int(position), len(table) - 2)
    return values[low] + (position - low) * (values[low + 1] - values[low])


def _cap(z: float, centre: float, half: float) -> float:
    """Relative radius at height z of an ellipsoid with the semi-axis `half` along z."""
    return float(np.sqrt(max(0.0, 1 - ((z - centre) / half) ** 2)))


def _ellipsoid(z: float, centre: tuple[float, float, float], axes: tuple[float, float, float], **style) -> Ellipse:
    scale = _cap(z, centre[2], axes[2])
    return Ellipse(centre[0], centre[1], axes[0] * scale, axes[1] * scale, **style)


def _pair(tissue: Tissue, shape: Ellipse | Stroke) -> Iterator[tuple[Tissue, Shape]]:
    yield tissue, shape
    yield tissue, shape.mirrored()


def _layers(shape: Ellipse | Stroke, *layers: tuple[Tissue, float]) -> Iterator[tuple[Tissue, Shape]]:
    """The shape on both sides of the midline, once for each (tissue, margin in mm)."""
    for tissue, margin in layers:
        yield from _pair(tissue, shape.grown(margin))


def _arch(half_width: float, back: float, front: float) -> tuple[tuple[float, float], ...]:
    """Points of half an ellipse from the right over the front to the left."""
    angles = np.radians(np.linspace(-90, 90, 25))
    return tuple(
        zip((half_width * np.sin(angles)).tolist(), (back + (front - back) * np.cos(angles)).tolist(), strict=True)
    )


def _skin(z: float) -> Outline:
    return Outline(0.0, tuple(_between(z, _SKIN) * (_cap(z, 30, 70) if z > 30 else 1.0)))


def _soft_outline(z: float) -> Iterator[tuple[Tissue, Shape]]:
    skin = _skin(z)
    nose = Ellipse(0, -90, *_between(z, {-42: (0, 0), -36: (16, 19), -28: (13, 20), -5: (7, 8), 8: (0, 0)}))
    ear = _ellipsoid(z, (-80 + 6, 14, -18), (5, 19, 32), angle=28)
    for tissue, depth in ((Tissue.SKIN, 0.0), (Tissue.FAT, _SKIN_THICKNESS)):
        yield from _layers(ear, (tissue, -0.75 * depth))
        yield tissue, nose.grown(-depth)
        yield tissue, skin.grown(-depth)
    yield Tissue.CARTILAGE, nose.grown(-5.0)
    yield Tissue.MUSCLE, skin.grown(-_SKIN_THICKNESS - _between(z, _FAT_THICKNESS))


def _skull(z: float) -> Iterator[tuple[Tissue, Shape]]:
    """The vault above the skull base: tables of cortical bone with diploë between them."""
    if z < _SKULL_BASE:
        return
    radii = np.array(_between(z, _SKIN))
    outer = radii - _SKULL_DEPTH
    for tissue, share, top in (
        (Tissue.CORTICAL_BONE, 0.0, 95.0),
        (Tissue.MARROW, 0.3, 93.0),
        (Tissue.CORTICAL_BONE, 0.68, 90.5),
    ):
        height = _cap(z, 30, top - 30) if z > 30 else 1.0
        yield tissue, Outline(0.0, tuple((outer - share * np.array(_SKULL_THICKNESS)) * height))
    if z < 34:
        yield from _pair(Tissue.AIR, _ellipsoid(z, (9, -81.5, 18), (9, 2.4, 15), angle=14))


def _brain(z: float) -> Iterator[tuple[Tissue, Shape]]:
    if not _SKULL_BASE <= z < 87:
        return
    height = _cap(z, 30, 58) if z > 30 else 1.0
    inner = Outline(0.0, tuple((_between(z, _SKIN) - _SKULL_DEPTH - np.array(_SKULL_THICKNESS)) * height))
    yield Tissue.CSF, inner
    yield Tissue.GREY_MATTER, Outline(0.0, inner.grown(-1.5).radii, folds=38, depth=7.0, phase=z / 9)
    yield Tissue.WHITE_MATTER, Outline(0.0, inner.grown(-6.0).radii, folds=38, depth=9.0, phase=z / 9)
    midline = 0.97 * inner.radii[0], 0.97 * inner.radii[-1]
    if z > 38:
        yield Tissue.GREY_MATTER, Stroke(((0, -midline[0]), (0, midline[1])), 4.5)
    else:
        yield Tissue.GREY_MATTER, Stroke(((0, -midline[0]), (0, -36)), 4.5)
        yield Tissue.GREY_MATTER, Stroke(((0, 42), (0, midline[1])), 4.5)
    for tissue, radius in ((Tissue.CSF, 1.5), (Tissue.MUSCLE, 0.6)):
        ends = ((-midline[0], midline[1]),) if z > 42 else ((-midline[0], -37), (44, midline[1]))
        for front, back in ends:
            yield tissue, Stroke(((0, front), (0, back)), radius)
    yield from _deep_brain(z)


def _deep_brain(z: float) -> Iterator[tuple[Tissue, Shape]]:
    """Basal ganglia, thalami, insulae, ventricles."""
    yield from _pair(Tissue.GREY_MATTER, _ellipsoid(z, (13, 5, 14), (8, 14, 15), angle=-20))
    yield from _pair(Tissue.GREY_MATTER, _ellipsoid(z, (24, -11, 14), (6, 15, 15), angle=18))
    yield from _pair(Tissue.GREY_MATTER, _ellipsoid(z, (12, -25, 20), (5, 8, 14), angle=15))
    insula = Stroke(((42, -24), (37, -10), (38, 4), (42, 14)), 3.2 * _cap(z, 12, 18))
    yield from _layers(insula, (Tissue.GREY_MATTER, 1.2), (Tissue.CSF, -1.7))
    yield Tissue.CSF, _ellipsoid(z, (0, 0, 10), (2.6, 14, 12))
    yield from _pair(Tissue.CSF, Stroke(((4, -33), (6, -24), (5, -16)), 4.6 * _cap(z, 26, 16)))
    body = Stroke(((5, -26), (9, -8), (14, 12), (19, 26)), 5.2 * _cap(z, 35, 12))
    trigone = Stroke(((20, 20), (24, 32), (21, 44)), 5.0 * _cap(z, 20, 18))
    yield from _pair(Tissue.CSF, body)
    yield from _pair(Tissue.CSF, trigone)
    yield from _pair(Tissue.BLOOD, _ellipsoid(z, (20, 31, 20), (2, 4, 7)))


def _skull_base(z: float) -> Iterator[tuple[Tissue, Shape]]:
    """Below the vault: middle and posterior fossa with their contents, sphenoid, petrous bones, occipital bone."""
    if not -56 < z < _SKULL_BASE:
        return
    fossa = _ellipsoid(z, (0, 40, 4), (58, 46, 52))
    temporal = _ellipsoid(z, (36, -8, 8), (27, 36, 26), angle=-12)
    if z > -46:
        yield Tissue.CORTICAL_BONE, fossa.grown(5)
        yield Tissue.MARROW, fossa.grown(3.2)
        yield Tissue.CORTICAL_BONE, fossa.grown(1.6)
    yield from _layers(temporal, (Tissue.CORTICAL_BONE, 4.5), (Tissue.MARROW, 2.8), (Tissue.CORTICAL_BONE, 1.6))
    size = _cap(z, -13, 15)
    petrous = (Stroke(((17, 8), (36, 17)), 6.5 * size), Stroke(((36, 17), (56, 26)), 10.5 * size))
    for part in petrous:
        yield from _pair(Tissue.CORTICAL_BONE, part)
    mastoid = _ellipsoid(z, (55, 32, -22), (13, 12, 22), angle=30)
    yield from _layers(mastoid, (Tissue.CORTICAL_BONE, 0))
    sphenoid = Ellipse(0, -14, 21 * _cap(z, -10, 24), 22 * _cap(z, -10, 24), power=3)
    yield Tissue.CORTICAL_BONE, sphenoid
    yield Tissue.MARROW, sphenoid.grown(-2)
    yield Tissue.CSF, fossa
    yield Tissue.GREY_MATTER, Ellipse(0, 48, 0.9 * fossa.a, 0.72 * fossa.b)
    yield from _pair(Tissue.WHITE_MATTER, Ellipse(22, 49, 0.26 * fossa.a, 0.34 * fossa.b, angle=24))
    yield from _layers(temporal, (Tissue.CSF, 0), (Tissue.GREY_MATTER, -1.5), (Tissue.WHITE_MATTER, -6))
    yield Tissue.WHITE_MATTER, Ellipse(0, 17, 15, 12) if z > -24 else Ellipse(0, 21, 9, 8)
    yield Tissue.CSF, _ellipsoid(z, (0, 33, -8), (6, 4.5, 16))
    for part in petrous:
        yield from _layers(part, (Tissue.CORTICAL_BONE, 0), (Tissue.MARROW, -4.5))
    yield from _layers(mastoid, (Tissue.CORTICAL_BONE, -1), (Tissue.MARROW, -2.2))
    for x, y, radius in ((55, 27, 2.8), (50, 31, 2.2), (60, 32, 2.6), (54, 36, 2.4), (62, 26, 1.6), (47, 36, 1.6)):
        yield from _layers(
            _ellipsoid(z, (x, y, -22), (radius, radius, 15)), (Tissue.CORTICAL_BONE, 1.2), (Tissue.AIR, 0)
        )
    yield from _pair(Tissue.AIR, Stroke(((44, 20), (74, 17)), 3 * _cap(z, -16, 7)))
    yield from _layers(_ellipsoid(z, (7.5, -17, -12), (8, 12, 12), power=2.6), (Tissue.AIR, -0.6))


def _face(z: float) -> Iterator[tuple[Tissue, Shape]]:
    """Orbits, zygomatic arches, nasal cavity, maxillary sinuses."""
    orbit = _ellipsoid(z, (31, -57, 0), (18.5, 23, 18), angle=22)
    if z > -26:
        yield from _layers(orbit, (Tissue.CORTICAL_BONE, 2.5), (Tissue.FAT, 0))
    yield from _pair(
        Tissue.MUSCLE, Ellipse(59, -30, *_between(z, {-56: (0, 0), -50: (4, 8), -20: (8, 22), 8: (6, 26), 30: (0, 0)}))
    )
    zygoma = Stroke(((43, -68), (55, -57), (60, -41), (63, -18), (58, -4)), 4.2 * _cap(z, -22, 11))
    yield from _layers(zygoma, (Tissue.CORTICAL_BONE, 0), (Tissue.MARROW, -1.8))
    rim = Stroke(((46, -67), (52, -59), (53, -50)), 4.0 * _cap(z, -6, 20))
    yield from _layers(rim, (Tissue.CORTICAL_BONE, 0), (Tissue.MARROW, -2))
    if z > -26:
        yield from _pair(Tissue.FAT, orbit)
        yield from _pair(Tissue.MUSCLE, _ellipsoid(z, (35, -81, 0), (17, 5, 15), angle=16))
        yield from _eye(z)
    yield from _nose(z)


def _eye(z: float) -> Iterator[tuple[Tissue, Shape]]:
    globe = _ellipsoid(z, (33, -71, 0), (12.2, 12.2, 12.2))
    thick = 2.2 * _cap(z, 0, 9)
    for course in (((22, -74), (17, -57), (13, -40)), ((45, -71), (37, -53), (15, -40))):
        yield from _pair(Tissue.MUSCLE, Stroke(course, thick))
    for level in (-12.5, 12.5):
        yield from _pair(Tissue.MUSCLE, Stroke(((32, -68), (24, -48), (15, -40)), 4 * _cap(z, level, 3.5)))
    yield from _pair(Tissue.WHITE_MATTER, Stroke(((31, -60), (24, -49), (13, -36)), 2.2 * _cap(z, 0, 4)))
    yield from _layers(globe, (Tissue.MUSCLE, 0), (Tissue.VITREOUS, -1.3))
    yield from _pair(Tissue.LENS, _ellipsoid(z, (33.5, -79, 0), (4.5, 2.0, 4.5)))


def _nose(z: float) -> Iterator[tuple[Tissue, Shape]]:
    if not -48 < z < 8:
        return
    width = float(_between(z, {-48: 14, -30: 16, -10: 12, 8: 9}))
    cavity = Ellipse(0, -60, width, 26, power=2.6)
    sinus = _ellipsoid(z, (31, -58, -30), (14.5, 17, 17), power=2.5)
    if z < -14:
        yield Tissue.CORTICAL_BONE, Ellipse(0, -62, 26, 27, power=2.4)
        yield Tissue.MUSCLE, Ellipse(0, -50, width + 2, 26)
        yield from _layers(sinus, (Tissue.CORTICAL_BONE, 1.8), (Tissue.MUCOSA, 0), (Tissue.AIR, -1.2))
    yield Tissue.CORTICAL_BONE, cavity.grown(1.6)
    yield Tissue.MUCOSA, cavity
    yield Tissue.AIR, cavity.grown(-1.2)
    if z < -8:
        for y in (-68, -54):
            yield from _pair(Tissue.MUCOSA, Stroke(((0.55 * width, y - 4), (0.5 * width, y + 5)), 2.6))
            yield from _pair(Tissue.CORTICAL_BONE, Stroke(((0.6 * width, y - 3), (0.55 * width, y + 4)), 0.6))
    else:
        for y in (-76, -68, -60, -52, -44):
            yield from _pair(Tissue.MUCOSA, Stroke(((0, y), (width, y + 2)), 0.9))
    yield Tissue.MUCOSA, Stroke(((0, -88), (0, -36)), 1.4)
    yield Tissue.CORTICAL_BONE, Stroke(((0, -78), (0, -38)), 0.5)
    yield from _pair(Tissue.AIR, _ellipsoid(z, (5.5, -93, -36), (3.6, 8, 8)))


def _jaws(z: float) -> Iterator[tuple[Tissue, Shape]]:
    if not -100 < z < -18:
        return
    ramus = Stroke(((47, -34), (49, -20), (50, -8)), float(_between(z, {-82: 0, -76: 4.6, -40: 3.6, -22: 4, -18: 0})))
    if z > -84:
        yield from _layers(
            Ellipse(56, -26, *_between(z, {-86: (0, 0), -76: (4.5, 14), -60: (6, 19), -24: (5, 15)}), angle=-6),
            (Tissue.FAT, 1.2),
            (Tissue.MUSCLE, 0),
        )
        yield from _layers(Ellipse(37, -24, 7, 16, angle=-10), (Tissue.FAT, 1.2), (Tissue.MUSCLE, 0))
        yield from _pair(Tissue.FAT, _ellipsoid(z, (48, -52, -45), (9, 13, 26), angle=35))
    yield from _layers(Ellipse(56, 0, 7.5, 14, angle=12).grown(-8 * (1 - _cap(z, -45, 26))), (Tissue.GLAND, 0))
    yield Tissue.AIR, Stroke(_arch(32, -42, -89), 0.8 * _cap(z, -60, 10))
    if -62 < z < -42:
        yield from _upper_jaw(z)
    if z < -48:
        yield from _mouth(z)
    yield from _layers(ramus, (Tissue.CORTICAL_BONE, 0), (Tissue.MARROW, -2))
    if z < -62:
        yield from _lower_jaw(z)


def _upper_jaw(z: float) -> Iterator[tuple[Tissue, Shape]]:
    if z > -50:
        yield Tissue.CORTICAL_BONE, Ellipse(0, -58, 28, 26, power=2.4)
        yield Tissue.MARROW, Ellipse(0, -58, 26, 24, power=2.4)
        yield Tissue.CORTICAL_BONE, Ellipse(0, -55, 19, 23, power=2.4)
        yield Tissue.MUCOSA, Ellipse(0, -52, 17.5, 22 * _cap(z, -42, 5), power=2.4)
    else:
        yield Tissue.CORTICAL_BONE, Stroke(_arch(25, -44, -80), 5.5 * _cap(z, -50, 10))
        yield Tissue.MARROW, Stroke(_arch(25, -44, -80), 5.5 * _cap(z, -50, 10) - 1.6)
    yield from _teeth(_cap(z, -54, 9))


def _teeth(size: float) -> Iterator[tuple[Tissue, Shape]]:
    for angle in (8, 24, 39, 54, 68, 82):
        x, y = 25 * np.sin(np.radians(angle)), -44 - 36 * np.cos(np.radians(angle))
        a, b = (3.0, 3.4) if angle < 45 else (4.4, 4.2)
        tooth = Ellipse(x, y, a * size, b * size, angle=angle, power=2.6)
        yield from _layers(tooth, (Tissue.DENTINE, 0), (Tissue.MARROW, -2.6))


def _mouth(z: float) -> Iterator[tuple[Tissue, Shape]]:
    """Tongue and floor of the mouth, with the air above the tongue."""
    tongue = _ellipsoid(z, (0, -46, -78), (22, 29, 27), power=2.3)
    yield Tissue.MUCOSA, tongue.grown(1.2)
    yield Tissue.AIR, Ellipse(0, -50, 17, 24, power=2.3).grown(-20 * (1 - _cap(z, -54, 9)))
    yield Tissue.MUSCLE, tongue
    yield Tissue.FAT, Stroke(((0, -66), (0, -30)), 0.8)
    if z < -64:
        yield from _pair(Tissue.FAT, Stroke(((17, -60), (19, -46), (17, -32)), 1.1))
        yield from _pair(Tissue.GLAND, Ellipse(22, -52, 3.5, 8 * _cap(z, -76, 10), angle=-10))


def _lower_jaw(z: float) -> Iterator[tuple[Tissue, Shape]]:
    width, back, front = _between(
        z, {-95: (28, -64, -80), -90: (40, -36, -81), -78: (45, -14, -82), -62: (47, -14, -79)}
    )
    across = np.linspace(-1, 1, 25)
    course = zip((width * across).tolist(), (front + (back - front) * np.abs(across) ** 2.5).tolist(), strict=True)
    body = Stroke(tuple(course), float(_between(z, {-95: 0, -91: 4.6, -84: 5.8, -72: 5, -64: 0})))
    yield Tissue.CORTICAL_BONE, body
    if z > -73:
        yield Tissue.CORTICAL_BONE, Stroke(_arch(25, -44, -80), 5.6)
        yield Tissue.MARROW, Stroke(_arch(25, -44, -80), 4.0)
    yield Tissue.MARROW, body.grown(-2.4)
    yield from _teeth(_cap(z, -66, 7))


def _throat(z: float) -> Iterator[tuple[Tissue, Shape]]:
    """Pharynx, epiglottis, hyoid bone, larynx, thyroid gland, trachea, oesophagus."""
    if z > -22:
        return
    width, depth, y = _between(
        z,
        {
            -160: (8.5, 8, -24),
            -124: (8.5, 9, -23),
            -116: (6, 9, -22),
            -108: (2.5, 10, -22),
            -100: (9, 7, -17),
            -80: (13, 6, -14),
            -55: (12, 6, -12),
            -40: (13, 9, -19),
            -22: (0, 0, -22),
        },
    )
    airway = Ellipse(0, y, width, depth, power=2.3)
    if z < -90:
        yield Tissue.FAT, Ellipse(0, -26, 27, 17)
        yield from _pair(Tissue.MUSCLE, Ellipse(9, -36, 9, 2.6, angle=12))
    yield Tissue.MUCOSA, airway.grown(2.5)
    if z < -112:
        yield from _layers(Ellipse(18, -21, 7, 14, angle=10).grown(-14 * (1 - _cap(z, -132, 20))), (Tissue.THYROID, 0))
        yield Tissue.MUSCLE, Ellipse(0, -9, 9, 4)
    if -100 < z < -88:
        hyoid = Stroke(((-21, -16), (-17, -30), (-8, -38), (8, -38), (17, -30), (21, -16)), 3.2 * _cap(z, -93.5, 5))
        yield Tissue.CORTICAL_BONE, hyoid
        yield Tissue.MARROW, hyoid.grown(-1.5)
    if -122 < z < -99:
        wings = Stroke(((-18, -8), (-16, -22), (0, -40), (16, -22), (18, -8)), 2.4 * _cap(z, -110, 12))
        yield Tissue.MUSCLE, Ellipse(0, -22, 13, 14)
        yield Tissue.CARTILAGE, wings
    if -132 < z < -116:
        yield Tissue.CARTILAGE, airway.grown(4.2 * _cap(z, -124, 8))
        yield Tissue.MUCOSA, airway.grown(1.5)
    if z < -132:
        yield Tissue.CARTILAGE, airway.grown(2.2)
    yield Tissue.AIR, airway
    yield Tissue.MUCOSA, Stroke(((-9, -19), (0, -22), (9, -19)), 1.6 * _cap(z, -95, 9))


def _spine(z: float) -> Iterator[tuple[Tissue, Shape]]:
    """Vertebrae every 17 mm from the atlas down, discs between them, canal with the cord."""
    if z > -42:
        return
    yield from _pair(Tissue.MUSCLE, Ellipse(8, 0, 8, 4.5))
    phase = (z + 54) % 17
    in_disc = z < -54 and phase < 4.5
    strength = float(np.sin(np.pi * np.clip((phase - 3) / 14, 0, 1))) if z < -54 else _cap(z, -48, 7)
    spinous = Stroke(((0, 42), (0, 50), (3, 56)), 3.2 * strength)
    lamina = Stroke(((17, 19), (19, 29), (12, 38), (0, 43)), 3.0 * (0.35 + 0.65 * strength))
    transverse = Ellipse(22, 14, 8.5, 6.5, angle=-15).grown(-8 * (1 - strength))
    bones = [(Ellipse(15, 23, 6.5, 6, angle=20), 1.6), (transverse, 1.6), (lamina, 1.6)]
    if z < -54:
        bones.append((spinous, 1.6))
    for shape, cortex in bones:
        yield from _layers(shape, (Tissue.CORTICAL_BONE, 0), (Tissue.MARROW, -cortex))
    yield from _vertebral_body(z, in_disc)
    yield Tissue.FAT, Ellipse(0, 28, 12.5, 9.5, power=2.2)
    yield Tissue.CSF, Ellipse(0, 28, 10.5, 7.8)
    yield Tissue.CORD, Ellipse(0, 28, 6.6, 4.4)
    yield from _layers(Ellipse(21, 13, 3.2, 3.2), (Tissue.FAT, 0), (Tissue.BLOOD, -1.2))


def _vertebral_body(z: float, in_disc: bool) -> Iterator[tuple[Tissue, Shape]]:
    if z > -54:
        yield Tissue.CORTICAL_BONE, Ellipse(0, 3, 11, 3.5)
        yield Tissue.CORTICAL_BONE, Ellipse(0, 11, 5.5, 5.5)
        yield Tissue.MARROW, Ellipse(0, 11, 3.8, 3.8)
        return
    body = Ellipse(0, 9, 14.5, 10, power=2.6)
    if in_disc:
        yield Tissue.DISC, body
    else:
        yield Tissue.CORTICAL_BONE, body
        yield Tissue.MARROW, body.grown(-1.7)


def _neck(z: float) -> Iterator[tuple[Tissue, Shape]]:
    """Muscles of the neck with the fat between them, vessels, submandibular glands, lymph nodes."""
    if z > -28:
        return
    septa = float(_between(z, {-80: 1.0, -46: 0.0}))
    yield from _pair(Tissue.FAT, Stroke(((34, 14), (44, 26), (40, 38)), 5.5 * septa))
    for course in (
        ((5, 58), (20, 54), (38, 44), (48, 30)),
        ((3, 50), (16, 47)),
        ((24, 26), (34, 32), (40, 30)),
    ):
        yield from _pair(Tissue.FAT, Stroke(course, 1.5 * septa))
    if z < -58:
        yield Tissue.FAT, Stroke(((0, 56), (0, 61)), 1.2)
    sternomastoid = _between(
        z, {-160: (34, -22, 8, 15), -110: (46, -6, 7, 17), -60: (52, 12, 6, 13), -28: (54, 24, 5, 8)}
    )
    muscle = Ellipse(*sternomastoid, angle=22)
    yield from _layers(muscle, (Tissue.FAT, 2.0), (Tissue.MUSCLE, 0))
    sheath = Ellipse(30, -4, 10, 11)
    yield from _layers(sheath, (Tissue.FAT, 0))
    yield from _pair(Tissue.BLOOD, Ellipse(26, -6, 3.6, 3.8))
    yield from _pair(Tissue.BLOOD, Ellipse(34, -1, 5.4, 6.4, angle=20))
    yield from _pair(Tissue.MUSCLE, _ellipsoid(z, (38, -12, -98), (3.5, 5, 12)))
    if z < -70:
        yield from _layers(_ellipsoid(z, (31, -34, -90), (9, 13, 14), angle=-18), (Tissue.FAT, 1.5), (Tissue.GLAND, 0))
