"""Evaluations of labels that were worked by hand, and a reader of their images."""

from __future__ import annotations

from datetime import UTC, datetime

import cv2
import numpy as np

from tests.metrics.test_label_evaluation import of_boxes, of_images
from vision.data.sample import Sample
from vision.reports.custom_labels_files import ModelVersion
from vision.settings.errors import DataError

VERSION = ModelVersion("project", "v1", 500, datetime(2019, 11, 21, 7, 30, 23, 910943, UTC))
WIDTH_PX, HEIGHT_PX = 200, 100

__all__ = ["HEIGHT_PX", "VERSION", "WIDTH_PX", "Streamed", "Stored", "of_boxes", "of_images"]


class Streamed:
    """A channel that gives names and no images."""

    class_names = None

    def __len__(self) -> int:
        return 10

    def key(self, index: int) -> str:
        return f"a.rec record {index}"

    def target(self, index: int) -> int:
        raise DataError(self.key(index), "is gone")

    def __getitem__(self, index: int) -> Sample:
        raise DataError(self.key(index), "is gone")


class Stored(Streamed):
    """The same, of files that can be read."""

    def path(self, index: int) -> str:
        return f"photos/{index}.png"

    def __getitem__(self, index: int) -> Sample:
        encoded = cv2.imencode(".png", np.zeros((HEIGHT_PX, WIDTH_PX, 3), np.uint8))[1].tobytes()
        return Sample(encoded, 0, self.key(index))
