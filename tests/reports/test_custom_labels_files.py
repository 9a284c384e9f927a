"""The files of Custom Labels: names, and the summary in its schema, of labels worked by hand."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.reports.label_cases import VERSION, Stored, Streamed, of_boxes, of_images
from vision.data.readers.manifest import ManifestReader
from vision.metrics.evaluation import Evaluation
from vision.metrics.label_evaluation import DETAILS, evaluate_image_labels
from vision.reports.custom_labels_files import (
    ModelVersion,
    confusion_shares,
    manifest_lines,
    run_name,
    summary,
    write_label_files,
    write_manifest,
    write_summary,
)
from vision.settings.errors import DataError


def test_summary_of_images() -> None:
    # Cats are assigned to images 3, 5, 6 (true: 3, 6), dogs to 5, 6, 8 (true: 5, 8).
    assert summary(of_images([0.3, None, None]), VERSION) == {
        "Version": 1,
        "EvaluationDetails": {
            "ProjectVersionArn": VERSION.arn,
            "EvaluationEndTimestamp": "2019-11-21T07:30:23.910943",
            "Labels": ["cat", "dog", "owl"],
            "NumberOfTrainingImages": 500,
            "NumberOfTestingImages": 4,
        },
        "AggregatedEvaluationResults": {
            "Precision": pytest.approx(2 / 3),
            "Recall": 1.0,
            "F1Score": pytest.approx(0.8),
            "ConfusionMatrix": [
                {"GroundTruthLabel": "cat", "PredictedLabel": "cat", "Value": 1.0},
                {"GroundTruthLabel": "cat", "PredictedLabel": "dog", "Value": 0.5},
                {"GroundTruthLabel": "cat", "PredictedLabel": "owl", "Value": 0.0},
                {"GroundTruthLabel": "dog", "PredictedLabel": "cat", "Value": 0.5},
                {"GroundTruthLabel": "dog", "PredictedLabel": "dog", "Value": 1.0},
                {"GroundTruthLabel": "dog", "PredictedLabel": "owl", "Value": 0.0},
            ],
        },
        "LabelEvaluationResults": [
            {
                "Label": name,
                "NumberOfTestingImages": 2,
                "Metrics": {
                    "Threshold": pytest.approx(threshold),
                    "Precision": pytest.approx(2 / 3),
                    "Recall": 1.0,
                    "F1Score": pytest.approx(0.8),
                },
            }
            for name, threshold in (("cat", 0.3), ("dog", 0.2))
        ],
    }


def test_labels_by_falling_f1_and_a_precision_of_nothing_is_0() -> None:
    results = summary(of_images([1.0, 0.2, 0.5]), VERSION)["LabelEvaluationResults"]
    assert [result["Label"] for result in results] == ["dog", "cat"]
    assert results[1]["Metrics"] == {"Threshold": 1.0, "Precision": 0.0, "Recall": 0.0, "F1Score": 0.0}


def test_boxes_have_averages_in_place_of_confusions() -> None:
    found = summary(of_boxes(), VERSION)
    # Recall 1/3 at precision 1, 2/3 at 2/3; two of three cats are reached at all.
    assert found["AggregatedEvaluationResults"] == {
        "Precision": pytest.approx(2 / 3),
        "Recall": pytest.approx(2 / 3),
        "F1Score": pytest.approx(2 / 3),
        "AveragePrecision": pytest.approx(1 / 3 + 1 / 3 * 2 / 3),
        "AverageRecall": pytest.approx(2 / 3),
    }
    (cat,) = found["LabelEvaluationResults"]
    assert (cat["Label"], cat["NumberOfTestingImages"]) == ("cat", 2)


def test_what_an_image_has_too_is_no_confusion() -> None:
    truth = np.array([[1, 1, 0], [1, 0, 0]], bool)
    found = evaluate_image_labels(
        np.array([[0.9, 0.8, 0.7], [0.1, 0.6, 0.2]]), truth, ("a", "b", "c"), np.arange(2), [0.5] * 3
    )
    np.testing.assert_array_equal(confusion_shares(found), [[0.5, 0.5, 0.5], [0, 1, 1], [0, 0, 0]])


def test_file(tmp_path: Path) -> None:
    path = write_summary(tmp_path, of_images(), VERSION)
    assert path.name == "EvaluationSummary-project-v1.json"
    assert json.loads(path.read_text()) == summary(of_images(), VERSION)
    assert list(tmp_path.iterdir()) == [path]


def test_both_files_or_a_sentence(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    evaluation = Evaluation(2, {}, ("cat", "dog", "owl"), labels=of_boxes())
    names = ["EvaluationSummary-project-v1.json", "EvaluationManifest-project-v1.manifest"]
    written = write_label_files(tmp_path, evaluation, VERSION, Stored())
    assert [path.name for path in written] == names
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)
    with caplog.at_level(logging.WARNING):
        assert write_label_files(tmp_path, evaluation, VERSION, Streamed()) == written[:1]
    assert "the evaluation manifest was not written: a.rec record 4: is gone" in caplog.text


def test_an_evaluation_without_labels_leaves_no_files(tmp_path: Path) -> None:
    assert write_label_files(tmp_path, Evaluation(2, {}, ("cat", "dog")), VERSION, Stored()) == []
    assert list(tmp_path.iterdir()) == []


def test_names_are_those_that_custom_labels_would_take() -> None:
    moment = datetime(2019, 11, 21, 8, 30, 23, 910943, timezone(timedelta(hours=1)))
    version = ModelVersion("image-classification", "v0", 500, moment)
    assert version.timestamp == "2019-11-21T07:30:23.910943"
    assert version.arn == (
        "arn:aws:rekognition:local:000000000000:project/image-classification/version/v0/1574321423911"
    )
    assert version.file_stem == "image-classification-v0"


@pytest.mark.parametrize(("name", "expected"), [("my run/2: ü", "my-run-2"), ("..", "model"), ("a_b.c-1", "a_b.c-1")])
def test_other_characters_become_hyphens(name: str, expected: str) -> None:
    version = ModelVersion.now("object_detection", name, 1)
    assert (version.project, version.version) == ("object-detection", expected)
    assert (datetime.now(UTC) - version.evaluated_at).total_seconds() >= 0


@pytest.mark.parametrize("form", ["runs/first", "runs/first/model", "runs/first/model.tar.gz", "first.tar.gz"])
def test_a_run_has_one_name_whatever_part_is_named(form: str) -> None:
    assert run_name(Path(form)) == "first"


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
