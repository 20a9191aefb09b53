"""The map of packages in docs/architecture.svg, drawn from the imports.

    python docs/architecture.py

A package stands above all that it imports. Arrows that follow from others are left out: where A imports B and B imports
C, none leads from A to C.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

LIBRARY = Path(__file__).resolve().parents[1] / "MVCTEnhance" / "MVCTEnhanceLib"
PICTURE = Path(__file__).with_suffix(".svg")
PANEL = "slicerui"  # whose packages are shown one by one
WIDTH, HEIGHT, APART, BELOW, MARGIN = 116, 28, 20, 46, 12
BEND = 14  # px that an arrow passing another package takes
SWEEPS = 20
FILL = {True: "#dcebd2", False: "#d6e4f5"}

Imports = Mapping[str, set[str]]


def imported_modules(path: Path) -> list[str]:
    """Absolute names of all that a file of the library imports, at any depth of its code."""
    package = ["MVCTEnhanceLib", *path.relative_to(LIBRARY).parts[:-1]]
    names = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            stem = ".".join([*base, *([node.module] if node.module else [])])
            names += [f"{stem}.{alias.name}" for alias in node.names]
    return names


def package_of(name: str) -> str:
    """The package of a module of the library by its absolute name; empty for the library itself and for others."""
    first, *parts = name.split(".")
    depth = 2 if parts[:1] == [PANEL] else 1
    is_inside = first == "MVCTEnhanceLib" and len(parts) >= depth and not parts[depth - 1].startswith("__")
    return "/".join(parts[:depth]) if is_inside else ""


def package_imports() -> Imports:
    """The packages that each package imports."""
    imports: dict[str, set[str]] = {}
    for path in sorted(LIBRARY.rglob("*.py")):
        own = package_of(".".join(("MVCTEnhanceLib", *path.relative_to(LIBRARY).with_suffix("").parts)))
        if own:
            targets = {package_of(name) for name in imported_modules(path)}
            imports.setdefault(own, set()).update(targets - {own, ""})
    return imports


def needed(imports: Imports) -> Imports:
    """The imports that do not follow from others."""
    return {
        name: {target for target in targets if not any(target in _reached(imports, other) for other in targets)}
        for name, targets in imports.items()
    }


def _reached(imports: Imports, name: str) -> set[str]:
    return imports[name].union(*(_reached(imports, target) for target in imports[name]))


def _level(imports: Imports, name: str) -> int:
    return 1 + max((_level(imports, target) for target in imports[name]), default=-1)


def _routes(imports: Imports) -> list[list[tuple[str, int]]]:
    """Each arrow as the places that it passes, one a level downwards: (package or arrow, level)."""
    routes = []
    for name in sorted(imports):
        for target in sorted(imports[name]):
            top, bottom = _level(imports, name), _level(imports, target)
            between = [(f"{name} {target}", level) for level in range(top - 1, bottom, -1)]
            routes.append([(name, top), *between, (target, bottom)])
    return routes


def _rows(routes: Sequence[list[tuple[str, int]]]) -> list[list[tuple[str, int]]]:
    """The places of each level from left to right, each near the mean of those that it is joined to."""
    places = sorted({place for route in routes for place in route})
    rows = [[place for place in places if place[1] == level] for level in range(max(level for _, level in places) + 1)]
    joined: dict[tuple[str, int], list[tuple[str, int]]] = {place: [] for place in places}
    for upper, lower in (pair for route in routes for pair in pairwise(route)):
        joined[upper].append(lower)
        joined[lower].append(upper)
    for sweep in range(SWEEPS):
        step = 1 if sweep % 2 else -1
        for row in rows[::step]:
            at = {place: (number + 0.5) / len(other) for other in rows for number, place in enumerate(other)}
            beside = {
                place: [at[other] for other in joined[place] if (other[1] - place[1]) * step < 0] or [at[place]]
                for place in row
            }
            row.sort(key=lambda place: (sum(beside[place]) / len(beside[place]), place))
    return rows


def _width(place: tuple[str, int]) -> int:
    return BEND if " " in place[0] else WIDTH


def drawing(imports: Imports) -> str:
    """The map as SVG: packages in boxes, green those of the panel, with an arrow to each that they need directly."""
    routes = _routes(needed(imports))
    rows = _rows(routes)
    widths = [sum(map(_width, row)) + APART * (len(row) - 1) for row in rows]
    width = max(widths) + 2 * MARGIN
    height = len(rows) * (HEIGHT + BELOW) - BELOW + 2 * MARGIN
    at = {}
    for level, row in enumerate(rows):
        left, top = (width - widths[level]) // 2, height - MARGIN - HEIGHT - level * (HEIGHT + BELOW)
        for place in row:
            at[place] = (left + _width(place) // 2, top)
            left += _width(place) + APART
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" '
        'font-size="12" text-anchor="middle">',
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="6" markerHeight="6" orient="auto">'
        '<path d="M0 0L8 4L0 8z" fill="#666"/></marker></defs>',
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
    ]
    for route in routes:
        lines += [f'<path d="{_path(route, at)}" fill="none" stroke="#666" marker-end="url(#tip)"/>']
    for name, level in sorted({place for row in rows for place in row if " " not in place[0]}):
        x, y = at[name, level]
        fill = FILL[name.startswith(PANEL)]
        lines += [
            f'<rect x="{x - WIDTH // 2}" y="{y}" width="{WIDTH}" height="{HEIGHT}" rx="4" fill="{fill}" stroke="#666"/>'
            f'<text x="{x}" y="{y + 18}">{name}</text>'
        ]
    return "\n".join([*lines, "</svg>", ""])


def _path(route: list[tuple[str, int]], at: Mapping[tuple[str, int], tuple[int, int]]) -> str:
    """From the lower edge of the first box through the bends to the upper edge of the last."""
    path = ""
    for upper, lower in pairwise(route):
        (x0, y0), (x1, y1) = at[upper], at[lower]
        y0 += HEIGHT
        middle = (y0 + y1) // 2
        start = f"M{x0} {y0}" if not path else f"L{x0} {y0}"
        path += f"{start}C{x0} {middle} {x1} {middle} {x1} {y1}"
    return path


if __name__ == "__main__":
    PICTURE.write_text(drawing(package_imports()), encoding="utf-8", newline="\n")
