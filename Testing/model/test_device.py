"""The device is the one asked for, or an error that lists what is there."""

import pytest
import torch
from MVCTEnhanceLib.errors import DeviceError
from MVCTEnhanceLib.model.device import choose_device, describe_device, list_devices


@pytest.fixture
def computer(monkeypatch):
    """Pretend a number of GPUs and MPS."""

    def pretend(gpus=0, mps=False):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)

    return pretend


@pytest.mark.parametrize(
    ("gpus", "mps", "expected"), [(0, False, "cpu"), (2, False, "cuda:0"), (0, True, "mps"), (1, True, "cuda:0")]
)
def test_auto_takes_the_fastest_there_is(computer, gpus, mps, expected):
    computer(gpus, mps)
    assert str(choose_device("auto")) == expected


@pytest.mark.parametrize("name", ["cuda", "cuda:0", "cuda:9", "mps", "gpu", "tpu", "cpu:1", "cuda:x", "cuda:-1", ""])
def test_device_that_is_not_there_is_never_replaced(computer, name):
    computer()
    with pytest.raises(DeviceError, match=r"use one of auto, cpu\.$"):
        choose_device(name)


def test_number_of_a_gpu_that_is_not_there_is_refused_with_those_that_are(computer):
    computer(gpus=2)
    assert str(choose_device("cuda:1")) == "cuda:1"
    assert str(choose_device("cuda")) == "cuda:0"
    with pytest.raises(DeviceError, match=r"'cuda:9'.*auto, cuda:0, cuda:1, cpu\.$"):
        choose_device("cuda:9")


def test_cpu_can_be_chosen_beside_a_gpu(computer):
    computer(gpus=1, mps=True)
    assert str(choose_device("cpu")) == "cpu"


def test_description_says_cpu_and_its_threads():
    assert describe_device(torch.device("cpu")).startswith(f"CPU, {torch.get_num_threads()} thread")


@pytest.mark.parametrize(
    ("gpus", "mps", "expected"),
    [(0, False, ["cpu"]), (2, False, ["cuda:0", "cuda:1", "cpu"]), (0, True, ["mps", "cpu"])],
)
def test_list_has_every_device_and_first_the_one_that_auto_takes(computer, gpus, mps, expected):
    computer(gpus, mps)
    assert [str(device) for device in list_devices()] == expected
    assert list_devices()[0] == choose_device("auto")
