"""Index, search, copies and labels in Python: what the commands do, with typed results."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

import vision
from tests.retrieval.pictures import picture, reencoded
from vision.api import RunResult

CPU = {"device": "cpu"}


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Four photos, and one of them in another encoding."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    for seed in range(4):
        cv2.imwrite(f"photos/{seed}.png", picture(seed))
    cv2.imwrite("photos/copy.jpg", reencoded(picture(3)))
    return tmp_path / "photos"


def test_from_photos_to_copies_and_labels(photos: Path, trained: RunResult) -> None:
    (photos / "broken.png").write_bytes(b"nothing")
    model = trained.folder.path

    indexed = vision.index("photos", model=model, output="index", run=CPU)
    assert (indexed.folder, indexed.added, indexed.known) == (Path("index"), 5, 0)
    assert [problem.partition(":")[0] for problem in indexed.problems] == ["photos/broken.png"]
    (photos / "broken.png").unlink()
    assert vision.index(["photos/0.png", Path("photos/1.png")], model=model, output="index", run=CPU).known == 2

    (answer,) = vision.search("index", Path("photos/3.png"), top=2, rerank="geometry", run=CPU)
    assert answer.path == "photos/3.png"
    assert {one.name for one in answer.found} == {"photos/3.png", "photos/copy.jpg"}
    assert answer.to_pandas()["similarity"].tolist() == [one.similarity for one in answer.found]
    assert vision.duplicates("index").near == [["photos/3.png", "photos/copy.jpg"]]

    chosen = vision.label_select("photos", model=model, output="out", count=2, by="uncertainty", run=CPU)
    lines = [json.loads(line) for line in Path("out/selected.jsonl").read_text().splitlines()]
    assert [str(one.file) for one in chosen.chosen] == [line["file"] for line in lines]
    assert (chosen.pool_size, chosen.problems, repr(chosen)) == (5, (), "<LabelSelection: 2 of 5 images>")
    assert chosen.to_pandas()["label"].tolist() == [line["proposals"][0]["label"] for line in lines]


def test_wrong_arguments_end_in_a_sentence(photos: Path, trained: RunResult) -> None:
    (photos / "broken.png").write_bytes(b"nothing")
    vision.index("photos/0.png", model=trained.folder.path, output="index", run=CPU)
    for call, sentence in (
        (lambda: vision.index("gone", model="m", output="i"), "'gone' does not exist"),
        (lambda: vision.search("index", "photos/0.png", top=0), "Setting top is 0"),
        (lambda: vision.search("index", "photos/0.png", top="5"), "Setting top is '5' but must be a whole number"),
        (lambda: vision.search("index", "photos/0.png", rerank="no"), "must be one of none, geometry"),
        (lambda: vision.search("index", b"image"), "Images are paths here, but bytes was given"),
        (lambda: vision.search("index", [np.zeros((8, 8, 3))]), "Images are paths here, but ndarray was given"),  # type: ignore[list-item]
        (lambda: vision.search("index", "photos/broken.png", run=CPU), "photos/broken.png: "),
        (lambda: vision.duplicates("photos"), "photos holds no index"),
        (lambda: vision.duplicates("index", similarity=2), "Setting similarity is 2"),
        (lambda: vision.duplicates("index", similarity="high"), "Setting similarity is 'high'"),
        (lambda: vision.label_select("photos", model="m", output="o", count=0), "Setting count is 0"),
        (lambda: vision.label_select("photos", model="m", output="o", count=2.5), "Setting count is 2.5"),
        (lambda: vision.label_select("photos", model="m", output="photos"), "which is there already"),
    ):
        with pytest.raises(vision.UserError, match=sentence):
            call()  # type: ignore[no-untyped-call]
