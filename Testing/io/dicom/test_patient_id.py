"""Patient IDs are compared as texts, whatever character set a file has them in."""

import pydicom
import pytest
from MVCTEnhanceLib.batch.cases import find_cases
from MVCTEnhanceLib.commissioning.scans import paired
from MVCTEnhanceLib.course.days import course_warnings
from MVCTEnhanceLib.errors import InputError
from MVCTEnhanceLib.io import read_volume
from MVCTEnhanceLib.io.dicom.header import read_header
from MVCTEnhanceLib.jobs.scans import patient_id_of, require_same_patient
from MVCTEnhanceLib.training.patients import scan_of

LATIN, GREEK, CYRILLIC, UTF8 = "ISO_IR 100", "ISO_IR 126", "ISO_IR 144", "ISO_IR 192"
JAPANESE = ["", "ISO 2022 IR 87"]


@pytest.fixture
def scan(make_series):
    """Function (folder, character set or None, bytes of the Patient ID): the folder of a series with them."""

    def scan(folder, charset, value):
        def change(ds, k):
            if charset is not None:
                ds.SpecificCharacterSet = charset
            ds[0x0010, 0x0020] = pydicom.DataElement(0x00100020, "UN", value)  # as no writer may write it

        return make_series(folder, change=change)

    return scan


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ((LATIN, "Müller-7".encode("latin-1")), (UTF8, "Müller-7".encode()), True),
        ((JAPANESE, b"\x1b$B;3ED\x1b(B-7"), (UTF8, "山田-7".encode()), True),
        ((None, b"PAT-7"), (UTF8, b"PAT-7"), True),
        ((None, b"PAT-7 "), ("ISO-8859 of ours", b" PAT-7\0"), True),
        ((None, b"M\xfcller"), (None, b"M\xfcller "), True),
        ((UTF8, b"M\xfcller"), (UTF8, b"M\xfcller"), True),
        ((LATIN, "Ã¼-7".encode("latin-1")), (UTF8, "ü-7".encode()), False),  # the same bytes
        ((GREEK, b"\xe9-7"), (CYRILLIC, b"\xe9-7"), False),
        ((None, b"\xe9-7"), (LATIN, b"\xe9-7"), False),  # not known
        ((UTF8, b"M\xfcller"), (LATIN, b"M\xfcller"), False),
        ((UTF8, b"M\xfcller"), (UTF8, b"M\xf6ller"), False),
        ((JAPANESE, b"\x1b%G7"), (JAPANESE, b"\x1b%F7"), False),
        ((LATIN, b"PAT-7"), (LATIN, b"pat-7"), False),
    ],
)
def test_the_text_counts_and_bytes_without_one_are_equal_to_themselves_only(scan, one, other, same):
    headers = [read_header(scan(*given) / "IM001.dcm") for given in (("a", *one), ("b", *other))]
    assert (headers[0].patient.id == headers[1].patient.id) is same
    volumes = [read_volume(header.path.parent) for header in headers]
    assert (patient_id_of(volumes[0]) == patient_id_of(volumes[1])) is same


def written(make_series, folder, charset, patient):
    """A series whose Patient ID pydicom has written in a character set."""
    series = make_series(f"{folder}/scan", SpecificCharacterSet=charset, PatientID=patient, AcquisitionDate="20260302")
    assert patient.encode("latin-1" if charset == LATIN else "utf-8") in (series / "IM001.dcm").read_bytes()
    return series


@pytest.mark.parametrize(("other", "same"), [("Müller-7", True), ("Möller-7", False)])
def test_scans_of_one_patient_are_known_in_two_character_sets(make_series, other, same):
    """Where scans are paired, registered, reviewed as a course, and kept out of a validation."""
    mvct, planned = (written(make_series, *given) for given in (("mvct", LATIN, "Müller-7"), ("kvct", UTF8, other)))
    cases = [find_cases(folder.parent) for folder in (mvct, planned)]
    volumes = [read_volume(folder) for folder in (mvct, planned)]
    pairs = paired(cases[0], [*cases[1], *cases[1]], lambda event, **fields: None)
    digests = {scan_of(folder, volume, ()).patient for folder, volume in zip((mvct, planned), volumes, strict=True)}
    if same:
        assert require_same_patient(*volumes) == () and course_warnings(cases[0], patient_id_of(volumes[1])) == ()
        assert len(digests) == 1 and [len(side) for side in pairs[0]] == [1, 2]
        return
    assert len(digests) == 2
    for compare in (
        lambda: require_same_patient(*volumes),
        lambda: course_warnings(cases[0], patient_id_of(volumes[1])),
    ):
        with pytest.raises(InputError, match="Patient ID") as caught:
            compare()
        assert "ller" not in str(caught.value)
