from __future__ import annotations

from typing import ClassVar

import pytest

from tests.algorithms.documented_table import DocumentedTable, Row
from vision.algorithms.semantic_segmentation.hyperparameters import SemanticSegmentationHyperparameters
from vision.settings.hyperparameters import Tunable

DECAYS = [("0", 0.0), ("1", 1.0)]


def flag(name: str, default: bool) -> Row:
    return Row(name, default, [("True", True), ("False", False), ("true", True)], ["yes", "2"])


class TestSemanticSegmentation(DocumentedTable):
    table = SemanticSegmentationHyperparameters
    required: ClassVar = {"num_classes": "3", "num_training_samples": "8"}
    rows: ClassVar = [
        Row("num_classes", None, [("2", 2), ("254", 254)], ["1", "255", "x"], counted=True),
        Row("num_training_samples", None, [("1", 1)], ["0", "-1", "1.5"], counted=True),
        Row("backbone", "resnet-50", [("resnet-101", "resnet-101")], ["vgg-16", "50"]),
        flag("use_pretrained_model", True),
        Row("algorithm", "fcn", [("psp", "psp"), ("deeplab", "deeplab")], ["unet"]),
        Row("base_size", 520, [("17", 17)], ["16", "x"]),
        Row("crop_size", 240, [("17", 17), ("241", 241)], ["16"]),
        Row("mini_batch_size", 16, [("1", 1)], ["0"], tunable=Tunable("integer", 1, 128)),
        Row("validation_mini_batch_size", 16, [("1", 1)], ["0"]),
        Row("epochs", 10, [("1", 1)], ["0"]),
        Row(
            "optimizer",
            "sgd",
            [(name, name) for name in ("adam", "adagrad", "nag", "rmsprop")],
            ["adadelta", "x"],
            tunable=Tunable("categorical", choices=("sgd", "adam")),
        ),
        Row(
            "learning_rate",
            0.001,
            [("1", 1.0), ("1e-6", 1e-6)],
            ["0", "1.1"],
            tunable=Tunable("continuous", 1e-4, 1e-1, scale="log"),
        ),
        Row("momentum", 0.9, [("1", 1.0), ("1e-6", 1e-6)], ["0", "1.1"], tunable=Tunable("continuous", 0.9, 0.999)),
        Row(
            "weight_decay",
            0.0001,
            [("0.5", 0.5)],
            ["0", "1"],
            tunable=Tunable("continuous", 1e-5, 1e-3, scale="log"),
        ),
        Row("gamma1", 0.9, DECAYS, ["-0.1", "1.1"]),
        Row("gamma2", 0.9, DECAYS, ["-0.1", "1.1"]),
        Row("lr_scheduler", "poly", [("cosine", "cosine")], ["linear"]),
        Row("lr_scheduler_factor", 0.1, DECAYS, ["-0.1", "1.1"]),
        Row("lr_scheduler_step", (), [("5,10", (5, 10))], ["a", "5,1"]),
        flag("early_stopping", False),
        Row("early_stopping_min_epochs", 5, [("1", 1)], ["0"]),
        Row("early_stopping_patience", 4, [("1", 1)], ["0"]),
        Row("early_stopping_tolerance", 0.0, DECAYS, ["-0.1", "1.1"]),
        flag("syncbn", False),
        Row("precision_dtype", "float32", [("float16", "float16")], ["float64"]),
        # Ours.
        Row("pretrained_on", "imagenet", [("coco", "coco")], ["voc"]),
        flag("aux_loss", True),
        Row("aux_weight", 0.5, DECAYS, ["-0.1", "1.1"]),
        Row("class_weights", None, [("balanced", "balanced"), ("0,1,2.5", "0,1,2.5")], ["x", "0,0,0", "1,-1,1"]),
    ]
    ours: ClassVar = [Row("backbone", "", [("resnet-18", "resnet-18"), ("resnet-34", "resnet-34")], [])]
    problems: ClassVar = [
        ({"lr_scheduler": "step"}, ["lr_scheduler_step is left out"]),
        ({"lr_scheduler": "step", "lr_scheduler_step": "5"}, []),
        ({"pretrained_on": "coco", "backbone": "resnet-18"}, ["no such weights exist"]),
        ({"pretrained_on": "coco", "backbone": "resnet-18", "use_pretrained_model": "False"}, []),
        ({"image_shape": "3,224,224"}, ["crop_size"]),
        ({"_aux_weight": "0.4"}, ["aux_weight"]),
        ({"_workers": "16", "_hybrid": "False", "_augmentation_type": "default"}, []),
    ]
    warnings: ClassVar = [
        ({}, []),
        ({"crop_size": "241"}, ["crops are 248 pixels"]),
        ({"lr_scheduler_factor": "0.5"}, ["lr_scheduler_factor has no effect unless lr_scheduler=step"]),
        ({"lr_scheduler": "step", "lr_scheduler_step": "12"}, ["ends after 10 epochs"]),
        ({"optimizer": "adam", "weight_decay": "0.01"}, ["weight_decay has no effect with optimizer=adam"]),
        ({"gamma1": "0.8"}, ["gamma1 has no effect with optimizer=sgd"]),
        ({"aux_loss": "False", "aux_weight": "0.1"}, ["aux_weight has no effect"]),
        ({"mini_batch_size": "1"}, []),
        ({"mini_batch_size": "1", "algorithm": "psp"}, ["mini_batch_size is 1; psp averages"]),
        ({"early_stopping_patience": "2"}, ["early_stopping_patience has no effect"]),
        ({"early_stopping": "True", "early_stopping_min_epochs": "10"}, ["early_stopping has no effect"]),
        ({"pretrained_on": "coco", "use_pretrained_model": "False"}, ["pretrained_on has no effect"]),
    ]
    optimizers: ClassVar = [
        ({}, {"learning_rate": 0.001, "momentum": 0.9, "weight_decay": 0.0001}),
        ({"optimizer": "adam"}, {"learning_rate": 0.001}),
        ({"optimizer": "rmsprop", "gamma1": "0.8"}, {"learning_rate": 0.001, "gamma": 0.8, "gamma2": 0.9}),
    ]


@pytest.mark.parametrize(("crop_size", "used"), [(240, 240), (241, 248), (17, 24)])
def test_crops_are_multiples_of_eight(crop_size: int, used: int) -> None:
    given = {"num_classes": 2, "num_training_samples": 1, "crop_size": crop_size}
    assert SemanticSegmentationHyperparameters.parse(given).crop_px == used
