"""φ is VGG's conv1_2 after its ReLU, of images scaled as ImageNet's were."""

import sys

import pytest
import torch
from MVCTEnhanceLib.errors import InputError
from MVCTEnhanceLib.training.perceptual import VGGFeatures
from torch import nn


def by_hand(weights, grey):
    """torchvision's recipe: a picture in [0, 1], three channels, minus the mean, by the SD; conv, ReLU, conv, ReLU."""
    state = torch.load(weights, weights_only=True)
    layers = nn.Sequential(nn.Conv2d(3, 64, 3, padding=1), nn.ReLU(), nn.Conv2d(64, 64, 3, padding=1), nn.ReLU())
    layers.load_state_dict({name.removeprefix("features."): state[name] for name in state if name[9] in "02"})
    channels = [(grey - m) / s for m, s in ((0.485, 0.229), (0.456, 0.224), (0.406, 0.225))]
    with torch.no_grad():
        return layers(torch.cat(channels, dim=1))


@pytest.mark.parametrize("weights", ["vgg_file", "real_vgg_file"])
def test_features_are_those_of_the_image_scaled_for_imagenet(weights, request):
    weights = request.getfixturevalue(weights)
    values = 2 * torch.rand(2, 1, 20, 24, generator=torch.Generator().manual_seed(0)) - 1
    features = VGGFeatures(weights)(values)
    assert features.shape == (2, 64, 20, 24)
    assert torch.allclose(features, by_hand(weights, (values + 1) / 2), atol=1e-4)


def test_real_layers_answer_to_edges_and_not_to_grey(real_vgg_file):
    """Features of a step are far from those of a flat picture of the same mean."""
    step = torch.cat((torch.full((1, 1, 20, 10), -0.5), torch.full((1, 1, 20, 10), 0.5)), dim=3)
    features = VGGFeatures(real_vgg_file)
    at_edge, in_flat = features(step)[..., 10, 9:11], features(step)[..., 10, 4:6]
    assert (at_edge - in_flat).abs().max() > 0.5


def test_values_outside_the_grey_scale_are_clipped(vgg_file):
    features = VGGFeatures(vgg_file)
    assert torch.equal(features(torch.full((1, 1, 8, 8), -2.0)), features(torch.full((1, 1, 8, 8), -1.0)))


def test_layers_are_not_trained_and_not_saved(vgg_file):
    features = VGGFeatures(vgg_file)
    assert not list(features.parameters())
    assert not features.state_dict()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "does not hold VGG layers"),
        ({"other": torch.zeros(2)}, "does not hold VGG layers"),
        ({f"features.{n}.{part}": torch.zeros(3) for n in (0, 2) for part in ("weight", "bias")}, "have shapes"),
    ],
)
def test_file_without_vgg_layers_is_refused(tmp_path, content, message):
    path = tmp_path / "vgg.pth"
    path.write_text("no weights") if content is None else torch.save(content, path)
    with pytest.raises(InputError, match=message) as caught:
        VGGFeatures(path)
    assert "vgg.pth" in str(caught.value)


def test_missing_torchvision_says_to_name_a_file(monkeypatch):
    monkeypatch.setitem(sys.modules, "torchvision.models", None)
    with pytest.raises(InputError, match=r"torchvision.*\[losses\] vgg"):
        VGGFeatures()
