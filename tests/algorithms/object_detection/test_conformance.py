from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import pytest

from tests.algorithms.conformance import Conformance
from tests.algorithms.object_detection.small_detector import use_small_networks, write_scenes


class TestObjectDetection(Conformance):
    name = "object_detection"
    hyperparameters: ClassVar = {
        "num_classes": 2,
        "base_network": "resnet-18",
        "use_pretrained_model": 0,
        "mini_batch_size": 8,
        "epochs": 30,
        "optimizer": "adam",
        "learning_rate": 0.003,
    }
    formats: ClassVar = {
        "coco": ".json",
        "voc": "",
        "labelstudio": ".json",
        "labelme": "",
        "cvat": ".xml",
        "annotation_json": "",
        "manifest": ".manifest",
        "recordio": ".rec",
    }

    @classmethod
    def prepare(cls, patch: pytest.MonkeyPatch) -> None:
        use_small_networks(patch)

    @classmethod
    def write_images(cls, folder: Path, count: int) -> dict[str, str]:
        return {"": str(write_scenes(folder / "data.rec", count, seed=0))}
