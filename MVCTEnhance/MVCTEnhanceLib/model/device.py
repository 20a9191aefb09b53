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
    devices = {str(device): device for device in list_devices()}
    if name == "auto":
        return next(iter(devices.values()))
    wanted = "cuda:0" if name == "cuda" else name
    if wanted in devices:
        return devices[wanted]
    raise DeviceError(f"There is no device '{name}' on this computer: use one of {', '.join(['auto', *devices])}.")


def list_devices() -> list[torch.device]:
    """All devices of this computer, the one that "auto" takes first and the CPU last."""
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    mps = [torch.device("mps")] if torch.backends.mps.is_available() else []
    return [*(torch.device("cuda", n) for n in range(gpus)), *mps, torch.device("cpu")]


def describe_device(device: torch.device) -> str:
    """The device in words, such as "CPU, 2 threads"."""
    if device.type == "cuda":
        return f"GPU {device.index}, {torch.cuda.get_device_name(device)}"
    if device.type == "mps":
        return "GPU, Apple MPS"
    return f"CPU, {torch.get_num_threads()} thread{'s' if torch.get_num_threads() > 1 else ''}"
