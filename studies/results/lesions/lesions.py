"""Contrast of lesions planted before the simulation, and lesions that come up where none was planted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict

import numpy as np
from lesions.lesion_measures import (
    BLOB_HU,
    INVENTED_HU,
    KEPT,
    LOST_BELOW,
    REPRESENTATIVE_HU,
    REPRESENTATIVE_MM,
    VISIBLE_SD,
    Planted,
    by_size,
    measure,
    summary,
    visible_in_mvct,
)
from lesions.lesions_figure import draw
from lesions.planting import (
    CONTRASTS_HU,
    DIAMETERS_MM,
    SEED,
    SLICES,
    Lesion,
    added_hu,
    best_run,
    mvct_with,
    on_mvct_grid,
    place,
)
from methods import Versioned, described, methods
from MVCTEnhanceLib.io import read_volume
from MVCTEnhanceLib.volume import Volume
from MVCTEnhanceLib.volume.grid import axial
from study import Case, Method, Row, Study

TRUTH = "true kVCT"
MARGIN_MM = 25.0  # around the lesions of the picture

COLUMNS = {
    "method": "method",
    "lesions": "lesions",
    "recovered": "contrast recovered",
    "recovered_sd": "SD",
    "lost": "lost",
    "visible_lesions": "lesions visible in the MVCT",
    "visible_lost": "of them lost",
    "large_lesions": f"lesions of ≥ {REPRESENTATIVE_MM:g} mm and ≥ {REPRESENTATIVE_HU} HU",
    "large_recovered": "their contrast recovered",
    "large_sd": "their SD",
    "large_least": "their least",
    "large_most": "their most",
    "large_kept_percent": f"of them {KEPT[0]:g} to {KEPT[1]:g} / %",
    "large_lost": "of them lost",
    "chance_hu": f"SD without lesion, {REPRESENTATIVE_MM:g} mm / HU",
    "detectability": f"detectability, {REPRESENTATIVE_MM:g} mm, {REPRESENTATIVE_HU} HU",
    "invented_percent": f"over {INVENTED_HU:g} HU where nothing was planted / %",
    "large_invented_percent": f"the same at ≥ {REPRESENTATIVE_MM:g} mm / %",
    "blobs_per_slice": f"blobs over {BLOB_HU:g} HU a slice",
    "large_blobs_per_slice": f"of them ≥ {REPRESENTATIVE_MM:g} mm",
    "new_blobs_per_slice": "of them not in the MVCT",
}

SIZE_COLUMNS = {
    "method": "method",
    "shape": "shape",
    "diameter_mm": "diameter / mm",
    "lesions": "lesions",
    **{
        key: heading
        for contrast in CONTRASTS_HU
        for key, heading in ((f"recovered_{contrast:+d}", f"{contrast:+d} HU"), (f"sd_{contrast:+d}", "SD"))
    },
    "lost": "lost",
    "chance_hu": "SD without lesion / HU",
}

NOTES = f"""
Discs (one slice thick, {", ".join(f"{d:g}" for d in DIAMETERS_MM)} mm) and spheres (cut by the slices; only those at
least two slices thick) of {", ".join(f"{c:+d}" for c in CONTRASTS_HU)} HU, planted with anti-aliased edges into the
true kVCT on its own grid, in homogeneous soft tissue (0 to 100 HU after smoothing by 3 mm, slope below 4 HU/mm) of
{SLICES} neighbouring slices of each test patient, at random places (seed {SEED} and the patient's name). All MVCT is
**simulated**; with and without lesions it has the same noise, that of the prepared test scans.

- **Contrast recovered**: [mean of the core (to 1 mm inside of the rim) - mean of a ring (1.5 to 4.5 mm outside)] in the
  converted slice with lesions, less the same in the converted slice without, divided by what the lesion adds to the
  true kVCT by the same measure on the MVCT's grid. 1 is ideal, {KEPT[0]:g} to {KEPT[1]:g} the target. SD: over lesions.
- **Lost**: contrast recovered below {LOST_BELOW:g}.
- **SD without lesion**: of that measure (core - ring) over the places in the slices without lesions: what noise and
  anatomy pass off as contrast. **Detectability** is the contrast recovered of the named lesions, in HU, divided by it,
  a contrast-to-noise ratio; Rose (1948) asks for about 5.
- **Lesions visible in the MVCT**: those whose contrast there is at least {VISIBLE_SD:g} times the SD without lesion of
  their shape and size. The others do not stand out from the noise of the MVCT, whatever a method makes of them.
- **Over {INVENTED_HU:g} HU where nothing was planted**: the places at which the converted slice without lesions shows
  more than half of the smallest planted contrast, either sign, the true kVCT's own value there subtracted. The noise
  that a method leaves does this as well.
- **Blobs**: maxima of a difference of Gaussians, of the lesions' diameters, of (converted - true kVCT) without lesions,
  over {BLOB_HU:g} HU, in the homogeneous soft tissue. "Not in the MVCT": MVCT + density curve answers with less than
  half of it, by the same sign, at the same place, so that the method made it.

Caveats: the lesions are uniform and round, which real ones are not. Discs have no counterpart in the neighbouring
slices. The liver of the abdomen is above 100 HU by its contrast medium, where the simulation's density curve takes it
for bone: no lesion lies in it; a lesion that itself exceeds 100 HU is flattened by that curve and has to be restored by
the conversion. The resolution of MVCT alone takes some contrast from the smallest.
"""


def run(study: Study) -> None:
    patients = [_plant(study, case) for case in study.cases("test")]
    conversions = methods(study)
    measured = {
        method.name: {planted.patient: _measure_once(study, method, planted) for planted in patients}
        for method in conversions
    }
    measured[TRUTH] = {p.patient: measure(p, p.truth.array + p.added, p.truth.array) for p in patients}
    _write_tables(study, measured)
    draw(study.results / "lesions.png", by_size(measured), _pictures(study, conversions, patients))


def _plant(study: Study, case: Case) -> Planted:
    whole = _kvct(study, case)
    chosen = best_run(whole, max(2, SLICES // study.every))
    kvct, mvct, truth = (_part(volume, chosen) for volume in (whole, case.mvct, case.truth))
    places = study.once(f"lesions/places/{case.patient}", lambda: [asdict(at) for at in place(kvct, case.patient)])
    lesions = [Lesion(**at) for at in places]
    added = added_hu(lesions, kvct)
    planting = Method("simulated MVCT with lesions", lambda volume: mvct_with(added, kvct, volume))
    with_lesions = mvct.with_array(study.converted(planting, case.patient, mvct))
    return Planted(case.patient, lesions, mvct, with_lesions, truth, on_mvct_grid(added, kvct, mvct))


def _kvct(study: Study, case: Case) -> Volume:
    """The kVCT on its own grid, the slices that the case has."""
    file = study.data / "kvct" / f"{case.patient}.nrrd"
    scan = axial(read_volume(file if file.exists() else study.data / "dicom" / case.patient))
    return _part(scan, slice(None, None, study.every))


def _part(volume: Volume, slices: slice) -> Volume:
    start, _, step = slices.indices(len(volume.array))
    spacing = (*volume.spacing[:2], volume.spacing[2] * step)
    origin = np.asarray(volume.origin) + start * volume.spacing[2] * volume.direction[:, 2]
    return Volume(volume.array[slices], spacing, tuple(float(value) for value in origin), volume.direction)


def _measure_once(study: Study, method: Versioned, planted: Planted) -> Row:
    def compute() -> Row:
        without = study.converted(method.kept, f"{planted.patient}-without-lesions", planted.mvct)
        return measure(planted, _with_lesions(study, method, planted), without)

    return study.once(f"lesions/{method.kept.name}/{planted.patient}", compute)


def _with_lesions(study: Study, method: Versioned, planted: Planted) -> np.ndarray:
    return study.converted(method.kept, f"{planted.patient}-with-lesions", planted.with_lesions)


def _write_tables(study: Study, measured: Mapping[str, Mapping[str, Row]]) -> None:
    notes = f"{NOTES}\nNetworks:\n\n{described(study)}"
    visible = visible_in_mvct(measured["MVCT"])
    rows = [{"method": name, **summary(of_patient, visible)} for name, of_patient in measured.items()]
    study.write_table("lesions", rows, COLUMNS, title="Planted lesions, simulated MVCT", notes=notes)
    by_patient = [
        {"method": name, "patient": patient, **summary({patient: record}, visible)}
        for name, of_patient in measured.items()
        for patient, record in of_patient.items()
    ]
    columns = {"method": "method", "patient": "patient", **COLUMNS}
    title = "Planted lesions, simulated MVCT, by patient"
    study.write_table("lesions_by_patient", by_patient, columns, title=title, notes=notes)
    title = "Planted lesions, simulated MVCT: contrast recovered by size and contrast"
    study.write_table("lesions_by_size", by_size(measured), SIZE_COLUMNS, title=title, notes=notes)


def _pictures(study: Study, conversions: Sequence[Versioned], patients: Sequence[Planted]) -> dict[str, np.ndarray]:
    """The slice with most lesions by method, cropped to them: HU (j, i)."""
    counts = [np.bincount([lesion.k for lesion in planted.lesions], minlength=1) for planted in patients]
    planted, count = max(zip(patients, counts, strict=True), key=lambda pair: pair[1].max())
    k = int(count.argmax())
    inside = np.argwhere(planted.added[k])
    pixels = round(MARGIN_MM / planted.mvct.spacing[0])
    top, left = np.maximum(inside.min(axis=0) - pixels, 0)
    bottom, right = inside.max(axis=0) + pixels
    volumes = {TRUTH: planted.truth.array + planted.added}
    for method in conversions:
        volumes[method.name] = _with_lesions(study, method, planted)
    return {name: volume[k, top:bottom, left:right] for name, volume in volumes.items()}
