"""Expected ranges on a scanner, from its patients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..assessment.expected import expected_ranges
from ..errors import InputError
from ..quality.record import EnhancementRecord

MIN_PATIENTS = 8
MIN_SHOWING = 5  # patients that show a metric: by fewer the range would be so wide that it judges nothing


def require_patients(count: int) -> None:
    """Refuse to take ranges from few patients.

    Raises:
        InputError: there are fewer than eight.
    """
    if count < MIN_PATIENTS:
        raise InputError(
            f"Patients found: {count}, but the expected ranges of a scanner need at least {MIN_PATIENTS}: add MVCTs "
            "of other patients."
        )


def site_ranges(records: Sequence[EnhancementRecord]) -> dict[str, Any]:
    """The `[expected]` of a site profile, by the rule of docs/commissioning.md.

    A metric that fewer than five of the patients show gets no range, so that the model's own holds; nor does whatever
    is compared with a planning CT, but for the HU offsets.

    Args:
        records: one a patient, of scans enhanced with this scanner's calibration and at full strength.

    Raises:
        InputError: there are fewer than eight.
    """
    require_patients(len(records))
    slices = sum(len(record.slice_names()) for record in records)
    measured_on = f"{len(records)} patients on this scanner ({slices} slices)"
    return {"measured_on": measured_on, **expected_ranges(records, min_scans=MIN_SHOWING, of_scanner=True)}
