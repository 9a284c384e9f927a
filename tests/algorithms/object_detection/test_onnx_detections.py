from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
import torch
from onnx import ModelProto, helper

from vision.algorithms.object_detection.export import append_detections
from vision.algorithms.object_detection.predictions import DetectionSettings, detect

ANCHORS, CLASSES = 500, 4
SHAPES = {"class_logits": ["n", ANCHORS, CLASSES], "box_offsets": ["n", ANCHORS, 4], "anchors": [ANCHORS, 4]}


def raw_heads() -> ModelProto:
    """A model that hands on its inputs as raw heads."""
    inputs = [helper.make_tensor_value_info(f"in_{name}", 1, shape) for name, shape in SHAPES.items()]
    outputs = [helper.make_tensor_value_info(name, 1, shape) for name, shape in SHAPES.items()]
    nodes = [helper.make_node("Identity", [f"in_{name}"], [name]) for name in SHAPES]
    graph = helper.make_graph(nodes, "raw", inputs, outputs)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


@pytest.mark.parametrize(
    "settings",
    [
        DetectionSettings(),
        DetectionSettings(max_candidates=100, nms_threshold=0.3),
        DetectionSettings(is_class_agnostic=True),
        DetectionSettings(nms_threshold=None, clip=False, max_candidates=None),
        DetectionSettings(score_threshold=0.999999),
    ],
)
def test_detections_are_those_of_predict(settings: DetectionSettings) -> None:
    torch.manual_seed(0)
    logits, offsets = torch.randn(3, ANCHORS, CLASSES) * 2, torch.randn(3, ANCHORS, 4)
    # Beside the image, or without extent: no detections.
    offsets[:, ::5, :2] += 60.0
    offsets[:, 1::5, 2 + torch.arange(3) % 2] = -90.0
    centre, size = torch.rand(ANCHORS, 2), torch.rand(ANCHORS, 2) * 0.3 + 0.02
    anchors = torch.cat([centre - size / 2, centre + size / 2], dim=1)
    expected = detect(logits, offsets, anchors, settings)
    session = onnxruntime.InferenceSession(append_detections(raw_heads(), settings).SerializeToString())
    values = {"in_class_logits": logits, "in_box_offsets": offsets, "in_anchors": anchors}
    (found,) = session.run(None, {name: value.numpy() for name, value in values.items()})
    assert found.shape == (3, min(settings.max_candidates or ANCHORS, ANCHORS), 6)
    for image, rows in enumerate(found):
        kept = rows[rows[:, 0] >= 0]
        count = int((expected.labels[image] >= 0).sum())
        assert kept[:, 0].tolist() == expected.labels[image, :count].tolist()
        np.testing.assert_allclose(kept[:, 1], expected.scores[image, :count], atol=1e-6)
        np.testing.assert_allclose(kept[:, 2:], expected.boxes_xyxy_unit[image, :count], atol=1e-5)
        assert (rows[rows[:, 0] < 0] == -1).all()
