from __future__ import annotations

import io
from pathlib import Path
from typing import ClassVar

import cv2
import numpy as np
import pytest

from tests.algorithms.conformance import Channels, Conformance
from vision.cli.main import main


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
        rng = np.random.default_rng(0)
        for part in ("images", "masks"):
            (folder / part).mkdir()
        for number in range(count):
            mask = np.zeros((32, 40), np.uint8)
            top, left = rng.integers(4, 12, 2)
            mask[top : top + 14, left : left + 16] = 1
            image = rng.integers(0, 60, (32, 40, 3)) + 150 * mask[..., None]
            cv2.imwrite(str(folder / "images" / f"{number}.png"), image.astype(np.uint8))
            cv2.imwrite(str(folder / "masks" / f"{number}.png"), mask)
        return {"": str(folder / "images"), "_annotation": str(folder / "masks")}

    def check_answer(self, form: str, body: bytes, image: bytes) -> None:
        height, width = cv2.imdecode(np.frombuffer(image, np.uint8), cv2.IMREAD_COLOR).shape[:2]
        if form == "application/x-npy":
            probabilities = np.load(io.BytesIO(body))
            assert probabilities.shape == (1, 2, height, width)
            np.testing.assert_allclose(probabilities.sum(1), 1, atol=1e-5)
        elif "protobuf" in form:
            assert len(body) > 4 * 2 * height * width
        else:
            super().check_answer(form, body, image)

    def test_inspect_reads_the_channel(
        self, channels: Channels, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """It reads classes and boxes only, and says so."""
        words = [word for word in self.words(channels) if word.startswith("channels.train")]
        assert main(["inspect", *words, f"output={tmp_path / 'found'}", "workers=1"]) == 2
        assert "channel train: labels the pixels of its images by other images" in capsys.readouterr().err
