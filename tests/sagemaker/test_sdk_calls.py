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
    content_types = dict.fromkeys(("train", "validation"), "application/x-recordio")
    if algorithm == "semantic_segmentation":
        images, masks = ("application/x-image",) * 2, ("image/png",) * 2
        names = ("train", "validation", "train_annotation", "validation_annotation")
        content_types = dict(zip(names, (*images, *masks), strict=True))
    assert given["content_types"] == content_types
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
        "semantic_segmentation": ["sgd", "adam"],
    }
    assert ranges["CategoricalParameterRanges"] == [{"Name": "optimizer", "Values": optimizers[algorithm]}]
    batch = {
        "image_classification": ("8", "512"),
        "object_detection": ("8", "64"),
        "semantic_segmentation": ("1", "128"),
    }[algorithm]
    (integer,) = ranges["IntegerParameterRanges"]
    assert (integer["Name"], integer["MinValue"], integer["MaxValue"]) == ("mini_batch_size", *batch)
    rate = next(one for one in ranges["ContinuousParameterRanges"] if one["Name"] == "learning_rate")
    rates = (1e-4, 0.1) if algorithm == "semantic_segmentation" else (1e-6, 0.5)
    assert (float(rate["MinValue"]), float(rate["MaxValue"])) == rates
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
