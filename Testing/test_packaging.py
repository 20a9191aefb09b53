"""Slicer's install, pip's install and the source tree hold the same files, and the library keeps its layers."""

import ast
import fnmatch
import json
import os
import re
import struct
import sys
from pathlib import Path

import MVCTEnhanceLib
import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "docs"))

import architecture  # noqa: E402
from architecture import imported_modules  # noqa: E402

MODULE = ROOT / "MVCTEnhance"
LIBRARY = MODULE / "MVCTEnhanceLib"
LAYERS = (  # from the lowest; those side by side do not import each other
    ("errors",),
    ("runtime",),
    ("storage", "volume", "quality"),
    ("io", "registration"),
    ("physics",),
    ("model",),
    ("training", "assessment", "site", "qa", "structures"),
    ("report",),
    ("jobs",),
    ("batch", "benchmark"),
    ("commissioning", "course", "node"),
    ("cli",),
    ("slicerui",),
)
SLICERUI_LAYERS = (
    ("parameters",),
    ("wording", "worker", "scene"),
    ("install", "review"),
    ("metrics",),
    ("jobs",),
    ("logic", "panel"),
    ("selftest",),
)
SLICER_PACKAGES = {"slicer", "qt", "ctk", "vtk", "mrml"}
BYPRODUCTS = re.compile(r"__pycache__|.*\.egg-info|build|demo-output|runs|\.(?!ci$).*")
TEXT_SUFFIXES = {".py", ".txt", ".toml", ".md", ".cmake", ".ui", ".json", ".yml", ".html", ".j2", ".css", ""}


def files_below(folder: Path) -> list[str]:
    """Paths relative to the folder of the project's own files: no caches, build products or environments."""
    names = []
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not BYPRODUCTS.fullmatch(name)]
        names += [(Path(place) / name).relative_to(folder).as_posix() for name in files if name != ".git"]
    return sorted(names)


def cmake_list(name: str) -> list[str]:
    text = (MODULE / "CMakeLists.txt").read_text(encoding="utf-8")
    found = re.search(rf"set\({name}\s+([^)]*)\)", text)
    return [] if found is None else found[1].replace("${MODULE_NAME}", "MVCTEnhance").split()


def library_files() -> list[Path]:
    return [LIBRARY / name for name in files_below(LIBRARY) if name.endswith(".py")]


def undocumented(path: Path) -> list[str]:
    """The module, its public classes and functions, and their public methods that have no docstring."""
    found, waiting = [], [(path.relative_to(MODULE).as_posix(), ast.parse(path.read_text(encoding="utf-8")))]
    for name, node in waiting:
        if not ast.get_docstring(node):
            found.append(name)
        if not isinstance(node, ast.FunctionDef):
            inside = [child for child in node.body if isinstance(child, (ast.ClassDef, ast.FunctionDef))]
            waiting += [(f"{name}: {child.name}", child) for child in inside if not child.name.startswith("_")]
    return found


def test_cmake_lists_every_python_file_and_no_other():
    present = [name for name in files_below(MODULE) if name.endswith(".py")]
    assert sorted(cmake_list("MODULE_PYTHON_SCRIPTS")) == present


def test_cmake_lists_every_resource_and_no_other():
    present = [name for name in files_below(MODULE) if not name.endswith((".py", "CMakeLists.txt"))]
    assert sorted(cmake_list("MODULE_PYTHON_RESOURCES")) == present


def test_pip_installs_every_data_file_of_the_library():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    patterns = settings["tool"]["setuptools"]["package-data"]["MVCTEnhanceLib"]
    data = [name for name in files_below(LIBRARY) if not name.endswith(".py")]
    assert [name for name in data if not any(fnmatch.fnmatch(name, pattern) for pattern in patterns)] == []


def test_every_folder_of_the_library_is_a_package():
    folders = {path.parent for path in library_files()}
    assert [str(folder) for folder in folders if not (folder / "__init__.py").exists()] == []


@pytest.mark.parametrize("icon", ["MVCTEnhance.png", "MVCTEnhance/Resources/Icons/MVCTEnhance.png"])
def test_icon_is_a_png_of_128_by_128_pixels(icon):
    header = (ROOT / icon).read_bytes()[:24]
    assert header[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", header[16:24]) == (128, 128)


def test_extension_description_holds_what_the_extensions_index_asks_for():
    text = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
    assert "project(MVCTEnhance)" in text
    for field in ("HOMEPAGE", "CONTRIBUTORS", "DESCRIPTION", "ICONURL", "SCREENSHOTURLS"):
        assert re.search(rf'set\(EXTENSION_{field} "[^"]+"\)', text), field
    assert 'set(EXTENSION_DEPENDS "PyTorch")' in text
    assert "Apache License" in (ROOT / "LICENSE.txt").read_text(encoding="utf-8")


def test_catalog_entry_has_what_its_schema_asks_for_and_fits_the_extension():
    entry = json.loads((ROOT / "MVCTEnhance.json").read_text(encoding="utf-8"))
    kinds = {
        "$schema": str,
        "build_dependencies": list,
        "build_subdirectory": str,
        "category": str,
        "scm_revision": str,
        "scm_url": str,
        "tier": int,
    }
    assert {key: type(value) for key, value in entry.items()} == kinds
    assert entry["$schema"].endswith("/Schemas/slicer-extension-catalog-entry-schema-v1.0.2.json#")
    assert 1 <= entry["tier"] <= 5
    description = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
    assert re.search(r'set\(EXTENSION_DEPENDS "([^"]*)"\)', description)[1].split() == entry["build_dependencies"]
    homepage = re.search(r'set\(EXTENSION_HOMEPAGE "([^"]*)"\)', description)[1]
    assert entry["scm_url"] == f"{homepage}.git"


def test_version_is_one_number_for_package_and_library():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert settings["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "MVCTEnhanceLib.__version__"}
    assert re.fullmatch(r"\d+\.\d+\.\d+", MVCTEnhanceLib.__version__)


def test_constraints_pin_every_requirement():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [
        *settings["dependencies"],
        *(line for group in settings["optional-dependencies"].values() for line in group),
    ]
    pins = re.findall(r"^([\w.-]+)==", (ROOT / ".ci" / "constraints.txt").read_text(encoding="utf-8"), re.MULTILINE)
    names = {re.match(r"[\w.-]+", line)[0].lower() for line in wanted}
    assert names - {pin.lower() for pin in pins} == set()


def test_only_the_layer_for_slicer_imports_slicer():
    found = {
        str(path): SLICER_PACKAGES & {name.split(".")[0] for name in imported_modules(path)}
        for path in library_files()
        if path.relative_to(LIBRARY).parts[0] != "slicerui"
    }
    assert {path: names for path, names in found.items() if names} == {}


def upward_imports(folder: str, layers: tuple[tuple[str, ...], ...]) -> list[str]:
    """Imports between the packages and modules of a folder of the library that do not run downwards."""
    rank = {name: number for number, names in enumerate(layers) for name in names}
    prefix = ".".join(filter(None, ("MVCTEnhanceLib", folder, "")))
    found = []
    for path in library_files():
        module = ".".join(("MVCTEnhanceLib", *path.relative_to(LIBRARY).with_suffix("").parts))
        own, *targets = (
            name.removeprefix(prefix).split(".")[0] if name.startswith(prefix) else ""
            for name in (module, *imported_modules(path))
        )
        for target in {*targets} - {own}:
            if own in rank and target in rank and rank[target] >= rank[own]:
                found.append(f"{module} imports {target}")
    return found


@pytest.mark.parametrize("folder, layers", [("", LAYERS), ("slicerui", SLICERUI_LAYERS)])
def test_library_imports_only_downwards(folder, layers):
    assert upward_imports(folder, layers) == []


@pytest.mark.parametrize("folder, layers", [("", LAYERS), ("slicerui", SLICERUI_LAYERS)])
def test_every_part_of_the_library_has_its_layer(folder, layers):
    paths = [path.relative_to(LIBRARY / folder) for path in library_files() if path.is_relative_to(LIBRARY / folder)]
    parts = {path.parts[0].removesuffix(".py") for path in paths} - {"__init__", "__main__"}
    assert sorted(parts) == sorted(name for names in layers for name in names)


def test_map_of_the_packages_is_drawn_from_the_imports_of_today():
    assert architecture.drawing(architecture.package_imports()) == architecture.PICTURE.read_text(encoding="utf-8"), (
        "the imports have changed: draw the map again by 'python docs/architecture.py'"
    )


def test_documents_name_only_files_that_are_there():
    text = "".join((ROOT / name).read_text(encoding="utf-8") for name in ("docs/architecture.md", "CONTRIBUTING.md"))
    named = set(re.findall(r"`([\w./-]+/[\w./-]+|[\w-]+\.(?:py|md))`", text))
    assert len(named) > 30
    assert {name for name in named if not any((folder / name).exists() for folder in (ROOT, MODULE, LIBRARY))} == set()


def test_links_between_documents_lead_to_files():
    pages = [ROOT / name for name in files_below(ROOT) if name.endswith(".md")]
    links = [
        (page, link) for page in pages for link in re.findall(r"\]\(([^()#\s]+)", page.read_text(encoding="utf-8"))
    ]
    within = [(page, link) for page, link in links if "://" not in link]
    assert len(within) > 100
    assert [f"{page.name}: {link}" for page, link in within if not (page.parent / link).exists()] == []


def test_slicer_module_imports_nothing_heavy_when_it_is_loaded():
    allowed = {*sys.stdlib_module_names, "slicer", "qt", "ctk", "vtk", "SimpleITK", "numpy", "scipy", "MVCTEnhanceLib"}
    tree = ast.parse((MODULE / "MVCTEnhance.py").read_text(encoding="utf-8"))
    imported = set()
    for node in tree.body:
        if isinstance(node, ast.Import):
            imported |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(node.module.split(".")[0])
    assert imported <= allowed
    assert {"MVCTEnhance", "MVCTEnhanceWidget", "MVCTEnhanceTest"} <= {
        getattr(node, "name", None) for node in tree.body
    }


def test_every_public_object_has_a_docstring():
    paths = [MODULE / "MVCTEnhance.py", *library_files()]
    assert [name for path in paths for name in undocumented(path)] == []


def test_no_file_holds_a_path_of_somebody_s_machine():
    places = re.compile(r"(?<![\w./])/(?:home|work|root|Users)/\w|[A-Z]:\\\\?Users")
    texts = [name for name in files_below(ROOT) if Path(name).suffix in TEXT_SUFFIXES]
    found = [name for name in texts if places.search((ROOT / name).read_text(encoding="utf-8", errors="ignore"))]
    assert found == []


def test_repository_has_a_name_that_the_extensions_index_takes():
    catalogue = json.loads((ROOT / "MVCTEnhance.json").read_text(encoding="utf-8"))
    assert re.fullmatch(r"https://github\.com/[^/]+/Slicer\w+\.git", catalogue["scm_url"])
    repository = catalogue["scm_url"].removeprefix("https://github.com/").removesuffix(".git")
    for path in (ROOT / "CMakeLists.txt", MODULE / "MVCTEnhance.py"):
        links = re.findall(r"https://(?:raw\.githubusercontent|github)\.com/([\w-]+/[\w-]+)", path.read_text("utf-8"))
        assert set(links) == {repository}
