"""Models that answer on the device: loaded, served in batches, exported, searched with; as they do on the CPU."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.algorithms.object_detection.small_detector import small_plan
from tests.serving.small_model import picture, write_any_model
from vision.api.export import export
from vision.api.model import load
from vision.retrieval.embedding_model import Content, Embedded, EmbeddingModel
from vision.serving.hosted_model import HostedModel
from vision.serving.hosted_network import SharedResources
from vision.serving.metrics import Metrics
from vision.serving.request_body import EncodedImage
from vision.serving.settings import ServingSettings
from vision.settings.run import RunSettings

MAX_BATCH, IMAGES = 8, 20
MODELS: dict[str, tuple[str, dict[str, Any], dict[str, Any] | None]] = {
    "resnet-18": ("image_classification", {"num_layers": 18, "image_shape": "3,40,40"}, None),
    "ssd, narrow": ("object_detection", {}, small_plan().model_dump(mode="json")),
}
# Of probabilities and unit coordinates: TF32 and cuDNN's choice of kernels.
TOLERANCE = 5e-3


@pytest.mark.parametrize("name", MODELS)
def test_a_server_answers_as_the_cpu_does(
    name: str, device: torch.device, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many requests at once, gathered into batches; and before them a full batch, so that the memory is known to do."""
    folder = write_any_model(tmp_path / "model", *MODELS[name])
    sizes: list[int] = []
    predict = HostedModel._predict

    def noted(self: HostedModel, images: list[np.ndarray], cores: int) -> list[Any]:
        sizes.append(len(images))
        return predict(self, images, cores)

    monkeypatch.setattr(HostedModel, "_predict", noted)
    settings = {"model": folder, "device": device.type, "max_batch": MAX_BATCH, "max_wait_ms": 200, "threads": 1}
    images = [EncodedImage(picture(seed), f"picture {seed}") for seed in range(IMAGES)]

    def answers(**given: Any) -> list[Any]:
        hosted = HostedModel.load(folder, SharedResources(ServingSettings.parse({**settings, **given}), Metrics()))
        try:
            found = asyncio.run(hosted.answer(images, "application/jsonlines"))
        finally:
            hosted.close()
        return [json.loads(answer.body)["prediction"] for answer in found]

    found = answers()
    warm_up = [1, MAX_BATCH] if device.type == "cuda" else [1]
    assert sizes[: len(warm_up)] == warm_up
    assert max(sizes[len(warm_up) :]) > 1 and sum(sizes[len(warm_up) :]) == IMAGES
    expected = answers(device="cpu", prepack=False)
    for one, other in zip(found, expected, strict=True):
        if name == "resnet-18":
            assert one == pytest.approx(other, abs=TOLERANCE)
        else:
            # Equal scores may change places; how many there are and how sure the best is may not.
            assert abs(len(one) - len(other)) <= max(2, len(other) // 20)
            assert one[0][1] == pytest.approx(other[0][1], abs=TOLERANCE)


@pytest.mark.parametrize("name", MODELS)
def test_an_export_is_the_network_on_the_device(name: str, device: torch.device, tmp_path: Path) -> None:
    folder = write_any_model(tmp_path / "model", *MODELS[name])
    there = load(folder, RunSettings.parse({"device": device.type}))
    assert next(there.network.parameters()).device.type == device.type
    exported = export(folder, "torchscript", tmp_path / "network.pt")
    pixels = np.stack([there.prepare(picture(seed), "picture").pixels for seed in range(3)])
    images = torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous()
    module = there.algorithm.export_heads(there.network, there.hyperparameters).module.to(device)
    with torch.inference_mode():
        found, expected = torch.jit.load(exported.files[0])(images), module(images.to(device))
    assert len(found) == len(expected) > 0
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other.cpu(), rtol=TOLERANCE, atol=TOLERANCE)


def test_masks_are_the_cpus(device: torch.device, tmp_path: Path) -> None:
    """Of images of several sizes at once."""
    given = {"backbone": "resnet-18", "use_pretrained_model": 0}
    folder = write_any_model(tmp_path / "model", "semantic_segmentation", given)
    pictures = [picture(seed, width=48 + 8 * (seed % 2)) for seed in range(4)]
    there, here = (load(folder, RunSettings.parse({"device": name})) for name in (device.type, "cpu"))
    assert next(there.network.parameters()).device.type == device.type
    for found, expected in zip(there.predict(pictures), here.predict(pictures), strict=True):
        np.testing.assert_allclose(found.probabilities(), expected.probabilities(), atol=TOLERANCE)
        # Where two classes are equally probable, rounding decides.
        assert (found.ids == expected.ids).mean() > 0.98


@pytest.mark.parametrize("name", [*MODELS, "fcn"])
def test_vectors_are_the_cpus(name: str, device: torch.device, tmp_path: Path) -> None:
    """What a search compares, and a choice of images to label."""
    fcn = ("semantic_segmentation", {"backbone": "resnet-18", "use_pretrained_model": 0}, None)
    folder = write_any_model(tmp_path / "model", *MODELS.get(name, fcn))
    contents = [Content(f"picture {seed}", picture(seed)) for seed in range(5)]
    contents.insert(2, Content("broken", b"no image"))

    def vectors(where: str) -> list[Embedded]:
        return list(EmbeddingModel.open(str(folder), RunSettings.parse({"device": where})).embed(contents))

    for found, expected in zip(vectors(device.type), vectors("cpu"), strict=True):
        assert found.name == expected.name
        if found.name == "broken":
            assert found.vector == expected.vector
        else:
            np.testing.assert_allclose(found.vector, expected.vector, atol=TOLERANCE)
