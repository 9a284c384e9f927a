from __future__ import annotations

import pytest
import torch
from torch import nn

from vision.nn.packed_convolution import PackedConvolution


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
