from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from vision.artifacts.export import SUFFIXES, ExportHeads, HeadOutput, Heads, export_network, write_sidecar
from vision.settings.errors import UserError

ANCHORS = torch.arange(8.0).reshape(2, 4)
OUTPUTS = (HeadOutput("logits", ("batch", 5), "five numbers"), HeadOutput("anchors", (2, 4), "always the same"))


class Network(nn.Module):
    """uint8 images -> five logits each."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 5, 3)

    def forward(self, images: Tensor) -> Tensor:
        return self.conv(images.float() / 255).mean(dim=(2, 3))


def heads(network: nn.Module) -> ExportHeads:
    torch.manual_seed(0)
    return ExportHeads(Heads(network, (ANCHORS,)).eval(), (3, 9, 11), OUTPUTS)


@pytest.mark.parametrize("format", SUFFIXES)
def test_an_export_answers_like_the_network(tmp_path: Path, format: str) -> None:
    path = tmp_path / f"model{SUFFIXES[format]}"
    subject = heads(Network())
    differences = export_network(subject, format, path)
    assert [item.output for item in differences] == ["logits", "anchors"]
    assert all(item.relative < 1e-5 for item in differences)
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]
    images = torch.randint(0, 256, (5, 3, 9, 11), dtype=torch.uint8)
    with torch.no_grad():
        expected = subject.module(images)
    if format == "onnx":
        found = onnxruntime.InferenceSession(str(path)).run(None, {"images": images.numpy()})
    elif format == "torchscript":
        found = torch.jit.load(str(path))(images)
    else:
        found = torch.export.load(path).module()(images)
    for ours, theirs in zip(expected, found, strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs if format == "onnx" else theirs.detach().numpy(), atol=1e-6)


def test_a_batch_that_is_not_free_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"3 images with logits of shape|answers 3 images"):
        export_network(_fixed(), "torchscript", tmp_path / "model.pt")
    assert list(tmp_path.iterdir()) == []


def _fixed() -> ExportHeads:
    class Sliced(Network):
        def forward(self, images: Tensor) -> Tensor:
            answer = super().forward(images)
            return answer[:2] if torch.jit.is_tracing() else answer

    return heads(Sliced())


def test_the_sidecar_says_what_goes_in_and_comes_out(tmp_path: Path) -> None:
    write_sidecar(tmp_path / "model.json", heads(Network()), OUTPUTS, {"class_names": ["a"]})
    values = json.loads((tmp_path / "model.json").read_text())
    assert values["input"]["shape"] == ["batch", 3, 9, 11]
    assert values["input"]["dtype"] == "uint8"
    assert [output["name"] for output in values["outputs"]] == ["logits", "anchors"]
    assert values["class_names"] == ["a"]


def free_heads() -> ExportHeads:
    """A network that answers each pixel of images of any size from 4 pixels on."""
    torch.manual_seed(0)
    network = nn.Sequential(_Scaled(), nn.Conv2d(3, 5, 3, padding=1)).eval()
    output = HeadOutput("logits", ("batch", 5, "height", "width"), "five numbers a pixel")
    return ExportHeads(Heads(network), (3, 9, 11), (output,), smallest_side_px=4)


class _Scaled(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return images.float() / 255


@pytest.mark.parametrize("format", SUFFIXES)
def test_a_free_size_is_checked_with_other_sizes(tmp_path: Path, format: str) -> None:
    path = tmp_path / f"model{SUFFIXES[format]}"
    (difference,) = export_network(free_heads(), format, path)
    assert difference.relative < 1e-5
    if format == "onnx":
        (found,) = onnxruntime.InferenceSession(str(path)).run(None, {"images": np.zeros((1, 3, 4, 30), np.uint8)})
        assert found.shape == (1, 5, 4, 30)


def test_a_free_size_can_be_fixed(tmp_path: Path) -> None:
    fixed = free_heads().of_size(20, 10)
    assert fixed.outputs[0].shape == ("batch", 5, 10, 20)
    export_network(fixed, "onnx", tmp_path / "model.onnx")
    (given,) = onnxruntime.InferenceSession(str(tmp_path / "model.onnx")).get_inputs()
    assert given.shape[1:] == [3, 10, 20]


def test_a_size_that_the_network_does_not_take_is_refused() -> None:
    with pytest.raises(UserError, match="takes images of 11x9 pixels alone: leave size out"):
        heads(Network()).of_size(20, 10)
    assert heads(Network()).of_size(11, 9).image_shape == (3, 9, 11)
    with pytest.raises(UserError, match=r"sides have at least 4 pixels: give size=20x4"):
        free_heads().of_size(20, 2)


def test_the_sidecar_of_a_free_size_does_not_resize(tmp_path: Path) -> None:
    subject = free_heads()
    write_sidecar(tmp_path / "model.json", subject, subject.outputs, {}, exported="model.onnx")
    values = json.loads((tmp_path / "model.json").read_text())
    assert values["input"]["shape"] == ["batch", 3, "height", "width"]
    assert not any("resize" in line for line in [*values["input"]["preparation"], *values["example"]])
