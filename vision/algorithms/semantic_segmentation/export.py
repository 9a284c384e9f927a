"""What an exported segmentation network answers."""

from __future__ import annotations

from torch import Tensor, nn

from vision.algorithms.semantic_segmentation.network import SegmentationNetwork
from vision.artifacts.export import BATCH, HEIGHT, WIDTH, ExportHeads, HeadOutput

# Below it a feature map has a single cell, which torch.export would take for a length that never changes.
SMALLEST_SIDE_PX = 16


class _Logits(nn.Module):
    """The decoder's logits alone, as a tuple."""

    def __init__(self, network: SegmentationNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> tuple[Tensor]:
        return (self.network(images).logits,)


def export_heads(network: SegmentationNetwork, side_px: int) -> ExportHeads:
    """Return the logits of images of any size, of which ``side_px`` x ``side_px`` pixels is an example."""
    meaning = "float32; the largest of a pixel is its class, and a softmax over the classes makes probabilities of them"
    output = HeadOutput("logits", (BATCH, network.architecture.num_classes, HEIGHT, WIDTH), meaning)
    return ExportHeads(_Logits(network), (3, side_px, side_px), (output,), smallest_side_px=SMALLEST_SIDE_PX)
