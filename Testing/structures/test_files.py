"""Structures come from RT Structure Sets, label maps and Slicer's segmentations; what cannot be used is named."""

import json
import subprocess
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from MVCTEnhanceLib.errors import InputError
from MVCTEnhanceLib.io import read_volume, write_volume
from MVCTEnhanceLib.io.reader import read_map
from MVCTEnhanceLib.structures.reader import read_structures
from MVCTEnhanceLib.volume.grid import axial
from MVCTEnhanceLib.volume.itk import to_itk
from pydicom import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, RTStructureSetStorage, generate_uid

JSON = ("--json", "--progress", "none", "--device", "cpu")


def disc(scan, k, radius, centre=(0.0, 0.0), corners=120):
    """Corners of a circle in slice k, about the middle of the scan and moved by mm."""
    _, j_count, i_count = scan.array.shape
    middle = np.array([(i_count - 1) / 2, (j_count - 1) / 2, k]) * scan.spacing
    angles = 2 * np.pi * np.arange(corners) / corners
    circle = np.stack((radius * np.cos(angles), radius * np.sin(angles), 0 * angles), axis=1)
    return scan.origin + (middle + circle + (*centre, 0.0)) @ np.asarray(scan.direction).T


def write_rtstruct(path, scan, structures, **changed):
    """A structure set of the scan's patient; structures: name -> contours, or (type, contour) for other kinds."""
    header = scan.source.header(0)
    ds = Dataset()
    ds.SpecificCharacterSet, ds.SOPClassUID, ds.SOPInstanceUID = "ISO_IR 192", RTStructureSetStorage, generate_uid()
    ds.Modality, ds.PatientID = "RTSTRUCT", header.PatientID
    frame = changed.pop("frame", header.FrameOfReferenceUID)
    ds.StructureSetROISequence, ds.ROIContourSequence = [], []
    for number, (name, contours) in enumerate(structures.items(), start=1):
        roi, drawn = Dataset(), Dataset()
        roi.ROINumber, roi.ROIName, roi.ReferencedFrameOfReferenceUID = number, name, frame
        drawn.ReferencedROINumber, drawn.ContourSequence = number, []
        for contour in contours:
            kind, points = contour if isinstance(contour, tuple) else ("CLOSED_PLANAR", contour)
            item = Dataset()
            item.ContourGeometricType = kind
            item.NumberOfContourPoints = len(points)
            item.ContourData = [f"{value:.3f}" for value in np.ravel(points)]
            drawn.ContourSequence.append(item)
        ds.StructureSetROISequence.append(roi)
        ds.ROIContourSequence.append(drawn)
    for name, value in changed.items():
        setattr(ds, name, value)
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.file_meta.MediaStorageSOPClassUID, ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPClassUID, ds.SOPInstanceUID
    ds.save_as(path, enforce_file_format=True)
    return path


@pytest.fixture
def axial_scan(dicom_scan):
    return axial(read_volume(dicom_scan))


def test_structure_set_gives_its_structures_by_name_with_their_volume(axial_scan, tmp_path):
    slices = range(len(axial_scan.array))
    ring = [disc(axial_scan, k, radius) for k in slices for radius in (40.0, 20.0)]
    path = write_rtstruct(tmp_path / "rs.dcm", axial_scan, {"耳下腺": [disc(axial_scan, 1, 15.0)], "ring": ring})
    (gland, hollow), warnings = read_structures(path, axial_scan)
    assert (gland.name, hollow.name, warnings) == ("耳下腺", "ring", ())
    voxel = np.prod(axial_scan.spacing)
    assert gland.coverage.sum() * voxel == pytest.approx(np.pi * 15**2 * axial_scan.spacing[2], rel=0.01)
    assert hollow.coverage.sum() / len(slices) * voxel == pytest.approx(
        np.pi * (40**2 - 20**2) * axial_scan.spacing[2], rel=0.01
    )


@pytest.mark.parametrize("patient", ["Müller-7", "Möller-7"])
def test_patient_id_of_another_character_set_is_read(dicom_scan, with_texts, tmp_path, patient):
    with_texts(dicom_scan, {"SpecificCharacterSet": "ISO_IR 100", "PatientID": "Müller-7"})
    scan = axial(read_volume(dicom_scan))
    path = write_rtstruct(tmp_path / "rs.dcm", scan, {"gland": [disc(scan, 1, 15.0)]}, PatientID=patient)
    with nullcontext() if patient == "Müller-7" else pytest.raises(InputError, match="another Patient ID"):
        assert len(read_structures(path, scan)[0]) == 1


def test_what_encloses_nothing_or_lies_elsewhere_is_named_and_left_out(axial_scan, tmp_path):
    structures = {
        "PTV": [disc(axial_scan, 1, 10.0)],
        "isocentre": [("POINT", disc(axial_scan, 1, 1.0)[:1])],
        "far": [disc(axial_scan, 1, 10.0, (900.0, 0.0))],
        "empty": [],
    }
    read, warnings = read_structures(write_rtstruct(tmp_path / "rs.dcm", axial_scan, structures), axial_scan)
    assert [structure.name for structure in read] == ["PTV"]
    assert len(warnings) == 4
    for name, message in zip(("isocentre", "isocentre", "far", "empty"), warnings, strict=True):
        assert f"'{name}'" in message


def test_structures_of_one_name_are_numbered(axial_scan, tmp_path):
    path = write_rtstruct(
        tmp_path / "rs.dcm", axial_scan, {"a": [disc(axial_scan, 1, 9.0)], "b": [disc(axial_scan, 1, 8.0)]}
    )
    from pydicom import dcmread

    ds = dcmread(path)
    ds.StructureSetROISequence[1].ROIName = "a"
    ds.save_as(path)
    assert [structure.name for structure in read_structures(path, axial_scan)[0]] == ["a", "a (2)"]


@pytest.mark.parametrize(
    ("changed", "told"),
    [({"PatientID": "another"}, "another Patient ID"), ({"frame": "1.2.3"}, "another frame of reference")],
)
def test_structure_set_of_another_patient_or_frame_is_refused(axial_scan, tmp_path, changed, told):
    path = write_rtstruct(tmp_path / "rs.dcm", axial_scan, {"PTV": [disc(axial_scan, 1, 10.0)]}, **changed)
    with pytest.raises(InputError, match=told):
        read_structures(path, axial_scan)


def test_damaged_structure_set_is_refused(axial_scan, tmp_path):
    path = write_rtstruct(tmp_path / "rs.dcm", axial_scan, {"PTV": [disc(axial_scan, 1, 10.0)[:2]]})
    with pytest.raises(InputError, match="no three points"):
        read_structures(path, axial_scan)
    path.write_bytes(path.read_bytes()[:600])
    with pytest.raises(InputError):
        read_structures(path, axial_scan)


def test_labels_of_another_grid_come_by_the_nearest_voxel(axial_scan, tmp_path):
    labels = np.zeros(axial_scan.array.shape, np.uint8)
    labels[1, 40:60, 50:70], labels[2, 40:50, 50:60] = 1, 3
    image = to_itk(axial_scan.with_array(labels))
    cut = sitk.RegionOfInterest(image, [50, 55, 3], [35, 25, 0])
    sitk.WriteImage(cut, str(tmp_path / "labels.nrrd"))
    read, _ = read_structures(tmp_path / "labels.nrrd", axial_scan)
    assert [(structure.name, int(structure.inside.sum())) for structure in read] == [("label 1", 400), ("label 3", 100)]
    assert read[0].box == (slice(1, 2), slice(40, 60), slice(50, 70))


def test_segments_of_slicer_have_their_names_and_may_overlap(axial_scan, tmp_path):
    first, second = (np.zeros(axial_scan.array.shape, np.uint8) for _ in range(2))
    first[1, 40:60, 40:60], second[1, 50:70, 50:70] = 1, 1
    image = sitk.Compose([to_itk(axial_scan.with_array(layer)) for layer in (first, second)])
    for number, name in enumerate(("リンパ節", "PTV")):
        for what, value in (("Name", name), ("Layer", str(number)), ("LabelValue", "1"), ("ID", f"s{number}")):
            image.SetMetaData(f"Segment{number}_{what}", value)
    sitk.WriteImage(image, str(tmp_path / "drawn.seg.nrrd"))
    read, _ = read_structures(tmp_path / "drawn.seg.nrrd", axial_scan)
    assert [(structure.name, int(structure.inside.sum())) for structure in read] == [("リンパ節", 400), ("PTV", 400)]


def test_ct_as_structures_or_region_is_refused(main, scan, tmp_path, assert_refused):
    for option in ("--structures", "--region"):
        assert_refused(main("enhance", scan, "--output", tmp_path / "out.nrrd", option, scan, *JSON), "choose a")


@pytest.mark.integration
def test_values_of_each_structure_are_in_metrics_and_report(main, dicom_scan, axial_scan, tmp_path):
    path = write_rtstruct(tmp_path / "rs.dcm", axial_scan, {"<PTV>": [disc(axial_scan, k, 30.0) for k in (0, 1, 2)]})
    output = ["--output", tmp_path / "enhanced.nrrd", "--report", tmp_path / "report"]
    made = main("enhance", dicom_scan, *output, "--structures", path, *JSON).json()["structures"]["<PTV>"]
    (structure,), _ = read_structures(path, axial_scan)
    enhanced = axial(read_volume(tmp_path / "enhanced.nrrd"))
    for name, on in (("mvct", axial_scan), ("enhanced", enhanced)):
        hu = on.array[structure.box][structure.inside]
        assert made[name]["mean"] == pytest.approx(hu.mean()) and made[name]["p95"] == pytest.approx(
            np.percentile(hu, 95)
        )
    assert made["hu_change"] == pytest.approx(made["enhanced"]["mean"] - made["mvct"]["mean"])
    assert made["volume_cm3"] == pytest.approx(np.pi * 3**2 * 3 * axial_scan.spacing[2] / 10, rel=0.01)
    page = (tmp_path / "report" / "report.html").read_text(encoding="utf-8")
    assert "&lt;PTV&gt;" in page and "Structures" in page
    pair = ["--mvct", dicom_scan, "--enhanced", tmp_path / "enhanced.nrrd", "--structures", path]
    again = main("evaluate", *pair, *JSON[:3]).json()["structures"]
    assert again == {"<PTV>": made}
    assert json.loads((tmp_path / "report" / "readouts.json").read_text(encoding="utf-8"))["structures"] == again


@pytest.mark.integration
def test_voxels_are_inside_where_plastimatch_has_them(dicom_scan, axial_scan, tmp_path):
    plastimatch = pytest.importorskip("plastimatch", reason="plastimatch's wheel is for Linux on x86-64")
    program = Path(plastimatch.__file__).parent / "bin" / "plastimatch"
    circles = [[disc(axial_scan, k, radius) for radius in (45.0, 20.0)] for k in range(4)]
    # Its hole is a keyhole: plastimatch joins contours, one within another too.
    ring = [np.concatenate((outer, outer[:1], inner[:1], inner[::-1])) for outer, inner in circles]
    path = write_rtstruct(tmp_path / "rs.dcm", axial_scan, {"ring": ring})
    write_volume(axial_scan, tmp_path / "fixed.nrrd")
    command = [program, "convert", "--input", path, "--fixed", tmp_path / "fixed.nrrd"]
    command += ["--output-prefix", tmp_path / "masks", "--prefix-format", "nrrd"]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    theirs = read_map(tmp_path / "masks" / "ring.nrrd").array > 0
    (structure,), _ = read_structures(path, axial_scan)
    ours = np.zeros(theirs.shape, np.float32)
    ours[structure.box] = structure.coverage
    edge = (ours > 0) & (ours < 1)
    assert np.array_equal(theirs[~edge], ours[~edge] == 1)
    assert theirs.sum() == pytest.approx(ours.sum(), rel=0.02)


@pytest.mark.integration
def test_structures_of_the_planning_ct_come_to_the_mvct_by_the_transform(main, dicom_scan, axial_scan, tmp_path):
    shift = (6.0, -4.0, 6.0)
    planning_ct = replace(axial_scan, origin=tuple(np.add(axial_scan.origin, shift)))
    write_volume(planning_ct, tmp_path / "ct.nrrd")
    contours = [disc(planning_ct, k, 20.0) for k in (1, 2)]
    path = write_rtstruct(tmp_path / "rs.dcm", axial_scan, {"PTV": contours}, frame="1.2.3")
    to_mvct = sitk.TranslationTransform(3, [-mm for mm in shift])
    sitk.WriteTransform(to_mvct, str(tmp_path / "to-plan.tfm"))
    given = ["--kvct", tmp_path / "ct.nrrd", "--structures", path, "--structures-transform", tmp_path / "to-plan.tfm"]
    pair = ["--mvct", dicom_scan, "--enhanced", dicom_scan]
    values = main("evaluate", *pair, *given, *JSON[:3]).json()["structures"]["PTV"]
    own = replace(axial_scan, source=None)
    labels = tmp_path / "own.dcm"
    write_rtstruct(labels, axial_scan, {"PTV": [disc(own, k, 20.0) for k in (1, 2)]})
    here = main("evaluate", *pair, "--structures", labels, *JSON[:3]).json()["structures"]["PTV"]
    assert values["volume_cm3"] == pytest.approx(here["volume_cm3"], rel=1e-3)
    assert values["mvct"]["mean"] == pytest.approx(here["mvct"]["mean"], abs=0.5)
    assert values["planning_ct"]["mean"] == pytest.approx(here["mvct"]["mean"], abs=0.5)
    assert "planning_ct" not in here


def test_transform_without_planning_ct_is_refused(main, scan, tmp_path, assert_refused):
    given = ["--structures", scan, "--structures-transform", tmp_path / "t.tfm", *JSON]
    assert_refused(main("enhance", scan, "--output", tmp_path / "out.nrrd", *given), "planning CT")
