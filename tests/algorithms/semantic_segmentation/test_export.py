"""Exports of every decoder, whose sizes of images are free, by ONNX Runtime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from vision.algorithms.semantic_segmentation.architecture import read_architecture
from vision.algorithms.semantic_segmentation.export import export_heads
from vision.algorithms.semantic_segmentation.network import SegmentationNetwork, build_network
from vision.artifacts.export import export_network


def network(algorithm: str) -> SegmentationNetwork:
    torch.manual_seed(0)
    return build_network(read_architecture({"algorithm": algorithm, "backbone": "resnet-18", "num_classes": 3})).eval()


@pytest.mark.parametrize("algorithm", ["fcn", "psp", "deeplab"])
def test_onnx_answers_images_of_any_size(algorithm: str, tmp_path: Path) -> None:
    subject = network(algorithm)
    export_network(export_heads(subject, 64), "onnx", tmp_path / "model.onnx")
    images = torch.randint(0, 256, (2, 3, 41, 90), dtype=torch.uint8)
    session = onnxruntime.InferenceSession(str(tmp_path / "model.onnx"))
    (found,) = session.run(None, {"images": images.numpy()})
    with torch.no_grad():
        expected = subject(images).logits.numpy()
    np.testing.assert_allclose(found, expected, atol=1e-3 * np.abs(expected).max())


def test_a_size_can_be_fixed(tmp_path: Path) -> None:
    (difference,) = export_network(export_heads(network("psp"), 64).of_size(90, 41), "onnx", tmp_path / "model.onnx")
    assert difference.relative < 1e-3
    session = onnxruntime.InferenceSession(str(tmp_path / "model.onnx"))
    assert session.get_inputs()[0].shape[1:] == [3, 41, 90]


def test_torch_export_takes_any_size_from_the_smallest(tmp_path: Path) -> None:
    subject = network("deeplab")
    export_network(export_heads(subject, 64), "torch_export", tmp_path / "model.pt2")
    images = torch.randint(0, 256, (1, 3, 16, 75), dtype=torch.uint8)
    with torch.no_grad():
        (found,) = torch.export.load(tmp_path / "model.pt2").module()(images)
        torch.testing.assert_close(found, subject(images).logits, rtol=1e-3, atol=1e-3)
