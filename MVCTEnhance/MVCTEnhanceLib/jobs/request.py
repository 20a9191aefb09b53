"""The request of an enhancement, and what comes of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import OutputError
from ..model.card import DEFAULT_MODEL
from ..volume import Volume


@dataclass(frozen=True)
class EnhanceRequest:
    """What the user asks for.

    Args:
        input: volume file or DICOM folder of the MVCT.
        output: .nrrd, .nii, .nii.gz or .mha file, or a new folder for a DICOM series.
        model: name of an installed model, or a model file.
        device: "auto", "cpu", "cuda", "cuda:n" or "mps".
        difference: file or DICOM folder for enhanced - MVCT in HU; None for none.
        correction: file or DICOM folder for what was changed beyond the HU conversion, in HU (see
            `physics.density.correction`); None for none.
        report: folder for report.html, readouts.json and readouts.csv; None for none.
        series_uid: which CT series, where the folder has several: its UID, or one of its files as `read_volume` has it.
        kvct: planning CT whose readouts are what to aim at; None for none.
        cycle_error: file or DICOM folder for |G_kV→MV(G_MV→kV(x)) - x| in HU; None for none.
        region: file on the MVCT's grid, not zero inside, to which the readouts are limited (see
            `quality.readouts.evaluate`); None for the whole scan.
        compress: as for `write_volume`, for all volume files.
        overwrite: whether outputs that exist are replaced (of folders those with a series made by this program);
            if not, they are refused.
        force: whether DICOM is written also where a readout is assessed as 'do not trust'.
        identify: whether readouts and report name the scan by description and date of its DICOM series.
    """

    input: Path
    output: Path
    model: str | Path = DEFAULT_MODEL
    device: str = "auto"
    difference: Path | None = None
    report: Path | None = None
    series_uid: str | None = None
    kvct: Path | None = None
    cycle_error: Path | None = None
    region: Path | None = None
    compress: bool = True
    overwrite: bool = False
    correction: Path | None = None
    force: bool = False
    identify: bool = False


@dataclass(frozen=True, eq=False)
class Enhanced:
    """What came of it: both scans, what was measured, what the user must be told, and the cycle error if asked for."""

    mvct: Volume
    enhanced: Volume
    readouts: dict[str, Any]
    warnings: tuple[str, ...]
    cycle_error: Volume | None = None


class NotTrusted(OutputError):
    """DICOM series were not written, since an assessment says 'do not trust'; all else was.

    Attributes:
        result: of the enhancement, None where there was none.
    """

    def __init__(self, message: str, result: Enhanced | None = None):
        super().__init__(message)
        self.result = result
