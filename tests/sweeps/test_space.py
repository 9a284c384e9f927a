from __future__ import annotations

import json

import optuna
import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, IntervalSweep, RangeSweep

from vision.settings.errors import SettingsError
from vision.settings.hyperparameters import Tunable
from vision.sweeps.space import SearchSpace, documented_space, given_space, is_range, read_range, table_of, write_range

# SageMaker's documentation, "Tune an Image Classification Model" and "Tune an Object Detection Model", without the rate
# of adadelta, whose rule has none.
DOCUMENTED = {
    ("image_classification", "sgd"): {"learning_rate", "mini_batch_size", "momentum", "weight_decay"},
    ("image_classification", "nag"): {"learning_rate", "mini_batch_size", "momentum", "weight_decay"},
    ("image_classification", "adam"): {"learning_rate", "mini_batch_size", "beta_1", "beta_2", "eps"},
    ("image_classification", "rmsprop"): {"learning_rate", "mini_batch_size", "gamma", "eps"},
    ("object_detection", "sgd"): {"learning_rate", "mini_batch_size", "momentum", "weight_decay"},
    ("object_detection", "rmsprop"): {"learning_rate", "mini_batch_size", "weight_decay"},
    ("object_detection", "adam"): {"learning_rate", "mini_batch_size"},
    ("object_detection", "adadelta"): {"mini_batch_size"},
}


@pytest.mark.parametrize(("algorithm", "optimizer"), DOCUMENTED)
def test_only_what_the_optimizer_uses(algorithm: str, optimizer: str) -> None:
    assert set(documented_space(algorithm, optimizer).dimensions) == DOCUMENTED[algorithm, optimizer]


def test_the_documented_ranges() -> None:
    ranges = documented_space("image_classification", None).dimensions
    assert ranges["learning_rate"] == Tunable("continuous", 1e-6, 0.5, scale="log")
    assert ranges["mini_batch_size"] == Tunable("integer", 8, 512)
    assert ranges["optimizer"].choices == ("sgd", "adam", "rmsprop", "nag")
    assert documented_space("object_detection", "sgd").dimensions["mini_batch_size"] == Tunable("integer", 8, 64)


def test_what_is_fixed_is_not_varied() -> None:
    space = documented_space("image_classification", "sgd", fixed=["learning_rate", "epochs"])
    assert set(space.dimensions) == {"mini_batch_size", "momentum", "weight_decay"}


@pytest.mark.parametrize("algorithm", ["image_classification", "object_detection"])
def test_every_draw_is_valid_and_without_effectless_values(algorithm: str) -> None:
    space, table = documented_space(algorithm, None), table_of(algorithm)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    seen = set()
    for _ in range(60):
        drawn = space.suggest(study.ask())
        seen.add(drawn["optimizer"])
        hyperparameters = table.parse({"num_classes": "2", "num_training_samples": "1000", **drawn})
        assert not hyperparameters.warnings(), drawn
        assert set(drawn) - {"optimizer"} == DOCUMENTED[algorithm, drawn["optimizer"]]
    assert seen == {optimizer for name, optimizer in DOCUMENTED if name == algorithm}


@pytest.mark.parametrize("algorithm", ["image_classification", "object_detection"])
def test_the_ends_of_every_range_are_valid(algorithm: str) -> None:
    table = table_of(algorithm)
    for name, values in documented_space(algorithm, None).dimensions.items():
        for end in values.choices or (values.low, values.high):
            table.parse({"num_classes": 2, "num_training_samples": 1000, name: str(end) if values.choices else end})


def test_given_ranges_the_optimizer_first() -> None:
    given = {"momentum": "interval(0,0.9)", "optimizer": "sgd,adam", "beta_1": "interval(0.5,0.9)"}
    space = given_space("image_classification", given, "sgd")
    study = optuna.create_study()
    drawn = [space.suggest(study.ask()) for _ in range(20)]
    assert {tuple(values) for values in drawn} == {("optimizer", "momentum"), ("optimizer", "beta_1")}


def test_ranges_without_effect_are_refused() -> None:
    with pytest.raises(SettingsError) as caught:
        given_space("image_classification", {"beta_1": "interval(0,1)", "gamma": "interval(9,1)"}, "sgd")
    first, second = caught.value.problems
    assert "hp.gamma" in first
    assert "hp.beta_1 is varied but has no effect with optimizer=sgd" in second
    assert "adam" in second


def test_survives_json() -> None:
    space = documented_space("image_classification", None)
    assert SearchSpace.from_json(json.loads(json.dumps(space.to_json()))) == space


def test_numbers_have_six_digits() -> None:
    space = given_space("image_classification", {"learning_rate": "tag(log,interval(1e-6,0.5))"}, "sgd")
    drawn = [space.suggest(optuna.create_study().ask())["learning_rate"] for _ in range(5)]
    assert all(len(text.partition("e")[0].replace(".", "").lstrip("0")) <= 6 for text in drawn), drawn


CASES = [
    ("interval(0.1,0.9)", Tunable("continuous", 0.1, 0.9)),
    ("interval(0, 0.999)", Tunable("continuous", 0.0, 0.999)),
    ("int(interval(8,512))", Tunable("integer", 8, 512)),
    ("tag(log,interval(1e-6,0.5))", Tunable("continuous", 1e-6, 0.5, scale="log")),
    ("tag(log, int(interval(8, 64)))", Tunable("integer", 8, 64, scale="log")),
    ("choice(sgd,adam)", Tunable("categorical", choices=("sgd", "adam"))),
    ("sgd, adam,nag", Tunable("categorical", choices=("sgd", "adam", "nag"))),
    ("choice('10,20','5,15')", Tunable("categorical", choices=("10,20", "5,15"))),
    ("range(2,9,3)", Tunable("categorical", choices=("2", "5", "8"))),
]


@pytest.mark.parametrize(("text", "expected"), CASES)
def test_reads(text: str, expected: Tunable) -> None:
    assert read_range("hp.x", text) == expected
    assert read_range("hp.x", write_range(expected)) == expected


@pytest.mark.parametrize(("text", "expected"), CASES)
def test_hydra_reads_the_same(text: str, expected: Tunable) -> None:
    value = OverridesParser.create().parse_override(f"x={write_range(expected)}").value()
    if expected.choices:
        assert isinstance(value, ChoiceSweep | RangeSweep)
        assert tuple(str(getattr(item, "text", item)) for item in value.list) == expected.choices
        return
    assert isinstance(value, IntervalSweep)
    assert (value.start, value.end) == (expected.low, expected.high)
    assert isinstance(value.start, int) is (expected.kind == "integer")
    assert ("log" in value.tags) is (expected.scale == "log")


@pytest.mark.parametrize(
    "text",
    [
        *("", "sgd", "choice(sgd)", "a,a", "a,,b", "interval(1)", "interval(1,2,3)", "interval(2,1)", "interval(a,b)"),
        *("interval(0,inf)", "interval(nan,1)", "tag(log,interval(0,1))", "tag(lin,interval(0,1))", "tag(log)"),
        *("int(interval(0.5,2))", "range(1,2)", "range(0.1,2)", "range(0,9999999)", "range(1,9,0)", "range()"),
    ],
)
def test_refuses(text: str) -> None:
    with pytest.raises(SettingsError, match=r"hp\.x is .*which is not a range of values.*interval\(0\.1,0\.9\)"):
        read_range("hp.x", text)


@pytest.mark.parametrize(
    ("text", "expected"), [("interval(0,1)", True), ("a,b", False), ("0.1", False), ("f(1)", False)]
)
def test_what_is_a_range(text: str, expected: bool) -> None:
    assert is_range(text) is expected
