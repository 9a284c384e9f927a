from __future__ import annotations

import io
from pathlib import Path
from typing import ClassVar

import cv2
import numpy as np

from tests.algorithms.conformance import Channels, Conformance
from tests.algorithms.mask_images import write_mask_images
from vision.algorithms.semantic_segmentation.response import RECORD_FORMS
from vision.api import RunResult
from vision.api.evaluation import evaluate_stored
from vision.artifacts.model_folder import StoredModel, load_model
from vision.settings.channels import parse_channels
from vision.settings.run import RunSettings


class TestSemanticSegmentation(Conformance):
    name = "semantic_segmentation"
    hyperparameters: ClassVar = {
        "num_classes": 2,
        "backbone": "resnet-18",
        "use_pretrained_model": False,
        "base_size": 32,
        "crop_size": 32,
        "mini_batch_size": 4,
        "validation_mini_batch_size": 4,
        "optimizer": "adam",
        "learning_rate": 0.001,
        # The rate of the other schedules depends on the number of epochs.
        "lr_scheduler": "step",
        "lr_scheduler_step": "19",
        "epochs": 20,
    }
    good = 0.9
    shared = "validation_"
    formats: ClassVar = {}

    @classmethod
    def write_images(cls, folder: Path, count: int) -> dict[str, str]:
        return write_mask_images(folder, count, (32, 40), (14, 16), (4, 12))

    def check_answer(self, form: str, body: bytes, image: bytes) -> None:
        height, width = cv2.imdecode(np.frombuffer(image, np.uint8), cv2.IMREAD_COLOR).shape[:2]
        if form == "application/x-npy":
            probabilities = np.load(io.BytesIO(body))
            assert probabilities.shape == (1, 2, height, width)
            np.testing.assert_allclose(probabilities.sum(1), 1, atol=1e-5)
        elif form in RECORD_FORMS:
            assert len(body) > 4 * 2 * height * width
        else:
            super().check_answer(form, body, image)

    def test_whole_images_are_measured_beside_crops(self, channels: Channels, trained: RunResult) -> None:
        """The figure under another name is that of a model which validates whole images."""
        assert trained.metrics["whole_images_mIOU"] != trained.metrics["mIOU"]
        stored = load_model(trained.folder.model)
        whole = replace_setting(stored, validation_mini_batch_size="1")
        given = parse_channels({name: held for name, held in channels.items() if name.startswith("validation")})
        found = evaluate_stored(whole, given, RunSettings.parse({"device": "cpu"}))
        assert found.metrics["mIOU"] == trained.metrics["whole_images_mIOU"]
        assert "whole_images_mIOU" not in found.metrics


def replace_setting(stored: StoredModel, **settings: str) -> StoredModel:
    """Return a stored model with other hyperparameters."""
    return stored.model_copy(update={"hyperparameters": {**stored.hyperparameters, **settings}})
