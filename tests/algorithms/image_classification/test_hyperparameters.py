"""The class against the documentation's table, transcribed row by row (IC-Hyperparameter, IC-tuning)."""

from __future__ import annotations

from typing import ClassVar

from tests.algorithms.documented_table import DocumentedTable, Row
from vision.algorithms.image_classification.hyperparameters import ImageClassificationHyperparameters
from vision.settings.hyperparameters import Tunable

DEPTHS = [18, 34, 50, 101, 152, 200, 20, 32, 44, 56, 110]
UNIT = [("0", 0.0), ("1", 1.0), ("0.25", 0.25), ("1e-3", 0.001), (0, 0.0), (0.5, 0.5)]
NOT_UNIT = ["-0.1", "1.01", "a", "nan", "inf", 1.5, True, [0.1]]
COUNT = [("1", 1), ("50", 50), (7, 7), (" 3 ", 3), ("3.0", 3)]
NOT_COUNT = ["0", "-1", "1.5", "x", "1e3", True, 2.5, [1]]
DIGIT = [("0", False), ("1", True), (0, False), (1, True), (True, True), ("True", True), ("false", False)]
NOT_DIGIT = ["2", "-1", "yes", 2, [1]]


def unit(name: str, default: float, tunable: Tunable | None = None) -> Row:
    return Row(name, default, UNIT, NOT_UNIT, tunable=tunable)


def continuous(low: float, high: float, scale: str = "linear") -> Tunable:
    return Tunable("continuous", low, high, scale=scale)  # type: ignore[arg-type]


OPTIMIZERS = ("sgd", "adam", "rmsprop", "nag")
AUGMENTATIONS = ("crop", "crop_color", "crop_color_transform")
DOCUMENTED = [
    Row("num_classes", None, COUNT, NOT_COUNT, counted=True),
    Row("num_training_samples", None, COUNT, NOT_COUNT, counted=True),
    Row("augmentation_type", None, [(name, name) for name in AUGMENTATIONS], ["colour", "Crop!", 1]),
    unit("beta_1", 0.9, continuous(1e-6, 0.999)),
    unit("beta_2", 0.999, continuous(1e-6, 0.999)),
    Row("checkpoint_frequency", None, [("1", 1), ("30", 30)], ["0", "31", "-1", "x"]),
    Row("early_stopping", False, [("True", True), ("False", False), ("true", True), ("1", True)], ["yes", "2"]),
    Row("early_stopping_min_epochs", 10, COUNT, NOT_COUNT),
    Row("early_stopping_patience", 5, COUNT, NOT_COUNT),
    unit("early_stopping_tolerance", 0.0),
    Row("epochs", 30, COUNT, NOT_COUNT),
    unit("eps", 1e-8, continuous(1e-8, 1.0, "log")),
    unit("gamma", 0.9, continuous(1e-8, 0.999)),
    Row(
        "image_shape",
        (3, 224, 224),
        [
            ("3,224,224", (3, 224, 224)),
            (" 3, 28,32 ", (3, 28, 32)),
            ("(3,405,720)", (3, 405, 720)),
            ([3, 28, 28], (3, 28, 28)),
            ((1, 28, 28), (1, 28, 28)),
        ],
        ["224", "3,224", "224,224,3", "3,0,224", "2,28,28", "3,a,b", "3,224,224,1", 224],
    ),
    Row("kv_store", None, [("dist_sync", "dist_sync"), ("dist_async", "dist_async")], ["device", "local", 1]),
    unit("learning_rate", 0.1, continuous(1e-6, 0.5, "log")),
    unit("lr_scheduler_factor", 0.1),
    Row(
        "lr_scheduler_step",
        (),
        [("10", (10,)), ("10, 20", (10, 20)), ("10,20", (10, 20)), ([10, 20], (10, 20)), (10, (10,))],
        ["a", "10,b", "20,10", "10,10", "0,10", "-5", "1.5", "10,,20"],
    ),
    Row("mini_batch_size", 32, COUNT, NOT_COUNT, tunable=Tunable("integer", 8, 512)),
    unit("momentum", 0.9, continuous(0.0, 0.999)),
    Row("multi_label", False, DIGIT, NOT_DIGIT),
    Row(
        "num_layers",
        152,
        [(str(depth), depth) for depth in DEPTHS] + [(depth, depth) for depth in DEPTHS],
        ["19", "0", "a", 19],
    ),
    Row(
        "optimizer",
        "sgd",
        [(name, name) for name in OPTIMIZERS],
        ["adadelta", "SGD!", 1],
        tunable=Tunable("categorical", choices=OPTIMIZERS),
    ),
    Row("precision_dtype", "float32", [("float32",) * 2, ("float16",) * 2], ["bfloat16", "float64", 16]),
    Row("resize", None, [("224", 224), ("256", 256), (300, 300)], ["0", "-1", "x", "223"]),
    Row("top_k", None, [("2", 2), ("5", 5), (10, 10)], ["1", "0", "11", "x"]),
    Row("use_pretrained_model", False, DIGIT, NOT_DIGIT),
    Row("use_weighted_loss", False, [("0", False), (False, False)], ["1", *NOT_DIGIT]),
    unit("weight_decay", 0.0001, continuous(0.0, 0.999)),
]


RELATIONS = [
    ({"top_k": "11"}, ["top_k is 11 but must be at most num_classes, 10"]),
    (
        {"checkpoint_frequency": "6", "epochs": "5"},
        ["checkpoint_frequency is 6 but must be at most epochs, 5"],
    ),
    ({"use_weighted_loss": "1"}, ["use_weighted_loss is 1 but is allowed with multi_label=1 only"]),
    ({"use_weighted_loss": "1", "multi_label": "1"}, []),
    ({"resize": "100"}, ["resize is 100 but must be at least the height and width of image_shape, 224"]),
    ({"resize": "100", "image_shape": "3,100,90"}, []),
    ({"resize": "99", "image_shape": "3,90,100"}, ["resize is 99"]),
    *[({"use_pretrained_model": "1", "num_layers": str(depth)}, []) for depth in (18, 34, 50, 101, 152)],
    *[
        (
            {"use_pretrained_model": "1", "num_layers": str(depth)},
            [f"num_layers is {depth}, for which no ImageNet weights exist: give num_layers 18, 34, 50, 101 or 152, or"],
        )
        for depth in (20, 32, 44, 56, 110, 200)
    ],
    ({"optimizer": "adam", "beta_1": "1"}, ["give less than 1, for example beta_1=0.9"]),
    ({"optimizer": "adam", "beta_1": "0.5", "beta_2": "1"}, ["beta_2 is 1, with which adam's average"]),
    ({"beta_1": "1"}, []),
    ({"use_pretrained_model": "1", "image_shape": "1,224,224"}, ["ImageNet weights take 3"]),
    ({"image_shape": "224,224,3"}, ["give for example image_shape=3,224,224"]),
    ({"image_shape": "64"}, ["give image_shape=3,64,64"]),
    ({"lr_scheduler_step": "20,10"}, ["give for example lr_scheduler_step=10,20"]),
    (
        {"top_k": "11", "epochs": "0", "optimiser": "sgd"},
        ["did you mean optimizer?", "epochs is '0'", "top_k is 11"],
    ),
    ({"checkpoint_frequency": "40", "epochs": "x"}, ["epochs is 'x'"]),
    ({"use_lr_scheduler": "1"}, ["use_lr_scheduler does not exist"]),
    ({"label_width": "350"}, ["label_width belongs to object detection"]),
    ({"freeze_layer_pattern": ""}, ["freeze_layer_pattern belongs to object detection"]),
    ({"augmentation type": "crop"}, ["'augmentation type' is unknown: write it augmentation_type"]),
    ({"optimizer": "adm"}, ["did you mean optimizer=adam?"]),
    (
        {"_kvstore": "device", "_num_kv_servers": "auto", "_tuning_objective_metric": "validation:accuracy"},
        [],
    ),
    ({"_other": "1"}, ["'_other' is unknown"]),
    ({"learning_rate": "9" * 100_000}, ["learning_rate is '999"]),
]

WARNINGS = [
    ({}, []),
    (
        {"optimizer": "adam", "momentum": "0.5"},
        ["momentum has no effect with optimizer=adam; it is read by sgd, nag"],
    ),
    ({"optimizer": "adam", "weight_decay": "0.1", "beta_1": "0.8"}, ["weight_decay has no effect"]),
    ({"beta_1": "0.5", "beta_2": "0.5"}, ["beta_1 has no effect", "beta_2 has no effect"]),
    ({"optimizer": "nag", "momentum": "0.5", "weight_decay": "0"}, []),
    ({"optimizer": "rmsprop", "gamma": "0.5", "eps": "0.1"}, []),
    ({"optimizer": "rmsprop", "momentum": "0.5"}, ["momentum has no effect"]),
    ({"early_stopping_patience": "3"}, ["early_stopping_patience has no effect unless early_stopping=True"]),
    ({"early_stopping": "True", "early_stopping_patience": "3"}, []),
    ({"early_stopping": "True", "epochs": "10"}, ["early_stopping has no effect"]),
    ({"lr_scheduler_factor": "0.5"}, ["lr_scheduler_factor has no effect unless lr_scheduler_step is given"]),
    ({"lr_scheduler_step": "10,30,40"}, ["names 30, 40, but training ends after 30 epochs"]),
    ({"use_pretrained_model": "1", "image_shape": "3,64,64"}, ["were trained at image_shape=3,224,224"]),
    ({"num_layers": "20"}, ["num_layers is 20, a depth for images of about 32 pixels"]),
    ({"num_layers": "20", "image_shape": "3,28,28"}, []),
    ({"multi_label": "1", "top_k": "3"}, ["top_k has no effect with multi_label=1"]),
]

GIVEN = {
    "beta_1": "0.8",
    "beta_2": "0.7",
    "eps": "0.01",
    "gamma": "0.6",
    "momentum": "0.5",
    "weight_decay": "0.2",
}


class TestHyperparameters(DocumentedTable):
    table = ImageClassificationHyperparameters
    required: ClassVar = {"num_classes": "10", "num_training_samples": "1000"}
    rows = DOCUMENTED
    problems = RELATIONS
    warnings = WARNINGS
    optimizers: ClassVar = [
        ({**GIVEN, "optimizer": "sgd"}, {"learning_rate": 0.1, "momentum": 0.5, "weight_decay": 0.2}),
        ({**GIVEN, "optimizer": "nag"}, {"learning_rate": 0.1, "momentum": 0.5, "weight_decay": 0.2}),
        ({**GIVEN, "optimizer": "adam"}, {"learning_rate": 0.1, "beta_1": 0.8, "beta_2": 0.7, "eps": 0.01}),
        ({**GIVEN, "optimizer": "rmsprop"}, {"learning_rate": 0.1, "gamma": 0.6, "eps": 0.01}),
    ]
