"""The evaluation manifest: a Ground Truth line for each image, with what was found beside what is true.

Source: sagemaker-contract, section 10.2, and AWS's example of the file.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from vision.data.image_codec import image_size
from vision.data.sample import Located, Reader
from vision.files.atomic_file import AtomicFile
from vision.metrics.label_evaluation import LabelEvaluation


def write_manifest(path: Path, labels: LabelEvaluation, timestamp: str, reader: Reader) -> None:
    """Write the manifest, or raise DataError and leave no file if an image that is needed cannot be read again.

    What is neither true nor assigned has no entry. A missed object has its detection below the threshold, or its own
    box with confidence 0.
    """
    with AtomicFile(path) as file:
        for line in manifest_lines(labels, timestamp, reader):
            file.write(json.dumps(line) + "\n")


def manifest_lines(labels: LabelEvaluation, timestamp: str, reader: Reader) -> Iterator[dict[str, Any]]:
    """Yield one JSON object for each image, in the reader's order."""
    image = labels.decisions.image
    ends = np.searchsorted(image, [labels.image_indices, labels.image_indices + 1]).T
    for index, (first, last) in zip(labels.image_indices.tolist(), ends.tolist(), strict=True):

        def size_px(index: int = index) -> tuple[int, int]:
            sample = reader[index]
            return image_size(sample.encoded, sample.key)

        rows = range(first, last)
        yield {"source-ref": source_ref(reader, index), **labels.annotate(labels, index, rows, timestamp, size_px)}


def source_ref(reader: Reader, index: int) -> str:
    """Return the image's path if it is a file, else the name of its record."""
    return str(reader.path(index)) if isinstance(reader, Located) else reader.key(index)
