"""Copy a trained model into the package, with its figures on the test patients on the card.

    python studies/first_model/ship.py MODEL_FILE MEASURED_CSV TARGET_FILE

MEASURED_CSV is what measure.py wrote with --csv; the rows of the model are those whose method is its file's name.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
from pathlib import Path

from MVCTEnhanceLib.model.package import load_model, save_model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("measured", type=Path)
    parser.add_argument("target", type=Path)
    arguments = parser.parse_args()
    with arguments.measured.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["method"] == arguments.model.stem]
    if not rows:
        parser.error(f"{arguments.measured} has no row for the method '{arguments.model.stem}'")
    figures = {row["patient"]: {name: _rounded(row[name]) for name in row if name not in TEXTS} for row in rows}
    model = load_model(arguments.model)
    measured = model.card["measured"] | {"test_patients_simulated_mvct": figures}
    save_model(dataclasses.replace(model, card=model.card | {"measured": measured}), arguments.target)


TEXTS = ("patient", "method")


def _rounded(text: str) -> float | None:
    value = float(text)
    return None if value != value else float(f"{value:.4g}")


if __name__ == "__main__":
    main()
