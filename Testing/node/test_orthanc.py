"""Orthanc as the archive: what the node delivers is found there and comes back as it was."""

import json
import shutil
import subprocess
from importlib.util import find_spec

import pydicom
import pytest
from parties import ARCHIVE, Archive, free_port, wait_until

pynetdicom = pytest.importorskip("pynetdicom")

pytestmark = [
    pytest.mark.thorough,
    pytest.mark.skipif(not shutil.which("Orthanc"), reason="Orthanc is not installed (Debian's package orthanc)"),
]
SERIES = {"QueryRetrieveLevel": "SERIES", "Modality": "", "SeriesDescription": "", "SeriesInstanceUID": ""}


@pytest.fixture
def orthanc(tmp_path):
    """Running; port of its DICOM server, and where it sends what is asked for: `requester`."""
    requester = Archive()
    port = free_port()
    settings = {
        "Name": "archive",
        "StorageDirectory": str(tmp_path / "orthanc"),
        "IndexDirectory": str(tmp_path / "orthanc"),
        "HttpServerEnabled": False,
        "DicomAet": ARCHIVE,
        "DicomPort": port,
        "DicomModalities": {"requester": ["REQUESTER", "127.0.0.1", requester.port]},
    }
    (tmp_path / "orthanc.json").write_text(json.dumps(settings))
    log = (tmp_path / "orthanc.log").open("w")
    process = subprocess.Popen(["Orthanc", str(tmp_path / "orthanc.json")], stdout=log, stderr=log)
    requester.start()
    yield port, requester
    requester.stop()
    process.terminate()
    process.wait(60)


def ask(port):
    """An association of somebody who asks for scans."""
    entity = pynetdicom.AE("REQUESTER")
    for name in ("Find", "Move"):
        context = getattr(pynetdicom.sop_class, f"StudyRootQueryRetrieveInformationModel{name}")
        entity.add_requested_context(context)
    association = entity.associate("127.0.0.1", port, ae_title=ARCHIVE)
    return association if association.is_established else None


def dataset(**values):
    ds = pydicom.Dataset()
    for keyword, value in values.items():
        setattr(ds, keyword, value)
    return ds


def test_delivered_series_is_found_in_the_archive_and_comes_back_element_for_element(node, orthanc, scan_folder):
    port, requester = orthanc
    reports = bool(find_spec("weasyprint"))
    node.configure(port, more="send_untrusted = true" + '\nreport = "pdf"' * reports)
    node.start()
    study = pydicom.dcmread(next(scan_folder.iterdir())).StudyInstanceUID
    node.send(sorted(scan_folder.iterdir()))
    node.wait_for("delivered")
    association = wait_until(lambda: ask(port), "Orthanc's answer")
    query = dataset(StudyInstanceUID=study, **SERIES)
    find = pynetdicom.sop_class.StudyRootQueryRetrieveInformationModelFind
    found = [ds for status, ds in association.send_c_find(query, find) if status.Status == 0xFF00]
    expected = {"CT": "MVCT enhanced, research only", "DOC": "MVCT enhanced: report, research only"}
    assert {ds.Modality: ds.SeriesDescription.strip() for ds in found} == {
        kind: text for kind, text in expected.items() if kind == "CT" or reports
    }
    wanted = dataset(QueryRetrieveLevel="STUDY", StudyInstanceUID=study)
    move = pynetdicom.sop_class.StudyRootQueryRetrieveInformationModelMove
    statuses = [status.Status for status, _ in association.send_c_move(wanted, "REQUESTER", move)]
    association.release()
    assert statuses[-1] == 0x0000
    sent = {ds.SOPInstanceUID: ds for ds in map(pydicom.dcmread, node.spool.glob("series/*/result/*/*.dcm"))}
    assert len(sent) == 3 + reports and set(requester.received) == set(sent)
    for uid, (back,) in requester.received.items():
        assert back == pydicom.Dataset(sent[uid])
