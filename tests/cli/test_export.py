from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime
import pytest
from PIL import Image

from tests.interop.models import SSD_RESNET, write_model
from vision.cli.main import main


def test_a_foreign_archive_as_onnx(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_model(tmp_path / "theirs")
    path = tmp_path / "new" / "flowers.onnx"
    words = ["export", f"model={tmp_path / 'theirs'}", "format=onnx", f"output={path}"]
    assert main(words) == 0
    assert "logits: differs from the model by at most" in capsys.readouterr().out
    described = json.loads(path.with_suffix(".json").read_text())
    assert described["outputs"][0]["shape"] == ["batch", 3]
    assert described["preprocessing"]["mean"] == [0.0, 0.0, 0.0]
    session = onnxruntime.InferenceSession(str(path))
    assert session.run(None, {"images": np.zeros((4, 3, 28, 28), np.uint8)})[0].shape == (4, 3)
    assert main(words) == 2
    assert "exists already" in capsys.readouterr().err


def test_a_detector_with_its_detections(tmp_path: Path) -> None:
    path = tmp_path / "ssd.onnx"
    assert main(["export", f"model={SSD_RESNET}", "format=onnx", f"output={path}", "nms=true"]) == 0
    described = json.loads(path.with_suffix(".json").read_text())
    assert [output["name"] for output in described["outputs"]] == ["detections"]
    images = np.load(SSD_RESNET / "image_uint8_nhwc_rgb.npy").transpose(0, 3, 1, 2)
    (found,) = onnxruntime.InferenceSession(str(path)).run(None, {"images": np.ascontiguousarray(images)})
    expected = np.load(SSD_RESNET / "expected_inference.npz")["detection"]
    for ours, theirs in zip(found, expected, strict=True):
        ours, theirs = ours[ours[:, 0] >= 0], theirs[theirs[:, 0] >= 0]
        assert abs(len(ours) - len(theirs)) <= 1
        distances = np.abs(theirs[:, None] - ours[None]).max(axis=2).min(axis=1)
        assert np.sort(distances)[-2] < 2e-3


@pytest.mark.parametrize("kind", ["classifier", "detector"])
def test_the_example_of_the_description_answers_as_predict(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a photo that EXIF turns, so that order, turning and resizing all show."""
    monkeypatch.chdir(tmp_path)
    model = SSD_RESNET
    if kind != "detector":
        model = tmp_path / "theirs"
        write_model(model)
    pixels = cv2.resize(np.random.default_rng(0).integers(0, 256, (9, 16, 3), np.uint8), (331, 123))
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(pixels).save("image.jpg", quality=95, exif=exif)
    assert main(["export", f"model={model}", "format=onnx", "output=net.onnx", f"nms={kind == 'detector'}"]) == 0
    assert main(["predict", f"model={model}", "image.jpg", "output=p.jsonl", "run.device=cpu"]) == 0
    expected = np.array(json.loads(Path("p.jsonl").read_text())["prediction"])
    example = json.loads(Path("net.json").read_text())["example"]
    assert len(example) == 6
    found: dict[str, Any] = {}
    exec("\n".join(example), found)
    (answer,) = (output[0] for output in found["outputs"])
    if kind == "detector":
        rows = answer[answer[:, 0] >= 0]
        assert len(rows) == len(expected) > 0
        # Neighbours of nearly equal scores may have changed places.
        assert np.abs(rows[:, None] - expected[None]).max(axis=2).min(axis=1).max() < 1e-4
    else:
        chances = np.exp(answer - answer.max())
        np.testing.assert_allclose(chances / chances.sum(), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("words", "sentences"),
    [
        ([], ["format is ''", "model is required"]),
        (["format=tflite", "model=nowhere"], ["must be one of onnx, torch_export", "does not exist"]),
        (["format=onnx", "model=/"], ["Setting model is '/': / is no model (it holds"]),
        (["format=torchscript", "model=.", "nms=perhaps"], ["nms is 'perhaps'"]),
        (["format=torchscript", "model=.", "nms=true"], ["raw heads only"]),
        (["format=onnx", "model=.", "size=640"], ["size is '640': give width and height, such as size=640x480"]),
    ],
)
def test_sentences(
    words: list[str],
    sentences: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "model.tar.gz").write_bytes(b"\x1f\x8b")
    monkeypatch.chdir(tmp_path)
    assert main(["export", *words]) == 2
    shown = capsys.readouterr().err
    assert all(sentence in shown for sentence in sentences)
