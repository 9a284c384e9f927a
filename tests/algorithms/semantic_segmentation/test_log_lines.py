from __future__ import annotations

import re

from vision.algorithms.semantic_segmentation.facts import FACTS
from vision.algorithms.semantic_segmentation.hyperparameters import SemanticSegmentationHyperparameters
from vision.algorithms.semantic_segmentation.log_lines import SegmentationLogLines
from vision.training.log_lines import BatchReport, EpochReport


def test_lines_are_those_of_the_container() -> None:
    """As logged in January 2025, with made-up numbers where the clock decides."""
    given = SemanticSegmentationHyperparameters.parse({"num_classes": 21, "num_training_samples": 1464})
    lines = SegmentationLogLines(given, "algo-1")
    assert lines.parameters()[-1] == "LRScheduler setup: iters per epoch: 91, num_epochs 10"
    assert lines.batch(BatchReport(0, 20, 320, 49.88614, 6.4, {"loss": 1.5}, 0.0000980)) == [
        "#progress_notice. epoch: 0, iterations: 20 speed: 49.88614 samples/sec learning_rate: 0.000098"
    ]
    epoch = EpochReport(0, 10, 30.0, 48.19987923405456, {"loss": 1.476599932371915})
    assert lines.epoch_train(epoch) == [
        "#quality_metric. host: algo-1, epoch: 0, train loss: 1.476599932371915 .",
        "#throughput_metric. host: algo-1, epoch: 0, train throughput: 48.19987923405456 samples/sec.",
        "#progress_metric: host=algo-1, completed 10.0 % of epochs",
    ]
    measured = {"mIOU": 0.5123897153622079, "mIOU_present": 0.6, "pixel_accuracy": 0.8395615216544335}
    assert lines.validation(0, measured) == [
        "#quality_metric. host: algo-1, epoch: 0, validation pixel_accuracy: 0.8395615216544335 .",
        "#quality_metric. host: algo-1, epoch: 0, validation mIOU: 0.5123897153622079 .",
    ]
    assert lines.checkpoint("/opt/ml/model") == ["Serializing model to /opt/ml/model"]
    text = "\n".join([*lines.epoch_train(epoch), *lines.validation(0, measured)])
    found = {one.name: re.findall(one.regex, text) for one in FACTS.metric_definitions}
    assert found == {
        "train:loss": ["1.476599932371915"],
        "train:throughput": ["48.19987923405456"],
        "train:progress": ["10.0"],
        "validation:mIOU": ["0.5123897153622079"],
        "validation:pixel_accuracy": ["0.8395615216544335"],
    }
