from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from vision.algorithms.algorithm import ScoredLabel
from vision.data.convert.format import SourceOptions
from vision.data.convert.formats import FORMATS
from vision.data.labels import Task
from vision.data.skipped import Skipped
from vision.labeling.task_files import ChosenImage, write_tasks

NAMES = ("cat", "dog")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    cv2.imwrite(str(tmp_path / "a b.png"), np.zeros((20, 40, 3), np.uint8))
    return tmp_path / "a b.png"


def written(file: Path, task: Task, *proposals: ScoredLabel) -> Path:
    chosen = ChosenImage(file, "images/sub/a b.png", (40, 20), 0.25, proposals)
    write_tasks(file.parent / "out", [chosen], task, NAMES, "m", "copy")
    return file.parent / "out"


def test_boxes_are_proposed_in_percent_and_in_pixels(file: Path) -> None:
    folder = written(file, "boxes", ScoredLabel(1, 0.5, (0.25, 0.5, 0.75, 1.0)))
    (task,) = json.loads((folder / "label_studio.json").read_text())
    assert task["data"]["image"] == "/data/local-files/?d=images/sub/a%20b.png"
    (prediction,) = task["predictions"]
    assert (prediction["model_version"], prediction["score"]) == ("m", 0.75)
    (result,) = prediction["result"]
    assert (result["score"], result["original_width"], result["original_height"]) == (0.5, 40, 20)
    assert result["value"] == {
        "x": 25,
        "y": 50,
        "width": 50,
        "height": 50,
        "rotation": 0,
        "rectanglelabels": ["dog"],
    }
    for form, name in (("cvat", "cvat.xml"), ("manifest", "proposed.manifest")):
        (image,) = FORMATS[form].source(folder / name, SourceOptions()).images(Skipped())
        (found,) = image.objects or ()
        assert (found.xyxy_px, found.class_id) == ((10, 10, 30, 20), 1)
        assert isinstance(image.image, Path)
        assert image.image.read_bytes() == file.read_bytes()
    line = json.loads((folder / "proposed.manifest").read_text())
    assert line["bounding-box-metadata"]["objects"] == [{"confidence": 0.5}]
    assert line["bounding-box-metadata"]["human-annotated"] == "no"


def test_proposed_boxes_are_the_same_pixels_in_each_tool(file: Path) -> None:
    # 0.07 times 40 is 2.8000000000000003.
    folder = written(file, "boxes", ScoredLabel(1, 0.5, (0.0700001, 0.29, 0.29, 0.5700004)))
    tasks = json.loads((folder / "label_studio.json").read_text())
    accepted = [{"data": one["data"], "annotations": one["predictions"]} for one in tasks]
    (folder / "accepted.json").write_text(json.dumps(accepted))
    for form, name in (("labelstudio", "accepted.json"), ("cvat", "cvat.xml"), ("manifest", "proposed.manifest")):
        (image,) = FORMATS[form].source(folder / name, SourceOptions()).images(Skipped())
        assert [one.xyxy_px for one in image.objects or ()] == [(2.8, 5.8, 11.6, 11.4)], form


def test_an_image_without_proposals_is_still_to_be_labeled(file: Path) -> None:
    folder = written(file, "boxes")
    assert json.loads((folder / "label_studio.json").read_text())[0]["predictions"][0]["result"] == []
    (image,) = FORMATS["manifest"].source(folder / "proposed.manifest", SourceOptions()).images(Skipped())
    assert image.objects == ()


def test_several_labels_have_a_confidence_each(file: Path) -> None:
    folder = written(file, "multi", ScoredLabel(1, 0.9), ScoredLabel(0, 0.6))
    line = json.loads((folder / "proposed.manifest").read_text())
    assert line["classes"] == [0, 1]
    assert line["classes-metadata"]["confidence-map"] == {"1": 0.9, "0": 0.6}


def test_masks_are_drawn_by_hand(file: Path) -> None:
    folder = written(file, "mask")
    assert sorted(path.name for path in folder.iterdir()) == ["images", "label_studio.json", "selected.jsonl"]
