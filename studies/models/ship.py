"""Copy a trained model into the package, with its figures on the test patients and its ranges on the card.

    python studies/models/ship.py MODEL_FILE TARGET_FILE [--version V] [--measured MEASURED_CSV]
        [--ranges RANGES_JSON]

The card gets the name of the target. MEASURED_CSV is docs/results/conversion/denoisers.csv; the rows of the model are
those whose method is its file's name. RANGES_JSON is what expected.py wrote. The weights stay as they are, and so does
what of the card is not given.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import json
from pathlib import Path

from MVCTEnhanceLib.model.package import load_model, save_model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--version")
    parser.add_argument("--measured", type=Path)
    parser.add_argument("--ranges", type=Path)
    arguments = parser.parse_args()
    model = load_model(arguments.model)
    card = model.card | {"name": arguments.target.stem}
    if arguments.version:
        card["version"] = arguments.version
    if arguments.measured:
        figures = {"test_patients_simulated_mvct": _figures(arguments.measured, arguments.model.stem)}
        card["measured"] = card.get("measured", {}) | figures
    if arguments.ranges:
        card |= json.loads(arguments.ranges.read_text(encoding="utf-8"))
    save_model(dataclasses.replace(model, card=card), arguments.target)


TEXTS = ("patient", "method")


def _figures(measured: Path, method: str) -> dict[str, dict[str, float | None]]:
    with measured.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["method"] == method]
    if not rows:
        raise SystemExit(f"{measured} has no row for the method '{method}'")
    return {row["patient"]: {name: _rounded(row[name]) for name in row if name not in TEXTS} for row in rows}


def _rounded(text: str) -> float | None:
    value = float(text)
    return None if value != value else float(f"{value:.4g}")


if __name__ == "__main__":
    main()
