"""model.json: what is written, and what is refused."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from vision.artifacts.model_description import MAX_JSON_BYTES, ModelDescription, ModelFile
from vision.settings.errors import UserError

GOOD: dict[str, Any] = {
    "format": "vision-model",
    "format_version": 1,
    "algorithm": "image_classification",
    "architecture": {"depth": 20},
    "hyperparameters": {"num_classes": "2"},
    "class_names": ["cat", "dog"],
    "preprocessing": {},
    "metrics": {"validation_accuracy": 1, "validation_loss": None},
    "epoch": 3,
    "assumed_thresholds": {"cat": 0.25},
    "versions": {"vision": "0.1.0"},
    "weights": {"name": "weights-0003.safetensors", "sha256": "ab" * 32},
    "checkpoints": [],
}


def read(tmp_path: Path, data: bytes) -> ModelFile:
    path = tmp_path / "model.json"
    path.write_bytes(data)
    return ModelFile.read(path, "model.json")


def test_reads_a_file_written_by_hand(tmp_path: Path) -> None:
    model = read(tmp_path, json.dumps(GOOD).encode())
    assert model.class_names == ("cat", "dog")
    assert model.metrics["validation_accuracy"] == 1.0
    assert math.isnan(model.metrics["validation_loss"])
    assert model.weights.name == "weights-0003.safetensors"
    assert json.loads(model.to_json()) == GOOD


def test_reads_a_file_from_before_there_were_thresholds(tmp_path: Path) -> None:
    values = {name: value for name, value in GOOD.items() if name != "assumed_thresholds"}
    assert read(tmp_path, json.dumps(values).encode()).assumed_thresholds == {}


def changed(**values: Any) -> bytes:
    return json.dumps({**GOOD, **values}).encode()


def weights(name: str, sha256: str = "ab" * 32) -> dict[str, Any]:
    return {"weights": {"name": name, "sha256": sha256}}


@pytest.mark.parametrize(
    ("case", "data", "words"),
    [
        ("empty", b"", "not valid JSON"),
        ("garbage", b"\x80\x04\x95", "not valid JSON"),
        ("UTF-16", json.dumps(GOOD).encode("utf-16"), "not valid JSON"),
        ("cut", json.dumps(GOOD).encode()[:-5], "not valid JSON"),
        ("deep", b"[" * 10**6, "not valid JSON"),
        (
            "deep value",
            changed(architecture={"a": 0}).replace(b'"a": 0', b'"a":' + b"[" * 900 + b"]" * 900),
            "nested|deep",
        ),
        ("NaN", changed(metrics={"a": math.nan}), "NaN is not a finite number"),
        ("infinity", changed(architecture={"a": math.inf}), "Infinity is not a finite number"),
        ("overflow", changed().replace(b'"depth": 20', b'"depth": 1e999'), "1e999 is not a finite number"),
        (
            "integer of a million digits",
            changed().replace(b'"epoch": 3', b'"epoch": ' + b"9" * 10**6),
            "not valid JSON",
        ),
        ("too large", b" " * (MAX_JSON_BYTES + 1), "more than 16777216 bytes"),
        ("a list", b"[]", "not the description of a model"),
        ("other JSON", b'{"name": "data"}', "not the description of a model"),
        ("other format", changed(format="onnx"), "not the description of a model"),
        ("later version", changed(format_version=2), "format_version 2, and only 1 can be read"),
        ("key left out", json.dumps({k: v for k, v in GOOD.items() if k != "epoch"}).encode(), "epoch: Field required"),
        ("unknown key", changed(code="import os"), "code: Extra inputs"),
        ("wrong type", changed(epoch="3"), "epoch: Input should be a valid integer"),
        ("negative epoch", changed(epoch=-1), "epoch: Input should be greater"),
        ("hyperparameter is no text", changed(hyperparameters={"epochs": 3}), r"hyperparameters\.epochs"),
        ("metric is a text", changed(metrics={"a": "1"}), r"metrics\.a"),
        ("threshold above 1", changed(assumed_thresholds={"cat": 1.5}), r"assumed_thresholds\.cat"),
        ("class names is a text", changed(class_names="cat"), "class_names"),
        ("lone surrogate", changed(class_names=["\ud800"]), "surrogates"),
        ("lone surrogate inside", changed(architecture={"\ud800": 1}), "surrogates"),
        ("weights outside", changed(**weights("../weights-0001.safetensors")), r"weights\.name"),
        ("weights at the root", changed(**weights("/weights-0001.safetensors")), r"weights\.name"),
        ("weights in a folder", changed(**weights("a/weights-0001.safetensors")), r"weights\.name"),
        ("weights with a backslash", changed(**weights("..\\weights-0001.safetensors")), r"weights\.name"),
        ("weights with a line end", changed(**weights("weights-0001.safetensors\n")), r"weights\.name"),
        ("weights that are no safetensors", changed(**weights("weights-0001.pth")), r"weights\.name"),
        ("digest too short", changed(**weights("weights-0001.safetensors", "ab")), r"weights\.sha256"),
    ],
)
def test_refuses(tmp_path: Path, case: str, data: bytes, words: str) -> None:
    with pytest.raises(UserError, match=words) as caught:
        read(tmp_path, data)
    assert str(caught.value).startswith("model.json ")
    assert len(str(caught.value)) < 500


def test_versions_are_filled_in(describe: Callable[..., ModelDescription]) -> None:
    assert set(describe().versions) == {"vision", "torch", "python"}


def test_a_description_is_checked_when_it_is_made(describe: Callable[..., ModelDescription]) -> None:
    with pytest.raises(ValidationError):
        describe(hyperparameters={"epochs": 3})
