"""The evaluation manifest, of labels worked by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.reports.label_cases import VERSION, Stored, Streamed, of_boxes, of_images
from vision.data.readers.manifest import ManifestReader
from vision.metrics.label_annotations import DETAILS
from vision.reports.custom_labels_manifest import manifest_lines, write_manifest
from vision.settings.errors import DataError

TRUTH, FOUND = "rekognition-custom-labels-training", "rekognition-custom-labels-evaluation"


def verdicts(details: dict[str, Any]) -> list[str]:
    return [name.removeprefix("is-") for name, value in details.items() if value is True]


def test_labels_of_an_image_as_in_the_example_of_aws() -> None:
    lines = list(manifest_lines(of_images([0.5] * 3), VERSION.timestamp, Streamed()))
    assert lines[0] == {
        "source-ref": "a.rec record 3",
        f"{TRUTH}-0": 0,
        f"{TRUTH}-0-metadata": {
            "confidence": 1.0,
            "job-name": f"{TRUTH}-job",
            "class-name": "cat",
            "human-annotated": "yes",
            "creation-date": "2019-11-21T07:30:23.910943",
            "type": "groundtruth/image-classification",
        },
        f"{FOUND}-0": 0,
        f"{FOUND}-0-metadata": {
            "confidence": 0.9,
            "job-name": f"{FOUND}-job",
            "class-name": "cat",
            "human-annotated": "no",
            "creation-date": "2019-11-21T07:30:23.910943",
            "type": "groundtruth/image-classification",
            DETAILS: {
                "version": 1,
                "ground-truth-labelling-jobs": [f"{TRUTH}-job"],
                "is-true-positive": True,
                "is-true-negative": False,
                "is-false-positive": False,
                "is-false-negative": False,
                "is-present-in-ground-truth": True,
            },
        },
    }
    assert len(lines) == 4
    of_second = [(name, lines[1][f"{FOUND}-{n}-metadata"]) for n, name in enumerate(("cat", "dog"))]
    assert [(metadata["class-name"], *verdicts(metadata[DETAILS])) for _, metadata in of_second] == [
        ("cat", "false-positive"),
        ("dog", "false-negative", "present-in-ground-truth"),
    ]


def test_boxes_in_pixels() -> None:
    first, second = manifest_lines(of_boxes([0.5] * 3), VERSION.timestamp, Stored())
    assert (first["source-ref"], second["source-ref"]) == ("photos/4.png", "photos/9.png")
    size = [{"width": 200, "height": 100, "depth": 3}]
    assert first[f"{TRUTH}-0"] == {
        "annotations": [
            {"class_id": 0, "left": 20, "top": 10, "width": 80, "height": 35},
            {"class_id": 1, "left": 120, "top": 60, "width": 60, "height": 30},
        ],
        "image_size": size,
    }
    assert first[f"{TRUTH}-0-metadata"]["class-map"] == {"0": "cat", "1": "dog"}
    assert first[f"{TRUTH}-0-metadata"]["objects"] == [{"confidence": 1.0}] * 2
    assert first[FOUND]["annotations"][0] == {"class_id": 0, "left": 20, "top": 10, "width": 80, "height": 40}
    objects = [*first[f"{FOUND}-metadata"]["objects"], *second[f"{FOUND}-metadata"]["objects"]]
    assert [(found["confidence"], *verdicts(found[DETAILS])) for found in objects] == [
        (pytest.approx(0.9), "true-positive", "present-in-ground-truth"),
        (pytest.approx(0.6), "false-positive"),
        # Found below the threshold, and not found at all.
        (pytest.approx(0.3), "false-negative", "present-in-ground-truth"),
        (0.0, "false-negative", "present-in-ground-truth"),
    ]


def test_lines_are_read_as_a_channel(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    for index in (4, 9):
        (tmp_path / "photos" / f"{index}.png").write_bytes(Stored()[index].encoded)
    path = tmp_path / "evaluation.manifest"
    write_manifest(path, of_boxes(), VERSION.timestamp, Stored())
    reader = ManifestReader(path, ("source-ref", f"{TRUTH}-0"))
    assert [reader.path(index) for index in range(len(reader))] == ["photos/4.png", "photos/9.png"]
    target = reader.target(0)
    assert isinstance(target, dict)
    assert target["annotations"] == json.loads(path.read_text().splitlines()[0])[f"{TRUTH}-0"]["annotations"]


def test_a_stream_leaves_no_half_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is gone"):
        write_manifest(tmp_path / "evaluation.manifest", of_boxes(), VERSION.timestamp, Streamed())
    assert list(tmp_path.iterdir()) == []
