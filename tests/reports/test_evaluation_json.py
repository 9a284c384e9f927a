"""evaluation.json: every part is in it, as standard JSON."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from vision.metrics.evaluation import Curves, Evaluation, Example, Gallery, Heat, Overlay
from vision.reports.evaluation_json import write_evaluation


def written(path: Path, evaluation: Evaluation) -> dict[str, Any]:
    """The document, read by a parser that takes standard JSON only."""

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    write_evaluation(path, evaluation)
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]
    return json.loads(path.read_text(encoding="ascii"), parse_constant=refuse)


def test_every_part_is_there(tmp_path: Path, evaluation: Evaluation) -> None:
    found = written(tmp_path / "evaluation.json", evaluation)
    assert found["format_version"] == 1
    assert found["num_images"] == 7
    assert found["metrics"] == {"accuracy": 0.97128, "macro_f1": None, "loss": 1.5}
    assert found["class_names"] == list(evaluation.class_names)
    assert found["tables"][1] == {
        "title": "Per class",
        "columns": ["class", "F1", "images"],
        "rows": [[name, None if name == "cat" else 0.5, 3] for name in evaluation.class_names],
        "is_long": False,
    }
    (matrix,) = found["matrices"]
    assert matrix["row_labels"] == list(evaluation.class_names)
    assert matrix["counts"] == np.arange(16).reshape(4, 4).tolist()
    (curves,) = found["curves"]
    assert curves["series"]["cat"] == {"x": [0, 0.25, 0.5, 0.75, 1], "y": [1, 0.75, 0.5, 0.25, 0]}
    assert found["galleries"][1]["examples"][1] == {"index": 2, "key": "b.jpg", "caption": "", "boxes": []}
    assert found["galleries"][1]["examples"][0]["boxes"][0] == {
        "xyxy_unit": [0.1, 0.2, 0.5, 0.6],
        "caption": "cat",
        "role": "truth",
    }
    assert found["notes"] == list(evaluation.notes)
    assert "labels" not in found


def test_heat_and_overlays_are_for_looking_at_and_left_out(tmp_path: Path) -> None:
    heat, overlay = Heat(np.ones((2, 2)), (0.0, 0.0, 1.0, 1.0)), Overlay(np.ones((2, 2, 4), np.uint8))
    example = Example(3, "a.jpg", "truth a / predicted b", heat=heat, overlays=(overlay,))
    evaluation = Evaluation(4, {}, ("a", "b"), galleries=(Gallery("Heat", (example,)),))
    (gallery,) = written(tmp_path / "evaluation.json", evaluation)["galleries"]
    assert gallery["examples"] == [{"index": 3, "key": "a.jpg", "caption": "truth a / predicted b", "boxes": []}]


def test_undefined_numbers_are_null(tmp_path: Path, evaluation: Evaluation) -> None:
    holes = Curves("c", "x", "y", {"a": (np.array([0.0, np.nan]), np.array([1.0, 2.0], np.float32))})
    (curves,) = written(tmp_path / "evaluation.json", replace(evaluation, curves=(holes,)))["curves"]
    assert curves["series"]["a"] == {"x": [0.0, None], "y": [1.0, 2.0]}


def test_file_names_that_are_no_utf8_survive(tmp_path: Path) -> None:
    odd = "caf\udce9.jpg"
    assert written(tmp_path / "evaluation.json", Evaluation(1, {}, ("猫", odd)))["class_names"] == ["猫", odd]
