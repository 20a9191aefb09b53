"""The processes that share the steps of a run: those that torchrun started, or this one alone."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import nn

from ..errors import DeviceError, InputError


@dataclass(frozen=True)
class DistributedContext:
    """Where this process stands among those of the run.

    All of them know all slices and draw the same random numbers, so that only crops are shared out: a step of many
    processes is the step of one, but for the order of sums.

    Args:
        rank: of this one, from 0.
        count: of all.
    """

    rank: int = 0
    count: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this is the one that writes and tells."""
        return self.rank == 0

    def share(self, batch: torch.Tensor) -> torch.Tensor:
        """This process's part of what all of them hold, along the first axis."""
        size = len(batch) // self.count
        return batch[self.rank * size : (self.rank + 1) * size]

    def gathered(self, share: torch.Tensor) -> torch.Tensor:
        """The parts of all processes, one after the other; the inverse of :meth:`share`."""
        if self.count == 1:
            return share
        shares = [torch.empty_like(share, memory_format=torch.contiguous_format) for _ in range(self.count)]
        dist.all_gather(shares, share.contiguous())
        return torch.cat(shares)

    def mean(self, values: dict[str, float], device: torch.device) -> dict[str, float]:
        """The mean of each value over all processes."""
        if self.count == 1:
            return values
        total = torch.tensor(list(values.values()), dtype=torch.float64, device=device)
        dist.all_reduce(total)
        return dict(zip(values, (total / self.count).tolist(), strict=True))

    def parallel(self, module: nn.Module, *, all_used: bool) -> nn.Module:
        """The module, whose gradients become the mean over all processes.

        Args:
            module: its forward gives the loss terms of this process's share.
            all_used: whether every forward uses all parameters.
        """
        if self.count == 1:
            return module
        return nn.parallel.DistributedDataParallel(module, find_unused_parameters=not all_used)

    def require_divides(self, batch: int) -> None:
        """Refuse a batch that cannot be shared out evenly, by an InputError."""
        if batch % self.count:
            raise InputError(
                f"schedule.batch is {batch}, which {self.count} processes cannot share evenly: give a multiple of "
                f"{self.count}, or torchrun another number of processes."
            )

    def require_same(self, what: Any) -> None:
        """Refuse to train where processes have other slices or stand at another step, by an InputError on all."""
        if self.count == 1:
            return
        all_of_it: list[Any] = [None] * self.count
        dist.all_gather_object(all_of_it, what)
        if any(other != all_of_it[0] for other in all_of_it):
            raise InputError(
                "The processes of the run do not see the same scans or the same output folder: put both on a disk "
                "that all machines share, under the same paths."
            )


SINGLE_PROCESS = DistributedContext()


def launched_by_torchrun() -> bool:
    """Whether torchrun started this process."""
    return dist.is_available() and dist.is_torchelastic_launched()


def device_of_process(name: str) -> str:
    """The device to choose for the one asked for: under torchrun, each process of a machine takes a GPU of its own.

    Raises:
        DeviceError: under torchrun, one GPU was asked for by its number, or a kind that cannot train together.
    """
    if not launched_by_torchrun() or name == "cpu":
        return name
    if name not in ("auto", "cuda"):
        raise DeviceError(f"Under torchrun each process has its own device: ask for cuda, cpu or auto, not '{name}'.")
    return f"cuda:{os.environ['LOCAL_RANK']}" if name == "cuda" or torch.cuda.is_available() else "cpu"


@contextmanager
def processes_of_run(device: torch.device) -> Iterator[DistributedContext]:
    """Join the processes that torchrun started, by NCCL between GPUs and by Gloo between CPUs."""
    if not launched_by_torchrun():
        yield SINGLE_PROCESS
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield DistributedContext(dist.get_rank(), dist.get_world_size())
    finally:
        # Networks that refer to each other hold the group, whose threads must have ended before Python does: one that
        # frees a tensor later than that aborts the process.
        gc.collect()
        dist.destroy_process_group()
