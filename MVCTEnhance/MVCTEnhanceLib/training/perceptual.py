"""φ: the output of VGG's second layer, with which the perceptual loss compares structure."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from ..errors import InputError

KEYS = ("features.0.weight", "features.0.bias", "features.2.weight", "features.2.bias")
SHAPES = ((64, 3, 3, 3), (64,), (64, 64, 3, 3), (64,))
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_SD = (0.229, 0.224, 0.225)


class VGGFeatures(nn.Module):
    """conv1_2 after its ReLU, of a VGG-19 pretrained on ImageNet.

    Args:
        weights: file with torchvision's keys (`features.0.*`, `features.2.*`); None takes torchvision's
            IMAGENET1K_V1, which is downloaded once.

    Raises:
        InputError: the file is not such a file, or torchvision is not there.
    """

    def __init__(self, weights: Path | None = None):
        super().__init__()
        state = _torchvision_state() if weights is None else _state_from_file(weights)
        for name, key in zip(("weight_1", "bias_1", "weight_2", "bias_2"), KEYS, strict=True):
            self.register_buffer(name, state[key].float(), persistent=False)
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN)[:, None, None], persistent=False)
        self.register_buffer("sd", torch.tensor(IMAGENET_SD)[:, None, None], persistent=False)

    def forward(self, slices: torch.Tensor) -> torch.Tensor:
        """Network values (n, 1, j, i), of which [-1, 1] is the grey scale -> features (n, 64, j, i)."""
        grey = (slices.clamp(-1, 1) + 1) / 2
        normalised = (grey.expand(-1, 3, -1, -1) - self.mean) / self.sd
        first = F.relu(F.conv2d(normalised, self.weight_1, self.bias_1, padding=1))
        return F.relu(F.conv2d(first, self.weight_2, self.bias_2, padding=1))


def _state_from_file(path: Path) -> dict[str, torch.Tensor]:
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        shapes = tuple(tuple(state[key].shape) for key in KEYS)
    except Exception as error:
        raise InputError(
            f"'{path}' does not hold VGG layers under torchvision's keys {KEYS[0]} to {KEYS[-1]}."
        ) from error
    if shapes != SHAPES:
        raise InputError(
            f"The VGG layers in '{path}' have shapes {shapes}, not {SHAPES}: use VGG-19's conv1_1 and conv1_2."
        )
    return state


def _torchvision_state() -> dict[str, torch.Tensor]:
    try:
        from torchvision.models import VGG19_Weights, vgg19
    except Exception as error:
        raise InputError(
            "torchvision, which brings the VGG weights, cannot be imported here: "
            "name a file with the VGG layers under [losses] vgg in the training configuration."
        ) from error
    return vgg19(weights=VGG19_Weights.IMAGENET1K_V1).state_dict()
