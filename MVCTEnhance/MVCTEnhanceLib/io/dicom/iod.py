"""The CT Image IOD (DICOM PS3.3 A.3): the elements that an image must have and those that it may keep of its source."""

from __future__ import annotations

from itertools import chain
from types import MappingProxyType

from pydicom.datadict import dictionary_VM, dictionary_VR, keyword_for_tag
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag

# By module. Type 1 elements, which may not be empty, are all set by the writer.
TYPE_2 = MappingProxyType(
    {
        "Patient": ("PatientName", "PatientID", "PatientBirthDate", "PatientSex"),
        "General Study": ("StudyDate", "StudyTime", "ReferringPhysicianName", "StudyID", "AccessionNumber"),
        "General Series": ("SeriesNumber", "PatientPosition"),
        "Frame of Reference": ("PositionReferenceIndicator",),
        "General Equipment": ("Manufacturer",),
        "General Image": ("InstanceNumber",),
        "Image Plane": ("SliceThickness",),
        "CT Image": ("KVP", "AcquisitionNumber"),
    }
)
# Elements that begin with one of these words are those of optional modules. They ask for others of Type 1, without
# which none of them is kept, and of Type 2.
_OPTIONAL = MappingProxyType(
    {
        "ContrastBolus": ((), ("ContrastBolusAgent",)),
        "ClinicalTrial": (
            ("ClinicalTrialSponsorName", "ClinicalTrialProtocolID", "ClinicalTrialSubjectID"),
            (
                "ClinicalTrialProtocolName",
                "ClinicalTrialSiteID",
                "ClinicalTrialSiteName",
                "ClinicalTrialTimePointID",
                "ClinicalTrialCoordinatingCenterName",
            ),
        ),
    }
)
_KEPT_GROUPS = (0x0008, 0x0010, 0x0012, 0x0018, 0x0020, 0x0028, 0x0032, 0x0038, 0x0040)
# Group 0028 describes the stored pixels of the source, which are others now, but for these.
_KEPT_OF_PIXELS = (
    "PixelSpacing",
    "QualityControlImage",
    "BurnedInAnnotation",
    "RecognizableVisualFeatures",
    "LongitudinalTemporalInformationModified",
    "WindowCenter",
    "WindowWidth",
    "WindowCenterWidthExplanation",
    "VOILUTFunction",
    "LossyImageCompression",
    "LossyImageCompressionRatio",
    "LossyImageCompressionMethod",
)
# What the new series has of its own; the UIDs of the source's images are needed for the references to them.
_OWN = (
    "ImageType",
    "InstanceCreationDate",
    "InstanceCreationTime",
    "SeriesDate",
    "SeriesTime",
    "ContentDate",
    "ContentTime",
    "Modality",
    "SeriesDescription",
    "DerivationDescription",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "FrameOfReferenceUID",
    "SeriesNumber",
    "InstanceNumber",
    "ImageComments",
)
# What belongs to the source's own object, or asks for elements of modules that no CT of a person has.
_LEFT_OUT = (
    "LengthToEnd",
    "PatientOrientation",
    "SeriesDescriptionCodeSequence",
    "DerivationCodeSequence",
    "PatientAlternativeCalendar",
    "PatientBirthDateInAlternativeCalendar",
    "PatientDeathDateInAlternativeCalendar",
    "PatientSpeciesDescription",
    "PatientSpeciesCodeSequence",
    "PatientBreedDescription",
    "PatientBreedCodeSequence",
    "PatientSexNeutered",
    "StrainDescription",
    "StrainNomenclature",
    "StrainCodeSequence",
    "StrainAdditionalInformation",
    "ResponsiblePerson",
    "ResponsiblePersonRole",
    "ResponsibleOrganization",
    "AnatomicalOrientationType",
    "ClinicalTrialProtocolEthicsCommitteeName",
    "ClinicalTrialProtocolEthicsCommitteeApprovalNumber",
    "ContainerIdentifier",
    "ContainerDescription",
    "ContainerTypeCodeSequence",
    "MultienergyCTAcquisition",
    "EnergyWeightingFactor",
    "ExposureInuAs",  # from here on: in another unit what another element has, with which it must agree
    "ExposureInmAs",
    "ExposureTimeInuS",
    "ExposureTimeInms",
    "XRayTubeCurrentInuA",
    "XRayTubeCurrentInmA",
)
_CODE = ("CodeValue", "CodingSchemeDesignator", "CodeMeaning")
_REFERENCE = ("ReferencedSOPClassUID", "ReferencedSOPInstanceUID")
# The sequences that are kept, beside those of codes, and what each item must have.
_ITEMS = MappingProxyType(
    {
        "ReferencedStudySequence": _REFERENCE,
        "ReferencedPatientSequence": _REFERENCE,
        "ReferencedPerformedProcedureStepSequence": _REFERENCE,
        "ReferencedImageSequence": _REFERENCE,
        "AnatomicRegionSequence": _CODE,
        "RequestAttributesSequence": (),
        "OtherPatientIDsSequence": ("PatientID", "TypeOfPatientID"),
        "ContributingEquipmentSequence": ("Manufacturer", "PurposeOfReferenceCodeSequence"),
    }
)
# Enumerated Values: no others are allowed.
_YES_NO = ("YES", "NO")
_ENUMERATED = MappingProxyType(
    {
        "PatientSex": ("M", "F", "O"),
        "PatientIdentityRemoved": _YES_NO,
        "QualityControlSubject": _YES_NO,
        "QualityControlImage": _YES_NO,
        "BurnedInAnnotation": _YES_NO,
        "RecognizableVisualFeatures": _YES_NO,
        "SmokingStatus": ("YES", "NO", "UNKNOWN"),
        "Laterality": ("R", "L"),
        "ImageLaterality": ("R", "L", "U", "B"),
        "LossyImageCompression": ("00", "01"),
        "RotationDirection": ("CW", "CC"),
        "LongitudinalTemporalInformationModified": ("UNMODIFIED", "MODIFIED", "REMOVED"),
        "QueryRetrieveView": ("CLASSIC", "ENHANCED"),
        "ContentQualification": ("PRODUCT", "RESEARCH", "SERVICE"),
    }
)
# Elements that mean nothing, or are not allowed, without another; in an order in which one follows from the other.
_NEEDS = MappingProxyType(
    {
        "WindowCenter": ("WindowWidth",),
        "WindowWidth": ("WindowCenter",),
        "WindowCenterWidthExplanation": ("WindowCenter",),
        "VOILUTFunction": ("WindowCenter",),
        "LongitudinalTemporalOffsetFromEvent": ("LongitudinalTemporalEventType",),
        "LongitudinalTemporalEventType": ("LongitudinalTemporalOffsetFromEvent",),
        "WaterEquivalentDiameter": ("WaterEquivalentDiameterCalculationMethodCodeSequence",),
        "WaterEquivalentDiameterCalculationMethodCodeSequence": ("WaterEquivalentDiameter",),
        "PatientIdentityRemoved": ("DeidentificationMethod", "DeidentificationMethodCodeSequence"),
    }
)
# Group 0008 tells of patient, study and series, but for these, which may change from slice to slice.
_OF_THE_SLICE = (
    "SOPClassUID",
    "SOPInstanceUID",
    "AcquisitionDate",
    "AcquisitionTime",
    "AcquisitionDateTime",
    "ReferencedImageSequence",
    "AnatomicRegionSequence",
    "IrradiationEventUID",
    "ContributingEquipmentSequence",
)
_OF_THE_SERIES = (
    "BodyPartExamined",
    "ProtocolName",
    "PatientPosition",
    "DeviceSerialNumber",
    "SoftwareVersions",
    "StudyID",
    "Laterality",
    "PositionReferenceIndicator",
)
_SHARED_GROUPS = (0x0010, 0x0012, 0x0032, 0x0038, 0x0040)


def is_kept(tag: BaseTag) -> bool:
    """Whether an element of the source may stand in the header of an image derived from it."""
    keyword = keyword_for_tag(tag)
    if tag.group == 0x0028:
        return keyword in _KEPT_OF_PIXELS
    if not keyword or tag.group not in _KEPT_GROUPS or keyword in (*_OWN, *_LEFT_OUT):
        return False
    return dictionary_VR(tag) != "SQ" or keyword in _ITEMS or keyword.endswith("CodeSequence")


def is_shared(tag: BaseTag) -> bool:
    """Whether an element must be the same in all slices of a series."""
    keyword = keyword_for_tag(tag)
    if tag.group == 0x0008:
        return keyword not in _OF_THE_SLICE
    return tag.group in _SHARED_GROUPS or keyword in _OF_THE_SERIES


def required_of_items(keyword: str) -> tuple[str, ...]:
    """What each item of a sequence that is kept must have."""
    return _ITEMS.get(keyword, _CODE)


def has_allowed_values(keyword: str, values: list) -> bool:
    """Whether all values are among those that the standard enumerates, if it does."""
    allowed = _ENUMERATED.get(keyword)
    return allowed is None or all(value in allowed for value in values if value)


def has_allowed_number(tag: BaseTag, values: list) -> bool:
    """Whether the element may have that many values."""
    lowest, _, highest = dictionary_VM(tag).partition("-")
    if not highest:
        return len(values) == int(lowest)
    step = int(highest[:-1] or 1) if highest.endswith("n") else 1
    return len(values) >= int(lowest) and (
        len(values) % step == 0 if highest.endswith("n") else len(values) <= int(highest)
    )


def remove_incomplete(ds: Dataset) -> None:
    """Remove what may not stand in a header without other elements, which are not there."""
    for keyword, others in _NEEDS.items():
        if keyword in ds and not any(other in ds for other in others):
            delattr(ds, keyword)
    for word, (required, _) in _OPTIONAL.items():
        if not all(keyword in ds for keyword in required):
            for keyword in _beginning_with(word, ds):
                delattr(ds, keyword)


def add_empty(ds: Dataset) -> None:
    """Add each element of Type 2 that an image has not, without a value, which says that it is not known."""
    asked_for = [keywords for word, (_, keywords) in _OPTIONAL.items() if _beginning_with(word, ds)]
    for keyword in chain(*TYPE_2.values(), *asked_for):
        if keyword not in ds:
            setattr(ds, keyword, None)


def _beginning_with(word: str, ds: Dataset) -> list[str]:
    keywords = map(keyword_for_tag, ds.keys())
    return [keyword for keyword in keywords if keyword.startswith(word)]
