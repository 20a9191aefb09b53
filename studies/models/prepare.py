"""Make the training and test sets of the models from a folder of kVCT scans.

    python studies/models/prepare.py DATA_FOLDER OUTPUT_FOLDER

DATA_FOLDER holds kvct/*.nrrd and dicom/*/ (see docs/models.md). OUTPUT_FOLDER gets

    train/mvct    simulated MVCT of six of every ten slices of each training patient
    train/truth   the kVCT of those slices on the MVCT's grid, for the anchor on simulated pairs only
    train/kvct    the other four slices: the kV domain that the discriminators and the unpaired losses see
    doses/mvct, doses/truth   as in train, each scan with the scanner's noise, with half and with double of it
    test/mvct, test/truth   all slices of the test patients

so that no slice is in both domains, and no patient in both train and test.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from MVCTEnhanceLib.physics.mvct import simulate_mvct
from MVCTEnhanceLib.physics.settings import MVCTSettings
from MVCTEnhanceLib.physics.truth import true_kvct
from MVCTEnhanceLib.volume import Volume
from MVCTEnhanceLib.volume.itk import to_itk

TEST_PATIENTS = ("chest-lungdx-a0002", "abdomen-crlm-1004", "head-ge")
DOSES = {"half": 4.0, "double": 0.25}  # noise -> factor of the photons
SEEDS_APART = 100  # of the doses of a patient


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("output", type=Path)
    arguments = parser.parse_args()
    scans = sorted((arguments.data / "kvct").glob("*.nrrd")) + sorted((arguments.data / "dicom").iterdir())
    for seed, scan in enumerate(scans):
        name = scan.name.removesuffix(".nrrd")
        image = _read(scan)
        if name in TEST_PATIENTS:
            _write_pair(image, arguments.output / "test", name, seed)
            continue
        as_mvct = is_mvct_slice(name, image.GetSize()[2])
        if as_mvct.any():
            pair = _slices(image, as_mvct)
            _write_pair(pair, arguments.output / "train", name, seed)
            _write_doses(pair, arguments.output, name, seed)
        if not as_mvct.all():
            _write(_slices(image, ~as_mvct), arguments.output / "train" / "kvct" / f"{name}.nrrd")
        print(name, flush=True)


def is_mvct_slice(name: str, total: int) -> np.ndarray:
    """Six slices, then four, and so on; of the patients with two single slices, the first is MVCT."""
    if total == 1:
        return np.array([name.endswith("-1")])
    return np.arange(total) % 10 < 6


def _write_doses(kvct: sitk.Image, output: Path, name: str, seed: int) -> None:
    """What `_write_pair` made in train, copied beside the same scan at the other doses."""
    folder = output / "doses"
    for number, (noise, factor) in enumerate(DOSES.items(), start=1):
        _write_pair(kvct, folder, f"{name}-{noise}", seed + SEEDS_APART * number, factor)
    for kind in ("truth", "mvct"):
        shutil.copyfile(output / "train" / kind / f"{name}.nrrd", folder / kind / f"{name}.nrrd")


def _write_pair(kvct: sitk.Image, folder: Path, name: str, seed: int, dose: float = 1.0) -> None:
    """MVCT simulated with that part of the scanner's photons, and its truth."""
    target = folder / "mvct" / f"{name}.nrrd"
    if target.exists():
        return
    settings = MVCTSettings(seed=seed, photons=MVCTSettings.photons * dose)
    mvct, truth = (to_itk(made(_as_volume(kvct), settings)) for made in (simulate_mvct, true_kvct))
    _write(truth, folder / "truth" / f"{name}.nrrd")
    _write(mvct, target)


def _as_volume(image: sitk.Image) -> Volume:
    direction = np.array(image.GetDirection()).reshape(3, 3)
    return Volume(sitk.GetArrayFromImage(image), image.GetSpacing(), image.GetOrigin(), direction)


def _slices(image: sitk.Image, chosen: np.ndarray) -> sitk.Image:
    """The chosen slices as one image: a bag of 2-D slices, whose positions along k no longer mean anything."""
    subset = sitk.GetImageFromArray(sitk.GetArrayFromImage(image)[chosen])
    subset.SetSpacing(image.GetSpacing())
    return subset


def _read(scan: Path) -> sitk.Image:
    """A scan as axial slices in the order that the networks see them in."""
    return sitk.DICOMOrient(_as_stored(scan), "LPS")


def _as_stored(scan: Path) -> sitk.Image:
    if scan.is_file():
        return sitk.ReadImage(str(scan), sitk.sitkInt16)
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(scan)))
    return sitk.Cast(reader.Execute(), sitk.sitkInt16)


def _write(image: sitk.Image, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(image, str(path), useCompression=True)


if __name__ == "__main__":
    main()
