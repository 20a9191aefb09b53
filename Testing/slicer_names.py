"""The names of Slicer's API that the module uses, read from its code and its .ui file, and those that docs/ lists."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from queue import SimpleQueue
from unittest import TestCase
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parents[1]
MODULE = ROOT / "MVCTEnhance"
UI = MODULE / "Resources" / "UI" / "MVCTEnhance.ui"
LIST = ROOT / "docs" / "slicer_api.md"
PACKAGES = {"slicer", "qt", "ctk", "vtk", "SampleData", "DICOMLib", "PyTorchUtils"}
BASES = "slicer.ScriptedLoadableModule"
OVERRIDDEN = {"setup", "enter", "exit", "cleanup", "onReload", "runTest", "getParameterNode"}
# What Slicer makes when it starts, and the class of it.
RUN_TIME = {
    "slicer.app": "qSlicerApplication",
    "slicer.mrmlScene": "vtkMRMLScene",
    "slicer.modules.colors": "qSlicerColorsModule",
}
WRAPPER = "slicer.parameterNodeWrapper"
LAYOUT = "layout XML"
CLASS = re.compile(r"\b(?:vtk|ctk|Q|qMRML|qSlicer)[A-Z]\w*")
SIGNATURE = re.compile(r"[a-z]\w*\([\w*:<>, ]*\)")
# What Python's own objects have, too: no sign of Slicer where it cannot be told who was asked.
PYTHON = {
    *(
        name
        for kind in (str, list, dict, set, float, Path, re.Match, re.Pattern, SimpleQueue, TestCase)
        for name in dir(kind)
    ),
    *("specifier", "SeriesInstanceUID", "value", "shape", "reshape", "any", "max", "T"),
    *("astype", "strerror", "throw", "send", "__name__"),
}


@cache
def used() -> frozenset[str]:
    """All names that the module's code, its .ui file and its layout use: `class.name` or `module.name` where the code
    tells whose name it is, else the name alone."""
    trees = {file: ast.parse(file.read_text(encoding="utf-8")) for file in MODULE.rglob("*.py")}
    own = {name for tree in trees.values() for node in ast.walk(tree) for name in _defined(node)}
    found = set(_used_in_ui())
    for file, tree in trees.items():
        if file.parent == MODULE or "slicerui" in file.parts:
            imports = dict(pair for node in ast.walk(tree) for pair in _imported(node))
            found |= {name for node in ast.walk(tree) for name in _used_in(node, imports, own)}
    return frozenset(found)


def listed() -> dict[str, str]:
    """The names in docs/slicer_api.md and their files."""
    return dict(re.findall(r"^\| `(.+?)` \| (.*?) \|$", LIST.read_text(encoding="utf-8"), re.MULTILINE))


def _defined(node: ast.AST) -> Iterator[str]:
    """What our own code calls its functions, classes, fields and attributes."""
    match node:
        case ast.FunctionDef() | ast.ClassDef():
            yield node.name
        case (
            ast.AnnAssign(target=ast.Name(id=name))
            | ast.Attribute(value=ast.Name(id="self"), attr=name, ctx=ast.Store())
        ):
            yield name


def _imported(node: ast.AST) -> Iterator[tuple[str, str]]:
    """Local name and what it stands for."""
    if isinstance(node, ast.Import):
        yield from ((name.asname or name.name.split(".")[0], name.name.split(".")[0]) for name in node.names)
    elif isinstance(node, ast.ImportFrom):
        yield from ((name.asname or name.name, f"{'.' * node.level}{node.module}.{name.name}") for name in node.names)


def _used_in(node: ast.AST, imports: dict[str, str], own: set[str]) -> Iterator[str]:
    match node:
        case ast.ImportFrom(module=str(module), level=0) if module.split(".")[0] in PACKAGES:
            yield from (_short(f"{module}.{alias.name}") for alias in node.names)
        case ast.Attribute(value=value, attr=name):
            yield from _asked(ast.unparse(value), name, imports, own)
        case ast.Call(func=ast.Name(id="getattr" | "hasattr"), args=[value, ast.Constant(value=str(name)), *_]):
            yield from _asked(ast.unparse(value), name, imports, own)
        case ast.Constant(value=str(text)) if SIGNATURE.fullmatch(text):
            yield text
        case ast.Constant(value=str(text)):
            yield from (name for name in CLASS.findall(text) if text == name or "<view" in text)
            yield from (f"{LAYOUT}.{name}" for name in re.findall(r'<property name="(\w+)"', text))
        case ast.ClassDef(bases=bases) if bases:
            yield from (f"{BASES}.{item.name}" for item in node.body if getattr(item, "name", "") in OVERRIDDEN)


def _asked(whom: str, name: str, imports: dict[str, str], own: set[str]) -> Iterator[str]:
    """`whom.name`, where it is Slicer's."""
    first, dot, rest = whom.partition(".")
    path = f"{imports.get(first, '')}{dot}{rest}"
    widget = re.fullmatch(r"(?:[\w.]+[._])?ui(?:\.(\w+))?", whom)
    package = path.split(".")[0]
    if package in PACKAGES and re.fullmatch(r"[\w.]+", path):
        yield _short(f"{path}.{name}")
    elif first in imports and (package or re.fullmatch(r"[\w.]+", path)) and package not in PACKAGES:
        return
    elif widget:
        yield from [f"{_widgets()[widget[1]]}.{name}"] if widget[1] else []
    elif name not in own | PYTHON:
        yield name


def _short(path: str) -> str:
    """A dotted path without what comes before a class."""
    of, _dot, name = path.rpartition(".")
    last = of.rpartition(".")[2]
    if CLASS.fullmatch(name):
        return name
    return f"{last if CLASS.fullmatch(last) else RUN_TIME.get(of, of)}.{name}"


def _widgets() -> dict[str, str]:
    """The named widgets of the .ui file and their classes."""
    return {item.get("name"): item.get("class") for item in ElementTree.parse(UI).iter("widget")}


def _used_in_ui() -> Iterator[str]:
    tree = ElementTree.parse(UI)
    for item in [*tree.iter("widget"), *tree.iter("layout")]:
        yield item.get("class")
        for name in (entry.get("name") for entry in item.findall("property")):
            yield f"{WRAPPER if name.startswith('Slicer') else item.get('class')}.{name}"
    for text in (item.text for kind in ("enum", "set") for item in tree.iter(kind)):
        yield from (value.replace("::", ".") for value in text.split("|"))
    for item in tree.iter("connection"):
        for end, member in (("sender", "signal"), ("receiver", "slot")):
            yield f"{_widgets()[item.find(end).text]}.{item.find(member).text}"
