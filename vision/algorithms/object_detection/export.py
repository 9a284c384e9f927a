"""What an exported detector answers: raw heads, and in ONNX also the detections themselves."""

from __future__ import annotations

from functools import partial

from vision.algorithms.object_detection.network import SSD
from vision.algorithms.object_detection.onnx_detections import append_detections
from vision.algorithms.object_detection.predictions import DetectionSettings
from vision.artifacts.export_heads import BATCH, ExportHeads, HeadOutput, Heads


def export_heads(network: SSD, settings: DetectionSettings) -> ExportHeads:
    """Logits, offsets and the anchors to which they belong."""
    anchors = network.anchors.boxes_xyxy_unit
    count, num_classes = len(anchors), network.architecture.num_classes + 1
    side = network.architecture.image_shape
    rows = min(settings.max_candidates or count, count)
    return ExportHeads(
        module=Heads(network, (anchors,)),
        image_shape=(3, side, side),
        outputs=(
            HeadOutput(
                "class_logits",
                (BATCH, count, num_classes),
                "float32; a softmax over the last axis makes probabilities of them; class 0 is background",
            ),
            HeadOutput(
                "box_offsets",
                (BATCH, count, 4),
                "float32; x, y, width and height from the anchor, divided by the variances 0.1, 0.1, 0.2, 0.2:"
                " centres in anchor sizes, sizes as logarithms of the ratio",
            ),
            HeadOutput("anchors", (count, 4), "float32; x_min, y_min, x_max, y_max as fractions of the image"),
        ),
        append_pipeline=partial(append_detections, settings=settings),
        pipeline_outputs=(
            HeadOutput(
                "detections",
                (BATCH, rows, 6),
                "float32 rows class, score, x_min, y_min, x_max, y_max (fractions of the image) by descending score;"
                " class is -1 in rows that hold nothing",
            ),
        ),
    )
