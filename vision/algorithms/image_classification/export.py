"""What an exported classifier answers."""

from __future__ import annotations

from vision.algorithms.image_classification.network import ImageClassifier
from vision.artifacts.export_heads import BATCH, ExportHeads, HeadOutput, Heads


def export_heads(network: ImageClassifier, *, multi_label: bool) -> ExportHeads:
    """The logits, before softmax or sigmoid."""
    turned = "sigmoid" if multi_label else "softmax over the classes"
    _, height, width = network.architecture.image_shape
    output = HeadOutput(
        "logits", (BATCH, network.architecture.num_classes), f"float32; a {turned} makes probabilities of them"
    )
    # A network for grey images makes them of RGB itself.
    return ExportHeads(Heads(network), (3, height, width), (output,))
