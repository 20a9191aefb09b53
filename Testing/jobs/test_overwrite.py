"""No command replaces an existing output without --overwrite."""

import shutil

import numpy as np
import pytest
from MVCTEnhanceLib.commissioning.curves import Curve
from MVCTEnhanceLib.commissioning.twin import Twin
from MVCTEnhanceLib.errors import OutputError
from MVCTEnhanceLib.io import read_volume, write_dicom_series, write_volume
from MVCTEnhanceLib.jobs import export as export_module
from MVCTEnhanceLib.jobs import outputs, requests
from MVCTEnhanceLib.jobs.enhance import enhance
from MVCTEnhanceLib.jobs.requests import EnhanceRequest
from MVCTEnhanceLib.physics.settings import MVCTSettings
from MVCTEnhanceLib.registration.motion import RigidMotion
from MVCTEnhanceLib.site.fit import Measured
from MVCTEnhanceLib.volume import Volume

OTHER = Volume(np.full((2, 4, 4), 7, np.int16))


@pytest.fixture(scope="module")
def made(tmp_path_factory, mvct):
    """A folder with mvct.nrrd, enhanced.nrrd, a series made by this program and a report."""
    folder = tmp_path_factory.mktemp("made")
    write_volume(mvct, folder / "mvct.nrrd")
    enhance(EnhanceRequest(folder / "mvct.nrrd", folder / "enhanced.nrrd", device="cpu", report=folder / "report"))
    enhance(EnhanceRequest(folder / "mvct.nrrd", folder / "series", device="cpu", force=True))
    return folder


# Arguments of each command whose output is x, and what is there already.
COMMANDS = {
    "enhance scan": ("enhance mvct.nrrd --output x.nrrd", "x.nrrd"),
    "enhance dicom": ("enhance mvct.nrrd --output x --force", "x"),
    "difference": ("enhance mvct.nrrd --output e.nrrd --difference x.nii", "x.nii"),
    "cycle error": ("enhance mvct.nrrd --output e.nrrd --cycle-error x.mha", "x.mha"),
    "its report": ("enhance mvct.nrrd --output e.nrrd --report x", "x/readouts.json"),
    "calibrate": ("calibrate --phantom mvct.nrrd --output x.toml", "x.toml"),
    "its picture": ("calibrate --phantom mvct.nrrd --output x-site.toml --picture x.png", "x.png"),
    "twin": ("twin --phantom mvct.nrrd --output x.toml", "x.toml"),
    "picture of the twin": ("twin --phantom mvct.nrrd --output x-twin.toml --picture x.png", "x.png"),
    "report": (
        "report --mvct mvct.nrrd --enhanced enhanced.nrrd --readouts report/readouts.json --output x",
        "x/report.html",
    ),
    "pdf": ("pdf report --source series --output x", "x"),
    "dicom": ("dicom enhanced.nrrd --output x", "x"),
    "transform": (
        "register mvct.nrrd --kvct mvct.nrrd --enhanced enhanced.nrrd --transform x.tfm",
        "x.tfm",
    ),
    "checkerboard": (
        "register mvct.nrrd --kvct mvct.nrrd --enhanced enhanced.nrrd --checkerboard x.nrrd",
        "x.nrrd",
    ),
    "registration": ("register series --kvct series --enhanced enhanced.nrrd --dicom x", "x"),
    "simulate": ("simulate mvct.nrrd --output x.nrrd", "x.nrrd"),
    "export": ("export --output x.onnx", "x.onnx"),
    "phantom": ("phantom x", "x/mvct.nrrd"),
    "benchmark": ("benchmark --rounds 1 --threads 1 --batches --slices --jobs --output x.json", "x.json"),
}


@pytest.fixture
def put(made, tmp_path, monkeypatch):
    """Function: puts the inputs into the current folder, and something where the output will be."""

    def put(place):
        shutil.copytree(made, tmp_path, dirs_exist_ok=True)
        monkeypatch.chdir(tmp_path)
        if place == "x":
            shutil.copytree(made / "series", tmp_path / "x")
        else:
            (tmp_path / place).parent.mkdir(exist_ok=True)
            (tmp_path / place).write_text("of somebody")

    return put


@pytest.fixture
def quick(monkeypatch):
    """What takes long gives something at once."""
    monkeypatch.setattr(export_module, "onnx_of", lambda package: b"onnx")
    monkeypatch.setattr(export_module, "_difference_hu", lambda package, content: 0.0)
    monkeypatch.setattr("MVCTEnhanceLib.jobs.pdf.require_weasyprint", lambda: None)
    monkeypatch.setattr("MVCTEnhanceLib.jobs.pdf.pdf_of", lambda report: b"%PDF-1.4")
    still = RigidMotion(np.eye(3), np.zeros(3))
    monkeypatch.setattr("MVCTEnhanceLib.jobs.register.Finder.find", lambda *arguments, **named: still)
    monkeypatch.setattr("MVCTEnhanceLib.jobs.phantom.make_phantom", lambda *_, **__: (OTHER, OTHER))
    monkeypatch.setattr("MVCTEnhanceLib.jobs.simulate.simulate_mvct", lambda kvct, settings, **named: OTHER)
    inserts = [Measured("insert", hu, hu, 3.0) for hu in (-700.0, 0.0, 50.0, 500.0)]
    monkeypatch.setattr("MVCTEnhanceLib.commissioning.calibrate.measured_inserts", lambda mvct, phantom: inserts)
    curve = Curve(np.arange(1.0, 4.0), np.ones(3))
    twin = Twin(MVCTSettings(), {}, {"noise_power": curve}, {"noise_power": curve})
    monkeypatch.setattr("MVCTEnhanceLib.commissioning.make_twin._of_phantom", lambda *arguments: (None, None, str))
    monkeypatch.setattr("MVCTEnhanceLib.commissioning.make_twin.fit_twin", lambda *arguments, **named: twin)
    for name in ("time_slices", "time_batches", "time_scaling", "timed_cases"):
        monkeypatch.setattr(f"MVCTEnhanceLib.benchmark.run.{name}", lambda *arguments: [])
    monkeypatch.setattr("MVCTEnhanceLib.benchmark.run.seconds_to_start", lambda: 0.1)
    monkeypatch.setattr("MVCTEnhanceLib.cli.output.show_benchmark", lambda result: None)


@pytest.mark.integration
@pytest.mark.parametrize("name", COMMANDS)
def test_what_is_there_is_kept_unless_it_is_to_be_replaced(main, put, quick, files, assert_refused, name):
    command, place = COMMANDS[name]
    put(place)
    assert_refused(main(*command.split()), "x")
    result = main(*command.split(), "--overwrite")
    assert result.code == 0, result.stderr
    after = files()
    changed = {path for path in after if after[path] != result.before.get(path)}
    assert any(path.startswith("x") for path in changed)
    assert {path for path in result.before if path not in after} <= {f"x/CT000{k}.dcm" for k in range(1, 5)}
    assert all(path.startswith(("x", "e.nrrd")) for path in changed)
    assert not any("partial" in path for path in after)


def test_every_command_with_an_output_is_among_them():
    """Besides what goes on (trainings, a batch, a course, quality assurance), and the demo: a new folder only."""
    tried = {command.split()[0] for command, _ in COMMANDS.values()}
    others = {
        "adapt",
        "batch",
        "commission",
        "course",
        "train",
        "qa",
        "demo",
        "install-pylinac",
        "evaluate",
        "models",
        "devices",
        "worker",
        "serve",
    }
    known = {item.command for item in vars(requests).values() if hasattr(item, "command")}
    assert known == tried | others


@pytest.mark.integration
@pytest.mark.parametrize("among", ["notes.txt", "CT0000.dcm"])
def test_folder_with_anything_else_than_this_program_s_series_is_never_replaced(
    main, put, tmp_path, assert_refused, mvct, among
):
    put("x")
    if among.endswith("dcm"):
        write_dicom_series(mvct, tmp_path / "scanner", description="a scan")
        shutil.copy(tmp_path / "scanner" / "CT0001.dcm", tmp_path / "x" / among)
    else:
        (tmp_path / "x" / among).write_text("mine")
    assert_refused(main("enhance", "mvct.nrrd", "--output", "x", "--overwrite"), "holds other files")


def test_output_that_appears_while_the_scan_is_enhanced_is_kept(made, tmp_path, monkeypatch):
    """Before anything of the run is written."""
    request = EnhanceRequest(
        made / "mvct.nrrd", tmp_path / "e.nrrd", device="cpu", difference=tmp_path / "d.nrrd", report=tmp_path / "r"
    )
    measured = outputs.write_outputs

    def late(*arguments):
        write_volume(OTHER, tmp_path / "d.nrrd")
        measured(*arguments)

    monkeypatch.setattr("MVCTEnhanceLib.jobs.enhance.write_outputs", late)
    with pytest.raises(OutputError, match=r"d\.nrrd' exists already"):
        enhance(request)
    assert [path.name for path in tmp_path.iterdir()] == ["d.nrrd"]
    np.testing.assert_array_equal(read_volume(tmp_path / "d.nrrd").array, OTHER.array)
