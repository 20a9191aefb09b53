"""Readouts as CSV and the report, of a real enhancement."""

import csv

import pytest
from slicerui.scans import Calls, add_mvct, add_result, temporary_files

pytestmark = pytest.mark.integration


@pytest.fixture
def enhanced(app):
    from MVCTEnhanceLib.slicerui.jobs.enhancement import Enhancement
    from MVCTEnhanceLib.slicerui.scene.request import SceneRequest
    from MVCTEnhanceLib.slicerui.worker.work import do_now

    return do_now(Enhancement(SceneRequest.of(add_mvct(app), device="cpu"))).enhanced


def test_readouts_become_a_table_with_a_line_a_slice(app, enhanced, tmp_path):
    from MVCTEnhanceLib.slicerui.jobs.export import export_metrics
    from MVCTEnhanceLib.slicerui.scene.outputs import result_of

    path = export_metrics(enhanced.GetID(), tmp_path / "réadouts.csv")
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["slice"] for row in rows] == ["1", "2", "3", "4"]
    readout = result_of(enhanced).readouts["enhanced"]["nselfssim"]["per_slice"]
    assert [float(row["enhanced.nselfssim"]) for row in rows] == pytest.approx(readout)


def test_the_report_is_written_beside_the_application(app, enhanced, tmp_path):
    from MVCTEnhanceLib.slicerui.jobs.export import ReportExport, ReportExportOptions
    from MVCTEnhanceLib.slicerui.worker.work import Job

    calls = Calls()
    Job(ReportExport(ReportExportOptions(enhanced.GetID(), tmp_path / "my report")), **calls.arguments()).start()
    app.wait(lambda: calls.ended)
    assert calls.errors == []
    result = calls.done[0]
    assert result.warnings == ()
    page = result.path.read_text(encoding="utf-8")
    assert "NSelfSSIM" in page and "simulated-anchor" in page
    assert {path.name for path in result.path.parent.iterdir()} >= {"report.html", "readouts.json", "readouts.csv"}
    assert temporary_files(app) == []


def forget_the_model(app, enhanced) -> None:
    """As where the model was one that is not installed any more."""
    import json

    node = enhanced.GetNodeReference("MVCTEnhance.readouts")
    found = json.loads(node.GetText())
    node.SetText(json.dumps(found | {"model": {"name": "gone"}}))


@pytest.mark.thorough
def test_a_report_without_the_model_s_card_says_so(app, enhanced, tmp_path):
    from MVCTEnhanceLib.slicerui.jobs.export import ReportExport, ReportExportOptions
    from MVCTEnhanceLib.slicerui.worker.work import do_now

    forget_the_model(app, enhanced)
    result = do_now(ReportExport(ReportExportOptions(enhanced.GetID(), tmp_path / "report")))
    assert result.path.is_file()
    assert len(result.warnings) == 1 and "name the model's file" in result.warnings[0]


def test_a_volume_without_readouts_is_refused(app, tmp_path):
    from MVCTEnhanceLib.errors import MVCTEnhanceError
    from MVCTEnhanceLib.slicerui.jobs.export import ReportExport, ReportExportOptions, export_metrics
    from MVCTEnhanceLib.slicerui.worker.work import do_now

    node = add_mvct(app)
    with pytest.raises(MVCTEnhanceError, match="no metrics"):
        export_metrics(node.GetID(), tmp_path / "x.csv")
    other = add_result(app, node, {"what": "something else"}).enhanced
    for volume in (node, other):
        with pytest.raises(MVCTEnhanceError, match="This volume has no metrics: choose one"):
            do_now(ReportExport(ReportExportOptions(volume.GetID(), tmp_path / "report")))
    assert not list(tmp_path.glob("*.csv"))


def test_a_report_without_its_mvct_is_refused(app, enhanced, tmp_path):
    from MVCTEnhanceLib.slicerui.jobs.export import ReportExport, ReportExportOptions

    app.scene.RemoveNode(enhanced.GetNodeReference("MVCTEnhance.mvct"))
    assert "MVCT" in ReportExport(ReportExportOptions(enhanced.GetID(), tmp_path)).problem()


def test_a_place_that_cannot_be_written_to_is_told(app, enhanced, tmp_path):
    from MVCTEnhanceLib.errors import OutputError
    from MVCTEnhanceLib.slicerui.jobs.export import export_metrics

    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be written"):
        export_metrics(enhanced.GetID(), tmp_path / "file" / "readouts.csv")
