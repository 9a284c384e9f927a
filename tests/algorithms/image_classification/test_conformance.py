from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from tests.algorithms.conformance import Conformance
from tests.api.conftest import write_records


class TestImageClassification(Conformance):
    name = "image_classification"
    hyperparameters: ClassVar = {
        "num_classes": 3,
        "num_layers": 20,
        "image_shape": "3,16,16",
        "mini_batch_size": 8,
        "epochs": 12,
        "learning_rate": 0.05,
    }
    formats: ClassVar = {
        "folder": "",
        "lst": ".lst",
        "labelstudio": ".json",
        "labelme": "",
        "cvat": ".xml",
        "manifest": ".manifest",
        "recordio": ".rec",
    }

    @classmethod
    def write_images(cls, folder: Path, count: int) -> dict[str, str]:
        return {"": str(write_records(folder / "data.rec", count, seed=0))}
