"""Places of the cases' outputs in the output folder of a batch."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from itertools import chain, count
from pathlib import Path, PurePosixPath

from .cases import Case


def choose_places(output: Path, cases: Iterable[Case], *, before: dict[str, str], reserved: Iterable[str]) -> dict:
    """A relative folder for each case's key that nothing else is in, below or above, so that it can be moved as one.

    Names that differ only in capitals or in how accents are stored count as the same, as they do on many disks.

    Args:
        before: the choice of an earlier run, which stays.
        reserved: names in the output folder that no case may take.
    """
    places = dict(before)
    taken = _Taken(output, [*places.values(), *reserved])
    for case in cases:
        if case.key not in places:
            places[case.key] = str(taken.choose(case.place))
    return places


class _Taken:
    def __init__(self, output: Path, places: Iterable[str]):
        self._output = output
        self._leaves: set[tuple[str, ...]] = set()
        self._inner: set[tuple[str, ...]] = set()
        for place in places:
            self._take(PurePosixPath(place))

    def choose(self, wanted: PurePosixPath) -> PurePosixPath:
        """The wanted place, with a number at the first name in it that is not free."""
        place = PurePosixPath()
        for depth, part in enumerate(wanted.parts, start=1):
            names = (f"{_portable(part)}{number}" for number in chain([""], (f"-{n}" for n in count(2))))
            is_last = depth == len(wanted.parts)
            place = next(place / name for name in names if self._is_free(place / name, is_last=is_last))
        self._take(place)
        return place

    def _is_free(self, place: PurePosixPath, *, is_last: bool) -> bool:
        key, path = _folded(place), self._output / place
        if key in self._leaves:
            return False
        return not (key in self._inner or path.exists()) if is_last else path.is_dir() or not path.exists()

    def _take(self, place: PurePosixPath) -> None:
        key = _folded(place)
        self._leaves.add(key)
        self._inner.update(key[:depth] for depth in range(1, len(key)))


def _portable(name: str) -> str:
    """Without what some disks do not take."""
    return re.sub(r'[<>:"|?*\\\x00-\x1f]|[. ]+$', "_", name)


def _folded(place: PurePosixPath) -> tuple[str, ...]:
    return tuple(unicodedata.normalize("NFC", part).casefold() for part in place.parts)
