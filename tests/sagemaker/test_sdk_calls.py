from __future__ import annotations

import ast
from dataclasses import replace
from typing import Any

import pytest

from vision import algorithms
from vision.sagemaker.sdk_calls import main, sdk_calls
from vision.settings.channels import ChannelFacts

IMAGE = "123.dkr.ecr.eu-west-1.amazonaws.com/vision:1"


def values(source: str) -> dict[str, Any]:
    """What the source assigns as plain values."""
    found = {}
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            try:
                found[node.targets[0].id] = ast.literal_eval(node.value)
            except ValueError:
                continue
    return found


@pytest.mark.parametrize("algorithm", algorithms.names())
def test_the_calls_are_python_with_our_channels_metrics_and_ranges(algorithm: str) -> None:
    source, facts = sdk_calls(algorithm, IMAGE), algorithms.facts_of(algorithm)
    given = values(source)
    assert given["image_uri"] == IMAGE
    # The counts that SageMaker's own algorithms require are taken from the data.
    assert given["hyperparameters"] == {}
    assert given["metric_definitions"] == [{"Name": one.name, "Regex": one.regex} for one in facts.metric_definitions]
    assert {channel.name for channel in facts.channels if channel.required} <= set(given["content_types"])
    ranges = [entry["Name"] for entries in given["parameter_ranges"].values() for entry in entries]
    assert sorted(ranges) == sorted(row.name for row in facts.hyperparameters.rows() if row.tunable)
    for call in ("Estimator(", "HyperparameterTuner(", "ModelTrainer(", "client.create_training_job("):
        assert call in source


RECORDS = dict.fromkeys(("train", "validation"), "application/x-recordio")
MASKS = {
    **dict.fromkeys(("train", "validation"), "application/x-image"),
    **dict.fromkeys(("train_annotation", "validation_annotation"), "image/png"),
}
# Contract 1.7 and 2.5, and the contract of segmentation.
DOCUMENTED = [
    ("image_classification", RECORDS, ["sgd", "adam", "rmsprop", "nag"], ("8", "512"), (1e-6, 0.5)),
    ("object_detection", RECORDS, ["sgd", "adam", "rmsprop", "adadelta"], ("8", "64"), (1e-6, 0.5)),
    ("semantic_segmentation", MASKS, ["sgd", "adam"], ("1", "128"), (1e-4, 0.1)),
]


@pytest.mark.parametrize(("algorithm", "content_types", "optimizers", "batch", "rates"), DOCUMENTED)
def test_content_types_and_ranges_are_those_that_the_service_documents(
    algorithm: str,
    content_types: dict[str, str],
    optimizers: list[str],
    batch: tuple[str, str],
    rates: tuple[float, float],
) -> None:
    given = values(sdk_calls(algorithm, IMAGE))
    assert given["content_types"] == content_types
    ranges = given["parameter_ranges"]
    assert ranges["CategoricalParameterRanges"] == [{"Name": "optimizer", "Values": optimizers}]
    (integer,) = ranges["IntegerParameterRanges"]
    assert (integer["Name"], integer["MinValue"], integer["MaxValue"]) == ("mini_batch_size", *batch)
    rate = next(one for one in ranges["ContinuousParameterRanges"] if one["Name"] == "learning_rate")
    assert (float(rate["MinValue"]), float(rate["MaxValue"])) == rates


def test_a_channel_of_label_files_has_their_content_type(monkeypatch: pytest.MonkeyPatch) -> None:
    facts = algorithms.facts_of("image_classification")
    masks = ChannelFacts("train_annotation", "masks", required=True, label_suffixes=(".png",))
    with_masks = replace(facts, channels=(*facts.channels, masks))
    monkeypatch.setattr(algorithms, "facts_of", lambda name: with_masks)
    assert values(sdk_calls("image_classification", IMAGE))["content_types"] == {
        "train": "application/x-image",
        "validation": "application/x-image",
        "train_annotation": "image/png",
    }


def test_a_request_has_the_fields_that_boto3_knows() -> None:
    source = sdk_calls("image_classification", IMAGE)
    (definition,) = [
        node.value
        for node in ast.parse(source).body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == "definition"
    ]
    assert isinstance(definition, ast.Call)
    assert {keyword.arg for keyword in definition.keywords} == {
        "AlgorithmSpecification",
        "RoleArn",
        "InputDataConfig",
        "OutputDataConfig",
        "CheckpointConfig",
        "ResourceConfig",
        "StoppingCondition",
    }


@pytest.mark.parametrize("arguments", [[], ["image-classification"], ["semantic", IMAGE]])
def test_wrong_arguments_are_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert capsys.readouterr().err
