"""Make the tables and figures of docs/results from real kVCT scans and the MVCT simulated from them.

    python studies/results DATA WORK [--only PART ...] [--results FOLDER] [--every N]

DATA holds kvct/*.nrrd and dicom/*/ (see docs/models.md). WORK gets everything that is made on the way: a second call
does not do again what is done, so the study can be stopped at any time. Trainings need the VGG layers
(docs/training.md) as WORK/vgg19_conv1_2_imagenet.pth, or under that name in the folder weights beside DATA.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from conversion import air_edges, denoisers, features, hidden_noise, inserts
from lesions import lesions
from robustness import registration, robustness, scanners, starts
from study import Study
from training import ablation, adapting, data_size, nselfssim_table

ROOT = Path(__file__).resolve().parents[2]
VGG = "vgg19_conv1_2_imagenet.pth"
PARTS = {
    "ablation": ablation.run,
    "data-size": data_size.run,
    "nselfssim": nselfssim_table.run,
    "denoisers": denoisers.run,
    "features": features.run,
    "lesions": lesions.run,
    "registration": registration.run,
    "starts": starts.run,
    "robustness": robustness.run,
    "hidden-noise": hidden_noise.run,
    "adapting": adapting.run,
    "edges": air_edges.run,
    "inserts": inserts.run,
    "scanners": scanners.run,
}


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="studies/results", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--only", nargs="+", choices=list(PARTS), default=list(PARTS), metavar="PART")
    parser.add_argument("--results", type=Path, default=ROOT / "docs" / "results")
    parser.add_argument("--every", type=int, default=1, help="take every n-th test slice only, for a quick look")
    arguments = parser.parse_args()
    study = Study(arguments.data, arguments.work, arguments.results, arguments.every)
    _prepare(study)
    for part in arguments.only:
        print(part, flush=True)
        subject = PARTS[part].__module__.partition(".")[0]
        PARTS[part](replace(study, results=study.results / subject))


def _prepare(study: Study) -> None:
    done = study.work / "data" / "prepared"
    if not done.exists():
        script = ROOT / "studies" / "models" / "prepare.py"
        subprocess.run([sys.executable, script, study.data, study.work / "data"], check=True)
        done.touch()
    vgg = study.work / VGG
    beside = study.data.parent / "weights" / VGG
    if not vgg.exists() and beside.exists():
        shutil.copyfile(beside, vgg)


if __name__ == "__main__":
    main()
