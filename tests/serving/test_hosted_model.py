"""What a hosted model answers, with its network prepared for the processor and as it was stored."""

from __future__ import annotations

import asyncio
import io
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, features
from torch import nn

from tests.algorithms.object_detection.small_detector import small_plan
from tests.serving.small_model import picture, write_any_model
from vision.serving.hosted_model import HostedModel
from vision.serving.hosted_network import SharedResources
from vision.serving.metrics import Metrics
from vision.serving.request_body import EncodedImage
from vision.serving.settings import ServingSettings

IMAGES = [EncodedImage(picture(seed), f"picture {seed}") for seed in range(3)]
# Algorithm, hyperparameters, plan if not theirs, batch normalisations left after folding.
CASES: dict[str, tuple[str, dict[str, Any], dict[str, Any] | None, int]] = {
    "resnet": ("image_classification", {"num_layers": 18, "image_shape": "3,40,40"}, None, 0),
    "preact_resnet, grey": ("image_classification", {"num_layers": 20, "image_shape": "1,28,28"}, None, 1 + 9 + 1),
    "preact_resnet, ssd": ("object_detection", {}, small_plan().model_dump(mode="json"), 1 + 4),
}


@pytest.mark.parametrize("case", CASES)
def test_a_prepared_network_answers_as_the_stored_one(case: str, tmp_path: Path) -> None:
    name, values, plan, left = CASES[case]
    folder = write_any_model(tmp_path / "model", name, values, plan)

    def answers(prepack: bool) -> tuple[HostedModel, list[Any]]:
        settings = ServingSettings.parse({"model": folder, "device": "cpu", "prepack": prepack, "threads": 2})
        hosted = HostedModel.load(folder, SharedResources(settings, Metrics()))
        found = asyncio.run(hosted.answer(IMAGES, "application/jsonlines"))
        hosted.close()
        return hosted, [json.loads(answer.body)["prediction"] for answer in found]

    plain, expected = answers(prepack=False)
    prepared, found = answers(prepack=True)
    assert len(expected) == len(IMAGES)
    for one, other in zip(found, expected, strict=True):
        assert [row for row in one] == [pytest.approx(row, abs=1e-5) for row in other]
    assert not any(isinstance(module, nn.Conv2d) for module in prepared.model.network.modules())
    assert sum(isinstance(module, nn.BatchNorm2d) for module in prepared.model.network.modules()) == left
    assert prepared.bytes == plain.bytes


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow does not read AVIF")
def test_an_image_of_another_process_answers_beside_usual_ones(tmp_path: Path) -> None:
    folder = write_any_model(tmp_path / "model", "image_classification", {"num_layers": 18, "image_shape": "3,40,40"})
    hosted = HostedModel.load(
        folder, SharedResources(ServingSettings.parse({"model": folder, "device": "cpu"}), Metrics())
    )
    buffer = io.BytesIO()
    Image.open(io.BytesIO(IMAGES[0].encoded)).convert("RGB").save(buffer, "AVIF")
    images = [EncodedImage(buffer.getvalue(), "the AVIF"), IMAGES[1], EncodedImage(buffer.getvalue()[:-9], "the rest")]
    answers = asyncio.run(hosted.answer(images, "application/jsonlines"))
    hosted.close()
    assert [answer.problem is None for answer in answers] == [True, True, False]
    assert "the rest: the AVIF image" in str(answers[2].problem)
