"""A scan that is not to be trusted becomes no DICOM series, unless it is forced."""

import json

import pytest
from MVCTEnhanceLib.assessment.verdicts import distrusted_metrics, withholding_reason
from MVCTEnhanceLib.jobs import enhance as enhance_module
from MVCTEnhanceLib.jobs.enhance import enhance
from MVCTEnhanceLib.jobs.outputs import NotTrusted
from MVCTEnhanceLib.jobs.requests import EnhanceRequest
from MVCTEnhanceLib.quality.record import Assessment, EnhancementRecord

BAD = {"enhanced": {"noise_hu": Assessment("do not trust", "It is too high.")}}
GOOD = {"enhanced": {"noise_hu": Assessment("look closer", "It is high.")}}


@pytest.fixture
def assessed(monkeypatch):
    """Function: from now on a run has these verdicts."""
    return lambda verdicts: monkeypatch.setattr(enhance_module, "judge", lambda record, card: verdicts)


def names(folder):
    return {path.name for path in folder.iterdir()}


@pytest.mark.integration
def test_all_but_dicom_is_written_and_the_exit_code_is_1(main, scan, tmp_path, assessed, assert_one_sentence):
    assessed(BAD)
    outputs = ("--output", tmp_path / "e", "--difference", tmp_path / "d.nrrd", "--report", tmp_path / "r")
    result = main("enhance", scan, *outputs, "--json", "--progress", "none")
    assert result.code == 1
    assert_one_sentence(result.stderr)
    assert "The assessment of Enhanced, Noise is 'do not trust', so no DICOM series was written" in result.stderr
    assert "add --force" in result.stderr
    assert names(tmp_path) == {"mvct.nrrd", "d.nrrd", "r"}
    assert result.json()["withheld"] is True and EnhancementRecord.from_dict(result.json()).assessments == BAD
    readouts = json.loads((tmp_path / "r" / "readouts.json").read_text(encoding="utf-8"))
    assert not {"withheld", "failure"} & set(readouts)


@pytest.mark.parametrize(
    ("verdicts", "options"), [(BAD, ["--force"]), (GOOD, [])], ids=["forced", "to be looked at only"]
)
def test_dicom_is_written_where_it_is_forced_or_nothing_is_wrong(main, scan, tmp_path, assessed, verdicts, options):
    assessed(verdicts)
    assert main("enhance", scan, "--output", tmp_path / "e", *options).code == 0
    assert len(names(tmp_path / "e")) == 4


def test_file_is_written_whatever_the_verdicts(main, scan, tmp_path, assessed):
    assessed(BAD)
    assert main("enhance", scan, "--output", tmp_path / "e.nrrd").code == 0


@pytest.mark.integration
def test_volume_file_becomes_dicom_with_such_readouts_only_when_forced(main, scan, tmp_path, assessed, assert_refused):
    assessed(BAD)
    assert main("enhance", scan, "--output", tmp_path / "e.nrrd", "--report", tmp_path / "r").code == 0
    command = ("dicom", tmp_path / "e.nrrd", "--output", tmp_path / "e", "--readouts", tmp_path / "r" / "readouts.json")
    assert_refused(main(*command), "do not trust", "--force")
    assert main(*command, "--force").code == 0
    assert len(names(tmp_path / "e")) == 4


def test_library_raises_with_the_result(scan, tmp_path, assessed):
    assessed(BAD)
    with pytest.raises(NotTrusted, match="do not trust") as caught:
        enhance(EnhanceRequest(scan, tmp_path / "e.nrrd", difference=tmp_path / "d", device="cpu"))
    assert caught.value.result.record.assessments == BAD
    assert names(tmp_path) == {"mvct.nrrd", "e.nrrd"}


def test_many_names_are_counted():
    record = EnhancementRecord({}, assessments={"mvct": dict.fromkeys("abcde", Assessment("do not trust"))})
    assert distrusted_metrics(record) == list("abcde")
    assert "The assessment of a; b; c; 2 more is 'do not trust'" in withholding_reason(record)
    assert (
        withholding_reason(EnhancementRecord({})) == withholding_reason(EnhancementRecord({}, assessments=GOOD)) == ""
    )
