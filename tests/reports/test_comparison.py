from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from vision.metrics.bootstrap import Compared, Comparison, Interval, PairedIntervals
from vision.reports.comparison import names_of, tables, to_json, verdict, write_comparison

UNDEFINED = Interval(math.nan, math.nan, math.nan)


def comparison(low: float, high: float) -> Comparison:
    middle = (low + high) / 2
    decisive = PairedIntervals(
        Interval(0.9, 0.85, 0.95), Interval(0.9 + middle, 0.86, 0.97), Interval(middle, low, high)
    )
    return Comparison(
        model="runs/a",
        other="runs/<b>",
        num_images=1200,
        resamples=500,
        objective="accuracy",
        metrics=(Compared("accuracy", decisive),),
        class_metric="recall",
        classes=(
            Compared("<i>cat</i>", decisive),
            Compared("dog", PairedIntervals(UNDEFINED, UNDEFINED, UNDEFINED)),
        ),
        notes=("A note.",),
    )


@pytest.mark.parametrize(
    ("low", "high", "sentence"),
    [
        (
            0.01,
            0.03,
            "<b> is better than a: accuracy 92.0 % against 90.0 %, by 2.0 points (95 % interval 1.0 to 3.0).",
        ),
        (
            -0.03,
            -0.01,
            "a is better than <b>: accuracy 90.0 % against 88.0 %, by 2.0 points (95 % interval 1.0 to 3.0).",
        ),
        (
            -0.01,
            0.0104,
            "These 1,200 images do not show which model is better: accuracy of <b> differs from that of a by +0.0 "
            "points, and the 95 % interval, -1.0 to +1.0, includes no difference.",
        ),
        (
            math.nan,
            math.nan,
            "These images do not show which model is better: accuracy is undefined on them.",
        ),
    ],
)
def test_verdict(low: float, high: float, sentence: str) -> None:
    assert verdict(comparison(low, high)) == sentence


@pytest.mark.parametrize(
    ("model", "other", "names"),
    [
        ("runs/first", "runs/second/model", ("first", "second")),
        ("a/run/model.tar.gz", "b/run", ("a/run", "b/run")),
        ("model.tar.gz", "runs/b", ("model.tar.gz", "b")),
        ("runs/a", "runs/a/model", ("model", "other")),
    ],
)
def test_the_names_of_the_models_are_those_of_their_runs(model: str, other: str, names: tuple[str, str]) -> None:
    assert names_of(replace(comparison(0.01, 0.03), model=model, other=other)) == names


def test_tables() -> None:
    overall, classes = tables(comparison(0.01, 0.03))
    assert overall.columns == ("metric", "a, %", "<b>, %", "difference", "<b> is")
    assert overall.rows == (
        ("accuracy", "90.0 (85.0 to 95.0)", "92.0 (86.0 to 97.0)", "+2.0 (+1.0 to +3.0)", "better"),
    )
    assert classes.title == "recall of each class"
    assert classes.rows[1] == ("dog", "\u2013", "\u2013", "\u2013", "")


def test_json_has_unrounded_numbers_and_no_nan(tmp_path: Path) -> None:
    document = json.loads(json.dumps(to_json(comparison(0.01, 0.03)), allow_nan=False))
    assert document["metrics"]["accuracy"]["difference"] == {"value": 0.02, "low": 0.01, "high": 0.03}
    assert document["metrics"]["accuracy"]["sign"] == 1
    assert document["classes"][1] == {
        "class": "dog",
        **{role: {"value": None, "low": None, "high": None} for role in ("model", "other", "difference")},
        "sign": 0,
    }


def test_the_page_has_all_and_escapes_names(tmp_path: Path) -> None:
    path = write_comparison(tmp_path / "new" / "folder", comparison(0.01, 0.03))
    page = path.read_text(encoding="utf-8")
    assert "&lt;i&gt;cat&lt;/i&gt;" in page
    assert "<i>cat" not in page
    assert "runs/&lt;b&gt;" in page
    assert page.count("data:image/png") == 2
    assert json.loads((path.parent / "comparison.json").read_text())["other"] == "runs/<b>"
    undefined = replace(comparison(math.nan, math.nan), classes=())
    assert "undefined" in write_comparison(tmp_path, undefined).read_text(encoding="utf-8")
