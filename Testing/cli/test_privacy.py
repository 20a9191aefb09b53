"""Texts of a scan, its folder or a model's card stay where they belong, and nothing in them is ever run."""

import ast
import json
import os
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from MVCTEnhanceLib.io import write_volume
from MVCTEnhanceLib.model.card import find_model
from safetensors import safe_open
from safetensors.torch import save_file

LIBRARY = Path(__file__).resolve().parents[2] / "MVCTEnhance"
SCRIPT = "<script>alert(1)</script>"
HOSTILE = f"\"'><img src=x onerror=alert(2)>{SCRIPT}&{{{{7*7}}}}"
# What tells who the patient is, or when and where the scan was taken (DICOM PS3.15, table E.1-1, as far as CT has it).
TELLING = {
    "PatientName": "Secretname^Given",
    "PatientID": "SECRETID1",
    "OtherPatientIDs": "SECRETID2",
    "PatientBirthDate": "19501231",
    "PatientAddress": "Secretstreet 1",
    "PatientComments": "Secretcomment",
    "PatientTelephoneNumbers": "5550199",
    "AccessionNumber": "SECRETACC",
    "StudyID": "SECRETSTUDY",
    "StudyDate": "20190203",
    "SeriesDate": "20190204",
    "AcquisitionDate": "20190205",
    "StudyDescription": "Secretstudy",
    "SeriesDescription": "Secretseries",
    "ReferringPhysicianName": "Secretdoctor^Ann",
    "OperatorsName": "Secretoperator",
    "InstitutionName": "Secrethospital",
    "InstitutionAddress": "Secretroad 2",
    "StationName": "SECRETSTATION",
    "DeviceSerialNumber": "SECRETSERIAL",
    "ProtocolName": "Secretprotocol",
    "StudyInstanceUID": "1.2.3.4.5.1111",
    "FrameOfReferenceUID": "1.2.3.4.5.2222",
    "SeriesInstanceUID": "1.2.3.4.5.3333",
}


@pytest.fixture
def more_inputs(mvct, tmp_path):
    """Function (name) -> the options for a planning CT and a region of this name."""

    def make(name):
        write_volume(mvct, tmp_path / f"{name} ct.nrrd")
        write_volume(mvct.with_array((mvct.array > -300).astype(np.int16)), tmp_path / f"{name} region.nrrd")
        return ["--kvct", tmp_path / f"{name} ct.nrrd", "--region", tmp_path / f"{name} region.nrrd"]

    return make


@pytest.mark.integration
def test_nothing_tells_who_the_patient_is(main, dicom_scan, more_inputs, tmp_path, monkeypatch, with_texts):
    """Nor the names of the files and folders, in what is shown, in the report and in volume files."""
    with_texts(dicom_scan, TELLING)
    monkeypatch.setenv("MVCTENHANCE_DEBUG", "1")
    outputs = ["--output", tmp_path / "e.nii", "--difference", tmp_path / "d.mha", "--report", tmp_path / "report"]
    result = main("enhance", dicom_scan, *outputs, *more_inputs("Secretname"), "--progress", "jsonl")
    assert result.code == 0, result.stderr
    secrets = [*TELLING.values(), "Secretname", "Secretfolder", tmp_path.name]
    written = [path.read_bytes() for path in (tmp_path / "report").iterdir()]
    written += [(tmp_path / name).read_bytes() for name in ("e.nii", "d.mha")]
    for content in (result.stdout.encode(), result.stderr.encode(), *written):
        assert [secret for secret in secrets if secret.encode() in content] == []


def test_an_anonymous_dicom_series_tells_nothing_of_the_source(main, dicom_scan, tmp_path, with_texts):
    """A volume file keeps nothing of the patient, so that a DICOM series made of it has nothing to tell."""
    with_texts(dicom_scan, TELLING)
    assert main("enhance", dicom_scan, "--output", tmp_path / "e.nrrd").code == 0
    assert main("dicom", tmp_path / "e.nrrd", "--output", tmp_path / "anonymous").code == 0
    for path in (tmp_path / "anonymous").iterdir():
        content = path.read_bytes()
        assert [secret for secret in TELLING.values() if secret.encode() in content] == []


class Tags(HTMLParser):
    """Names of the tags of a page, and their attributes."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.attributes = set(), []
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        self.attributes += attributes


@pytest.fixture
def hostile_model(tmp_path):
    """A shipped model with a card in which every key and text is hostile."""
    path = tmp_path / "hostile.safetensors"
    with safe_open(find_model("simulated-anchor"), framework="pt") as file:
        state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        metadata = file.metadata()
    card = json.loads(metadata["card"])
    for key in ("name", "version", "seed", "intended_use", "training_data", "credits"):
        card[key] = HOSTILE
    card |= {HOSTILE: {HOSTILE: [HOSTILE, {HOSTILE: HOSTILE}]}}
    save_file(state, path, metadata | {"card": json.dumps(card)})
    return path


@pytest.mark.integration
@pytest.mark.filterwarnings("ignore:The value length")  # of pydicom, while the texts are written
def test_texts_of_others_are_never_part_of_the_page(
    main, dicom_scan, more_inputs, hostile_model, scan, tmp_path, with_texts
):
    """Of DICOM, of the model's card, and names of files."""
    texts = [name for name in TELLING if "UID" not in name and "Date" not in name]
    with_texts(dicom_scan, dict.fromkeys(texts, HOSTILE))
    hostile_name = HOSTILE.replace("/", "").replace('"', "") if os.name != "nt" else "hostile"
    folder = dicom_scan.rename(tmp_path / hostile_name)
    plain = main("enhance", scan, "--output", tmp_path / "p.nrrd", "--report", tmp_path / "plain")
    arguments = ["--report", tmp_path / "report", *more_inputs(hostile_name), "--model", hostile_model]
    result = main("enhance", folder, "--output", tmp_path / "e.nrrd", *arguments)
    assert (plain.code, result.code) == (0, 0), result.stderr
    expected, html = ((tmp_path / name / "report.html").read_text(encoding="utf-8") for name in ("plain", "report"))
    page = Tags(html)
    assert page.tags <= Tags(expected).tags | {"ul", "li"}
    assert not {"script", "iframe", "object", "a", "link", "form"} & page.tags
    assert not [name for name, _ in page.attributes if name.startswith("on") or name == "href"]
    assert all(value.startswith("data:image/png;base64,") for name, value in page.attributes if name == "src")
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html  # the card is shown, in letters
    assert "default-src 'none'" in html


FORBID = """
import sys
FORBIDDEN = ("socket.", "urllib.", "http.", "ftplib.", "smtplib.", "webbrowser.", "os.system", "subprocess.", "os.exec",
             "os.posix_spawn", "os.spawn", "pickle.find_class")
def refuse(event, arguments):
    # urllib3, which pydicom imports where it is installed, tries whether this computer has IPv6 by a socket of its own.
    alone = event == "socket.__new__" or (event == "socket.bind" and arguments[1] == ("::1", 0))
    if event.startswith(FORBIDDEN) and not alone:
        sys.stderr.write(f"FORBIDDEN {event} {arguments}\\n")
        raise PermissionError(event)
sys.addaudithook(refuse)
from MVCTEnhanceLib.cli.program import command
command()
"""


@pytest.mark.integration
def test_nothing_is_sent_and_no_program_started(run, dicom_scan, more_inputs, tmp_path):
    """Python itself tells of each: also what a library does that is imported."""
    arguments = ["--output", tmp_path / "dicom", "--report", tmp_path / "report", "--force", *more_inputs("other")]
    result = run("enhance", dicom_scan, *arguments, "--progress", "none", python=("-c", FORBID))
    assert result.code == 0 and "FORBIDDEN" not in result.stderr, result.stderr
    probe = "import socket; socket.socket().connect(('127.0.0.1', 9))"  # the trap works
    trapped = subprocess.run(
        [sys.executable, "-c", FORBID.split("from MVCT")[0] + probe], capture_output=True, text=True
    )
    assert trapped.returncode == 1 and "FORBIDDEN socket.connect" in trapped.stderr


@pytest.mark.thorough
def test_a_computer_without_any_network_suffices(run, scan, tmp_path):
    unshare = shutil.which("unshare")
    if not unshare or subprocess.run([unshare, "-rn", "true"], capture_output=True).returncode:
        pytest.skip("needs the right to take the network away")
    command = [unshare, "-rn", sys.executable, "-m", "MVCTEnhanceLib"]
    code = f"import os, sys; os.execv({unshare!r}, [*{command!r}, *sys.argv[1:]])"
    result = run("enhance", scan, "--output", tmp_path / "e.nrrd", "--progress", "none", python=("-c", code))
    assert result.code == 0, result.stderr
    assert (tmp_path / "e.nrrd").is_file()


def _name(node) -> str:
    if isinstance(node, ast.Attribute):
        return f"{_name(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def dangers(source: str) -> list[str]:
    """Calls and imports of a source that run what stands in a text or a file, or a shell."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            modules = [alias.name for alias in node.names] + [getattr(node, "module", None) or ""]
            found += [
                name for name in modules if name.split(".")[0] in {"pickle", "dill", "shelve", "marshal", "joblib"}
            ]
        if not isinstance(node, ast.Call):
            continue
        name, options = _name(node.func), {option.arg: option.value for option in node.keywords}
        shell = options.get("shell")
        if shell is not None and not (isinstance(shell, ast.Constant) and shell.value is False):
            found.append(f"{name} with a shell")
        if name in {"eval", "exec", "compile", "__import__", "os.system", "os.popen", "subprocess.getoutput"}:
            found.append(name)
        if name.startswith("os.") and name.startswith(("os.exec", "os.spawn")):
            found.append(name)
        weights_only = options.get("weights_only")
        if name.endswith("torch.load") and not (isinstance(weights_only, ast.Constant) and weights_only.value is True):
            found.append("torch.load of any object")
        allow = options.get("allow_pickle")
        if allow is not None and not (isinstance(allow, ast.Constant) and allow.value is False):
            found.append("allow_pickle")
    return found


@pytest.mark.parametrize(
    "source",
    ["import pickle", "from pickle import loads", "subprocess.run('x', shell=True)", "os.system('x')", "eval('1')",
     "exec('1')", "torch.load('f')", "torch.load('f', weights_only=False)", "np.load('f', allow_pickle=True)",
     "os.popen('x')", "subprocess.Popen('x', shell=flag)"],
)  # fmt: skip
def test_dangers_are_found(source):
    assert dangers(source)


def test_no_source_starts_a_shell_or_runs_what_it_reads():
    sources = {path: dangers(path.read_text(encoding="utf-8")) for path in sorted(LIBRARY.rglob("*.py"))}
    assert len(sources) > 100
    assert {path.name: found for path, found in sources.items() if found} == {}
