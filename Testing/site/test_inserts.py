"""Inserts of a density phantom: found wherever it lies, and refused where they are not to be told."""

from dataclasses import replace

import numpy as np
import pytest
from MVCTEnhanceLib.errors import InputError
from MVCTEnhanceLib.physics.calibration import Calibration
from MVCTEnhanceLib.physics.density import density_hu_from_kv
from MVCTEnhanceLib.physics.phantom import density_inserts
from MVCTEnhanceLib.physics.qa_phantoms import CHEESE_DIAMETER_MM, CHEESE_PLUGS, PLUG_DIAMETER_MM, cheese_phantom
from MVCTEnhanceLib.site.fit import Measured, fit, require_near
from MVCTEnhanceLib.site.inserts import CHEESE, measured_inserts, read_phantom
from MVCTEnhanceLib.volume import Volume

LINE = Calibration(12.0, 0.985, 0.47)
SPACING = (1.6, 1.6, 6.0)


def shown(kvct: Volume, line: Calibration = LINE, noise: float = 25.0) -> Volume:
    hu = line.shown_hu(density_hu_from_kv(kvct.array.astype(float)))
    return kvct.with_array(np.rint(hu + np.random.default_rng(3).normal(0, noise, hu.shape)).astype(np.int16))


def cheese(**place) -> Volume:
    return cheese_phantom(slices=4, shape=(256, 256), spacing_mm=SPACING, **place)


def test_shipped_inserts_are_those_of_the_digital_phantom():
    phantom = read_phantom(CHEESE)
    assert (phantom.diameter_mm, phantom.insert_diameter_mm) == (CHEESE_DIAMETER_MM, PLUG_DIAMETER_MM)
    plugs = [plug for plug in CHEESE_PLUGS.values() if plug.material != "solid water"]
    assert [(one.name, one.electron_density, one.angle, one.radius_mm) for one in phantom.inserts] == [
        (plug.material, plug.density, plug.angle, plug.radius_mm) for plug in plugs
    ]


@pytest.mark.parametrize("place", [{}, {"offset_mm": (21.0, -14.0), "roll": 133.0}])
@pytest.mark.parametrize("end", ["head", "feet"])
def test_line_of_the_scanner_comes_of_a_phantom_wherever_it_lies(place, end):
    mvct = shown(cheese(**place))
    if end == "feet":  # turned over: left and right change places
        mvct = replace(mvct, array=mvct.array[:, :, ::-1])
    points = measured_inserts(mvct, read_phantom(CHEESE))
    fitted = fit(points, source="phantom", count=len(points))
    require_near(points, fitted)
    assert fitted.offset_hu == pytest.approx(LINE.offset_hu, abs=1.5)
    assert fitted.slope == pytest.approx(LINE.slope, abs=0.003)
    assert fitted.bone_slope == pytest.approx(LINE.bone_slope, abs=0.006)
    assert abs(fitted.offset_hu - LINE.offset_hu) < 2 * fitted.offset_hu_se
    assert [point.name for point in fitted.points] == [insert.name for insert in read_phantom(CHEESE).inserts]


def test_another_phantom_is_refused_with_its_size():
    kvct, _ = density_inserts(shape=(256, 256), spacing_mm=SPACING)
    with pytest.raises(InputError, match=r"No slice shows a TomoTherapy cheese phantom of 300 mm \(.* 199 mm\)"):
        measured_inserts(shown(kvct), read_phantom(CHEESE))


def test_inserts_in_other_places_are_refused():
    phantom = read_phantom(CHEESE)
    swapped = [
        replace(one, angle=other.angle) for one, other in zip(phantom.inserts, phantom.inserts[::-1], strict=True)
    ]
    with pytest.raises(InputError, match=r"were not found.*which insert is in which place"):
        measured_inserts(shown(cheese()), replace(phantom, inserts=tuple(swapped)))


def test_inserts_that_several_turns_fit_are_refused():
    """Eight rods, of which opposite ones are alike."""
    densities = (-700, -100, 50, 400)
    kvct, _ = density_inserts(inserts_hu=densities * 2, shape=(256, 256), spacing_mm=SPACING)
    phantom = read_phantom(CHEESE)
    exact = density_hu_from_kv(np.array(densities * 2, float))
    inserts = [
        replace(phantom.inserts[0], name=str(n), electron_density=1 + hu / 1000, angle=45 * n - 90, radius_mm=65.0)
        for n, hu in enumerate(exact)
    ]
    with pytest.raises(InputError, match="fit at several turns"):
        measured_inserts(shown(kvct), replace(phantom, diameter_mm=200.0, inserts=tuple(inserts)))


def test_insert_of_another_density_is_named():
    points = measured_inserts(shown(cheese()), read_phantom(CHEESE))
    points = [replace(one, exact_hu=one.exact_hu + 80) if one.name == "liver" else one for one in points]
    with pytest.raises(InputError, match=r"HU of liver lie -[0-9]+ HU from the line of all"):
        require_near(points, fit(points, source="phantom", count=len(points)))


@pytest.mark.parametrize(
    ("line", "words"), [((80.0, 1.0), "HU of water"), ((0.0, 0.8), "slope of the HU"), ((0.0, 1.2), "slope of the HU")]
)
def test_line_that_is_not_plausible_is_refused(line, words):
    points = [Measured("a", hu, line[0] + line[1] * hu, 1.0) for hu in (-700.0, -100.0, 0.0, 50.0, 200.0, 500.0)]
    with pytest.raises(InputError, match=f"The {words} of .* is not plausible"):
        fit(points, source="phantom", count=6)


def test_values_that_are_too_near_to_each_other_give_no_line():
    with pytest.raises(InputError, match="lie within 100 HU"):
        fit([Measured("a", 0.0, 1.0, 4.0), Measured("b", 50.0, 51.0, 4.0)], source="patients", count=2)


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("diameter_mm = 300", "diameter_mm = -1", "A size or density"),
        ("electron_density = 1.05", "electron_density = nan", "A size or density"),
        ("[[inserts]]", "[[plugs]]", "no [[inserts]]"),
        ("radius_mm = 65.0", "", "'radius_mm' is missing"),
        ('name = "brain"', "name = 3", "'name'"),
    ],
)
def test_list_of_inserts_that_cannot_be_is_refused(tmp_path, before, after, words):
    text = CHEESE.read_text(encoding="utf-8")
    assert before in text
    (tmp_path / "inserts.toml").write_text(text.replace(before, after), encoding="utf-8")
    with pytest.raises(InputError) as refused:
        read_phantom(tmp_path / "inserts.toml")
    assert words in str(refused.value)


def test_few_inserts_are_refused(tmp_path):
    text = CHEESE.read_text(encoding="utf-8").split("[[inserts]]")
    (tmp_path / "inserts.toml").write_text("[[inserts]]".join(text[:4]), encoding="utf-8")
    with pytest.raises(InputError, match="too few or too much alike"):
        read_phantom(tmp_path / "inserts.toml")
