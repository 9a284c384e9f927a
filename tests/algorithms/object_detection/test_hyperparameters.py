"""The class against the documentation's table, transcribed row by row (object-detection-api-config)."""

from __future__ import annotations

from typing import ClassVar

from tests.algorithms.documented_table import DocumentedTable, Row
from vision.algorithms.object_detection.hyperparameters import ObjectDetectionHyperparameters
from vision.settings.hyperparameters import Tunable

COUNT = [("1", 1), ("50", 50), (7, 7), (" 3 ", 3)]
NOT_COUNT = ["0", "-1", "1.5", "x", True, 2.5]
OPTIMIZERS = ("sgd", "adam", "rmsprop", "adadelta")
# (0, 1]: 0 is excluded, 1 is not.
POSITIVE = [("1", 1.0), ("0.45", 0.45), ("1e-6", 1e-6), (1, 1.0)]
NOT_POSITIVE = ["0", "0.0", "-0.1", "1.01", "nan", "x", 0]
# (0, 1): both ends are excluded.
BETWEEN = [("0.5", 0.5), ("0.999", 0.999)]
NOT_BETWEEN = ["0", "1", "-0.1", "2", "x", 1]
DIGIT = [("0", False), ("1", True), (1, True), (False, False), ("True", True)]
NOT_DIGIT = ["2", "yes", 3]


DOCUMENTED = [
    Row("num_classes", None, COUNT, NOT_COUNT, counted=True),
    Row("num_training_samples", None, COUNT, NOT_COUNT, counted=True),
    Row(
        "base_network",
        "vgg-16",
        [("vgg-16",) * 2, ("resnet-50",) * 2],
        ["vgg16", "resnet50", "resnet-101", 50],
    ),
    Row("early_stopping", False, [("True", True), ("False", False)], ["yes", "2"]),
    Row("early_stopping_min_epochs", 10, COUNT, NOT_COUNT),
    Row("early_stopping_patience", 5, COUNT, NOT_COUNT),
    Row("early_stopping_tolerance", 0.0, [("0", 0.0), ("1", 1.0), ("0.01", 0.01)], ["-0.1", "1.1", "x"]),
    Row("epochs", 30, COUNT, NOT_COUNT),
    Row(
        "freeze_layer_pattern",
        None,
        [("^(conv1_|conv2_).*",) * 2, ("false", None), ("False", None), (False, None)],
        ["(", "*", 5],
    ),
    Row(
        "image_shape",
        300,
        [("300", 300), ("512", 512), (301, 301)],
        ["299", "0", "3,300,300", [3, 300, 300], "x"],
    ),
    Row("kv_store", None, [("dist_sync",) * 2, ("dist_async",) * 2], ["device", 1]),
    Row("label_width", 350, [("350", 350), ("600", 600), ("60", 60), (7, 7)], ["0", "6", "-1", "x"]),
    Row("learning_rate", 0.001, POSITIVE, NOT_POSITIVE, tunable=Tunable("continuous", 1e-6, 0.5, scale="log")),
    Row("lr_scheduler_factor", 0.1, BETWEEN, NOT_BETWEEN),
    Row("lr_scheduler_step", (), [("3,6", (3, 6)), ("33, 67", (33, 67)), ("10", (10,))], ["a", "6,3"]),
    Row("mini_batch_size", 32, COUNT, NOT_COUNT, tunable=Tunable("integer", 8, 64)),
    Row("momentum", 0.9, POSITIVE, NOT_POSITIVE, tunable=Tunable("continuous", 0.0, 0.999)),
    Row("nms_threshold", 0.45, POSITIVE, NOT_POSITIVE),
    Row(
        "optimizer",
        "sgd",
        [(name, name) for name in OPTIMIZERS],
        ["nag", "x"],
        tunable=Tunable("categorical", choices=OPTIMIZERS),
    ),
    Row("overlap_threshold", 0.5, POSITIVE, NOT_POSITIVE),
    Row("use_pretrained_model", True, DIGIT, NOT_DIGIT),
    Row("weight_decay", 0.0005, BETWEEN, NOT_BETWEEN, tunable=Tunable("continuous", 0.0, 0.999)),
]
# Seen in the built-in algorithm's own configuration, though not in its documentation.
UNDOCUMENTED = [Row("nms_topk", 400, [("400", 400), (1, 1)], ["0", "x"])]
OURS = [Row("base_network", "vgg-16", [("resnet-18",) * 2, ("resnet-34",) * 2], [])]


MISTAKES = [
    ({"image_shape": "3,300,300"}, ["object detection takes one integer of at least 300, the side of a square"]),
    ({"resize": "512"}, ["belongs to image classification: object detection scales images to image_shape itself"]),
    ({"augmentation_type": "crop"}, ["object detection always augments"]),
    ({"use_lr_scheduler": "1"}, ["giving lr_scheduler_step turns the schedule on"]),
    ({"num_layers": "50"}, ["object detection takes base_network=resnet-50 instead"]),
    ({"nms_treshold": "0.4"}, ["did you mean nms_threshold?"]),
    ({"base_network": "resnet50"}, ["did you mean base_network=resnet-50?"]),
    ({"freeze_layer_pattern": "conv("}, ["no regular expression"]),
]

WARNINGS = [
    ({}, []),
    (
        {"optimizer": "adam", "momentum": "0.5", "weight_decay": "0.1"},
        ["momentum has no", "weight_decay has no"],
    ),
    ({"optimizer": "rmsprop", "momentum": "0.5", "weight_decay": "0.1"}, ["momentum has no effect"]),
    ({"optimizer": "adadelta", "weight_decay": "0.1"}, ["it is read by sgd, rmsprop"]),
    (
        {"optimizer": "adadelta", "learning_rate": "0.1", "lr_scheduler_step": "5,50"},
        ["learning_rate has no effect with optimizer=adadelta", "lr_scheduler_step has no effect"],
    ),
    ({"early_stopping_min_epochs": "3"}, ["early_stopping_min_epochs has no effect"]),
    ({"lr_scheduler_step": "10,50"}, ["names 50, but training ends after 30 epochs"]),
    ({"freeze_layer_pattern": "^conv1_", "use_pretrained_model": "0"}, ["their weights stay random"]),
    ({"freeze_layer_pattern": "^conv1_"}, []),
    ({"freeze_layer_pattern": "false", "use_pretrained_model": "0"}, []),
]


class TestHyperparameters(DocumentedTable):
    table = ObjectDetectionHyperparameters
    required: ClassVar = {"num_classes": "20", "num_training_samples": "16551"}
    rows: ClassVar = [*DOCUMENTED, *UNDOCUMENTED]
    ours = OURS
    problems = MISTAKES
    warnings = WARNINGS
    optimizers: ClassVar = [
        ({"optimizer": "sgd"}, {"learning_rate": 0.001, "momentum": 0.9, "weight_decay": 0.0005}),
        ({"optimizer": "adam"}, {"learning_rate": 0.001}),
        ({"optimizer": "rmsprop"}, {"learning_rate": 0.001, "weight_decay": 0.0005}),
        ({"optimizer": "adadelta"}, {}),
    ]

    def test_keeps_the_best_epoch_only(self) -> None:
        assert self.table.parse(self.required).kept_every_epochs is None
