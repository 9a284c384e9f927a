from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.retrieval.pictures import picture
from vision.data.readers.folder import FolderReader
from vision.metrics.evaluation import Evaluation, Example, Gallery
from vision.reports.nearest_training import COPY, OTHER_LABEL, TITLE, nearest_training
from vision.reports.report import write_report
from vision.retrieval.embedding_model import EmbeddingModel
from vision.retrieval.training_neighbors import TrainingImages
from vision.settings.run import RunSettings

BLUE, RED = 0, 1
SIDE_PX = 96


def photo(seed: int, color: str) -> np.ndarray:
    """Return a picture RGB in reds or blues."""
    tint = {"red": (1.0, 0.4, 0.2), "blue": (0.2, 0.4, 1.0)}[color]
    return (picture(seed, SIDE_PX) * np.array(tint)).astype(np.uint8)


@pytest.fixture
def training(tmp_path: Path) -> TrainingImages:
    """Six photos of each class, and one that cannot be read."""
    for offset, color in ((0, "blue"), (50, "red")):
        (tmp_path / "train" / color).mkdir(parents=True)
        for seed in range(6):
            pixels = cv2.cvtColor(photo(offset + seed, color), cv2.COLOR_RGB2BGR)
            cv2.imwrite(str(tmp_path / "train" / color / f"{seed}.png"), pixels)
    (tmp_path / "train" / "red" / "broken.png").write_bytes(b"nothing")
    model = EmbeddingModel.open("classical", RunSettings())
    return TrainingImages(model, FolderReader(tmp_path / "train"), ("blue", "red"))


@pytest.fixture
def evaluation() -> Evaluation:
    """Three mistakes, one of them shown twice, an image that cannot be read, and one that is no mistake."""
    leaked = Example(0, "leaked.png", "truth blue / predicted red 0.9", truth_and_prediction=(BLUE, RED))
    mislabeled = Example(1, "mislabeled.png", "truth red / predicted blue 0.8", truth_and_prediction=(RED, BLUE))
    wrong = Example(2, "wrong.png", "truth red / predicted blue 0.7", truth_and_prediction=(RED, BLUE))
    unread = Example(3, "unread.png", "truth red / predicted blue 0.6", truth_and_prediction=(RED, BLUE))
    galleries = (
        Gallery("Mistakes", (leaked, mislabeled, wrong, unread), of_mistakes=True),
        Gallery("False positives", (wrong,), of_mistakes=True),
        Gallery("Samples", (Example(4, "right.png", ""),)),
    )
    return Evaluation(5, {"accuracy": 0.2}, ("blue", "red"), galleries=galleries)


def image_of(index: int) -> np.ndarray | None:
    leaked = np.ascontiguousarray(photo(3, "blue")[3:94, 2:93])
    return {0: leaked, 1: photo(900, "blue"), 2: photo(901, "red"), 4: photo(902, "red")}.get(index)


def test_each_mistake_is_compared_with_what_the_model_learned_from(
    training: TrainingImages, evaluation: Evaluation
) -> None:
    found = nearest_training(evaluation, image_of, training)
    assert found is not None
    rows = {str(row[0]): row for row in found.table.rows}
    assert list(rows) == ["leaked.png", "mislabeled.png", "wrong.png"]
    assert {key: (row[3], row[5]) for key, row in rows.items()} == {
        "leaked.png": ("blue", COPY),
        "mislabeled.png": ("blue", OTHER_LABEL),
        "wrong.png": ("red", ""),
    }
    assert str(rows["leaked.png"][2]).endswith("blue/3.png")
    assert all(0.5 < float(row[4] or 0) <= 1 for row in rows.values())
    assert [note.split(",")[0] for note in found.notes] == ["Of 3 mistakes compared with training images"] * 2
    assert found.section.body.count("<details open>") == 3
    # The mistake and three training images each.
    assert found.section.body.count("data:image/jpeg") == 12


def test_a_report_shows_them_and_keeps_them_in_its_json(
    training: TrainingImages, evaluation: Evaluation, tmp_path: Path
) -> None:
    page = write_report(
        tmp_path / "report",
        title="t",
        evaluation=evaluation,
        history=[],
        settings={},
        image_of=image_of,
        training=training,
    )
    assert f"<h2>{TITLE}</h2>" in page.read_text()
    document = json.loads((tmp_path / "report" / "evaluation.json").read_text())
    (table,) = document["tables"]
    assert (table["title"], len(table["rows"]), len(document["notes"])) == (TITLE, 3, 2)
    assert set(document["galleries"][0]["examples"][0]) == {"index", "key", "caption", "boxes"}


def test_without_mistakes_there_is_nothing_to_show(training: TrainingImages) -> None:
    none = Evaluation(1, {}, (), galleries=(Gallery("Samples", (Example(4, "right.png", ""),)),))
    assert nearest_training(none, image_of, training) is None
