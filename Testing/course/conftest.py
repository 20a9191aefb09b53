"""Daily scans of one patient, of three slices, reviewed in this process."""

from contextlib import contextmanager

import numpy as np
import pydicom
import pytest
from MVCTEnhanceLib.batch import run as batch_run
from MVCTEnhanceLib.cli.parser import parser
from MVCTEnhanceLib.course import review
from MVCTEnhanceLib.errors import MVCTEnhanceError
from MVCTEnhanceLib.io import write_dicom_series
from MVCTEnhanceLib.registration.motion import RigidMotion
from MVCTEnhanceLib.runtime.child import JobFailed
from MVCTEnhanceLib.runtime.events import ignore_event
from MVCTEnhanceLib.volume import Volume

SHIFT = (1.0, 2.0, 3.0)
PIXEL_MM = 4.0


class InThisProcess:
    """Does the jobs of a child, or of several, without one; `jobs` counts them by command."""

    jobs: dict[str, int] = {}  # noqa: RUF012 (shared by all on purpose)

    def __init__(self, *arguments):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def run(self, arguments, *, on_event=ignore_event):
        self.jobs[arguments[0]] = self.jobs.get(arguments[0], 0) + 1
        options = parser().parse_args(arguments)
        try:
            return options.run(options.request.from_namespace(options), on_event)
        except MVCTEnhanceError as error:
            raise JobFailed(str(error)) from error


@contextmanager
def quick():
    """Children that are none, and registrations that find each scan SHIFT away."""
    motion = RigidMotion(np.eye(3), np.array(SHIFT))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batch_run, "Children", InThisProcess)
        patch.setattr(review, "Child", InThisProcess)
        patch.setattr(InThisProcess, "jobs", {})
        patch.setattr("MVCTEnhanceLib.jobs.register.Finder.find", lambda *arguments, **named: motion)
        yield InThisProcess


@pytest.fixture
def children():
    with quick() as children:
        yield children


@pytest.fixture(scope="session")
def body():
    """Function (half axes in mm): an elliptical body in three noisy slices of 256 mm."""

    def body(a=90.0, b=70.0, seed=0, noise_hu=30.0):
        places = ((np.arange(64 * 4) + 0.5) / 4 - 32) * PIXEL_MM
        inside = (places / a) ** 2 + (places[:, None] / b) ** 2 < 1
        part = inside.reshape(64, 4, 64, 4).mean(axis=(1, 3))
        hu = 1020 * part - 1000 + noise_hu * np.random.default_rng(seed).standard_normal((3, 64, 64))
        return Volume(np.rint(hu).astype(np.int16), (PIXEL_MM, PIXEL_MM, 6.0), (-126.0, -126.0, -6.0))

    return body


@pytest.fixture(scope="session")
def add_series():
    """Function (folder, volume, date, header values): a DICOM series of a patient who must not be told."""

    def add_series(folder, volume, date, **texts):
        write_dicom_series(volume, folder, description="Secretscan")
        header = {"PatientID": "SECRET-1", "PatientName": "Secretname", "PatientPosition": "HFS"}
        header |= {"AcquisitionDate": date, "AcquisitionTime": "101500"}
        for path in folder.iterdir():
            ds = pydicom.dcmread(path)
            for keyword, value in (header | texts).items():
                setattr(ds, keyword, value)
            ds.save_as(path)

    return add_series
