from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import cv2
import numpy as np
import pytest

from tests.algorithms.conformance import Channels, Conformance
from vision import algorithms
from vision.cli.main import main


class TestToy(Conformance):
    name = "toy"
    hyperparameters: ClassVar = {"num_classes": 2, "epochs": 20}
    formats: ClassVar = {}

    @classmethod
    def prepare(cls, patch: pytest.MonkeyPatch) -> None:
        patch.setattr(algorithms, "__path__", [*algorithms.__path__, str(Path(__file__).parent)])

    @classmethod
    def write_images(cls, folder: Path, count: int) -> dict[str, str]:
        rng = np.random.default_rng(0)
        for part in ("images", "masks"):
            (folder / part).mkdir()
        for number in range(count):
            mask = np.zeros((20, 24), np.uint8)
            top, left = rng.integers(0, 10, 2)
            mask[top : top + 9, left : left + 12] = 1
            image = rng.integers(0, 60, (20, 24, 3)) + 150 * mask[..., None]
            cv2.imwrite(str(folder / "images" / f"{number}.png"), image.astype(np.uint8))
            cv2.imwrite(str(folder / "masks" / f"{number}.png"), mask)
        return {"": str(folder / "images"), "_annotation": str(folder / "masks")}

    def test_inspect_reads_the_channel(
        self, channels: Channels, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """It reads classes and boxes only, and says so without a byte of the mask."""
        words = [word for word in self.words(channels) if word.startswith("channels.train")]
        assert main(["inspect", *words, f"output={tmp_path / 'found'}", "workers=1"]) == 2
        said = capsys.readouterr().err
        assert "channel train: labels the pixels of its images by other images" in said
        assert "PNG" not in said
