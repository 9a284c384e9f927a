from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from vision.nn.resnet import ResNet, ResNetTrunk


@pytest.fixture(scope="module")
def models():  # type: ignore[no-untyped-def]
    from torchvision import models

    return models


def randomise(network: nn.Module) -> dict[str, Tensor]:
    """Weights and running statistics that hide nothing: no zeros, no ones."""
    generator = torch.Generator().manual_seed(0)
    state = network.state_dict()
    for key, value in state.items():
        if value.is_floating_point() and value.ndim < 2:
            value.copy_(torch.rand(value.shape, generator=generator) * 0.5 + 0.5)
        assert not key.startswith("trunk")
    return state


@pytest.mark.parametrize("depth", [18, 34, 50, 101, 152])
def test_state_dict_is_torchvisions(depth: int, models) -> None:  # type: ignore[no-untyped-def]
    with torch.device("meta"):
        theirs = getattr(models, f"resnet{depth}")(num_classes=7).state_dict()
        ours = ResNet(depth, 7).state_dict()
    assert {k: v.shape for k, v in ours.items()} == {k: v.shape for k, v in theirs.items()}
    assert list(ours) == list(theirs)


@pytest.mark.parametrize("depth", [18, 50])
@pytest.mark.parametrize("training", [False, True])
def test_output_and_gradients_equal_torchvisions(depth, training, models) -> None:  # type: ignore[no-untyped-def]
    theirs = getattr(models, f"resnet{depth}")(num_classes=5).train(training)
    ours = ResNet(depth, 5).train(training)
    ours.load_state_dict(randomise(theirs))
    images = torch.randn(2, 3, 64, 48)

    expected, got = theirs(images), ours(images)
    assert torch.equal(got, expected)
    expected.square().sum().backward()
    got.square().sum().backward()
    gradients = dict(theirs.named_parameters())
    assert all(torch.equal(p.grad, gradients[k].grad) for k, p in ours.named_parameters())
    assert all(torch.equal(v, theirs.state_dict()[k]) for k, v in ours.state_dict().items())


def test_features_are_torchvisions_layers(models) -> None:  # type: ignore[no-untyped-def]
    from torchvision.models.feature_extraction import create_feature_extractor

    theirs = models.resnet34(num_classes=5).eval()
    trunk = ResNetTrunk(34).eval()
    state = randomise(theirs)
    trunk.load_state_dict({k: v for k, v in state.items() if not k.startswith("fc.")})
    images = torch.randn(1, 3, 70, 70)

    expected = create_feature_extractor(theirs, ["layer1", "layer2", "layer3", "layer4"])(images)
    got = trunk.features(images)
    assert list(got) == list(expected)
    assert all(torch.equal(got[name], expected[name]) for name in expected)
    assert {name: value.shape[1] for name, value in got.items()} == trunk.channels
    assert torch.equal(trunk(images), expected["layer4"])


@pytest.mark.parametrize(
    ("depth", "parameters"),
    [
        # torchvision's published num_params
        (18, 11_689_512),
        (34, 21_797_672),
        (50, 25_557_032),
        (101, 44_549_160),
        (152, 60_192_808),
        # 152's and 16 more units of layer2: 512*128 + 9*128*128 + 128*512 weights, 2*(128+128+512) of BN
        (200, 60_192_808 + 16 * 280_064),
    ],
)
def test_number_of_parameters(depth: int, parameters: int) -> None:
    with torch.device("meta"):
        assert sum(p.numel() for p in ResNet(depth, 1000).parameters()) == parameters


@pytest.mark.parametrize(("stem", "cells"), [("7x7", 1), ("3x3", 4)])
def test_stem_sets_the_size_of_the_last_map(stem, cells: int) -> None:  # type: ignore[no-untyped-def]
    trunk = ResNetTrunk(18, stem)
    assert trunk(torch.zeros(2, 3, 32, 32)).shape == (2, 512, cells, cells)
    assert trunk.conv1.weight.shape[2:] == ((7, 7) if stem == "7x7" else (3, 3))


@pytest.mark.parametrize("depth", [18, 50])
def test_dilation_gives_the_strided_values_at_more_places(depth: int) -> None:
    strided, dilated = ResNetTrunk(depth).eval(), ResNetTrunk(depth, output_stride=8).eval()
    dilated.load_state_dict(randomise(strided))
    images = torch.randn(1, 3, 75, 130)
    with torch.no_grad():
        coarse, fine = strided.features(images), dilated.features(images)
    assert fine["layer4"].shape[2:] == fine["layer3"].shape[2:] == coarse["layer2"].shape[2:] == (10, 17)
    for name, step in (("layer2", 1), ("layer3", 2), ("layer4", 4)):
        torch.testing.assert_close(fine[name][:, :, ::step, ::step], coarse[name], rtol=1e-4, atol=1e-4)
