"""evaluation.json: what is written is read back, and nothing else is taken for one."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from vision.metrics.evaluation import Curves, Evaluation, Example, Gallery, Heat
from vision.reports.evaluation_json import read_evaluation, write_evaluation
from vision.settings.errors import UserError


def test_every_part_comes_back(tmp_path: Path, evaluation: Evaluation) -> None:
    path = tmp_path / "evaluation.json"
    write_evaluation(path, evaluation)
    found = read_evaluation(path)
    assert list(found.metrics) == list(evaluation.metrics)
    assert math.isnan(found.metrics["macro_f1"])
    assert found.metrics["accuracy"] == evaluation.metrics["accuracy"]
    plain = {"metrics": {}, "matrices": (), "curves": ()}
    assert replace(found, **plain) == replace(evaluation, **plain)
    np.testing.assert_array_equal(found.matrices[0].counts, evaluation.matrices[0].counts)
    assert found.matrices[0].counts.dtype == np.int64
    assert found.matrices[0].row_labels == evaluation.class_names
    for name, (x, y) in evaluation.curves[0].series.items():
        np.testing.assert_array_equal(found.curves[0].series[name][0], x)
        np.testing.assert_array_equal(found.curves[0].series[name][1], y)


def test_heat_is_for_looking_at_and_left_out(tmp_path: Path) -> None:
    example = Example(3, "a.jpg", "truth a / predicted b", heat=Heat(np.ones((2, 2)), (0.0, 0.0, 1.0, 1.0)))
    path = tmp_path / "evaluation.json"
    write_evaluation(path, Evaluation(4, {}, ("a", "b"), galleries=(Gallery("Heat", (example,)),)))
    assert b"heat" not in path.read_bytes()
    assert read_evaluation(path).galleries == (Gallery("Heat", (replace(example, heat=None),)),)


def test_the_file_is_standard_json_and_undefined_numbers_survive(tmp_path: Path, evaluation: Evaluation) -> None:
    holes = Curves("c", "x", "y", {"a": (np.array([0.0, np.nan]), np.array([1.0, 2.0], np.float32))})
    path = tmp_path / "evaluation.json"
    write_evaluation(path, replace(evaluation, curves=(holes,)))

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    document = json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)
    assert document["metrics"]["macro_f1"] is None
    np.testing.assert_array_equal(read_evaluation(path).curves[0].series["a"][0], [0.0, np.nan])
    assert [entry.name for entry in tmp_path.iterdir()] == ["evaluation.json"]


def test_file_names_that_are_no_utf8_survive(tmp_path: Path) -> None:
    odd = "caf\udce9.jpg"
    path = tmp_path / "evaluation.json"
    write_evaluation(path, Evaluation(1, {}, ("猫", odd)))
    assert read_evaluation(path).class_names == ("猫", odd)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (None, "cannot be read"),
        ("{", "is not an evaluation.json"),
        ("[]", "is not an evaluation.json"),
        ("{}", "is not an evaluation.json"),
        ('{"format_version": 1, "metrics": 3}', "is not an evaluation.json"),
        ('{"format_version": 99}', "format_version 99"),
    ],
)
def test_anything_else_is_refused_in_a_sentence(tmp_path: Path, text: str | None, sentence: str) -> None:
    path = tmp_path / "evaluation.json"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=sentence):
        read_evaluation(path)
