"""Places of a batch's outputs: no case over or inside another one's, now and when it is resumed."""

import itertools
from pathlib import PurePosixPath
from types import SimpleNamespace

import pytest
from MVCTEnhanceLib.batch.places import choose_places

CLASHES = [
    ("a/scan", "a/scan"),
    ("a/scan", "a/Scan"),
    ("a/caf\u00e9", "a/cafe\u0301"),
    ("a", "a/b"),
    ("a/b", "a"),
    ("a", "A/b/c", "a/b"),
    ("x", "x", "x-2", "x/y"),
    ("a:b", "a?b"),
    ("a.", "a_"),
    ("summary.csv", "batch.json/x"),
]


def choose(output, wanted, before=None):
    cases = [SimpleNamespace(key=str(number), place=PurePosixPath(place)) for number, place in enumerate(wanted)]
    return choose_places(output, cases, before=before or {}, reserved=("summary.csv", "batch.json"))


def folded(place):
    import unicodedata

    return tuple(unicodedata.normalize("NFC", part).casefold() for part in PurePosixPath(place).parts)


def assert_apart(places):
    for one, other in itertools.permutations(map(folded, [*places.values(), "summary.csv", "batch.json"]), 2):
        assert one != other[: len(one)]


def test_places_that_do_not_clash_are_as_wanted(tmp_path):
    wanted = ["a/scan", "a/scan2", "b/fx1", "b/fx2", "ct-1"]
    assert list(choose(tmp_path, wanted).values()) == wanted


@pytest.mark.parametrize("wanted", CLASHES)
def test_places_are_apart(tmp_path, wanted):
    places = choose(tmp_path, wanted)
    assert len(places) == len(wanted)
    assert_apart(places)


@pytest.mark.parametrize("wanted", CLASHES)
def test_places_stay_when_cases_are_added(tmp_path, wanted):
    for number in range(len(wanted)):
        before = choose(tmp_path, wanted[:number])
        places = choose(tmp_path, wanted, before)
        assert before.items() <= places.items()
        assert_apart(places)


def test_what_the_user_has_put_there_is_not_taken(tmp_path):
    (tmp_path / "a" / "scan").mkdir(parents=True)
    (tmp_path / "b").write_text("a file")
    assert list(choose(tmp_path, ["a/scan", "b/scan"]).values()) == ["a/scan-2", "b-2/scan"]
