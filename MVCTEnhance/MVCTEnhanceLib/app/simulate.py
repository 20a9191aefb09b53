"""A simulated MVCT of a kilovoltage CT on disk."""

from __future__ import annotations

from pathlib import Path

from ..imageio import read_volume
from ..model.device import choose_device, describe_device
from ..physics.mvct import MVCTSettings, simulate_mvct
from .enhance import require_writable, write_scan
from .progress import Report


def simulate_file(
    kvct_path: Path,
    output: Path,
    *,
    settings: MVCTSettings | None = None,
    device: str = "auto",
    report: Report = lambda event, **fields: None,
) -> None:
    """Read a kVCT, simulate its MVCT and write that as a file or a DICOM series of its own, without the source's headers.

    Raises:
        MVCTEnhanceError: with one sentence on what is wrong.
    """
    require_writable(output, kvct_path)
    chosen = choose_device(device)
    report("device", device=str(chosen), name=describe_device(chosen))
    kvct = read_volume(kvct_path)
    for message in kvct.warnings:
        report("warning", message=message)
    mvct = simulate_mvct(
        kvct,
        settings,
        device=chosen,
        on_slices=lambda done, total: report("progress", stage="simulate", done=done, total=total),
    )
    description = "Simulated MVCT"
    write_scan(mvct, output, description=description, derivation="MVCT simulated from a kVCT by MVCTEnhance")
