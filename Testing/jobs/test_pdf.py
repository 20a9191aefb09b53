"""Reports as encapsulated PDF: in the MVCT's study, the same each time, taken by other programs."""

import re
import shutil
import subprocess
import sys
from importlib.util import find_spec

import pydicom
import pytest
from MVCTEnhanceLib.io import read_volume
from MVCTEnhanceLib.io.dicom.encapsulated_pdf import write_encapsulated_pdf
from MVCTEnhanceLib.volume.product import Product, product_of_dicom

PDF = b"%PDF-1.4\n%%EOF"
PRODUCT = Product("report", "abc123")


@pytest.fixture
def write(dicom_scan, tmp_path):
    """Function (name, key): the object in a folder of this name."""

    def write(name, key=("0.9",), pdf=PDF):
        folder = tmp_path / name
        source = read_volume(dicom_scan).source
        texts = {"title": "MVCT enhanced: report, research only", "key": key}
        write_encapsulated_pdf(folder, pdf, source=source, product=PRODUCT, identifies=False, overwrite=False, **texts)
        (path,) = folder.iterdir()
        return path

    return write


def test_object_has_patient_and_study_of_the_mvct_and_the_document(write, dicom_scan):
    ds, source = pydicom.dcmread(write("pdf", pdf=PDF + b"\n")), pydicom.dcmread(sorted(dicom_scan.iterdir())[0])
    assert ds.SOPClassUID.name == "Encapsulated PDF Storage" and ds.Modality == "DOC"
    for keyword in ("PatientID", "PatientName", "StudyInstanceUID"):
        assert ds[keyword].value == source[keyword].value
    assert ds.SeriesInstanceUID != source.SeriesInstanceUID
    assert ds.EncapsulatedDocument[: ds.EncapsulatedDocumentLength] == PDF + b"\n"
    assert len(ds.SourceInstanceSequence) == len(list(dicom_scan.iterdir()))
    assert "research only" in ds.SeriesDescription
    assert product_of_dicom(ds) == PRODUCT


def test_uids_are_the_same_for_the_same_and_others_for_another(write):
    same, again, other = (pydicom.dcmread(write(*one)) for one in (("a",), ("b",), ("c", ("0.8",))))
    for keyword in ("SOPInstanceUID", "SeriesInstanceUID"):
        assert same[keyword].value == again[keyword].value != other[keyword].value


def test_other_programs_find_no_fault_and_the_same_document(write, tmp_path):
    if not (shutil.which("dciodvfy") and shutil.which("dcm2pdf")):
        pytest.skip("dciodvfy or dcm2pdf is not installed (Debian: dicom3tools, dcmtk)")
    path = write("pdf")
    told = subprocess.run(["dciodvfy", path], capture_output=True, text=True).stderr
    # asked for wherever no body part is named, though only paired ones have a side
    assert [line for line in re.findall("^Error.*", told, re.MULTILINE) if "<Laterality>" not in line] == []
    assert "EncapsulatedPDF" in told
    subprocess.run(["dcm2pdf", path, tmp_path / "out.pdf"], check=True)
    assert (tmp_path / "out.pdf").read_bytes().rstrip(b"\0") == PDF


def test_missing_package_is_named_with_the_way_to_get_it(main, dicom_scan, tmp_path, monkeypatch, assert_refused):
    monkeypatch.setitem(sys.modules, "weasyprint", None)
    result = main("pdf", tmp_path, "--source", dicom_scan, "--output", tmp_path / "pdf")
    assert_refused(result, "pip install weasyprint")


@pytest.mark.thorough
@pytest.mark.skipif(not find_spec("weasyprint"), reason="the package weasyprint is not installed")
def test_report_of_an_enhancement_becomes_a_pdf(main, dicom_scan, tmp_path):
    quiet = ("--progress", "none")
    outputs = ("--output", tmp_path / "enhanced.nrrd", "--report", tmp_path / "report")
    assert main("enhance", dicom_scan, *outputs, *quiet).code == 0
    arguments = ("pdf", tmp_path / "report", "--source", dicom_scan, *quiet)
    results = [main(*arguments, "--output", tmp_path / name, "--json") for name in ("one", "two")]
    assert [(result.code, result.stderr) for result in results] == [(0, "")] * 2
    one, two = (pydicom.dcmread(tmp_path / name / "DOC0001.dcm") for name in ("one", "two"))
    assert one.SOPInstanceUID == two.SOPInstanceUID
    assert one.EncapsulatedDocument.startswith(b"%PDF-") and one.EncapsulatedDocumentLength > 20_000
    if shutil.which("pdftotext"):
        (tmp_path / "report.pdf").write_bytes(one.EncapsulatedDocument)
        command = ["pdftotext", "-layout", tmp_path / "report.pdf", "-"]
        text = subprocess.run(command, capture_output=True, text=True).stdout
        assert "Enhanced MVCT: report" in text and "Image-quality metrics" in text
        assert re.search(r"-(\d+) HU +\+\1 HU", text)  # the ends of a colour bar, beside each other
    (tmp_path / "report" / "readouts.json").write_text("{}")
    assert main(*arguments, "--output", tmp_path / "three").code == 1
