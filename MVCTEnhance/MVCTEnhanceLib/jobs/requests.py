"""Requests: one class a job, whose fields are its options.

Nothing is imported here that takes time, so that --help answers at once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError
from ..model.card import DEFAULT_MODEL
from ..qa.phantoms import PHANTOMS, TOMO_CHEESE
from ..qa.phantoms import WATER as WATER_CYLINDER
from ..quality.record import FULL_STRENGTH
from .request import Request, option

DEVICE = "auto, cpu, cuda, cuda:N or mps [%(default)s]"
FORCE = "write DICOM also where an image-quality metric is assessed as 'do not trust'"
IDENTIFY = "name the scan in the report by description and date of its DICOM series"
ISOCENTRE = "X Y Z in mm (LPS, as in DICOM): rotate about this point of the planning CT [its centre]"
KVCT = "planning CT, whose image-quality metrics are the reference"
MODEL = "installed model or model file [the default of 'mvct-enhance models']"
MODEL_OF_SITE = "installed model or model file [that of the site profile, or the default of 'mvct-enhance models']"
OVERWRITE = "replace outputs that exist: files, and folders with nothing but what this program wrote"
POSITION = "as in DICOM, for the couch shift of volume files [that of the DICOM series]"
REGION = "mask on the MVCT's grid, not zero inside: image-quality metrics only there"
REPORT_FOLDER = "folder for report.html, readouts.json and readouts.csv"
SCANNER = "standard, random (drawn by the seed), or a TOML file with settings, see docs/simulation.md [%(default)s]"
SCAN_OUTPUT = "volume file, or a new folder for DICOM"
SITE = "site profile of the scanner, see docs/commissioning.md"
SERIES = "series to use where the {folder} has several: its UID or one of its files"
STRUCTURES = "RT Structure Set, label map or .seg.nrrd: HU and noise of both scans in each structure, too"
STRUCTURES_TRANSFORM = (
    "transform (.tfm) of 'register', where the structures were drawn on the planning CT, which is to be named too"
)
STRENGTH = "in %%: 0 converts the HU only, 100 is the whole enhancement [%(default)s]"

HEAD_SLICES = 24
MAX_SEED = 2**32 - 1
FORMATS = ("nrrd", "nii", "nii.gz", "mha", "dicom")
MATCH = "match"
TWIN_PHANTOMS = (TOMO_CHEESE, WATER_CYLINDER)
STEPS, ADAPTING_STEPS = "of the training that adapts the model [%(default)s]", 1500
HEAD_NECK, CHEESE, CATPHAN, WATER = "head-neck", "cheese", "catphan", "water"
PATIENT_POSITIONS = ("HFS", "HFP", "HFDR", "HFDL", "FFS", "FFP", "FFDR", "FFDL")
KINDS = ("enhanced", "difference", "correction", "cycle-error")


@dataclass(frozen=True)
class EnhanceRequest(Request):
    """An enhancement. Each output that is a path is a volume file or, without the suffix of one, a DICOM folder.

    The correction is that of `physics.density.correction`, the cycle error |G_kV→MV(G_MV→kV(x)) - x|.
    """

    command = "enhance"
    summary = "enhance an MVCT scan"

    input: Path = option("volume file (.nrrd, .nii, .nii.gz, .mha) or DICOM folder", positional=True)
    output: Path = option(SCAN_OUTPUT)
    model: str | Path | None = option(MODEL_OF_SITE, default=None, in_slicer="")
    site: str | Path | None = option(SITE, default=None, metavar="FILE", in_slicer="")
    difference: Path | None = option("where to write enhanced - MVCT in HU", default=None)
    correction: Path | None = option("where to write what was changed beyond the HU conversion", default=None)
    cycle_error: Path | None = option(
        "where to write |MVCT - enhanced scan turned back into an MVCT| in HU", default=None
    )
    report: Path | None = option(REPORT_FOLDER, default=None)
    kvct: Path | None = option(KVCT, default=None)
    region: Path | None = option(REGION, default=None)
    structures: Path | None = option(STRUCTURES, default=None)
    structures_transform: Path | None = option(STRUCTURES_TRANSFORM, default=None)
    series_uid: str | None = option(SERIES.format(folder="folder"), default=None)
    compress: bool = option("write .nrrd and .mha files faster, and larger", default=True, flag="--uncompressed")
    strength: int | str = option(
        f"{STRENGTH}; 'match' is what comes nearest to the planning CT's NSelfSSIM",
        default=FULL_STRENGTH,
        metavar="0-100|match",
        at_least=0,
        at_most=FULL_STRENGTH,
        words=(MATCH,),
        in_slicer=FULL_STRENGTH,
    )
    device: str = option(DEVICE, default="auto", in_slicer="auto")
    overwrite: bool = option(OVERWRITE, default=False)
    identify: bool = option(IDENTIFY, default=False)
    force: bool = option(FORCE, default=False)

    def __post_init__(self):
        super().__post_init__()
        _require_both_scans_of_structures(self)
        if self.strength == MATCH and self.kvct is None:
            raise InputError("strength: 'match' needs the planning CT: name it, or give a number from 0 to 100.")


@dataclass(frozen=True)
class EvaluateRequest(Request):
    """Image-quality metrics of an enhanced scan on the MVCT's grid; planning CT and truth may be on any grid.

    Without a model the default one's card is used, with a warning.
    """

    command = "evaluate"
    summary = "measure an enhanced scan"

    mvct: Path = option("the scan before")
    enhanced: Path = option("the scan after")
    kvct: Path | None = option(KVCT, default=None)
    truth: Path | None = option("kVCT of the same anatomy, for MAE, PSNR and SSIM", default=None)
    region: Path | None = option(REGION, default=None)
    structures: Path | None = option(STRUCTURES, default=None)
    structures_transform: Path | None = option(STRUCTURES_TRANSFORM, default=None)
    model: str | Path | None = option(
        "model that made the enhanced scan, whose card says what to expect [that of the site profile, or default]",
        default=None,
    )
    site: str | Path | None = option(SITE, default=None, metavar="FILE")

    def __post_init__(self):
        super().__post_init__()
        _require_both_scans_of_structures(self)


@dataclass(frozen=True)
class RegisterRequest(Request):
    """A rigid registration to the planning CT, once of the MVCT and once of its enhanced scan."""

    command = "register"
    summary = "register an MVCT and its enhanced scan to the planning CT"

    mvct: Path = option("volume file (.nrrd, .nii, .nii.gz, .mha) or DICOM folder", positional=True, metavar="MVCT")
    kvct: Path = option("planning CT")
    enhanced: Path | None = option("enhanced scan of the MVCT [made by the model]", default=None)
    transform: Path | None = option(
        "where to write the MVCT's transform (.tfm), which resamples the MVCT onto the planning CT", default=None
    )
    checkerboard: Path | None = option(
        "where to write squares of the enhanced scan and of the registered planning CT, on the MVCT's grid",
        default=None,
    )
    dicom: Path | None = option(
        "new folder for the MVCT's registration as a DICOM Spatial Registration object", default=None
    )
    isocentre: tuple[float, ...] = option(ISOCENTRE, default=(), metavar="MM")
    patient_position: str | None = option(POSITION, default=None, choices=PATIENT_POSITIONS)
    series_uid: str | None = option(SERIES.format(folder="MVCT's folder"), default=None)
    model: str | Path | None = option(MODEL_OF_SITE, default=None)
    site: str | Path | None = option(SITE, default=None, metavar="FILE")
    device: str = option(DEVICE, default="auto")
    overwrite: bool = option(OVERWRITE, default=False)

    def __post_init__(self):
        super().__post_init__()
        _require_point(self.isocentre)


class ModelsRequest(Request):
    """A list of the installed models."""

    command = "models"
    summary = "list the installed models and their cards"


@dataclass(frozen=True)
class BatchRequest(Request):
    """An enhancement of all scans below a folder, at any depth: DICOM series and volume files.

    With `resume`, what was finished with the same input, model, site profile, strength, format and program is kept, and
    what more is asked for is added. Without `overwrite`, a batch that has results of another of these is refused.
    """

    command = "batch"
    summary = "enhance every scan below a folder, case by case"

    input: Path = option("folder with DICOM series or volume files below", positional=True, metavar="INPUT_DIR")
    output: Path = option(
        "new folder for summary.csv and a folder for each case", positional=True, metavar="OUTPUT_DIR"
    )
    workers: int = option(
        "cases at a time [%(default)s]: each takes 0.6 GB of memory for 100 slices of 512 x 512, 1 GB for 500, "
        "and on a GPU its own share of that; they share the processor's cores",
        default=1,
        metavar="N",
        at_least=1,
    )
    scheduler: str | None = option(
        "Dask scheduler (tls://HOST:8786) whose workers do the cases, see docs/batch.md [this computer does them]",
        default=None,
        metavar="ADDRESS",
    )
    resume: bool = option("do only what OUTPUT_DIR lacks, and what failed", default=False)
    model: str | Path | None = option(MODEL_OF_SITE, default=None)
    site: str | Path | None = option(SITE, default=None, metavar="FILE")
    difference: bool = option("write enhanced - MVCT in HU for each case, too", default=False)
    correction: bool = option("write what was changed beyond the HU conversion for each case, too", default=False)
    report: bool = option("write a report for each case, too", default=False)
    structures: Path | None = option(
        "RT Structure Set, label map or .seg.nrrd that was drawn on the scans: HU and noise in each structure, too",
        default=None,
    )
    format: str | None = option("of all scans [that of each input]", default=None, choices=FORMATS)
    strength: int = option(STRENGTH, default=FULL_STRENGTH, metavar="0-100", at_least=0, at_most=FULL_STRENGTH)
    overwrite: bool = option(
        "do anew what OUTPUT_DIR has of another model, site profile, strength, format or version", default=False
    )
    device: str = option(DEVICE, default="auto")
    force: bool = option(FORCE, default=False)

    @property
    def may_go_on(self) -> bool:
        """Whether the output folder may hold an earlier batch."""
        return self.resume or self.overwrite


@dataclass(frozen=True)
class CourseRequest(Request):
    """A review of all daily scans of one patient; its output folder is that of a batch of them in NRRD."""

    command = "course"
    summary = "review all daily scans of one patient on one page"

    input: Path = option("folder with DICOM series or volume files below", positional=True, metavar="FOLDER")
    output: Path = option("new folder for course.html, days.json and a folder for each scan")
    kvct: Path | None = option("planning CT, for couch shifts and the size of the body", default=None)
    structures: Path | None = option(
        "RT Structure Set, label map or .seg.nrrd, drawn on the planning CT or, without one, on the scans: HU and "
        "noise in each structure, too",
        default=None,
    )
    body_change: str = option(
        "to look closer beyond this change of the body: of its area in %% or of its effective diameter in mm "
        "[%(default)s]",
        default="5%",
        metavar="5%%|10mm",
    )
    patient_position: str | None = option(POSITION, default=None, choices=PATIENT_POSITIONS)
    isocentre: tuple[float, ...] = option(ISOCENTRE, default=(), metavar="MM")
    identify: bool = option("call the days by their dates, and name the scans", default=False)
    resume: bool = option("do only what the output folder lacks, and what failed", default=False)
    overwrite: bool = option(
        "do anew what the output folder has of another model, site profile, strength or version", default=False
    )
    workers: int = option("scans enhanced at a time [%(default)s]", default=1, metavar="N", at_least=1)
    model: str | Path | None = option(MODEL_OF_SITE, default=None)
    site: str | Path | None = option(SITE, default=None, metavar="FILE")
    strength: int = option(STRENGTH, default=FULL_STRENGTH, metavar="0-100", at_least=0, at_most=FULL_STRENGTH)
    device: str = option(DEVICE, default="auto")

    def __post_init__(self):
        super().__post_init__()
        _require_point(self.isocentre)

    @property
    def batch(self) -> BatchRequest:
        """The batch that enhances the scans."""
        same = ("input", "output", "workers", "resume", "overwrite", "model", "site", "strength", "device")
        return BatchRequest(**{name: getattr(self, name) for name in same}, format="nrrd")


@dataclass(frozen=True)
class ServeRequest(Request):
    """A DICOM node that runs until it is ended; or a look at its spool, which it may use meanwhile."""

    command = "serve"
    summary = "receive scans over the network, enhance them and send them on, until ended"

    config: Path = option("TOML file, see docs/node.md", positional=True)
    status: bool = option("list what the node holds, and end", default=False)
    retry: bool = option("have it try again what was not delivered, and end", default=False)
    device: str = option(DEVICE, default="auto")


@dataclass(frozen=True)
class CalibrateRequest(Request):
    """The HU line of a scanner, from a phantom or, weaker, from patients; leaves a site profile.

    Patients are those of whom both folders hold a scan, by Patient ID or else by the name of file or folder.
    """

    command = "calibrate"
    summary = "fit a scanner's HU, and write its site profile"

    output: Path = option("site profile to write, a .toml file")
    phantom: Path | None = option("MVCT of a phantom: volume file or DICOM folder", default=None)
    inserts: Path | None = option(
        "TOML file with the phantom's inserts, see docs/commissioning.md [TomoTherapy's cheese phantom]", default=None
    )
    mvct: Path | None = option("folder with the MVCT of at least three patients", default=None, metavar="DIR")
    kvct: Path | None = option("folder with their planning CTs", default=None, metavar="DIR")
    series_uid: str | None = option(SERIES.format(folder="phantom's folder"), default=None)
    picture: Path | None = option("PNG file for a picture of the fit", default=None)
    model: str | Path = option(MODEL, default=DEFAULT_MODEL)
    name: str = option("what the scanner is called [its manufacturer and model]", default="")
    by: str = option("who makes the profile [the name of the account]", default="")
    overwrite: bool = option(OVERWRITE, default=False)


@dataclass(frozen=True)
class CommissionRequest(Request):
    """The commissioning of a scanner: calibration, quality assurance, enhancement of patients, and their ranges.

    With `resume`, what was done with the same scans and settings is kept.
    """

    command = "commission"
    summary = "commission a scanner, and write its site profile and an acceptance report"

    mvct: Path = option("folder with an MVCT of each of at least eight patients", positional=True, metavar="MVCT_DIR")
    output: Path = option("new folder for acceptance.html, site-profile.toml and what they come from", metavar="DIR")
    kvct: Path | None = option("folder with the patients' planning CTs", default=None, metavar="DIR")
    phantom: Path | None = option("MVCT of a phantom: DICOM folder or volume file", default=None)
    phantom_kind: str = option("which phantom it is [%(default)s]", default=TOMO_CHEESE, choices=tuple(PHANTOMS))
    inserts: Path | None = option(
        "TOML file with the phantom's inserts, see docs/commissioning.md [TomoTherapy's cheese phantom]", default=None
    )
    tolerances: Path | None = option("TOML file of tolerances and plugs [the program's own]", default=None)
    series_uid: str | None = option(SERIES.format(folder="phantom's folder"), default=None)
    model: str | Path = option(MODEL, default=DEFAULT_MODEL)
    name: str = option("what the scanner is called [its manufacturer and model]", default="")
    by: str = option("who commissions it [the name of the account]", default="")
    match_resolution: bool = option(
        "give MVCT the resolution that the models were trained with, by the scanner's twin", default=False
    )
    adapt: bool = option("also adapt the model by the scanner's twin, and keep the better of both", default=False)
    steps: int = option(STEPS, default=ADAPTING_STEPS, at_least=1)
    workers: int = option("patients at a time, see 'batch' [%(default)s]", default=1, metavar="N", at_least=1)
    resume: bool = option("do only what DIR lacks, and what failed", default=False)
    device: str = option(DEVICE, default="auto")

    @property
    def calibrates_from_phantom(self) -> bool:
        """Whether the phantom has inserts whose densities are known."""
        return bool(self.phantom) and (self.phantom_kind == TOMO_CHEESE or self.inserts is not None)


@dataclass(frozen=True)
class TwinRequest(Request):
    """The twin of a scanner: settings of `simulate`, from a phantom's MVCT or, weaker, from patients' scans."""

    command = "twin"
    summary = "fit the simulator to a scanner"

    output: Path = option("scanner file for 'simulate --scanner' to write, a .toml file")
    phantom: Path | None = option("MVCT of a phantom: volume file or DICOM folder", default=None)
    kind: str = option("which phantom it is [%(default)s]", default=TWIN_PHANTOMS[0], choices=TWIN_PHANTOMS)
    mvct: Path | None = option("folder with patients' MVCT", default=None, metavar="DIR")
    kvct: Path | None = option("folder with planning CTs of the same parts of the body", default=None, metavar="DIR")
    site: str | Path | None = option(SITE, default=None, metavar="FILE")
    picture: Path | None = option("PNG file for a picture of the measured curves and the twin's", default=None)
    series_uid: str | None = option(SERIES.format(folder="phantom's folder"), default=None)
    device: str = option(DEVICE, default="auto")
    overwrite: bool = option(OVERWRITE, default=False)


@dataclass(frozen=True)
class AdaptRequest(Request):
    """An adapted model, or its continuation in the same folder."""

    command = "adapt"
    summary = "adapt a model to a scanner by its twin, and keep the better of both"

    output: Path = option("new folder for the pairs, the training and what came of it, or one to go on in")
    twin: Path = option("scanner file of 'twin'", metavar="FILE")
    mvct: Path = option("folder with the site's MVCT, on which both models are compared", metavar="DIR")
    kvct: Path = option("folder with the site's planning CTs, which the twin scans", metavar="DIR")
    site: str | Path | None = option(SITE, default=None, metavar="FILE")
    model: str | Path | None = option(MODEL_OF_SITE, default=None)
    steps: int = option(STEPS, default=ADAPTING_STEPS, at_least=1)
    device: str = option(DEVICE, default="auto")


@dataclass(frozen=True)
class ReportRequest(Request):
    """The report of scans that are enhanced and measured already; with `identify` without a DICOM series, it names
    the scan as the metrics do.
    """

    command = "report"
    summary = "write the report of an enhancement again"

    mvct: Path = option("the scan before")
    enhanced: Path = option("the scan after")
    readouts: Path = option("readouts.json of their report")
    output: Path = option(REPORT_FOLDER)
    model: str | Path | None = option("whose card is shown [the installed one that readouts.json names]", default=None)
    overwrite: bool = option(OVERWRITE, default=False)
    identify: bool = option(IDENTIFY, default=False)


@dataclass(frozen=True)
class PdfRequest(Request):
    """The report of an enhancement as an encapsulated PDF in the MVCT's study, for an archive; it needs WeasyPrint."""

    command = "pdf"
    summary = "write a report as an encapsulated PDF for an archive"

    report: Path = option("folder of report.html and readouts.json", positional=True, metavar="REPORT")
    source: Path = option("folder of the MVCT's DICOM series")
    output: Path = option("new folder")
    series_uid: str | None = option(SERIES.format(folder="source"), default=None)
    overwrite: bool = option(OVERWRITE, default=False)


@dataclass(frozen=True)
class DicomRequest(Request):
    """A DICOM series of an enhanced scan or a map in a file, on the MVCT's voxels.

    Patient, study and place are the source's; without one the series is anonymous. Without metrics it says 'not
    assessed'.
    """

    command = "dicom"
    summary = "write a volume file as a DICOM series"

    scan: Path = option("volume file: enhanced scan or one of the maps", positional=True, metavar="SCAN")
    output: Path = option("new folder")
    source: Path | None = option("folder of the MVCT's series, whose headers are kept", default=None)
    series_uid: str | None = option(SERIES.format(folder="source"), default=None)
    readouts: Path | None = option("readouts.json, whose assessment goes into the Image Comments", default=None)
    kind: str | None = option("which output the scan is [what its file says, or enhanced]", default=None, choices=KINDS)
    description: str | None = option("Series Description of the new series", default=None)
    derivation: str | None = option("Derivation Description: how the values were made", default=None)
    overwrite: bool = option(OVERWRITE, default=False)
    force: bool = option(FORCE, default=False)


class DevicesRequest(Request):
    """A list of the devices."""

    command = "devices"
    summary = "list where the networks can run"


@dataclass(frozen=True)
class BenchmarkRequest(Request):
    """Times of this computer: everything but the jobs for each number of threads, each job in a process of its own."""

    command = "benchmark"
    summary = "time networks, engine and whole job"

    model: str | Path = option(MODEL, default=DEFAULT_MODEL)
    output: Path | None = option("JSON file for the figures", default=None)
    rounds: int = option("the figures are medians over them [%(default)s]", default=5, at_least=1)
    threads: tuple[int, ...] = option(
        "numbers of threads of the processor [%(default)s]", default=(1, 2), metavar="N", at_least=1
    )
    batches: tuple[int, ...] = option(
        "slices that go through the networks together [%(default)s]", default=(1, 2, 4), metavar="N", at_least=1
    )
    slices: tuple[int, ...] = option(
        "lengths of scan for the engine alone [%(default)s]", default=(10, 100), metavar="N", at_least=1
    )
    jobs: tuple[int, ...] = option(
        "lengths of scan for the whole job, DICOM to DICOM with a report [%(default)s]",
        default=(10, 100),
        metavar="N",
        at_least=1,
    )
    cases: int = option(
        "scans of 10 slices one after another, in one process and each in its own [%(default)s]", default=5, at_least=1
    )
    device: str = option(DEVICE, default="auto")
    overwrite: bool = option(OVERWRITE, default=False)


@dataclass(frozen=True)
class ExportRequest(Request):
    """An ONNX file of a model."""

    command = "export"
    summary = "write a model as ONNX, for programs without PyTorch"

    output: Path = option("file that ends in .onnx")
    model: str | Path = option(MODEL, default=DEFAULT_MODEL)
    overwrite: bool = option(OVERWRITE, default=False)


@dataclass(frozen=True)
class SimulateRequest(Request):
    """A simulated MVCT."""

    command = "simulate"
    summary = "simulate the MVCT of a kVCT"

    kvct: Path = option("volume file or DICOM folder", positional=True)
    output: Path = option(SCAN_OUTPUT)
    scanner: str = option(SCANNER, default="standard")
    seed: int = option("of the noise, and of a random scanner [%(default)s]", default=0, at_least=0, at_most=MAX_SEED)
    truth: Path | None = option("where to write the kVCT to compare the MVCT with, on its grid", default=None)
    region: Path | None = option(
        "where to write the mask for 'evaluate --region' that leaves out truncation and metal", default=None
    )
    device: str = option(DEVICE, default="auto")
    overwrite: bool = option(OVERWRITE, default=False)


@dataclass(frozen=True)
class TrainRequest(Request):
    """A training, or its continuation."""

    command = "train"
    summary = "train a model, or resume its training"

    config: Path = option("TOML file, see docs/training.md", positional=True)
    output: Path = option("folder of the run")
    start: str | None = option(
        "installed model or model file to start from, see docs/adapting.md",
        default=None,
        flag="--from",
        metavar="MODEL",
    )
    device: str = option(DEVICE, default="auto")


@dataclass(frozen=True)
class PhantomRequest(Request):
    """A phantom; with `overwrite` the folder may hold what an earlier one left, and nothing else."""

    command = "phantom"
    summary = "make a phantom's planning CT and MVCT"

    output: Path = option(
        "new folder for planning-ct.nrrd and mvct.nrrd, and of a phantom for quality assurance mvct-dicom",
        positional=True,
        metavar="OUTPUT",
    )
    kind: str = option(
        "head-neck, or for quality assurance TomoTherapy's cheese phantom, a Catphan 504 or a water cylinder "
        "[%(default)s]",
        default=HEAD_NECK,
        choices=(HEAD_NECK, CHEESE, CATPHAN, WATER),
    )
    slices: int = option("of head-neck, 6 mm each [%(default)s]", default=HEAD_SLICES, metavar="N", at_least=1)
    scanner: str = option(SCANNER, default="standard")
    seed: int = option(
        "of the noise and, from 1 on, of head-neck's anatomy: another patient for each number [%(default)s]",
        default=0,
        at_least=0,
        at_most=MAX_SEED,
    )
    device: str = option(DEVICE, default="auto")
    overwrite: bool = option(OVERWRITE, default=False)


@dataclass(frozen=True)
class QARequest(Request):
    """Quality assurance with a phantom; its folder grows by a line of qa.csv with each scan, see docs/commissioning.md.

    The other files of the folder are those of the last scan. The same scan and model take the place of their line.
    """

    command = "qa"
    summary = "measure a phantom before and after enhancing, and compare with tolerances"

    scan: Path = option("MVCT of the phantom: DICOM folder or volume file", positional=True, metavar="PHANTOM")
    phantom: str = option("which one it is", choices=tuple(PHANTOMS))
    output: Path = option("folder for report.html, qa.json and qa.csv")
    enhanced: Path | None = option("its enhanced scan [made by the model]", default=None, metavar="SERIES")
    tolerances: Path | None = option("TOML file of tolerances and plugs [the program's own]", default=None)
    model: str | Path | None = option(MODEL_OF_SITE, default=None)
    site: str | Path | None = option(f"{SITE} [that of --baseline]", default=None, metavar="FILE")
    baseline: Path | None = option(
        "site profile with the values of the acceptance, made by 'commission', to compare with",
        default=None,
        metavar="FILE",
    )
    series_uid: str | None = option(SERIES.format(folder="folder"), default=None)
    date: str | None = option("of the scan [that of its DICOM series, or today]", default=None, metavar="YYYY-MM-DD")
    device: str = option(DEVICE, default="auto")


@dataclass(frozen=True)
class InstallPylinacRequest(Request):
    """An installation of pylinac into a folder of its own."""

    command = "install-pylinac"
    summary = "install pylinac, which 'qa' needs for all phantoms but water"

    wheels: Path | None = option("folder of wheels to install from, without a network", default=None, metavar="DIR")


@dataclass(frozen=True)
class DemoRequest(Request):
    """The whole way of a phantom: simulation, enhancement, report."""

    command = "demo"
    summary = "phantom, simulated MVCT, enhancement, report"

    output: Path = option("new folder [%(default)s]", default=Path("demo-output"))
    device: str = option(DEVICE, default="auto")


class WorkerRequest(Request):
    """One job after another, as a program asks for them on stdin."""

    command = "worker"
    summary = "do the jobs that a program writes to stdin, one a line"


def _require_point(isocentre: tuple[float, ...]) -> None:
    if isocentre and not (len(isocentre) == 3 and all(map(math.isfinite, isocentre))):
        raise InputError("isocentre: give three numbers, X Y Z in mm.")


def _require_both_scans_of_structures(request: EnhanceRequest | EvaluateRequest) -> None:
    if request.structures_transform and not (request.structures and request.kvct):
        raise InputError("structures-transform: it needs the structures and the planning CT that they were drawn on.")
