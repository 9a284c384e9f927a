"""The folded and packed network is held against the network as it was built."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from vision.nn.cpu_inference import PackedConvolution, can_pack, fold_batch_norm, pack_convolutions
from vision.nn.preact_resnet import PreactPlan, PreactResNet
from vision.nn.resnet import ResNet
from vision.nn.vgg import VGG16Reduced, VGGWidths

BASIC = PreactPlan((1, 2), (16, 16, 32), False, "3x3")
BOTTLENECK = PreactPlan((1, 1), (16, 32, 64), True, "7x7", input_channels=1)

# A network, its input's channels, its convolutions with and without batch normalisation right after them.
CASES: dict[str, tuple[Callable[[], nn.Module], int, int, int]] = {
    "resnet, basic": (lambda: ResNet(18, 5, "3x3"), 3, 20, 0),
    "resnet, bottleneck": (lambda: ResNet(50, 5, "7x7"), 3, 53, 0),
    # Of three units: conv1 of each; conv2, both projections and the stem end before a sum.
    "preact, basic": (lambda: PreactResNet(BASIC, 5), 3, 3, 6),
    # The stem, conv1 and conv2 of both units; conv3 and the projections end before a sum.
    "preact, bottleneck": (lambda: PreactResNet(BOTTLENECK, 5), 1, 5, 4),
    "vgg": (lambda: VGG16Reduced(VGGWidths((8, 8, 16, 16, 16), 24, 24)), 3, 0, 15),
}


def trained(network: nn.Module) -> nn.Module:
    """As training leaves it: no statistics or factors at their start values."""
    generator = torch.Generator().manual_seed(3)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            module.running_mean.normal_(0, 0.3, generator=generator)
            module.running_var.uniform_(0.5, 2, generator=generator)
            module.bias.data.normal_(0, 0.3, generator=generator)
            if isinstance(module.weight, nn.Parameter):
                module.weight.data.uniform_(0.5, 1.5, generator=generator)
    return network.eval()


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> tuple[nn.Module, Tensor, int, int]:
    build, channels, folded, left = CASES[request.param]
    torch.manual_seed(1)
    network = trained(build()).to(memory_format=torch.channels_last)
    images = torch.randn(3, channels, 32, 32).contiguous(memory_format=torch.channels_last)
    return network, images, folded, left


@torch.inference_mode()
def test_the_same_answers_with_fewer_layers(case: tuple[nn.Module, Tensor, int, int]) -> None:
    network, images, folded, left = case
    expected = network(images)
    assert fold_batch_norm(network) == folded
    torch.testing.assert_close(network(images), expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max()))
    assert pack_convolutions(network, images[:1]) == folded + left
    assert sum(isinstance(module, PackedConvolution) for module in network.modules()) == folded + left
    for batch in (images, images[1:2]):
        found = network(batch)
        like = expected if len(batch) == 3 else expected[1:2]
        torch.testing.assert_close(found, like, rtol=1e-4, atol=1e-4 * float(expected.abs().max()))


def test_a_network_in_training_is_refused() -> None:
    with pytest.raises(AssertionError):
        fold_batch_norm(ResNet(18, 5).train())


def test_only_the_cpu_packs() -> None:
    assert can_pack(torch.device("cpu"))
    assert not can_pack(torch.device("cuda"))


@torch.inference_mode()
@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize(
    ("channels", "settings"),
    [
        (1, {"out_channels": 4, "kernel_size": 7, "stride": 2, "padding": 3, "bias": False}),
        (3, {"out_channels": 5, "kernel_size": (1, 3), "padding": (0, 1)}),
        (16, {"out_channels": 16, "kernel_size": 3, "padding": 6, "dilation": 6}),
        (8, {"out_channels": 12, "kernel_size": 1, "stride": 2, "groups": 4}),
    ],
)
def test_gives_what_the_convolution_gives(channels: int, settings: dict[str, object], channels_last: bool) -> None:
    torch.manual_seed(0)
    convolution = nn.Conv2d(channels, **settings)  # type: ignore[arg-type]
    x = torch.randn(2, channels, 17, 23)
    if channels_last:
        x = x.contiguous(memory_format=torch.channels_last)
    packed = PackedConvolution(convolution, x.shape)
    for batch in (x, x[:1], torch.cat([x, x, x])):
        torch.testing.assert_close(packed(batch), convolution(batch))
    assert packed.state_dict() == {}
