"""UIDs that are worked out from what they stand for, so that the same run gives the same ones."""

from __future__ import annotations

from pydicom.uid import UID, generate_uid

from .product import PROGRAM


def worked_out_uid(*parts: str) -> UID:
    """A UID by the SHA-512 of the parts: the same for the same parts in their order, else another one."""
    return generate_uid(entropy_srcs=["\0".join((PROGRAM, *parts))])
