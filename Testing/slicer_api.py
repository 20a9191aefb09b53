"""The names of Slicer's API that the module uses, and where Slicer, CTK, VTK or Qt declares each of them.

    python Testing/slicer_api.py SLICER_SOURCE CTK_SOURCE PYTORCH_EXTENSION_SOURCE

looks every name up in the sources (checkouts of git), writes docs/slicer_api.md, and fails where one is not there. Only
that needs the sources, slicer-core and PySide6; `used` and `listed` read nothing but this repository.
"""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple
from unittest import TestCase
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parents[1]
MODULE = ROOT / "MVCTEnhance"
UI = MODULE / "Resources" / "UI" / "MVCTEnhance.ui"
LIST = ROOT / "docs" / "slicer_api.md"
PACKAGES = {"slicer", "qt", "ctk", "vtk", "SampleData", "DICOMLib", "PyTorchUtils"}
WRAPPER = "slicer.parameterNodeWrapper"
LAYOUT, LAYOUT_READER = "layout XML", "Libs/MRML/Logic/vtkMRMLLayoutLogic.cxx"
MODULE_CLASSES = "slicer.ScriptedLoadableModule"
PYTHON_CLASSES = (MODULE_CLASSES, "slicer.util", WRAPPER, "SampleData", "PyTorchUtils")
# What Slicer makes when it starts, and the classes of it.
RUN_TIME = {
    "slicer.app": "qSlicerApplication",
    "slicer.mrmlScene": "vtkMRMLScene",
    "slicer.dicomDatabase": "ctkDICOMDatabase",
    "slicer.modules": "qSlicerModuleManager",
    "slicer.modules.colors": "qSlicerColorsModule",
}
# What a method returns, or Slicer sets, without naming the class in our code.
HANDED_OUT = (
    *("qSlicerScriptedLoadableModule", "qSlicerScriptedLoadableModuleWidget", "qMRMLPlotWidget", "qMRMLPlotView"),
    *("qSlicerLayoutManager", "vtkMRMLSliceCompositeNode", "vtkMRMLSliceLogic", "vtkSlicerApplicationLogic"),
    *("vtkMRMLLayoutLogic", "vtkSlicerColorLogic", "vtkMRMLColorLegendDisplayNode", "vtkSegment", "vtkImageData"),
    *("vtkPointData", "vtkDataArray", "QHeaderView"),
)
OVERRIDDEN = {"setup", "enter", "exit", "cleanup", "onReload", "setUp", "runTest", "getParameterNode"}
CLASS = re.compile(r"\b(?:vtk|ctk|Q|qMRML|qSlicer)[A-Z]\w*")
SIGNATURE = re.compile(r"[a-z]\w*\([\w*:<>, ]*\)")
# What Python's own objects have, too: no sign of Slicer where it cannot be told who was asked.
PYTHON = {
    *(name for kind in (str, list, dict, set, float, Path, re.Match, subprocess.Popen, TestCase) for name in dir(kind)),
    *("pid", "stdout", "reconfigure", "specifier", "SeriesInstanceUID", "value", "shape", "reshape", "any", "max", "T", "astype", "strerror", "throw", "send"),
}


class Use(NamedTuple):
    """A name, and the module or class that it was asked of; "" where the source does not tell."""

    of: str
    name: str


@cache
def used() -> frozenset[Use]:
    """All names that the module's code, its .ui file and its layout use."""
    trees = {file: ast.parse(file.read_text(encoding="utf-8")) for file in MODULE.rglob("*.py")}
    own = {name for tree in trees.values() for node in ast.walk(tree) for name in _defined(node)}
    uses = set(_used_in_ui())
    for file, tree in trees.items():
        if file.parent == MODULE or "slicerui" in file.parts:
            imports = dict(pair for node in ast.walk(tree) for pair in _imported(node))
            uses |= {use for node in ast.walk(tree) for use in _used_in(node, imports, own)}
    return frozenset(uses)


def listed() -> dict[str, str]:
    """The names in docs/slicer_api.md and their files."""
    rows = re.findall(r"^\| `(.+?)` \| (.*?) \|$", LIST.read_text(encoding="utf-8"), re.MULTILINE)
    return dict(rows)


def widgets() -> dict[str, str]:
    """The named widgets of the .ui file and their classes."""
    return {item.get("name"): item.get("class") for item in ElementTree.parse(UI).iter("widget")}


def _defined(node: ast.AST) -> Iterator[str]:
    """What our own code calls its functions, classes, fields and attributes."""
    match node:
        case ast.FunctionDef() | ast.ClassDef():
            yield node.name
        case ast.AnnAssign(target=ast.Name(id=name)):
            yield name
        case ast.Attribute(value=ast.Name(id="self"), attr=name, ctx=ast.Store()):
            yield name


def _imported(node: ast.AST) -> Iterator[tuple[str, str]]:
    """Local name and what it stands for."""
    if isinstance(node, ast.Import):
        yield from ((alias.asname or alias.name.split(".")[0], alias.name.split(".")[0]) for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        yield from ((alias.asname or alias.name, f"{'.' * node.level}{node.module}.{alias.name}") for alias in node.names)


def _used_in(node: ast.AST, imports: dict[str, str], own: set[str]) -> Iterator[Use]:
    match node:
        case ast.ImportFrom(module=str(module), level=0) if module.split(".")[0] in PACKAGES:
            yield from (_use(f"{module}.{alias.name}") for alias in node.names)
        case ast.Attribute(value=value, attr=name):
            yield from _asked(value, name, imports, own)
        case ast.Call(func=ast.Name(id="getattr" | "hasattr"), args=[value, ast.Constant(value=str(name)), *_]):
            yield from _asked(value, name, imports, own)
        case ast.Constant(value=str(text)) if SIGNATURE.fullmatch(text):
            yield Use("", text)
        case ast.Constant(value=str(text)):
            yield from (Use("class", name) for name in CLASS.findall(text) if text == name or "<layout" in text)
            yield from (Use(LAYOUT, name) for name in re.findall(r'<property name="(\w+)"', text))
        case ast.ClassDef(bases=bases) if bases:
            yield from (Use(MODULE_CLASSES, item.name) for item in node.body if getattr(item, "name", "") in OVERRIDDEN)


def _asked(value: ast.expr, name: str, imports: dict[str, str], own: set[str]) -> Iterator[Use]:
    """`value.name`, where it is Slicer's."""
    first, dot, rest = ast.unparse(value).partition(".")
    path = f"{imports.get(first, '')}{dot}{rest}"
    widget = re.fullmatch(r"(?:self\._?)?ui\.(\w+)", f"{first}{dot}{rest}")
    if first in imports and re.fullmatch(r"[\w.]+", path):
        if path.split(".")[0] in PACKAGES:
            yield _use(f"{path}.{name}")
    elif widget:
        yield Use(widgets()[widget[1]], name)
    elif not re.fullmatch(r"(?:self\._?)?ui", f"{first}{dot}{rest}") and name not in own | PYTHON:
        yield Use("self" if f"{first}{dot}{rest}" == "self" else "", name)


def _use(path: str) -> Use:
    """Of a dotted path: a name of a class or module, or a class."""
    of, _dot, name = path.rpartition(".")
    if CLASS.fullmatch(name):
        return Use("class", name)
    last = of.rpartition(".")[2]
    return Use(last if CLASS.fullmatch(last) else RUN_TIME.get(of, of), name)


def _used_in_ui() -> Iterator[Use]:
    tree = ElementTree.parse(UI)
    for item in [*tree.iter("widget"), *tree.iter("layout")]:
        yield Use("class", item.get("class"))
        for entry in item.findall("property"):
            yield Use(WRAPPER if entry.get("name").startswith("Slicer") else item.get("class"), entry.get("name"))
    for text in (item.text for kind in ("enum", "set") for item in tree.iter(kind)):
        yield from (Use(*value.split("::")) for value in text.split("|"))
    for item in tree.iter("connection"):
        for end, member in (("sender", "signal"), ("receiver", "slot")):
            yield Use(widgets()[item.find(end).text], item.find(member).text)


class Sources:
    """Checkouts in which names are looked up, with what the wheels tell of the classes of VTK, MRML and Qt."""

    def __init__(self, slicer: Path, ctk: Path, pytorch: Path):
        self._slicer = slicer
        self._names = {slicer: "", ctk: "CTK: ", pytorch: "PyTorch extension: "}
        folders = [slicer / name for name in ("Base", "Libs", "Modules")] + [ctk / "Libs"]
        self._headers = {path.stem: path for folder in folders for path in folder.rglob("*.h")}
        self._python = [slicer / "Base/Python", slicer / "Modules/Scripted/DICOMLib"]
        self._python += [slicer / "Modules/Scripted" / name for name in ("SampleData", "DICOM", "")] + [pytorch / "PyTorchUtils"]
        self._classes = sorted({use.name for use in used() if use.of == "class" and not use.name.endswith("Layout")} | set(HANDED_OUT))

    def places(self, use: Use) -> set[tuple[str, str]]:
        """Full name and file of all that a use may mean; none where there is no such name."""
        if use.of == "class":
            return {(use.name, file) for file in [self._file(use.name)] if file}
        if use.of == LAYOUT:
            text = (self._slicer / LAYOUT_READER).read_text(encoding="utf-8")
            return {(f"{LAYOUT}.{use.name}", LAYOUT_READER)} if f'"{use.name}"' in text else set()
        of = use.of.removeprefix("qt.")
        if CLASS.fullmatch(of) or of == "Qt":
            return {self._member(of, use.name)} - {None}
        if of not in ("", "self"):
            return self._in_module(of, use.name)
        found = {self._member(name, use.name) for name in self._classes if not of} - {None}
        return found or next(filter(None, (self._in_module(name, use.name) for name in PYTHON_CLASSES)), set())

    def _file(self, name: str) -> str:
        """Where a class is declared; "" where it is not."""
        if name in self._headers:
            return self._relative(self._headers[name])
        kind = _class(name)
        return "" if kind is None else f"VTK: {name}.h" if name.startswith("vtk") else f"Qt: {name}"

    def _relative(self, path: Path) -> str:
        folder = next(folder for folder in self._names if path.is_relative_to(folder))
        return self._names[folder] + path.relative_to(folder).as_posix()

    def _member(self, kind: str, name: str) -> tuple[str, str] | None:
        """The class, of this one and its bases, that declares a member first."""
        bases, has = self._declared(kind, name)
        places = (self._member(base, name) for base in bases)
        here = (f"{kind}.{name}", self._file(kind)) if has else None
        return next((place for place in places if place), here)

    def _declared(self, kind: str, name: str) -> tuple[list[str], bool]:
        """The bases of a class, and whether it declares a member for Python itself."""
        known = _class(kind)
        if known is not None:
            bases = [base.__name__ for base in known.__bases__ if base.__name__ not in ("QPaintDevice", "QLayoutItem")]
            in_wheel = name in vars(known) or _is_of_qt(known, name)
            return bases, in_wheel and (kind not in self._headers or self._mentions(kind, name))
        if kind not in self._headers:
            return [], False
        text = self._headers[kind].read_text(encoding="utf-8", errors="replace")
        head = re.search(rf"class\s+(?:\w+_EXPORT\s+)?{kind}\s*:\s*([^{{;]+)", text)
        bases = re.findall(r"public\s+(\w+)", head[1]) if head else []
        return bases, _is_for_python(text, name) or self._is_decorated(kind, name)

    def _mentions(self, kind: str, name: str) -> bool:
        """Whether a header has a name, or a macro that makes it, so that wheel and sources agree."""
        text = self._headers[kind].read_text(encoding="utf-8", errors="replace")
        return re.search(rf"\b(?:{name}|{re.sub('^(Get|Set)', '', name)})\b", text) is not None

    def _is_decorated(self, kind: str, name: str) -> bool:
        """Whether Slicer adds a method to a class for Python alone."""
        texts = (path.read_text(encoding="utf-8") for stem, path in self._headers.items() if "Decorators" in stem)
        pattern = rf"static_{kind}_{name}\(|\b{name}\({kind}\*"
        return any(re.search(pattern, text) for text in texts)

    def _in_module(self, module: str, name: str) -> set[tuple[str, str]]:
        if module == "qt":
            return {(f"qt.{name}", f"Qt: {name}")} if name == "Qt" or _class(name) else set()
        if module.split(".")[0] == "vtk":
            has = hasattr(importlib.import_module(module), name)
            return {(f"{module}.{name}", f"VTK: Python module {module}")} if has else set()
        pattern = rf"^\s*(?:def|class) {name}\b|^\s*(?:[\w.]+\.)?{name}(?:: \w+)? = |[ \"]{name}\"|:attribute:: {name}$"
        for parts in ([*module.split("."), name], module.split("."), module.split(".")[:-1]):
            files = self._files("/".join(parts))
            if parts[-1] == name and files:
                return {(f"{module}.{name}", self._relative(files[0]))}
            for file in files:
                if re.search(pattern, file.read_text(encoding="utf-8"), re.MULTILINE):
                    return {(f"{module}.{name}", self._relative(file))}
            if files:
                break
        return set()

    def _files(self, path: str) -> list[Path]:
        """The Python files of a module or package."""
        for folder in self._python:
            if (folder / f"{path}.py").is_file():
                return [folder / f"{path}.py"]
            if path and (folder / path / "__init__.py").is_file():
                return sorted((folder / path).glob("*.py"))
        return []


def _class(name: str) -> type | None:
    """A class of the wheels."""
    import PySide6.QtCore
    import PySide6.QtGui
    import PySide6.QtWidgets
    import slicer
    import vtk

    modules = (vtk, PySide6.QtCore, PySide6.QtGui, PySide6.QtWidgets)
    return getattr(slicer, name, None) if name in dir(slicer) else next((getattr(m, name) for m in modules if hasattr(m, name)), None)


def _is_of_qt(kind: type, name: str) -> bool:
    """Whether a class of Qt declares a property, or a signal with these arguments."""
    meta = kind.__dict__.get("staticMetaObject")
    if meta is None:
        return False
    index, offset = meta.indexOfProperty(name), meta.propertyOffset()
    if "(" in name:
        index, offset = max(meta.indexOfSignal(name), meta.indexOfSlot(name)), meta.methodOffset()
    return index >= offset


def _is_for_python(header: str, name: str) -> bool:
    """Whether a header of Slicer or CTK declares a name that PythonQt shows: property, slot, signal, invokable, constant."""
    if "(" in name:
        name, arguments = name[:-1].split("(")
        for found in re.findall(rf"\bvoid {name}\(([^)]*)\)", header):
            types = [re.match(r"(?:const )?([\w:<>]+ ?\**)", argument.strip()) for argument in found.split(",")]
            if ",".join(kind[1].replace(" ", "") for kind in types if kind) == arguments:
                return True
        return False
    if re.search(rf"Q_PROPERTY\([\w:<>*]+ {name} |Q_INVOKABLE [^;(]*\b{name}\(|^\s*{name}\s*(?:=[^;]*|,)$", header, re.MULTILINE):
        return True
    sections = re.split(r"^\s*(?:Q_SIGNALS|signals|(?:public|protected|private)(?: (?:slots|Q_SLOTS))?)\s*:", header, flags=re.MULTILINE)
    heads = re.findall(r"^\s*(Q_SIGNALS|signals|(?:public|protected|private)(?: (?:slots|Q_SLOTS))?)\s*:", header, flags=re.MULTILINE)
    return any("lots" in head.lower() and re.search(rf"\b{name}\(", body) for head, body in zip(heads, sections[1:], strict=True))


def main(folders: list[str]) -> int:
    sources = Sources(*(Path(folder).resolve() for folder in folders))
    places = {use: sources.places(use) for use in sorted(used())}
    for use in (use for use, found in places.items() if not found):
        print(f"{use.of or 'unknown'}: {use.name} is not there")
    for use, found in places.items():
        if len(found)>1: print(use.name, *sorted(x[0] for x in found), '<<<', [x for x in sources._classes if sources._member(x,use.name)] )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
