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
def test_the_calls_are_python_with_our_metrics_and_ranges(algorithm: str) -> None:
    source = sdk_calls(algorithm, IMAGE)
    given = values(source)
    assert given["image_uri"] == IMAGE
    # The counts that SageMaker's own algorithms require are taken from the data.
    assert given["hyperparameters"] == {}
    definitions = algorithms.facts_of(algorithm).metric_definitions
    assert given["metric_definitions"] == [{"Name": one.name, "Regex": one.regex} for one in definitions]
    assert given["content_types"] == dict.fromkeys(("train", "validation"), "application/x-recordio")
    ranges = given["parameter_ranges"]
    assert set(ranges) == {
        "CategoricalParameterRanges",
        "ContinuousParameterRanges",
        "IntegerParameterRanges",
    }
    # Contract 1.7 and 2.5.
    optimizers = {
        "image_classification": ["sgd", "adam", "rmsprop", "nag"],
        "object_detection": ["sgd", "adam", "rmsprop", "adadelta"],
    }
    assert ranges["CategoricalParameterRanges"] == [{"Name": "optimizer", "Values": optimizers[algorithm]}]
    batch = {"image_classification": ("8", "512"), "object_detection": ("8", "64")}[algorithm]
    (integer,) = ranges["IntegerParameterRanges"]
    assert (integer["Name"], integer["MinValue"], integer["MaxValue"]) == ("mini_batch_size", *batch)
    rate = next(one for one in ranges["ContinuousParameterRanges"] if one["Name"] == "learning_rate")
    assert (float(rate["MinValue"]), float(rate["MaxValue"])) == (1e-6, 0.5)
    for call in ("Estimator(", "HyperparameterTuner(", "ModelTrainer(", "client.create_training_job("):
        assert call in source


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
