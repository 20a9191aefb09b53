"""Make the pool of simulated scanners that a robust model learns from, and the held-back ones that it is tested on.

    nice -n 15 python studies/models/pool.py DATA_FOLDER OUTPUT_FOLDER [--for pool|held-back|own] [--every N]

DATA_FOLDER holds kvct/*.nrrd and dicom/*/ (see docs/models.md); scanners.toml has the seeds. OUTPUT_FOLDER gets, for
each scanner, what is not there yet:

    pool/SEED/{mvct,truth,region}/PATIENT.nrrd       a fifth of the MVCT slices of the training patients,
                                                     and two slices of phantoms
    pool/{standard,half,double}/...                  all of them by the standard scanner, a fifth with half and with
                                                     double its noise
    held-back/SEED/{mvct,truth,region}/PATIENT.nrrd  every N-th slice of the test patients
    own/SEED/{mvct,truth,region}/PATIENT.nrrd        for a model of one held-back scanner alone: the training slices
                                                     of pool scanner number SEED - 1000
    .../SEED/scanner.json                            its settings
    undisturbed/{mvct,truth}/SEED-PATIENT.nrrd       for `mvct-enhance train`: the scans of the pool without metal, MVCT
                                                     matched as with a site profile, air outside a field of view that
                                                     truncates them

`region` is 1 where neither truncation nor metal disturbs. HU offset and slope of the scanners are left out: a network
that sees 22 pixels cannot know them. So is motion: of what a breath has moved there is no truth at the same place.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from MVCTEnhanceLib.io import read_volume, write_volume
from MVCTEnhanceLib.physics.mvct import simulate_mvct
from MVCTEnhanceLib.physics.phantom import density_inserts
from MVCTEnhanceLib.physics.resolution import Resolution
from MVCTEnhanceLib.physics.settings import MVCTSettings, random_scanner
from MVCTEnhanceLib.physics.truth import disturbed, true_kvct
from MVCTEnhanceLib.storage.atomic import atomic_file
from MVCTEnhanceLib.storage.toml import read_toml
from MVCTEnhanceLib.volume import Volume
from MVCTEnhanceLib.volume.grid import axial
from MVCTEnhanceLib.volume.values import AIR_HU
from prepare import DOSES, TEST_PATIENTS, is_mvct_slice

SEEDS = read_toml(Path(__file__).with_name("scanners.toml"), "list of scanners")
PHANTOMS = ("phantom-1", "phantom-2")
STANDARD = {"standard": 1.0, **DOSES}  # noise of the standard scanner -> factor of the photons
SHARES = 5  # of the training slices; scanner n of the pool gets share n modulo this


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--for", dest="use", choices=("pool", "held-back", "own"), default="pool")
    parser.add_argument("--every", type=int, default=1, metavar="N")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for number, (name, settings) in enumerate(_scanners(arguments.use)):
        folder = arguments.output / arguments.use / name
        with atomic_file(folder / "scanner.json") as temporary:
            temporary.write_text(json.dumps(asdict(settings), indent=2) + "\n", encoding="utf-8")
        for patient, read in _scans(arguments.data, settings.seed, test=arguments.use == "held-back"):
            if (folder / "mvct" / f"{patient}.nrrd").exists():
                continue
            kvct = axial(read())
            total = len(kvct.array)
            chosen = range(0, total, arguments.every)
            if arguments.use != "held-back":
                chosen = training_slices(patient, total, None if name == "standard" else number)
            if len(chosen):
                started = time.perf_counter()
                _write(patient, kvct, list(chosen), settings, folder)
                seconds = time.perf_counter() - started
                print(f"{arguments.use} {name} {patient}: {len(chosen)} slices, {seconds:.0f} s", flush=True)
    if arguments.use == "pool":
        write_undisturbed(arguments.output)


def _scanners(use: str) -> Iterator[tuple[str, MVCTSettings]]:
    for seed in SEEDS["pool" if use == "pool" else "held_back"]:
        yield str(seed), replace(random_scanner(seed), hu_offset=0.0, hu_slope=1.0, motion_mm=0.0)
    for seed, (name, factor) in enumerate(STANDARD.items() if use == "pool" else (), start=100):
        yield name, MVCTSettings(photons=MVCTSettings.photons * factor, seed=seed)


def training_slices(patient: str, total: int, number: int | None) -> np.ndarray:
    """The MVCT slices of the training that scanner `number` gets: runs of six, or every fifth patient of one slice.

    None gets all of them.
    """
    if patient in PHANTOMS:
        return np.arange(total)
    own = np.flatnonzero(is_mvct_slice(patient, total))
    if number is None:
        return own
    share = own // 10 if total > 1 else np.full(len(own), sum(patient.encode()))
    return own[share % SHARES == number % SHARES]


def _scans(data: Path, seed: int, *, test: bool) -> Iterator[tuple[str, Callable[[], Volume]]]:
    """Name of each patient and a function that reads the kVCT; in training the phantoms of this scanner, too."""
    for path in (*sorted((data / "kvct").glob("*.nrrd")), *sorted((data / "dicom").iterdir())):
        patient = path.name.removesuffix(".nrrd")
        if (patient in TEST_PATIENTS) == test:
            yield patient, partial(read_volume, path)
    for number, name in enumerate(() if test else PHANTOMS):
        yield name, partial(phantom, len(PHANTOMS) * seed + number)


def phantom(seed: int) -> Volume:
    """One slice of a water cylinder without noise, with rods of -700 to 1300 HU and one of air, with razor edges."""
    draw = np.random.default_rng(seed)
    diameter_mm = draw.uniform(180, 340)
    inserts_hu = (-1000, *draw.uniform(-700, 1300, size=8).round())
    return density_inserts(inserts_hu=inserts_hu, diameter_mm=diameter_mm, insert_mm=0.14 * diameter_mm)[0]


def _write(patient: str, kvct: Volume, chosen: list[int], settings: MVCTSettings, folder: Path) -> None:
    """The MVCT last: where it is, all is."""
    mvct = simulate_mvct(kvct, settings, only=chosen)
    truth, apart = (made(kvct, settings).array[chosen] for made in (true_kvct, disturbed))
    for kind, array in (("truth", truth), ("region", apart == 0), ("mvct", mvct.array)):
        path = folder / kind / f"{patient}.nrrd"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_volume(mvct.with_array(array.astype(np.int16)), path)


def matched_mvct(path: Path) -> Volume:
    """An MVCT SCANNER/mvct/PATIENT.nrrd, int16, with the standard scanner's resolution as its site profile gives it."""
    mvct, scanner = read_volume(path), path.parents[1] / "scanner.json"
    if not scanner.exists():  # of prepare.py, by the standard scanner
        return mvct
    settings = MVCTSettings(**json.loads(scanner.read_text(encoding="utf-8")))
    return Resolution.of(settings).matched(mvct)


def write_undisturbed(output: Path) -> None:
    """OUTPUT/undisturbed of OUTPUT/pool."""
    for region in sorted((output / "pool").glob("*/region/*.nrrd")):
        folder = region.parents[1]
        if json.loads((folder / "scanner.json").read_text(encoding="utf-8"))["metal"]:
            continue
        seen = read_volume(region).array > 0
        for kind in ("mvct", "truth"):
            path = output / "undisturbed" / kind / f"{folder.name}-{region.name}"
            path.parent.mkdir(parents=True, exist_ok=True)
            scan = (matched_mvct if kind == "mvct" else read_volume)(folder / kind / region.name)
            write_volume(scan.with_array(np.where(seen, scan.array, AIR_HU).astype(np.int16)), path)


if __name__ == "__main__":
    main()
