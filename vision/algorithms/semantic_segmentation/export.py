"""What an exported segmentation network answers."""

from __future__ import annotations

from torch import Tensor, nn

from vision.algorithms.semantic_segmentation.network import SegmentationNetwork
from vision.artifacts.export import BATCH, ExportHeads, HeadOutput


class _Logits(nn.Module):
    """The decoder's logits alone, as a tuple."""

    def __init__(self, network: SegmentationNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> tuple[Tensor]:
        return (self.network(images).logits,)


def export_heads(network: SegmentationNetwork, side_px: int) -> ExportHeads:
    """The logits of images of ``side_px`` x ``side_px`` pixels."""
    meaning = "float32; the largest of a pixel is its class, and a softmax over the classes makes probabilities of them"
    output = HeadOutput("logits", (BATCH, network.architecture.num_classes, side_px, side_px), meaning)
    return ExportHeads(_Logits(network), (3, side_px, side_px), (output,))
