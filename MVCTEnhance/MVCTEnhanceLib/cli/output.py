"""Results of commands as text on the terminal."""

from __future__ import annotations

from math import isfinite
from typing import Any

from ..assessment.verdicts import not_as_expected
from ..qa.phantoms import SCANS as QA_SCANS
from ..quality.record import TRUTH, EnhancementRecord
from .commands import Result


def show_nothing(result: Result) -> None:
    """For a command whose result is in its output."""


def show_metrics(readouts: Result) -> None:
    """The means and SDs of all metrics, a line each."""
    record = EnhancementRecord.from_dict(readouts)
    for group in ("mvct", "enhanced", "planning_ct", "comparison", *TRUTH):
        for values in record.group(group).values():
            if values.has_value:
                scan, _, name = f"{group}.{values.path}".partition(".")
                spread = f" ± {values.sd:.3g}" if isfinite(values.sd) else ""
                unit = "" if values.unit == "1" else f" {values.unit}"
                print(f"{scan:12} {name.replace('.', ' '):22} {values.mean:.4g}{spread}{unit}")
    if record.provenance.card:
        print(f"Verdicts by the card of the model {record.provenance.card['name']}")
    for group, name, assessment in not_as_expected(record.assessments):
        print(f"{group:12} {name:22} {assessment.verdict}: {assessment.reason}")


def show_registration(result: Result) -> None:
    """Translation, rotation and couch shift by both scans, and how they agree."""
    for name in ("mvct", "enhanced"):
        if found := result[name]:
            x, y, z = found["translation_lps_mm"]
            angles = ", ".join(f"{angle:.2f}" for angle in found["rotation_deg"])
            print(f"{name:9} L {x:+.2f}  P {y:+.2f}  S {z:+.2f} mm  rotation {angles}°")
            if shift := found["couch_shift"]:
                parts = (f"{part.replace('_', ' ')} {value:+.2f}" for part, value in shift.items())
                print(f"{'':9} couch: {', '.join(parts)}")
    print(f"{result['assessment']['verdict']}: {result['assessment']['reason']}")
    print(result["intended_use"])


def show_batch(result: Result) -> None:
    """Numbers of cases that are done, and of those by their assessment."""
    before = f" ({result['kept']} of them before)" if result["kept"] else ""
    print(f"{result['done']} of {result['cases']} cases are done{before}, see {result['summary']} in the output folder")
    grave = f"'do not trust' in {result['do_not_trust']} of {result['cases']} cases"
    print(f"Assessment: {grave}, at most 'look closer' in {result['look_closer']}")


def show_node(result: Result) -> None:
    """A line for each series in the spool of a node, or how many it tries again."""
    if "retried" in result:
        print(f"{result['retried']} series are tried again by the node, or by the next one that is started")
        return
    for row in result["series"]:
        more = [f"not yet at {', '.join(row['waiting'])}"] * bool(row["waiting"])
        more += [f"{row['late']} late slices"] * bool(row["late"])
        more += [row["reason"]] * bool(row["reason"])
        print(f"series {row['series']:<6} {row['status']:10} {row['slices']:5} slices  {'; '.join(more)}".rstrip())
    print(f"{len(result['series'])} series")


def show_course(result: Result) -> None:
    """Numbers of scans that were reviewed, and those whose body has changed."""
    before = f" ({result['kept']} of them enhanced before)" if result["kept"] else ""
    print(
        f"{result['done']} of {result['scans']} scans are reviewed{before}, see {result['page']} in the output folder"
    )
    print(f"Body: {', '.join(result['beyond_limit']) or 'no scan'} beyond {result['limit']}")


def show_calibration(result: Result) -> None:
    """The line, what it was fitted to, and the profile."""
    line = result["calibration"]
    print(f"{line['source']}, {line['count']} {'inserts' if line['source'] == 'phantom' else 'patients'}")
    print(f"{'':30} {'exact HU':>10} {'shown HU':>10} {'residual':>10}")
    for point in line["points"]:
        figures = (point[name] for name in ("exact_hu", "shown_hu", "residual_hu"))
        print(f"{point['name']:30} " + " ".join(f"{figure:10.1f}" for figure in figures))
    print(f"HU of water    {line['offset_hu']:.1f} ± {line['offset_hu_se']:.1f}")
    print(f"slope          {line['slope']:.4f} ± {line['slope_se']:.4f}")
    print(f"slope of bone  {line['bone_slope']:.4f} ± {line['bone_slope_se']:.4f} (0.48 for an exact scanner)")
    print(f"The site profile is {result['profile']}")


def show_commissioning(result: Result) -> None:
    """Each criterion with its outcome, and where report and profile are."""
    for criterion in result["criteria"]:
        print(f"{criterion['outcome']:12} {criterion['name']}: {criterion['text']}")
    print("Passed" if result["passed"] else "Not passed", end="; ")
    print(f"the acceptance report is {result['report']}")
    print(f"The site profile is {result['profile']}")


def show_twin(result: Result) -> None:
    """The settings found, how near the curves are, and the file."""
    for name, value in result["fitted"].items():
        print(f"{name:16} {value:.4g}{'  (not told by these scans)' if name in result['untold'] else ''}")
    for name, curve in result["curves"].items():
        print(f"{name.replace('_', ' ')}: RMS difference {curve['deviation']:.3g}, limit {curve['limit']:g}")
    print(f"The twin is {result['twin']}")


def show_adapted(result: Result) -> None:
    """The criteria of both models, and which was kept."""
    names = next(iter(result["judged"].values()))
    print(f"{'':20} " + " ".join(f"{name:>12}" for name in result["judged"]))
    for name in names:
        values = (judged[name] for judged in result["judged"].values())
        print(f"{name:20} " + " ".join(f"{'-' if value is None else f'{value:.4g}':>12}" for value in values))
    lost = next(name for name in result["judged"] if name != result["kept"])
    print(f"The {result['kept']} model is kept, the {lost} one lost: {result['model']}")
    if profile := result.get("profile"):
        print(f"The site profile with it is {profile}")


def show_models(result: Result) -> None:
    """Name, preset, pixel spacing and intended use of each model."""
    for name, model in result["models"].items():
        print(f"{name}{' (default)' if name == result['default'] else ''}")
        print(f"  preset {model['preset']}, {model['spacing_mm']} mm pixels")
        print(f"  {model['card'].get('intended_use', '')}")


def show_devices(result: Result) -> None:
    """A line each, the one that "auto" takes first."""
    for device in result["devices"]:
        print(f"{device['device']:8} {device['name']}")


def show_benchmark(result: Result) -> None:
    """One table: seconds per slice of everything that was timed."""
    print(", ".join(str(value) for value in result["machine"].values()))
    line = "{:34} {:>7} {:>9} {:>8} {:>6} {:>9}".format
    print(line("speed-up: over the paper's network", "threads", "s/slice", "speed-up", "GMAC", "% of peak"))
    for row in result["slices"]:
        share = f"{100 * row['share_of_peak']:.0f}"
        figures = (f"{row['seconds']:.3f}", f"{row['times_paper']:.1f}", f"{row['giga_macs']:.1f}", share)
        print(line(row["way"], row["threads"], *figures))
    for row in result["batches"]:
        print(line(f"engine, batches of {row['batch']}", row["threads"], f"{row['seconds']:.3f}", "", "", ""))
    for row in result["scaling"]:
        name = f"engine, scan of {row['slices']} slices"
        print(line(name, row["threads"], f"{row['seconds_a_slice']:.3f}", "", "", ""))
    for row in result["jobs"]:
        name = f"whole job, {row['slices']} slices"
        print(line(name, row["threads"], f"{row['seconds'] / row['slices']:.3f}", "", "", ""))
        stages = ", ".join(f"{stage} {seconds:.1f} s" for stage, seconds in row["stages"].items())
        memory = "" if row["peak_bytes"] is None else f"; {row['above_volume_bytes'] / 1e9:.2f} GB above the scan"
        print(f"  {stages}; reading, metrics, writing {100 * row['share_besides_network']:.0f} %{memory}")
    cases = result["cases"]
    print(
        f"{cases['cases']} scans of {cases['slices']} slices: {cases['one_process']:.1f} s in one process, "
        f"{cases['process_each']:.1f} s in a process each; ratio {cases['ratio']:.2f}"
    )
    print(f"start of the command line {result['start_s']:.2f} s")


def show_export(result: Result) -> None:
    """Path of the exported model, and its largest difference from PyTorch in HU."""
    difference = result["largest_difference_hu"]
    checked = "not checked" if difference is None else f"in ONNX Runtime within {difference:.2g} HU of PyTorch"
    print(f"{result['output']}: {checked}")


def show_model(result: Result) -> None:
    """Path of the trained model."""
    print(f"The best model is {result['model']}")


def show_qa(result: Result) -> None:
    """Each value before and after enhancing, those out of tolerance marked, and whether all passed."""
    print(f"{'':36} {'MVCT':>10} {'enhanced':>10}")
    for row in result["values"].values():
        unit = "" if row["unit"] == "1" else f" {row['unit']}"
        shown = (_qa_value(row[scan]) for scan in QA_SCANS)
        print(f"{row['label']:36} {' '.join(f'{text:>10}' for text in shown)}{unit}")
    found = [row[scan] for row in result["values"].values() for scan in QA_SCANS]
    if result["accepted"]:
        changed = sum("change" in one and one["change"]["passed"] is False for one in found)
        print(f"Changed since the acceptance of {result['accepted']} by more than is tolerated: {changed} values (*)")
    failed = sum(one["passed"] is False for one in found)
    print("Passed" if result["passed"] else f"Failed: {failed} values are out of tolerance (!)", end="; ")
    print(f"the report is {result['report']}")


def _qa_value(found: dict[str, Any]) -> str:
    value = "-" if found["value"] is None else f"{found['value']:.4g}"
    changed = "change" in found and found["change"]["passed"] is False
    return f"{value}{'!' if found['passed'] is False else '*' if changed else ' '}"


def show_pylinac(result: Result) -> None:
    """The folder in which pylinac is now."""
    print(f"pylinac is in {result['folder']}")


def show_demo(result: Result) -> None:
    """Metrics of the phantom, and the path of its report."""
    show_metrics(result)
    print(f"\nThe report is {result['report']}")
