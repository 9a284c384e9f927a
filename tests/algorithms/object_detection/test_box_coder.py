from __future__ import annotations

import math

import torch
from torchvision.models.detection._utils import BoxCoder as TorchvisionBoxCoder

from vision.algorithms.object_detection.box_coder import BoxCoder


def test_encode_by_hand() -> None:
    anchor = torch.tensor([0.0, 0.0, 0.5, 0.25])
    box = torch.tensor([0.25, 0.125, 0.5, 0.625])
    expected = [0.125 / 0.5 / 0.1, 0.25 / 0.25 / 0.1, math.log(0.5) / 0.2, math.log(2.0) / 0.2]
    torch.testing.assert_close(BoxCoder().encode(box, anchor), torch.tensor(expected))


def test_decode_undoes_encode_for_a_batch() -> None:
    generator = torch.Generator().manual_seed(0)
    corners = torch.rand(3, 50, 2, 2, generator=generator).sort(dim=2).values
    boxes = (corners + torch.tensor([[0.0], [0.05]])).flatten(2)
    anchors = boxes[0].roll(7, 0)
    coder = BoxCoder((0.1, 0.2, 0.3, 0.4))
    torch.testing.assert_close(coder.decode(coder.encode(boxes, anchors), anchors), boxes, atol=1e-5, rtol=1e-5)


def test_agrees_with_torchvision() -> None:
    generator = torch.Generator().manual_seed(1)
    anchors = torch.rand(40, 2, generator=generator).repeat(1, 2) + torch.tensor([0.0, 0.0, 0.2, 0.3])
    offsets = torch.randn(40, 4, generator=generator)
    theirs = TorchvisionBoxCoder(weights=(10.0, 10.0, 5.0, 5.0)).decode_single(offsets, anchors)
    torch.testing.assert_close(BoxCoder().decode(offsets, anchors), theirs, atol=1e-5, rtol=1e-5)
