"""The log lines against texts of the SageMaker contract, and the platform's regexes against the log lines."""

from __future__ import annotations

import io
import os
import re
from datetime import datetime

import pytest

from vision.algorithms.image_classification.log_lines import ClassificationLogLines
from vision.algorithms.object_detection.log_lines import DetectionLogLines
from vision.training.log_lines import BatchReport, EpochReport, LogWriter

CLASSIFICATION = {
    "num_layers": "18",
    "precision_dtype": "float32",
    "epochs": "2",
    "resize": "256",
    "optimizer": "sgd",
    "momentum": "0.9",
    "weight_decay": "0.0001",
    "learning_rate": "0.01",
    "num_training_samples": "15420",
    "mini_batch_size": "128",
    "image_shape": "3,224,224",
    "num_classes": "257",
    "top_k": "2",
    "use_pretrained_model": "1",
    "multi_label": "0",
}

CLASSIFICATION_LOG = """\
use_pretrained_model: 1
multi_label: 0
Using pretrained model for initializing weights and transfer learning.
---- Parameters ----
num_layers: 18
data type: <class 'numpy.float32'>
epochs: 2
image resize size: 256
optimizer: sgd
momentum: 0.9
weight_decay: 0.0001
learning_rate: 0.01
num_training_samples: 15420
mini_batch_size: 128
image_shape: 3,224,224
num_classes: 257
augmentation_type: None
kv_store: device
top_k: 2
checkpoint_frequency not set, will store the best model
--------------------
Epoch[0] Batch [20]\tSpeed: 222.12 samples/sec\taccuracy=0.012649\ttop_k_accuracy_2=0.020000
Epoch[0] Train-accuracy=0.150391
Epoch[0] Train-top_k_accuracy_2=0.273438
Epoch[0] Time cost=8.095
Epoch[0] Validation-accuracy=0.253906
Storing the best model with validation accuracy: 0.253906
Saved checkpoint to "/opt/ml/model/image-classification-0001.params"
"""

DETECTION_LOG = """\
#quality_metric: host=algo-1, epoch=0, batch=100 train cross_entropy <loss>=0.8121
#quality_metric: host=algo-1, epoch=0, batch=100 train smooth_l1 <loss>=0.4033
Epoch:    0, batches:    100, num_examples:   3200, 115.2 samples/sec, epoch time so far:  0:00:27.779193
#progress_metric: host=algo-1, completed 3 % of epochs
#throughput_metric: host=algo-1, train throughput=115.2 records/second
#quality_metric: host=algo-1, epoch=0, validation mAP <score>=(0.0123)
Updating the best model with validation-mAP=1.6157e-05
Saved checkpoint to "/opt/ml/model/model_algo_1-0000.params"
"""


def classification_log() -> list[str]:
    lines = ClassificationLogLines(CLASSIFICATION)
    # The loss is not among the container's metrics and is left out.
    running = {"loss": 5.5, "accuracy": 0.012649, "top_k_accuracy_2": 0.02}
    final = {"loss": 5.0, "accuracy": 0.150391, "top_k_accuracy_2": 0.273438}
    return [
        *lines.parameters(),
        *lines.batch(BatchReport(0, 20, 2560, 222.123, 11.5, running, 0.1)),
        *lines.epoch_train(EpochReport(0, 2, 20, 2560, 8.0951, 316.2, final)),
        *lines.validation(EpochReport(0, 2, 1, 32, 1, 1, {"accuracy": 0.253906, "macro_f1": 0.2})),
        *lines.best_model(0.253906),
        *lines.checkpoint("/opt/ml/model/image-classification-0001.params"),
    ]


def detection_log() -> list[str]:
    lines = DetectionLogLines({"epochs": "30"}, "algo-1")
    losses = {"loss": 1.2154, "cross_entropy": 0.8121, "smooth_l1": 0.4033}
    return [
        *lines.batch(BatchReport(0, 100, 3200, 115.2, 27.779193, losses, 0.1)),
        *lines.epoch_train(EpochReport(0, 30, 100, 3200, 27.8, 115.2, losses)),
        *lines.validation(EpochReport(0, 30, 1, 32, 1, 1, {"mAP": 0.0123})),
        *lines.best_model(1.6157e-05),
        *lines.checkpoint("/opt/ml/model/model_algo_1-0000.params"),
    ]


def test_classification_prints_the_container_s_text() -> None:
    assert classification_log() == CLASSIFICATION_LOG.splitlines()


def test_detection_prints_the_container_s_text() -> None:
    assert detection_log() == DETECTION_LOG.splitlines()


def test_batch_line_without_top_k_is_the_contract_s() -> None:
    lines = ClassificationLogLines({"epochs": "1"})
    (line,) = lines.batch(BatchReport(0, 20, 2560, 222.12, 11.5, {"accuracy": 0.012649}, 0.1))
    assert line == "Epoch[0] Batch [20]\tSpeed: 222.12 samples/sec\taccuracy=0.012649"


@pytest.mark.parametrize(
    ("changes", "present", "absent"),
    [
        ({"checkpoint_frequency": "5"}, "checkpoint_frequency: 5", "checkpoint_frequency not set"),
        ({"augmentation_type": "crop"}, "augmentation_type: crop", "augmentation_type: None"),
        ({"use_pretrained_model": "0"}, "use_pretrained_model: 0", "Using pretrained model"),
        ({"precision_dtype": "float16"}, "data type: <class 'numpy.float16'>", "float32"),
    ],
)
def test_parameter_block_follows_the_settings(changes: dict[str, str], present: str, absent: str) -> None:
    text = "\n".join(ClassificationLogLines(CLASSIFICATION | changes).parameters())
    assert present in text.splitlines()
    assert absent not in text


def test_another_library_s_network_stands_in_place_of_the_depth() -> None:
    text = ClassificationLogLines(CLASSIFICATION, "timm:vit_tiny").parameters()
    assert "backbone: timm:vit_tiny" in text
    assert not any(line.startswith("num_layers") for line in text)


@pytest.mark.parametrize(
    ("regex", "expected"),
    [
        (r"Train-accuracy=([0-9.]+)", 0.150391),
        (r"Validation-accuracy=([0-9.]+)", 0.253906),
        (r"#progress_metric: host=\S+, completed (\S+) %", 3.0),
        (r"#quality_metric: host=\S+, epoch=\S+, batch=\S+ train smooth_l1 <loss>=(\S+)", 0.4033),
        (r"#quality_metric: host=\S+, epoch=\S+, batch=\S+ train cross_entropy <loss>=(\S+)", 0.8121),
        (r"#throughput_metric: host=\S+, train throughput=(\S+) records/second", 115.2),
        (r"#quality_metric: host=\S+, epoch=\S+, validation mAP <score>=\((\S+)\)", 0.0123),
    ],
)
def test_the_platform_s_regexes_find_the_values(regex: str, expected: float) -> None:
    written = io.StringIO()
    LogWriter(written).write([*classification_log(), *detection_log()])
    found = [match.group(1) for line in written.getvalue().splitlines() if (match := re.search(regex, line))]
    assert [float(value) for value in found] == [expected]


def test_the_last_epoch_completes_all_and_tiny_scores_keep_their_digits() -> None:
    lines = DetectionLogLines({}, host="algo-2")
    assert lines.epoch_train(EpochReport(29, 30, 1, 1, 1, 1, {}))[0].endswith("host=algo-2, completed 100 % of epochs")
    (line,) = lines.validation(EpochReport(3, 30, 1, 1, 1, 1, {"mAP": 1.6157e-05}))
    assert line.endswith("epoch=3, validation mAP <score>=(1.6157e-05)")


def test_writer_prefixes_each_line_and_keeps_it_one_line() -> None:
    written = io.StringIO()
    writer = LogWriter(written, now=lambda: datetime(2020, 11, 5, 7, 8, 9))
    writer.write(["Epoch[0] Time cost=8.095", 'Saved checkpoint to "a\n#progress_metric: host=x"'])
    prefix = f"[11/05/2020 07:08:09 INFO {os.getpid()}]"
    assert written.getvalue() == (
        f'{prefix} Epoch[0] Time cost=8.095\n{prefix} Saved checkpoint to "a #progress_metric: host=x"\n'
    )


def test_lines_of_json_have_no_prefix() -> None:
    written = io.StringIO()
    LogWriter(written).write(['#metrics {"StartTime": 0}'])
    assert written.getvalue() == '#metrics {"StartTime": 0}\n'
