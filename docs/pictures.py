"""The pictures of reports and tables in the documents, drawn from runs of the commands on digital phantoms.

    python docs/pictures.py FOLDER [batch] [node] [acceptance]

All three where none is named. Scans and results stay in FOLDER, and a run that is there is drawn again. Needs chromium,
pdftoppm, pynetdicom and WeasyPrint. `Testing/slicerui/panel/test_pictures.py` draws those of the panel and the review.
"""

from __future__ import annotations

import csv
import subprocess
import sys
from html import escape
from pathlib import Path

from PIL import Image, ImageChops
from pydicom import dcmread

ROOT = Path(__file__).resolve().parents[1]
PICTURES = ROOT / "Resources" / "Screenshots"
COLOURS = 256
DOTS = 80  # per inch of a page
SCANNER = "hu_offset = 12\nhu_slope = 0.985\nmatrix = 256\npixel_mm = 1.526\nviews = 300\n"
SHOWN = ("case", "status", "reason", "as_expected", "look_closer", "do_not_trust", "mvct.noise_hu", "enhanced.noise_hu")
STYLE = (
    "body{font:14px 'DejaVu Sans';margin:12px}td{border:1px solid #ccc;padding:5px 8px;text-align:left}"
    "table{border-collapse:collapse}tr:first-child{background:#eee;font-weight:bold}"
)
PROGRAM = [sys.executable, ROOT / "MVCTEnhance" / "MVCTEnhanceLib" / "__main__.py"]


def batch(folder: Path) -> None:
    """The summary of a cohort: three patients, and a file that was cut."""
    source, output = folder / "daily", folder / "enhanced"
    if not output.exists():
        for number in (1, 2, 3):
            _run("phantom", folder / f"p{number}", "--seed", number, "--slices", 8)
            (source / f"patient{number}").mkdir(parents=True)
            (folder / f"p{number}" / "mvct.nrrd").rename(source / f"patient{number}" / "day1.nrrd")
        whole = (source / "patient3" / "day1.nrrd").read_bytes()
        (source / "patient3" / "day2.nrrd").write_bytes(whole[: len(whole) // 2])
        _run("batch", source, output, "--report", "--device", "cpu", allowed=1)
    with (output / "summary.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    cells = [SHOWN, *([row[name] for name in SHOWN] for row in rows)]
    lines = "".join(f"<tr>{''.join(f'<td>{escape(text)}</td>' for text in row)}</tr>" for row in cells)
    page = folder / "summary.html"
    page.write_text(f"<meta charset=utf-8><style>{STYLE}</style><table>{lines}</table>", encoding="utf-8")
    _chromium(page, f"--screenshot={folder / 'batch.png'}", "--window-size=1180,500")
    _keep(folder / "batch.png")


def node(folder: Path) -> None:
    """First page of the report that a node sends with an enhanced scan, as an archive gets it."""
    report = folder / "received.pdf"
    if not report.exists():
        report.write_bytes(_received(folder))
    _first_page(report, folder / "node")


def acceptance(folder: Path) -> None:
    """First page of the acceptance report of the tutorial in docs/commissioning.md."""
    site, scanner = folder / "site", folder / "scanner.toml"
    if not site.exists():
        scanner.write_text(SCANNER, encoding="utf-8")
        _run("phantom", folder / "cheese", "--kind", "cheese", "--scanner", scanner)
        for number in range(1, 9):
            made = ("--seed", number, "--slices", 2, "--scanner", scanner)
            _run("phantom", folder / "patients" / f"p{number}", *made)
        named = ("--name", "Digital scanner", "--by", "A. Physicist", "--output", site)
        _run("commission", folder / "patients", "--phantom", folder / "cheese" / "mvct-dicom", *named, allowed=3)
    printed = folder / "acceptance.pdf"
    _chromium(site / "acceptance.html", f"--print-to-pdf={printed}", "--no-pdf-header-footer")
    _first_page(printed, folder / "acceptance")


def _received(folder: Path) -> bytes:
    """The report that comes of a scan that is sent to a node."""
    sys.path[:0] = [str(ROOT / "MVCTEnhance"), str(ROOT / "studies" / "faults")]
    from kill_node import start
    from MVCTEnhanceLib.io import read_volume, write_dicom_series
    from parties import Archive, NodeProcess

    scan = folder / "scan"
    if not scan.exists():
        _run("phantom", folder / "phantom", "--slices", 8)
        write_dicom_series(read_volume(folder / "phantom" / "mvct.nrrd"), scan, description="MVCT")
        for path in scan.iterdir():
            ds = dcmread(path)
            ds.PatientID, ds.Manufacturer, ds.KVP = "PHANTOM", "TomoTherapy Incorporated", "3500"
            ds.save_as(path)
    archive = Archive().start()
    party = NodeProcess(folder, start, archive.port)
    party.configure(archive.port, more='report = "pdf"')
    party.start()
    party.send(sorted(scan.iterdir()))
    party.wait_for("delivered")
    party.end()
    archive.stop()
    (document,) = (copies[0] for copies in archive.received.values() if copies[0].Modality == "DOC")
    return document.EncapsulatedDocument


def _run(*arguments: object, allowed: int = 0) -> None:
    done = subprocess.run([*PROGRAM, *map(str, arguments)], check=False)
    if done.returncode not in (0, allowed):
        sys.exit(f"'{arguments[0]}' ended with {done.returncode}.")


def _chromium(page: Path, *options: str) -> None:
    command = ["chromium", "--headless", "--no-sandbox", "--hide-scrollbars", *options, page.resolve().as_uri()]
    subprocess.run(command, check=True, capture_output=True)


def _first_page(document: Path, place: Path) -> None:
    command = ["pdftoppm", "-png", "-r", str(DOTS), "-singlefile", document, place]
    subprocess.run(command, check=True)
    _keep(place.with_suffix(".png"))


def _keep(picture: Path) -> None:
    """Cut what is empty around a picture, and keep it with few colours."""
    image = Image.open(picture).convert("RGB")
    empty = Image.new("RGB", image.size, image.getpixel((0, 0)))
    left, top, right, bottom = ImageChops.difference(image, empty).getbbox()
    box = (max(0, left - 8), max(0, top - 8), min(image.width, right + 8), min(image.height, bottom + 8))
    few = image.crop(box).quantize(COLOURS, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    few.save(PICTURES / picture.name, optimize=True)


def main(arguments: list[str]) -> None:
    """Draw what is named into Resources/Screenshots."""
    folder, *names = arguments
    for draw in (batch, node, acceptance):
        if not names or draw.__name__ in names:
            (Path(folder) / draw.__name__).mkdir(parents=True, exist_ok=True)
            draw((Path(folder) / draw.__name__).resolve())


if __name__ == "__main__":
    main(sys.argv[1:])
