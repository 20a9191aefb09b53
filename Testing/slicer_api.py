"""Look up the names of Slicer's API that the module uses, and write docs/slicer_api.md.

    python Testing/slicer_api.py SLICER_SOURCE OLDEST_SLICER_SOURCE CTK_SOURCE PYTORCH_EXTENSION_SOURCE

The sources are checkouts of git, Slicer's of the newest and of the oldest supported version. It fails, with a list,
where one of both does not declare a name; needs slicer-core and PySide6.
"""

from __future__ import annotations

import importlib
import importlib.util
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

from slicer_names import BASES, CLASS, LAYOUT, LIST, WRAPPER, used

TEXT = """# Names of Slicer's API that the module uses

Each name with the file that declares it, as found in the sources of Slicer {newest}.
The module supports Slicer 5.12 and newer: all names are in the sources of {oldest}, too.

Files without a prefix are Slicer's own. Where the code does not tell which class is asked, every class that the module
uses and that declares the name is listed. Written by `Testing/slicer_api.py`; a test compares it with the code and the
`.ui` file.

| Name | File |
| --- | --- |
"""
# Classes that the code gets from a method or from Slicer without naming them.
HANDED_OUT = {
    *("qSlicerApplication", "qSlicerScriptedLoadableModule", "qSlicerScriptedLoadableModuleWidget", "qMRMLPlotWidget"),
    *("qMRMLPlotView", "qSlicerLayoutManager", "vtkMRMLSliceCompositeNode", "vtkMRMLSliceLogic", "vtkMRMLScene"),
    *("vtkSlicerApplicationLogic", "vtkMRMLLayoutLogic", "vtkSlicerColorLogic", "vtkMRMLColorLegendDisplayNode"),
    *("vtkMRMLSubjectHierarchyNode", "vtkSegment", "vtkImageData", "vtkPointData", "vtkDataArray", "vtkCollection"),
    *("vtkTextProperty", "vtkChartXY", "vtkPlot", "QHeaderView", "QLayout", "QSettings", "ctkDICOMDatabase"),
}
PYTHON_MODULES = (BASES, "slicer.util", WRAPPER, "SampleData", "PyTorchUtils")
# Declared by no header and by no Python class: the file, and the text in it.
ELSEWHERE = {
    "slicer.dicomDatabase": ("Modules/Scripted/DICOM/DICOM.py", "slicer.dicomDatabase = "),
    "slicer.modules.colors": ("Modules/Loadable/Colors/qSlicerColorsModule.h", "class"),
    f"{BASES}.enter": ("Base/QTGUI/qSlicerScriptedLoadableModuleWidget.cxx", '"enter"'),
    f"{BASES}.exit": ("Base/QTGUI/qSlicerScriptedLoadableModuleWidget.cxx", '"exit"'),
}
LAYOUT_READER = "Libs/MRML/Logic/vtkMRMLLayoutLogic.cxx"
SECTION = re.compile(r"^\s*(Q_SIGNALS|signals|(?:public|protected|private)(?: (?:slots|Q_SLOTS))?)\s*:", re.MULTILINE)


class Sources:
    """Checkouts in which names are looked up; of the classes of VTK and Qt the wheels tell."""

    def __init__(self, slicer: Path, ctk: Path, pytorch: Path):
        self._slicer = slicer
        self._prefixes = {slicer: "", ctk: "CTK: ", pytorch: "PyTorch extension: "}
        folders = [slicer / name for name in ("Base", "Libs", "Modules")] + [ctk / "Libs"]
        self._headers = {path.stem: path for folder in folders for path in folder.rglob("*.h")}
        scripted = slicer / "Modules" / "Scripted"
        self._python = [slicer / "Base/Python", scripted / "DICOMLib", scripted / "SampleData", scripted]
        self._python += [pytorch / "PyTorchUtils"]
        # No code asks the layouts of the .ui file for anything.
        named = {name for name in used() if CLASS.fullmatch(name) and not re.fullmatch(r"Q\w+Layout", name)}
        self._classes = sorted(named | HANDED_OUT)

    def files(self, name: str) -> set[str]:
        """The files that declare a name, none where there is no such name."""
        if name in ELSEWHERE:
            file, text = ELSEWHERE[name]
            return {file} if text in self._text(self._slicer / file) else set()
        if CLASS.fullmatch(name):
            return {self._file_of(name)} - {""}
        of, _dot, member = re.fullmatch(r"(?:(.*?)(\.))?(\w+(?:\(.*\))?)", name).groups(default="")
        if of == LAYOUT:
            return {LAYOUT_READER} if f'"{member}"' in self._text(self._slicer / LAYOUT_READER) else set()
        if CLASS.fullmatch(of) or of in ("Qt", "qt.Qt"):
            return {self._member(of.removeprefix("qt."), member)} - {""}
        if of:
            return self._in_module(of, member)
        classes = [kind for kind in self._classes if kind.startswith("vtk") == member[0].isupper()]
        found = {self._member(kind, member) for kind in classes} - {""}
        return found or next(filter(None, (self._in_module(module, member) for module in PYTHON_MODULES)), set())

    def _file_of(self, kind: str) -> str:
        if kind in self._headers:
            return self._relative(self._headers[kind])
        if _class(kind) is None:
            return ""
        return f"VTK: {kind}.h" if kind.startswith("vtk") else f"Qt: {kind}"

    def _relative(self, path: Path) -> str:
        folder = next(folder for folder in self._prefixes if path.is_relative_to(folder))
        return self._prefixes[folder] + path.relative_to(folder).as_posix()

    def _text(self, path: Path) -> str:
        return re.sub(r"//.*", "", path.read_text(encoding="utf-8", errors="replace"))

    def _member(self, kind: str, name: str) -> str:
        """The file of the base class, or of the class, that declares a member first; "" where none does."""
        if kind in self._headers:
            text = self._text(self._headers[kind])
            head = re.search(rf"class\s+(?:\w+_EXPORT\s+)?{kind}\s*:\s*([^{{;]+)", text)
            bases = re.findall(r"public\s+(\w+)", head[1]) if head else []
            if kind.startswith("vtk"):
                bare = re.sub("^[GS]et", "", name)  # what a macro makes it of
                has = name in vars(_class(kind) or object) and re.search(rf"\b([GS]et)?{bare}\b", text)
            else:
                has = _is_for_python(text, name) or self._is_decorated(kind, name)
        else:
            known = _class(kind) or object
            bases = [base.__name__ for base in known.__bases__ if CLASS.fullmatch(base.__name__)]
            bases = [base for base in bases if base not in ("QPaintDevice", "QLayoutItem")]  # which have no properties
            has = name in vars(known) or _is_of_qt(known, name)
        inherited = next(filter(None, (self._member(base, name) for base in bases)), "")
        return inherited or (self._file_of(kind) if has else "")

    def _is_decorated(self, kind: str, name: str) -> bool:
        """Whether Slicer adds a method to a class for Python alone."""
        texts = (self._text(path) for stem, path in self._headers.items() if "Decorators" in stem)
        return any(re.search(rf"static_{kind}_{name}\(|\b{name}\({kind}\*", text) for text in texts)

    def _in_module(self, module: str, name: str) -> set[str]:
        if module == "qt":
            return {f"Qt: {name}"} if name == "Qt" else set()
        if module.split(".")[0] == "vtk":
            package = importlib.import_module(module)
            has = hasattr(package, name) or importlib.util.find_spec(f"{module}.{name}")
            return {f"VTK: Python module {module}"} if has else set()
        pattern = rf"^\s*(?:def|class) {name}\b|^\s*(?:[\w.]+\.)?{name}(?:: \w+)? = |[ \"]{name}\"|:attribute:: {name}$"
        for path in (f"{module}.{name}", module, module.rpartition(".")[0]):
            files = self._python_files(path.replace(".", "/"))
            found = [file for file in files if path.endswith(f".{name}") or re.search(pattern, self._text(file), re.M)]
            if files:
                return {self._relative(file) for file in found[:1]}
        return set()

    def _python_files(self, path: str) -> list[Path]:
        """The Python files of a module or package."""
        for folder in self._python:
            if (folder / f"{path}.py").is_file():
                return [folder / f"{path}.py"]
            if path and (folder / path / "__init__.py").is_file():
                return sorted((folder / path).glob("*.py"))
        return []


@cache
def _class(name: str) -> type | None:
    """A class of the wheels."""
    modules = map(importlib.import_module, ("slicer", "vtk", "PySide6.QtCore", "PySide6.QtGui", "PySide6.QtWidgets"))
    return next((getattr(module, name) for module in modules if name in dir(module)), None)


def _is_of_qt(kind: type, name: str) -> bool:
    """Whether a class of Qt declares a property, an enumerator, or a signal or slot with these arguments."""
    meta = vars(kind).get("staticMetaObject")
    enums = (value for value in vars(kind).values() if isinstance(value, type))
    if "(" in name and meta:
        return max(meta.indexOfSignal(name), meta.indexOfSlot(name)) >= meta.methodOffset()
    return (meta and meta.indexOfProperty(name) >= meta.propertyOffset()) or any(hasattr(enum, name) for enum in enums)


def _is_for_python(header: str, name: str) -> bool:
    """Whether a header of Slicer or CTK declares what PythonQt shows: property, slot, signal, invokable, enumerator."""
    if "(" in name:
        name, arguments = name[:-1].split("(")
        for found in re.findall(rf"\bvoid {name}\(([^)]*)\)", header):
            types = [re.match(r"(?:const )?([\w:<>]+ ?\**)", argument.strip()) for argument in found.split(",")]
            if ",".join(kind[1].replace(" ", "") for kind in types if kind) == arguments:
                return True
        return False
    one = rf"Q_PROPERTY\([\w:<>*]+ {name} |Q_INVOKABLE [^;(]*\b{name} ?\(|\b{name}\s*=|^\s*{name},$"
    parts = SECTION.split(header)
    slots = (body for head, body in zip(parts[1::2], parts[2::2], strict=True) if "lots" in head.lower())
    return bool(re.search(one, header, re.M)) or any(re.search(rf"\b{name}\(", body) for body in slots)


def _files(sources: Sources) -> dict[str, set[str]]:
    return {name: sources.files(name) for name in sorted(used(), key=str.lower)}


def _version(slicer: Path) -> str:
    text = (slicer / "CMakeLists.txt").read_text(encoding="utf-8")
    numbers = [re.search(rf'Slicer_VERSION_{part} "(\d+)"', text)[1] for part in ("MAJOR", "MINOR", "PATCH")]
    head = subprocess.run(["git", "-C", slicer, "rev-parse", "HEAD"], check=True, capture_output=True, text=True)
    return f"{'.'.join(numbers)} (commit {head.stdout[:10]})"


def main(folders: list[str]) -> int:
    newest, oldest, *others = (Path(folder).resolve() for folder in folders)
    found = {_version(slicer): _files(Sources(slicer, *others)) for slicer in (newest, oldest)}
    missing = [f"{version}: {name}" for version, names in found.items() for name, files in names.items() if not files]
    if missing:
        print("Not found in Slicer", *missing, sep="\n")
        return 1
    rows = (f"| `{name}` | {'; '.join(sorted(files))} |\n" for name, files in found[_version(newest)].items())
    LIST.write_text(TEXT.format(newest=_version(newest), oldest=_version(oldest)) + "".join(rows), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
