from __future__ import annotations

import json
import re

from vision.algorithms.semantic_segmentation.facts import FACTS
from vision.algorithms.semantic_segmentation.hyperparameters import SemanticSegmentationHyperparameters
from vision.algorithms.semantic_segmentation.log_lines import SegmentationLogLines
from vision.training.log_lines import BatchReport, EpochReport

GIVEN = SemanticSegmentationHyperparameters.parse({"num_classes": 21, "num_training_samples": 1464})
TRAINED = EpochReport(0, 10, 91, 1464, 30.0, 48.19987923405456, {"loss": 1.476599932371915})
VALIDATED = EpochReport(
    0,
    10,
    91,
    1449,
    30.0,
    42.07679863646544,
    {"mIOU": 0.5123897153622079, "mIOU_present": 0.6, "pixel_accuracy": 0.8395615216544335},
)


def test_lines_are_those_of_the_container() -> None:
    """As logged in January 2025, with made-up numbers where the clock decides."""
    lines = SegmentationLogLines(GIVEN, "algo-1")
    assert lines.parameters()[0] == "LRScheduler setup: iters per epoch: 91, num_epochs 10"
    assert lines.batch(BatchReport(0, 20, 320, 49.88614, 6.4, {"loss": 1.5}, 0.0000980)) == [
        "#progress_notice. epoch: 0, iterations: 20 speed: 49.88614 samples/sec learning_rate: 0.000098"
    ]
    assert lines.epoch_train(TRAINED) == [
        "#quality_metric. host: algo-1, epoch: 0, train loss: 1.476599932371915 .",
        "#throughput_metric. host: algo-1, epoch: 0, train throughput: 48.19987923405456 samples/sec.",
    ]
    assert lines.validation_batch(0, 20, 42.66284) == [
        "#progress_notice. epoch: 0, iterations: 20 speed: 42.66284 samples/sec"
    ]
    assert lines.validation(VALIDATED) == [
        "#quality_metric. host: algo-1, epoch: 0, validation pixel_accuracy: 0.8395615216544335 .",
        "#quality_metric. host: algo-1, epoch: 0, validation mIOU: 0.5123897153622079 .",
        "#throughput_metric. host: algo-1, epoch: 0, validation throughput: 42.07679863646544 samples/sec.",
    ]
    assert lines.checkpoint("/opt/ml/model") == ["Serializing model to /opt/ml/model"]
    assert lines.epoch_end(TRAINED)[0] == "#progress_metric: host=algo-1, completed 10.0 % of epochs"


def test_metric_definitions_find_the_values() -> None:
    lines = SegmentationLogLines(GIVEN, "algo-1")
    text = "\n".join([*lines.epoch_train(TRAINED), *lines.validation(VALIDATED), *lines.epoch_end(TRAINED)])
    found = {one.name: re.findall(one.regex, text) for one in FACTS.metric_definitions}
    assert found == {
        "train:loss": ["1.476599932371915"],
        "train:throughput": ["48.19987923405456"],
        "train:progress": ["10.0"],
        "validation:throughput": ["42.07679863646544"],
        "validation:mIOU": ["0.5123897153622079"],
        "validation:pixel_accuracy": ["0.8395615216544335"],
    }


def test_lines_of_json_count_records_and_time() -> None:
    now = [1000.0]
    lines = SegmentationLogLines(GIVEN, "algo-1", clock=lambda: now[0])
    now[0] = 1002.5
    first = _json(lines.parameters()[1])
    assert (first["StartTime"], first["EndTime"]) == (1000.0, 1002.5)
    assert first["Dimensions"] == {
        "Algorithm": "AWS/Semantic Segmentation",
        "Host": "algo-1",
        "Operation": "training",
        "Meta": "init_train_data_iter",
    }
    assert first["Metrics"]["Total Records Seen"] == {"sum": 0.0, "count": 1, "min": 0, "max": 0}
    assert [one["sum"] for one in first["Metrics"].values()] == [0.0] * 7
    lines.epoch_end(TRAINED)
    now[0] = 1070.0
    second = _json(lines.epoch_end(EpochReport(1, 10, 91, 1464, 30.0, 48.2, {}))[1])
    assert second["StartTime"] == 1002.5
    assert {"epoch": 1, "Meta": "training_data_iter"}.items() <= second["Dimensions"].items()
    assert {name: one["sum"] for name, one in second["Metrics"].items()} == {
        "Total Records Seen": 2928.0,
        "Total Batches Seen": 182.0,
        "Max Records Seen Between Resets": 1464.0,
        "Max Batches Seen Between Resets": 91.0,
        "Reset Count": 2.0,
        "Number of Records Since Last Reset": 1464.0,
        "Number of Batches Since Last Reset": 91.0,
    }
    (last,) = map(_json, lines.end())
    assert last["StartTime"] == 1000.0
    assert {name: one["sum"] for name, one in last["Metrics"].items()} == {
        "epochs": 2.0,
        "setuptime": 2500.0,
        "totaltime": 70000.0,
    }


def _json(line: str) -> dict:
    mark, _, text = line.partition(" ")
    assert mark == "#metrics"
    return json.loads(text)
