"""The one place that decides where networks run."""

from __future__ import annotations

import torch

from ..errors import DeviceError


def choose_device(name: str = "auto") -> torch.device:
    """The device of this name; "auto" takes the first CUDA GPU, else Apple's MPS, else the CPU.

    Args:
        name: "auto", "cpu", "cuda", "cuda:n" or "mps".

    Raises:
        DeviceError: there is no such device here. No other is taken in its place.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda", 0)
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    kind, _, index = name.partition(":")
    if kind == "cpu" and not index:
        return torch.device("cpu")
    if kind == "mps" and not index and torch.backends.mps.is_available():
        return torch.device("mps")
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if kind == "cuda" and (index or "0").isdecimal() and int(index or 0) < gpus:
        return torch.device("cuda", int(index or 0))
    available = ["auto", "cpu", *(f"cuda:{n}" for n in range(gpus))]
    if torch.backends.mps.is_available():
        available.append("mps")
    raise DeviceError(f"There is no device '{name}' on this computer: use one of {', '.join(available)}.")


def describe_device(device: torch.device) -> str:
    """The device in words, such as "CPU, 2 threads"."""
    if device.type == "cuda":
        return f"GPU {device.index}, {torch.cuda.get_device_name(device)}"
    if device.type == "mps":
        return "GPU, Apple MPS"
    return f"CPU, {torch.get_num_threads()} thread{'s' if torch.get_num_threads() > 1 else ''}"
