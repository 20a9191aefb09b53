"""Requests: their fields are the options of the command line, and a child process is asked for the very same."""

from dataclasses import MISSING, fields, replace
from pathlib import Path

import pytest
from MVCTEnhanceLib.cli.parser import parser
from MVCTEnhanceLib.errors import InputError
from MVCTEnhanceLib.io.formats import WRITABLE
from MVCTEnhanceLib.jobs import requests
from MVCTEnhanceLib.jobs.request import Request

OPTIONS = {  # scripts of users rely on them
    "enhance": "input correction cycle-error device difference force identify json kvct model output overwrite "
    "progress region report series-uid site strength structures structures-transform "
    "uncompressed",
    "evaluate": "enhanced json kvct model mvct progress region site structures structures-transform truth",
    "register": "MVCT checkerboard device dicom enhanced isocentre json kvct model overwrite patient-position progress "
    "series-uid site transform",
    "models": "json progress",
    "batch": "INPUT_DIR OUTPUT_DIR correction device difference force format json model overwrite progress report "
    "resume scheduler site strength structures workers",
    "serve": "config device json progress retry status",
    "course": "FOLDER body-change device identify isocentre json kvct model output overwrite patient-position progress "
    "resume site strength structures workers",
    "calibrate": "by inserts json kvct model mvct name output overwrite phantom picture progress series-uid",
    "commission": "MVCT_DIR adapt by device inserts json kvct match-resolution model name output phantom phantom-kind "
    "progress resume series-uid steps tolerances workers",
    "twin": "device json kind kvct mvct output overwrite phantom picture progress series-uid site",
    "adapt": "device json kvct model mvct output progress site steps twin",
    "report": "enhanced identify json model mvct output overwrite progress readouts",
    "pdf": "REPORT json output overwrite progress series-uid source",
    "dicom": "SCAN derivation description force json kind output overwrite progress readouts series-uid source",
    "devices": "json progress",
    "benchmark": "batches cases device jobs json model output overwrite progress rounds slices threads",
    "export": "json model output overwrite progress",
    "simulate": "kvct device json output overwrite progress region scanner seed truth",
    "train": "config device from json output progress",
    "phantom": "OUTPUT device json kind overwrite progress scanner seed slices",
    "qa": "PHANTOM baseline date device enhanced json model output phantom progress series-uid site tolerances",
    "install-pylinac": "json progress wheels",
    "demo": "device json output progress",
    "worker": "json progress",
}
REQUESTS = {item.command: item for item in vars(requests).values() if hasattr(item, "command")}
VALUES = {
    "int": 7,
    "int | str": 7,
    "tuple[int, ...]": (3, 4),
    "tuple[float, ...]": (1.5, -20.0, 3.0),
    "Path": Path("a b.nrrd"),
    "Path | None": Path("-x=1.nrrd"),
}


def read(arguments) -> Request:
    namespace = parser().parse_args(arguments)
    return namespace.request.from_namespace(namespace)


def example(kind: type[Request], *, everything: bool) -> Request:
    """A request with what must be given, or with another value than the default for each field."""

    def value(item):
        if item.metadata["option"].choices:
            return item.metadata["option"].choices[-1]
        return not item.default if item.type == "bool" else VALUES.get(item.type, "-é '1'")

    return kind(**{item.name: value(item) for item in fields(kind) if everything or item.default is MISSING})


@pytest.mark.parametrize("command", OPTIONS)
def test_every_command_has_the_options_that_scripts_know(command, main):
    shown = main(command, "--help").stdout.split("\n\n", 1)[1].splitlines()
    found = {line.split()[0].removeprefix("--") for line in shown if line[:2] == "  " and line[2] != " "}
    assert found - {"-h,"} == set(OPTIONS[command].split())


def test_every_job_has_a_command():
    assert set(REQUESTS) == set(OPTIONS)


@pytest.mark.parametrize("everything", [False, True])
@pytest.mark.parametrize("kind", REQUESTS.values(), ids=REQUESTS)
def test_request_written_as_a_command_line_is_read_the_same(kind, everything):
    request = example(kind, everything=everything)
    assert read(request.to_argv()) == request


def test_command_line_without_an_option_has_the_default_of_the_library():
    assert read(["enhance", "a", "--output", "b"]) == requests.EnhanceRequest(Path("a"), Path("b"))
    assert requests.EnhanceRequest(Path("a"), Path("b")).to_argv() == ("enhance", "a", "--output=b")


@pytest.mark.parametrize(
    ("command", "change", "sentence"),
    [
        ("batch", {"workers": 0}, "workers: '0' is not possible: give a whole number from 1."),
        ("batch", {"workers": "2"}, "workers: '2' is not possible: give a whole number from 1."),
        ("batch", {"format": "jpg"}, "format: 'jpg' is not possible: choose one of nrrd, nii, nii.gz, mha, dicom."),
        ("simulate", {"seed": -1}, "seed: '-1' is not possible: give a whole number from 0 to 4294967295."),
        ("register", {"isocentre": (1.0, 2.0)}, "isocentre: give three numbers, X Y Z in mm."),
        ("benchmark", {"slices": (3, 0)}, "slices: '3 0' is not possible: give a whole number from 1."),
    ],
)
def test_library_refuses_a_value_that_cannot_be_in_one_sentence(command, change, sentence):
    with pytest.raises(InputError) as refused:
        replace(example(REQUESTS[command], everything=False), **change)
    assert str(refused.value) == sentence


@pytest.mark.parametrize("value", ["0", "-1", "1.5", "two"])
def test_number_out_of_range_is_refused_on_the_command_line(main, value):
    result = main("batch", "in", "out", f"--workers={value}")
    assert result.code == 2
    assert f"--workers: '{value}' is not possible: give a whole number from 1." in result.stderr


def test_formats_of_a_batch_are_those_that_are_written():
    assert set(requests.FORMATS) == {suffix.removeprefix(".") for suffix in WRITABLE} | {"dicom"}
