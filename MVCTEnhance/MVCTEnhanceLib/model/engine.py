"""Inference: an MVCT volume through a model, a few slices at a time."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from ..errors import Cancelled, DeviceError, is_out_of_memory
from ..runtime.events import EventHandler, ignore_event
from ..volume import Volume
from ..volume.grid import axial
from ..volume.resample import resample_slices, shape_at
from .density_residual import can_fuse
from .device import describe_device
from .intensities import Domain
from .package import Model

BATCH = {"cpu": 1, "cuda": 8, "mps": 4}
STRIP_ROWS = {"cpu": 256}  # of which what the networks make on the way stays near the processor's cache
MIN_ROWS = 32  # fewer save little: each strip looks at 22 more on either side


class Engine:
    """Runs a model on volumes.

    Args:
        model: what to run.
        device: where to run it.
        on_event: called with an event's name and its fields: "progress" (stage "enhance" or, on the way back, "cycle",
            done, total) after each batch, and "warning" (message) when the memory forces it to take less at a time.
        cancelled: asked before each batch.
        batch: slices that go through together; None chooses by the device.
    """

    def __init__(
        self,
        model: Model,
        device: torch.device,
        *,
        on_event: EventHandler = ignore_event,
        cancelled: Callable[[], bool] = lambda: False,
        batch: int | None = None,
    ):
        self.plan = model.plan
        self.translator = model.translator.to(device, memory_format=torch.channels_last).eval()
        self.device = device
        self.on_event = on_event
        self.cancelled = cancelled
        self.batch = batch or BATCH[device.type]
        self._rows = STRIP_ROWS.get(device.type)
        self._fused = can_fuse(device)

    def enhance(self, mvct: Volume) -> Volume:
        """G_MV→kV of a volume: HU as int16, rounded and clipped, on exactly the grid of the input.

        The networks see axial slices in one fixed order, however the volume is stored (see `axial`). Slices whose
        pixels are not of the plan's spacing are resampled to it and back.

        Raises:
            Cancelled: as asked; DeviceError: not even one slice fits into the device's memory.
        """
        return self._translate(mvct, "mv", "kv", "enhance")

    def back_to_mvct(self, enhanced: Volume) -> Volume:
        """G_kV→MV without noise, as :meth:`enhance`: with it the cycle error |G_kV→MV(G_MV→kV(x)) - x| can be shown."""
        return self._translate(enhanced, "kv", "mv", "cycle")

    def _translate(self, volume: Volume, source: Domain, target: Domain, stage: str) -> Volume:
        result = volume.with_array(np.empty(volume.array.shape, np.int16))
        given, made = axial(volume), axial(result).array
        total = len(made)
        start = 0
        while start < total:
            if self.cancelled():
                raise Cancelled("The enhancement was cancelled; nothing was written.")
            stop = min(start + self.batch, total)
            try:
                made[start:stop] = self._translate_slices(given.array[start:stop], given.spacing, source, target)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                self._shrink(error)
                continue
            start = stop
            self.on_event("progress", stage=stage, done=stop, total=total)
        return result

    @torch.inference_mode()
    def _translate_slices(
        self, array: np.ndarray, spacing: tuple[float, float, float], source: Domain, target: Domain
    ) -> np.ndarray:
        hu = torch.from_numpy(array.astype(np.float32, order="C")).to(self.device)
        shape, pixel_mm = array.shape[1:], (spacing[1], spacing[0])
        trained_mm = (self.plan.spacing_mm,) * 2
        resampled = not self.plan.is_at_spacing(pixel_mm)
        if resampled:
            hu = resample_slices(hu, pixel_mm, trained_mm, shape_at(shape, pixel_mm, self.plan.spacing_mm))
        values = self.plan.intensities.to_network(hu, source)[:, None].contiguous(memory_format=torch.channels_last)
        hu = self.plan.intensities.to_hu(self._in_strips(values, source, target), target)[:, 0]
        if resampled:
            hu = resample_slices(hu, trained_mm, pixel_mm, shape)
        limits = np.iinfo(np.int16)
        return hu.round().clamp(limits.min, limits.max).to(torch.int16).cpu().numpy()

    def _in_strips(self, values: torch.Tensor, source: Domain, target: Domain) -> torch.Tensor:
        """The translator's result, worked out in strips of rows where it does not need the whole slice."""
        rows, total = self._rows, values.shape[-2]
        whole = self.translator.reach_px(source, target) is None or min(values.shape[-2:]) < self.translator.MIN_SIDE_PX
        if whole or not rows:
            return self.translator(values, source, target)
        result = torch.empty_like(values)
        for top in range(0, total, rows):
            bottom = min(top + rows, total)
            result[..., top:bottom, :] = self.translator.translate_rows(
                values, source, target, top, bottom, fused=self._fused
            )
        return result

    def _shrink(self, error: Exception) -> None:
        """Continue with fewer slices at a time and, from one on, with fewer rows of it where it can be cut."""
        if self.batch > 1:
            self.batch //= 2
            left = f"{self.batch} slices"
        elif self._rows and self._rows > MIN_ROWS:
            self._rows //= 2
            left = f"{self._rows} rows of a slice"
        else:
            raise DeviceError(
                f"Out of memory on the {describe_device(self.device)}: one slice does not fit; "
                f"close other programs{'' if self.device.type == 'cpu' else ' or choose the CPU'}."
            ) from error
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        self.on_event("warning", message=f"Low memory: continuing with {left} at a time.")
