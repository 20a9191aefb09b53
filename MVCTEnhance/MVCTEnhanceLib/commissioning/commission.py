"""The commissioning of a scanner: calibration, quality assurance, patients, site ranges, acceptance report.

The output folder appears with calibration and quality assurance, before which nothing is written. Adapting the model,
if it is wanted, and the batch that enhances the patients are resumed where they were stopped. Report and site profile
come last.
"""

from __future__ import annotations

import json
import math
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ..assessment.input_warnings import input_warnings
from ..assessment.origin import planning_ct_warnings
from ..assessment.provenance import PROGRAM
from ..batch.cases import Case, find_cases
from ..batch.cohort import enhance_folder
from ..batch.folder import SUMMARY, earlier_results
from ..errors import InputError, OutputError
from ..jobs.evaluate import read_pair
from ..jobs.qa import run_qa
from ..jobs.requests import TWIN_PHANTOMS, AdaptRequest, BatchRequest, CommissionRequest, QARequest, TwinRequest
from ..jobs.scans import read_scan, require_permission
from ..model.card import find_model, model_identity, model_sha256, read_card
from ..physics.resolution import MAX_NOISE, MAX_NOISE_OF_ONE_SCANNER, Resolution
from ..quality.metrics import offsets_to_planning_ct
from ..quality.record import Distance, EnhancementRecord
from ..report.acceptance import Acceptance, acceptance_page
from ..runtime.events import EventHandler, collecting_warnings, ignore_event
from ..site.patients import calibration_of
from ..site.profile import AcceptedQA, FittedCalibration, SiteModel, SiteProfile, read_site, write_site
from ..storage.atomic import atomic_file, atomic_folder
from ..storage.digest import file_sha256
from ..storage.lock import locked
from ..volume.grid import axial
from .adapt import MODEL, adapt, read_twin, require_slices
from .calibrate import calibration_from_phantom, patient_of_scans, require_pairs, site_model
from .make_twin import make_twin
from .scans import Scans, paired, patient_id, patient_name
from .site_ranges import MIN_PATIENTS, require_patients, site_ranges

REPORT, ACCEPTANCE, PROFILE = "acceptance.html", "acceptance.json", "site-profile.toml"
CALIBRATED = "calibrated.toml"  # the profile that the patients are enhanced with: without ranges
NOTE = "commissioning.json"  # what the folder is made of
QA, PATIENTS = "qa", "patients"
TWIN, TWIN_CURVES = "twin.toml", "twin.json"
ADAPTING, ADAPTATION = "adapting", "adaptation.json"  # a folder, and what came of it
ADAPTED_MODEL, ADAPTED = MODEL, "adapted.toml"  # and the profile with it, without ranges
MATCHING, MATCHED = "matching.json", "matched.toml"  # what came of it, and the profile with it, without ranges
UNLIKE_NOISE = (
    "the model was trained with unpaired scans of one scanner, and may take the noise of a matched scan for structure, "
    "so that the resolution is matched less: compare its enhanced scans with those of a commissioning without "
    "--match-resolution."
)
PATIENT = "Patient "  # before the number, in warnings


@dataclass(frozen=True)
class _Cases:
    """Args: mvcts, one a patient; pairs, numbers of MVCTs with the planning CTs of the same patient."""

    mvcts: tuple[Case, ...]
    pairs: Mapping[int, Sequence[Case]]


def commission(request: CommissionRequest, *, on_event: EventHandler = ignore_event) -> dict[str, Any]:
    """Commission a scanner, and leave acceptance.html, acceptance.json and site-profile.toml in the request's folder.

    Returns:
        what acceptance.json holds, and the paths of report and profile.

    Raises:
        MVCTEnhanceError: with one sentence on the fault and what to do. Nothing is written before calibration and
            quality assurance are done; what is there then is complete, and can be resumed.
    """
    _require_sources(request)
    _require_output(request)
    warnings: list[str] = []
    on_event = collecting_warnings(warnings, on_event)
    folder = request.output
    with locked(folder, patience_s=0):
        _require_output(request)  # another run may have come and gone
        cases = _find(request, on_event)
        signature = _signature(request, cases)
        if (folder / NOTE).exists():
            _require_alike(folder, signature)
        else:
            with atomic_folder(folder) as staging:
                found = _prepare(request, cases, staging, on_event)
                _write_json(staging / NOTE, {"made_of": signature, "warnings": _grouped(warnings)} | found)
        matching = _matching(request, on_event) if request.match_resolution else None
        site = folder / (MATCHED if matching else CALIBRATED)
        adaptation = _adaptation(request, site, on_event) if request.adapt else None
        if adaptation and adaptation["kept"] == "adapted":
            site = folder / ADAPTED
        records = _enhanced(request, cases, site, on_event)
        return _accept(request, cases, records, site, matching, adaptation, on_event)


def _require_sources(request: CommissionRequest) -> None:
    if not (request.phantom or request.kvct):
        raise InputError("Give the scan of a phantom (--phantom), or the patients' planning CTs (--kvct), or both.")
    if not (request.calibrates_from_phantom or request.kvct):
        raise InputError(
            f"The HU cannot be calibrated from a phantom {request.phantom_kind} alone: give its inserts by --inserts, "
            "or the patients' planning CTs by --kvct."
        )
    if request.match_resolution and not (request.kvct or request.phantom_kind in TWIN_PHANTOMS):
        raise InputError(
            f"The resolution cannot be found with a phantom {request.phantom_kind} alone: give the patients' planning "
            "CTs by --kvct, too, or commission without --match-resolution."
        )
    if request.adapt and not request.kvct:
        raise InputError(
            "The model is adapted with planning CTs: give their folder by --kvct, or commission without --adapt."
        )


def _require_output(request: CommissionRequest) -> None:
    output = request.output
    ours = output.resolve()
    for source in filter(None, (request.mvct, request.kvct, request.phantom)):
        theirs = source.resolve()
        if ours == theirs or ours in theirs.parents or theirs in ours.parents:
            raise OutputError(f"'{output}' lies in or around a folder of scans: choose a folder apart from them.")
    if output.exists() and not output.is_dir():
        raise OutputError(f"'{output}' is a file: choose a new folder.")
    require_permission(output / NOTE)
    if not output.exists() or not any(output.iterdir()):
        return
    if not (output / NOTE).exists():
        raise OutputError(f"The folder '{output}' holds no commissioning: choose a new or an empty one.")
    if not request.resume:
        raise OutputError(f"The folder '{output}' holds a commissioning: choose a new one, or go on by --resume.")


def _find(request: CommissionRequest, on_event: EventHandler) -> _Cases:
    """The scans.

    Raises:
        InputError: there are too few patients, or two MVCTs of one.
    """
    on_event("stage", stage="search")
    mvcts = find_cases(request.mvct, on_event=on_event)
    keys: dict[str, int] = {}
    for number, case in enumerate(mvcts, start=1):
        known = patient_id(case)
        key = f"ID {known}" if known else f"name {patient_name(case)}"
        if (other := keys.setdefault(key, number)) != number:
            by = "Patient ID" if known else "name of file or folder"
            raise InputError(
                f"MVCT {other} and {number} of '{request.mvct}', in the order of their paths, are of one patient by "
                f"their {by}: give one of each, so that each patient counts once."
            )
    require_patients(len(mvcts))
    kvcts = find_cases(request.kvct, on_event=on_event) if request.kvct else ()
    if request.adapt:
        require_slices(kvcts)
    both = paired(mvcts, kvcts, on_event) if kvcts else []
    if not request.calibrates_from_phantom:
        require_pairs(len(both))
    return _Cases(mvcts, {mvcts.index(of_mvct[0]): of_kvct for of_mvct, of_kvct in both})


def _signature(request: CommissionRequest, cases: _Cases) -> dict[str, Any]:
    """What all that is made depends on."""
    files = {name: getattr(request, name) for name in ("inserts", "tolerances")}
    kvcts = [case.fingerprint for number in sorted(cases.pairs) for case in cases.pairs[number]]
    return {
        "MVCTs": [case.fingerprint for case in cases.mvcts],
        "planning CTs": kvcts,
        "phantom": request.phantom and [str(request.phantom.absolute()), request.phantom_kind, request.series_uid],
        **{name: path and file_sha256(path, name) for name, path in files.items()},
        "model": site_model(request.model).sha256,
        "name": request.name,
        "adapting": request.steps if request.adapt else None,
        "matching of the resolution": request.match_resolution or None,
        "version of the program": PROGRAM,
    }


def _require_alike(folder: Path, signature: Mapping[str, Any]) -> None:
    before = _read_json(folder / NOTE)["made_of"]
    others = [name for name, value in signature.items() if before.get(name) != value]
    if others:
        raise OutputError(
            f"'{folder}' holds a commissioning with other {' and '.join(others)}: resume with the same, or choose a "
            "new folder."
        )


def _prepare(request: CommissionRequest, cases: _Cases, folder: Path, on_event: EventHandler) -> dict[str, Any]:
    """Read all scans, calibrate, and analyse the phantom: leaves calibrated.toml and the folder qa.

    Returns:
        check, the calibration from the patients where the phantom gave the profile's; qa, as in qa.json; or None.
    """
    model = site_model(request.model)
    plan, card = read_card(find_model(request.model))
    scans = Scans(lambda mvct: input_warnings(mvct, plan, card))
    fitted = None
    if request.calibrates_from_phantom:
        fitted = calibration_from_phantom(request, scans, _of("Phantom", on_event))
    by_patients = _read_all(cases, scans, on_event, required=fitted is None)
    scanner = scans.scanner(request.name, on_event)
    write_site(SiteProfile(scanner, scans.made(request.by), fitted or by_patients, model), folder / CALIBRATED)
    check = asdict(replace(by_patients, points=())) if fitted and by_patients else None
    return {"check": check, "qa": _measured(request, folder / CALIBRATED, on_event)}


def _measured(request: CommissionRequest, site: Path, on_event: EventHandler) -> dict[str, Any] | None:
    """Quality assurance of the phantom, which later scans of it may follow in the same folder; None without one."""
    if not request.phantom:
        return None
    qa = QARequest(
        request.phantom,
        request.phantom_kind,
        site.parent / QA,
        tolerances=request.tolerances,
        site=site,
        series_uid=request.series_uid,
        device=request.device,
    )
    found = run_qa(qa, on_event=_of("Phantom", on_event))
    del found["report"]  # the folder is still to be named
    return found


def _read_all(cases: _Cases, scans: Scans, on_event: EventHandler, *, required: bool) -> FittedCalibration | None:
    """Check every scan, and calibrate with those patients of whom there are both; None where that cannot be done.

    Raises:
        InputError: a scan cannot be read or is one twice, or the calibration that is required cannot be done.
    """
    patients, total = {}, len(cases.mvcts)
    phantom = len(scans.mvcts)
    for number, case in enumerate(cases.mvcts):
        on_event("progress", stage="measure", done=number, total=total)
        tell = _of(f"{PATIENT}{number + 1}", on_event)
        mvct = scans.read_mvct(case, tell)
        if len(scans.mvcts) - phantom != number + 1:
            raise InputError(f"'{case.name}' is the same scan as another one: give an MVCT of each patient once.")
        kvcts = [scans.read_kvct(kvct) for kvct in cases.pairs.get(number, ())]
        for message in dict.fromkeys(text for kvct in kvcts for text in planning_ct_warnings(kvct, mvct)):
            tell("warning", message=message)
        if kvcts:
            try:
                patients[number + 1] = patient_of_scans(case, [mvct], kvcts)
            except InputError as error:
                if required:
                    raise
                tell("warning", message=str(error).removeprefix(f"'{case.name}': "))
    on_event("progress", stage="measure", done=total, total=total)
    try:
        return calibration_of(list(patients.values()), numbers=list(patients)) if patients or required else None
    except InputError as error:
        if required:
            raise
        on_event("warning", message=f"The calibration was not checked with patients: {error}")
        return None


def _matching(request: CommissionRequest, on_event: EventHandler) -> dict[str, Any]:
    """Fit the scanner's twin, and leave a profile with its resolution.

    Returns:
        twin, as in twin.json; qa, with the resolution matched, as in qa.json, or None; warnings.
    """
    folder, path = request.output, request.output / MATCHING
    if path.exists():
        return _read_json(path)
    warnings: list[str] = []
    on_event = _of("Matching the resolution", collecting_warnings(warnings, on_event))
    twin, site = _twin(request, on_event), read_site(folder / CALIBRATED)
    max_noise = largest_matched_noise(read_card(find_model(request.model))[1])
    if max_noise < MAX_NOISE:
        on_event("warning", message=UNLIKE_NOISE)
    resolution = Resolution.of(read_twin(folder / TWIN), max_noise=max_noise)
    write_site(replace(site, resolution=resolution), folder / MATCHED, overwrite=True)
    qa = _measured(request, folder / MATCHED, on_event)
    _write_json(path, {"twin": twin, "qa": qa, "warnings": list(dict.fromkeys(warnings))})
    return _read_json(path)


def largest_matched_noise(card: Mapping[str, Any]) -> float:
    """Noise of a matched scan that a model copes with, as a part of the standard scanner's."""
    paired = card.get("training_data", {}).get("paired_truth_used")
    return MAX_NOISE if paired else MAX_NOISE_OF_ONE_SCANNER


def _adaptation(request: CommissionRequest, site: Path, on_event: EventHandler) -> dict[str, Any]:
    """Adapt the model by the scanner's twin and, where the adapted one is kept, leave it beside a profile of it.

    Args:
        site: the profile so far.

    Returns:
        twin, as in twin.json; kept, judged, against and max_worse, see `adapt`; qa, of the adapted model, as in
        qa.json, or None; warnings.
    """
    folder, path = request.output, request.output / ADAPTATION
    if path.exists():
        return _read_json(path)
    warnings: list[str] = []
    on_event = _of("Adapting the model", collecting_warnings(warnings, on_event))
    twin = _twin(request, on_event)
    wanted = AdaptRequest(
        folder / ADAPTING,
        folder / TWIN,
        request.mvct,
        request.kvct,
        site=site,
        steps=request.steps,
        device=request.device,
    )
    found = adapt(wanted, on_event=on_event)
    qa = None
    if found["kept"] == "adapted":
        with atomic_file(folder / ADAPTED_MODEL) as partial:
            partial.write_bytes(Path(found["model"]).read_bytes())
        model = SiteModel(ADAPTED_MODEL, model_sha256(folder / ADAPTED_MODEL))
        write_site(replace(read_site(site), model=model), folder / ADAPTED, overwrite=True)
        qa = _measured(request, folder / ADAPTED, on_event)
    told = {name: found[name] for name in ("kept", "judged", "against", "max_worse")}
    _write_json(path, {"twin": twin, **told, "qa": qa, "warnings": list(dict.fromkeys(warnings))})
    return _read_json(path)


def _twin(request: CommissionRequest, on_event: EventHandler) -> dict[str, Any]:
    """The scanner's twin, of the phantom or, where that tells too little, of the patients."""
    folder, path = request.output, request.output / TWIN_CURVES
    if path.exists():
        return _read_json(path)
    if request.phantom and request.phantom_kind in TWIN_PHANTOMS:
        sources = {"phantom": request.phantom, "kind": request.phantom_kind, "series_uid": request.series_uid}
    else:
        sources = {"mvct": request.mvct, "kvct": request.kvct}
    wanted = TwinRequest(folder / TWIN, **sources, site=folder / CALIBRATED, device=request.device, overwrite=True)
    found = make_twin(wanted, on_event=on_event)
    _write_json(path, {name: found[name] for name in ("fitted", "untold", "curves")})
    return _read_json(path)


def _enhanced(
    request: CommissionRequest, cases: _Cases, site: Path, on_event: EventHandler
) -> dict[int, EnhancementRecord]:
    """The records of the patients that could be enhanced, by their numbers."""
    folder = request.output
    batch = BatchRequest(
        request.mvct,
        folder / PATIENTS,
        workers=request.workers,
        resume=True,
        site=site,
        report=True,
        format="nrrd",
        device=request.device,
    )
    enhance_folder(batch, on_event=on_event)
    notes = earlier_results(folder / PATIENTS, cases.mvcts)
    done = {number: notes[case.key] for number, case in enumerate(cases.mvcts) if case.key in notes}
    records = {number: note["record"] for number, note in done.items()}
    if len(records) < MIN_PATIENTS:
        raise InputError(
            f"Of {len(cases.mvcts)} patients {len(records)} could be enhanced, but the expected ranges of a scanner "
            f"need at least {MIN_PATIENTS}: the reasons are in {PATIENTS}/{SUMMARY}."
        )
    profile, both = read_site(site), [number for number in done if number in cases.pairs]
    for count, number in enumerate(both, start=1):
        enhanced = done[number]["place"] / "enhanced.nrrd"
        offsets = _offsets(cases.mvcts[number], enhanced, cases.pairs[number], profile)
        records[number] = replace(records[number], distances=offsets)
        on_event("progress", stage="measure", done=count, total=len(both))
    return records


def _offsets(case: Case, enhanced: Path, kvcts: Sequence[Case], site: SiteProfile) -> Mapping[str, Distance]:
    """HU offsets of a patient's enhanced scan from the first planning CT that shows the same part of the body."""
    mvct, made = read_pair(case.source, enhanced, series_uid=case.series_uid)
    scans, offsets = (axial(site.calibrated(mvct)), axial(made)), {}
    for kvct in kvcts:
        planned = axial(read_scan(kvct.source, "planning CT", series_uid=kvct.series_uid, slices_only=True))
        spacing = {"spacing": scans[0].spacing, "kvct_spacing": planned.spacing}
        offsets = offsets_to_planning_ct(*(scan.array for scan in scans), planned.array, **spacing)
        if any(math.isfinite(offset.enhanced) for offset in offsets.values()):
            break
    return offsets


def _accept(
    request: CommissionRequest,
    cases: _Cases,
    records: Mapping[int, EnhancementRecord],
    site: Path,
    matching: Mapping[str, Any] | None,
    adaptation: Mapping[str, Any] | None,
    on_event: EventHandler,
) -> dict[str, Any]:
    on_event("stage", stage="write")
    folder = request.output
    calibrated, note = read_site(site), _read_json(folder / NOTE)
    plan, card = read_card(calibrated.model_file(None)[0])
    done = [step for step in (matching, adaptation) if step]
    qa = next((step["qa"] for step in reversed(done) if step["qa"]), note["qa"])
    profile = replace(calibrated, expected=site_ranges(list(records.values())), qa=qa and _accepted(qa))
    write_site(profile, folder / PROFILE, overwrite=True)
    acceptance = Acceptance(
        site=read_site(folder / PROFILE),
        calibrated_sha256=calibrated.sha256,
        card=card,
        patients=len(cases.mvcts),
        records=records,
        qa=qa,
        check=note["check"] and FittedCalibration(**note["check"]),
        matching=matching,
        adaptation=adaptation,
        warnings=note["warnings"] + [message for step in done for message in step["warnings"]],
        made=_made_with(request, model_identity(card), plan.preset, qa),
    )
    result = acceptance.to_dict()
    _write_json(folder / ACCEPTANCE, result)
    with atomic_file(folder / REPORT) as path:
        path.write_text(acceptance_page(acceptance), encoding="utf-8", newline="")
    places = {name: str(folder.absolute() / file) for name, file in (("report", REPORT), ("profile", PROFILE))}
    return result | places


def _accepted(qa: Mapping[str, Any]) -> AcceptedQA:
    """What of qa.json the profile keeps."""
    values = {
        scan: {name: entry[scan]["value"] for name, entry in qa["values"].items() if entry[scan]["value"] is not None}
        for scan in ("mvct", "enhanced")
    }
    return AcceptedQA(qa["phantom"], qa["date"], qa["passed"], **values)


def _made_with(
    request: CommissionRequest, model: Mapping[str, Any], preset: str, qa: Mapping[str, Any] | None
) -> dict[str, str]:
    """Versions and digests of what was used."""
    from importlib.metadata import version

    libraries = {name: version(name) for name in ("torch", "numpy", "scipy", "pydicom")}
    files = {name: path for name in ("inserts", "tolerances") if (path := getattr(request, name))}
    return {
        "program": PROGRAM,
        "model": f"{model.get('name', '')} {model.get('version', '')}, {preset}",
        "python": platform.python_version(),
        **libraries,
        **({"pylinac": qa["made"]["pylinac"]} if qa and "pylinac" in qa["made"] else {}),
        **{f"{name}_sha256": file_sha256(path, name) for name, path in files.items()},
    }


def _of(what: str, on_event: EventHandler) -> EventHandler:
    """A handler whose warnings say what they are of."""

    def tell(event: str, **fields: Any) -> None:
        if event == "warning":
            fields["message"] = f"{what}: {fields['message']}"
        on_event(event, **fields)

    return tell


def _grouped(warnings: Sequence[str]) -> list[str]:
    """Each text once, behind all the patients that it is of."""
    of_text: dict[str, list[str]] = {}
    for message in warnings:
        what, _, text = message.partition(": ")
        number = what.removeprefix(PATIENT) if what.startswith(PATIENT) else ""
        of_text.setdefault(text if number else message, []).append(number)
    return [
        f"{PATIENT}{', '.join(dict.fromkeys(numbers))}: {text}" if any(numbers) else text
        for text, numbers in of_text.items()
    ]


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    with atomic_file(path) as partial:
        text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
        partial.write_text(f"{text}\n", encoding="utf-8", newline="")


def _read_json(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"'{path}' cannot be read or is damaged: commission the scanner into a new folder.") from error
