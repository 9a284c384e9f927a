"""``vision inspect`` with a model: what the contents of images show."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tests.retrieval.pictures import picture
from vision.cli.main import main

SIDE_PX = 96


def photo(seed: int, color: str) -> np.ndarray:
    """Return a picture BGR in reds or blues."""
    tint = {"red": (0.2, 0.4, 1.0), "blue": (1.0, 0.4, 0.2)}[color]
    return (picture(seed, SIDE_PX) * np.array(tint)).astype(np.uint8)


def found_in(folder: Path) -> dict[str, Any]:
    document = json.loads((folder / "inspection.json").read_text())
    return {issue["code"]: issue for issue in document["findings"]}


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two classes in two channels; one label is wrong, one photo leaked cropped, and one resembles no other."""
    monkeypatch.chdir(tmp_path)
    for part, seeds in (("train", range(12)), ("validation", range(100, 104))):
        for color in ("red", "blue"):
            folder = tmp_path / "photos" / part / color
            folder.mkdir(parents=True)
            for seed in seeds:
                cv2.imwrite(str(folder / f"{seed}.png"), photo(seed + (50 if color == "red" else 0), color))
    root = tmp_path / "photos"
    cv2.imwrite(str(root / "train/red/wrong.png"), photo(900, "blue"))
    cv2.imwrite(str(root / "validation/blue/leak.png"), photo(3, "blue")[10:90, 4:84])
    cv2.imwrite(str(root / "train/blue/odd.png"), np.full((SIDE_PX, SIDE_PX, 3), (0, 255, 0), np.uint8))
    return root


def test_contents_are_compared_by_a_model(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["inspect", str(photos), "workers=1"]
    assert main([*words, "output=plain"]) == 0
    assert not {"suspicious_label", "outlier", "near_leak"} & found_in(Path("plain")).keys()
    capsys.readouterr()
    assert main([*words, "output=compared", "model=classical"]) == 0
    shown, found = capsys.readouterr().out, found_in(Path("compared"))

    (label,) = found["suspicious_label"]["rows"]
    assert (Path(label["image"]).name, label["label"], label["neighbors show"]) == ("wrong.png", "red", "blue")
    assert label["share"] >= 0.8
    assert "red, but" in found["suspicious_label"]["sentence"]
    suspect, *near = found["suspicious_label"]["records"][0]
    assert (suspect["channel"], len(near)) == ("train", 3)
    assert {one["detail"] for one in near} == {"blue"}

    assert [Path(row["image"]).name for row in found["outlier"]["rows"]] == ["odd.png"]
    (leak,) = found["near_leak"]["rows"]
    assert [Path(leak[name]).name for name in ("image", "looks like")] == ["3.png", "leak.png"]
    assert leak["image"].startswith("train ") and leak["looks like"].startswith("validation ")
    assert {issue["severity"] for issue in found.values()} == {"warning"}
    for title in ("Suspicious label (1)", "Outlier (1)", "Near leak (1)"):
        assert title in shown
    page = Path("compared/inspection.html").read_text()
    assert "<h2>suspicious label (1)</h2>" in page
    assert "odd.<wbr>png" in page


def test_boxes_are_compared_by_what_they_cut_out(tmp_path: Path) -> None:
    names, lines = ("red", "blue"), []
    for number in range(12):
        image = np.full((SIDE_PX, 2 * SIDE_PX, 3), 128, np.uint8)
        image[:, :SIDE_PX], image[:, SIDE_PX:] = photo(number, "red"), photo(50 + number, "blue")
        cv2.imwrite(str(tmp_path / f"{number}.png"), image)
        classes = (1, 1) if number == 5 else (0, 1)
        boxes = [
            {"class_id": class_id, "left": left, "top": 0, "width": SIDE_PX, "height": SIDE_PX}
            for class_id, left in zip(classes, (0, SIDE_PX), strict=True)
        ]
        size = {"width": 2 * SIDE_PX, "height": SIDE_PX, "depth": 3}
        lines.append(
            json.dumps(
                {
                    "source-ref": f"{number}.png",
                    "boxes": {"image_size": [size], "annotations": boxes},
                    "boxes-metadata": {
                        "type": "groundtruth/object-detection",
                        "class-map": dict(enumerate(names)),
                        "objects": [{"confidence": 1}] * 2,
                        "human-annotated": "yes",
                        "creation-date": "2024-01-01T00:00:00",
                        "job-name": "boxes",
                    },
                }
            )
        )
    (tmp_path / "train.manifest").write_text("\n".join(lines) + "\n")
    words = ["inspect", str(tmp_path / "train.manifest"), f"output={tmp_path / 'found'}", "workers=1"]
    assert main([*words, "model=classical"]) == 0
    issue = found_in(tmp_path / "found")["suspicious_label"]
    (row,) = issue["rows"]
    assert (row["box"], row["label"], row["neighbors show"]) == (0, "blue", "red")
    assert "5.png" in row["image"]
    assert "boxes, by what they cut out" in issue["sentence"]


def test_a_model_that_cannot_be_had_keeps_what_was_found(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["inspect", str(photos), "workers=1", "output=out"]
    assert main([*words, "model=nowhere"]) == 2
    assert "Setting model is 'nowhere', which does not exist" in capsys.readouterr().err
    assert main([*words, "model=nolibrary:net"]) == 1
    assert "contents were not compared" in capsys.readouterr().err
    assert found_in(Path("out"))["contents_not_compared"]["severity"] == "error"
