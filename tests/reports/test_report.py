"""A whole report in a folder."""

from __future__ import annotations

import io
import json
import re
from base64 import b64decode
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from vision.metrics.evaluation import Evaluation
from vision.reports.report import write_report


def image_of(index: int) -> np.ndarray | None:
    return None if index == 2 else np.full((30, 40, 3), 10 * index, np.uint8)


def test_everything_is_written(tmp_path: Path, evaluation: Evaluation, history: list) -> None:
    folder = tmp_path / "run" / "report"
    path = write_report(
        folder,
        title="Digits",
        evaluation=evaluation,
        history=history,
        settings={"epochs": "4"},
        image_of=image_of,
        verdict=("97.1 % of 7 images are right.",),
    )
    assert path == folder / "report.html"
    assert {entry.name for entry in folder.iterdir()} == {
        "report.html",
        "evaluation.json",
        "curves.png",
        "confusion.png",
        "per_class.png",
        "pr_curves.png",
        "mistakes.png",
        "boxes.png",
    }
    html = path.read_text(encoding="utf-8")
    # Long tables are folded in one place and have no bars; of nothing, there is none.
    assert re.search(r'id="further_tables"><h2>Further tables</h2><details><summary>By step</summary>', html)
    assert "Of nothing" not in html
    assert '<p class="verdict">97.1&nbsp;% of 7 images are right.</p>' in html
    tiles = dict(re.findall(r"<b>(.*?)</b><span>(.*?)</span>", html))
    assert tiles["97.13 %"] == "accuracy"
    assert tiles["2 min 40 s"] == "training time"
    assert tiles["1,002"] == "images per second"
    assert tiles["2.0 %"] == "waiting for data"
    for kind, data in re.findall(r'src="data:image/(\w+);base64,([^"]+)"', html):
        with Image.open(io.BytesIO(b64decode(data))) as picture:
            assert picture.format == kind.upper()
            picture.load()
    assert json.loads((folder / "evaluation.json").read_text())["num_images"] == 7


def test_an_evaluation_alone_needs_no_history(tmp_path: Path) -> None:
    empty = Evaluation(0, {}, ())
    path = write_report(tmp_path, title="t", evaluation=empty, history=[], settings={}, image_of=image_of)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["evaluation.json", "report.html"]
    assert "0 images, 0 classes" in path.read_text(encoding="utf-8")


def test_parts_of_the_same_name_do_not_overwrite_each_other(tmp_path: Path, evaluation: Evaluation) -> None:
    twice = replace(evaluation, curves=evaluation.curves * 2, galleries=())
    write_report(tmp_path, title="t", evaluation=twice, history=[], settings={}, image_of=image_of)
    assert {"pr_curves.png", "pr_curves_2.png"} <= {entry.name for entry in tmp_path.iterdir()}
