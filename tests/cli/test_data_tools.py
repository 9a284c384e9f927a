"""``vision convert``, ``split`` and ``inspect`` from the command line: statuses, files, sentences."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path

import cv2
import numpy as np
import pytest

from vision.cli.main import main
from vision.cli.split import read_shares
from vision.data.readers.folder import FolderReader
from vision.settings.errors import SettingsError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Ten pictures of random blocks in each of two class folders; names begin with the patient."""
    rng = np.random.default_rng(0)
    for number in range(20):
        path = tmp_path / "data" / ("cats" if number % 2 else "dogs") / f"p{number // 4}_{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        blocks = rng.integers(0, 256, (6, 6, 3), np.uint8)
        cv2.imwrite(str(path), cv2.resize(blocks, (48, 48), interpolation=cv2.INTER_NEAREST))
    return tmp_path / "data"


def test_convert_and_what_it_leaves_out(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    words = ["convert", "from=folder", "to=recordio", f"input={folder}"]
    assert main(["convert", str(folder), str(tmp_path / "a/all.rec"), "to=recordio"]) == 0
    assert "all.rec: 20 images, 2 classes" in capsys.readouterr().out
    (folder / "cats" / "broken.png").write_bytes(b"no image")
    assert main([*words, f"output={tmp_path / 'b' / 'all.rec'}"]) == 1
    assert "1 record left out" in capsys.readouterr().err
    assert "data/cats/broken.png: not an image" in (tmp_path / "b" / "all.rec.left-out.txt").read_text()


def test_a_format_of_boxes_means_its_masks_where_masks_are_written(folder: Path, tmp_path: Path) -> None:
    shapes = [{"label": "dog", "points": [[0, 0], [20, 10], [0, 10]], "shape_type": "polygon"}]
    name = sorted(path.name for path in (folder / "dogs").iterdir())[0]
    (folder / "dogs" / "a.json").write_text(json.dumps({"flags": {}, "shapes": shapes, "imagePath": name}))
    assert main(["convert", str(folder / "dogs"), str(tmp_path / "masks"), "from=labelme", "to=masks"]) == 0
    assert (tmp_path / "masks" / "classes.txt").read_text() == "background\ndog\n"
    boxes = ["from=labelme", "to=voc", "box_polygons=true"]
    assert main(["convert", str(folder / "dogs"), str(tmp_path / "boxes"), *boxes]) == 0


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["convert"], "Setting from is required but missing"),
        (["convert", "from=foldr", "to=coco", "input=.", "output=x"], "did you mean folder?"),
        (["convert", "from=folder", "to=coco", "input=nowhere", "output=x.json"], "'nowhere', which does not exist"),
        (["convert", "from=folder", "to=coco", "input=data", "output=x.json"], "but to=coco holds boxes"),
        (["split", "format=folder", "input=data", "output=x", "parts=a:0.5"], "adds up to 0.5, not to 1"),
        (["split", "format=folder", "input=data", "output=x", "group=("], "which is not a valid pattern"),
        (["split", "format=folder", "input=data", "output=x", "group=zebra"], "does not occur in the name"),
        (["inspect"], "Channel train or validation is required"),
        (["inspect", "channels.train=nowhere"], "does not exist"),
    ],
)
def test_mistakes_get_a_sentence(
    words: list[str],
    sentence: str,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    monkeypatch.chdir(folder.parent)
    assert main(words) == 2
    assert sentence in capsys.readouterr().err


@pytest.mark.parametrize("verb", ["convert", "split", "inspect"])
def test_help(verb: str, capsys: pytest.CaptureFixture) -> None:
    assert main([verb, "--help"]) == 0
    assert f"Usage: vision {verb}" in capsys.readouterr().out


def test_split_keeps_groups_and_classes(folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "parts"
    words = ["split", "format=folder", f"input={folder}", f"output={output}", "group=p(\\d+)_", "seed=3"]
    assert main([*words, "parts=train:0.6,validation:0.4"]) == 0
    names = {part: [path.name for path in (output / part).rglob("*.png")] for part in ("train", "validation")}
    patients = {part: {name.split("_")[0] for name in found} for part, found in names.items()}
    assert [len(found) for found in names.values()] == [12, 8]
    assert not patients["train"] & patients["validation"]
    assert FolderReader(output / "train").class_names == FolderReader(output / "validation").class_names


@pytest.mark.parametrize("seed", range(4))
def test_split_keeps_copies_in_one_part_where_inspect_would_call_them_leaks(
    seed: int, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    dogs = sorted((folder / "dogs").iterdir())
    for number, original in enumerate(dogs[:4]):
        (folder / "dogs" / f"copy{number}.png").write_bytes(original.read_bytes())
        image = cv2.imread(str(original))
        cv2.imwrite(str(folder / "dogs" / f"near{number}.jpg"), cv2.resize(image, (40, 40)))
    words = ["split", "format=folder", f"input={folder}", "parts=train:0.6,validation:0.4", f"seed={seed}", "workers=2"]
    leaks = {}
    for keep in ("true", "false"):
        output = tmp_path / keep
        assert main([*words, f"output={output}", f"keep_copies={keep}"]) == 0
        counts = [
            len(list((output / part / name).iterdir())) for part in ("train", "validation") for name in ("cats", "dogs")
        ]
        assert counts == pytest.approx([6, 10.8, 4, 7.2], abs=2)
        channels = [f"channels.{part}={output / part}" for part in ("train", "validation")]
        main(["inspect", *channels, f"output={tmp_path / 'report'}", "workers=1"])
        found = json.loads((tmp_path / "report" / "inspection.json").read_text())["findings"]
        leaks[keep] = {finding["code"] for finding in found} & {"leak", "near_leak"}
    capsys.readouterr()
    assert leaks == {"true": set(), "false": {"leak", "near_leak"}}


def test_a_split_of_broken_images_alone_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    for name in ("cats", "dogs"):
        (tmp_path / "data" / name).mkdir(parents=True)
        (tmp_path / "data" / name / "a.png").write_bytes(b"no image")
    assert main(["split", "format=folder", f"input={tmp_path / 'data'}", f"output={tmp_path / 'out'}"]) == 2
    assert "None of 2 images could be written; first: " in capsys.readouterr().err


@pytest.mark.parametrize("text", ["", "train", "train:0.5,train:0.5", "a/b:1", "train:-1,b:2", "train:nan"])
def test_shares_that_are_none(text: str) -> None:
    with pytest.raises(SettingsError, match="parts"):
        read_shares(text)


def test_inspect_of_clean_data(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    output = tmp_path / "report"
    assert main(["inspect", str(folder), f"output={output}", "workers=1"]) == 0
    shown = capsys.readouterr().out
    document = json.loads((output / "inspection.json").read_text())
    assert document["channels"]["train"]["records"] == 20
    chosen = {one["setting"]: one["value"] for one in document["settings"]}
    assert (chosen["algorithm"], chosen["hp.image_shape"]) == ("image_classification", "3,32,32")
    page = (output / "inspection.html").read_text()
    assert "Classes of train" in page
    assert "What vision train chooses" in page
    assert page.count("<script") == 1
    # Eight pictures of each of the two classes.
    assert page.count("data:image/jpeg") == 16
    assert shown.splitlines()[-2:] == ["train with:", f"  vision train {folder}"]


def test_inspect_of_dirt_fails_and_shows_it(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    (folder / "dogs" / "copy.png").write_bytes((folder / "cats" / "p0_1.png").read_bytes())
    (folder / "dogs" / "broken.png").write_bytes(b"no image")
    assert main(["inspect", f"channels.train={folder}", f"output={tmp_path / 'report'}", "workers=1"]) == 1
    errors = capsys.readouterr().err
    assert "error: channel train: 1 of 22 images cannot be decoded; data/dogs/broken.png: not an image" in errors
    assert "error: 1 image with different labels" in errors
    assert (tmp_path / "report" / "inspection.html").read_text().count("data:image/jpeg") >= 2


def test_an_empty_class_folder_hides_nothing_of_the_others(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    (folder / "birds").mkdir()
    (folder / "dogs" / "broken.png").write_bytes(b"no image")
    assert main(["inspect", f"channels.train={folder}", f"output={tmp_path / 'report'}", "workers=1"]) == 1
    shown = capsys.readouterr()
    assert "class folder 'birds' holds no images; put some in or remove it" in shown.err
    assert "1 of 21 images cannot be decoded" in shown.err
    assert json.loads((tmp_path / "report/inspection.json").read_text())["errors"] == 2
    assert shown.out.splitlines()[-1] == f"  vision train channels.train={folder} recipe=auto"


def test_inspect_of_a_manifest_that_cannot_be_read(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    manifest = folder / "t.manifest"
    manifest.write_text('{"source-ref": "cats/p0_1.png", "c": 1}\n{"source-ref": "lost.png", "c": 0}\n')
    assert main(["inspect", f"channels.train={manifest}", f"output={tmp_path / 'report'}"]) == 1
    assert "lost.png" in capsys.readouterr().err
    summary = json.loads((tmp_path / "report" / "manifest_summary.json").read_text())
    assert summary["statistics"]["training"]["error_json_line_indices"] == [1, 2]
    assert len((tmp_path / "report" / "train.validated.manifest").read_text().splitlines()) == 2


def test_a_manifest_of_masks_is_not_judged_by_custom_labels(folder: Path, tmp_path: Path) -> None:
    cv2.imwrite(str(folder / "m.png"), np.zeros((48, 48, 3), np.uint8))
    colors = {"0": {"class-name": "BACKGROUND", "hex-color": "#000000"}}
    line = {"source-ref": "cats/p0_1.png", "m-ref": "m.png", "m-ref-metadata": {"internal-color-map": colors}}
    manifest = folder / "t.manifest"
    manifest.write_text(json.dumps(line) + "\n")
    assert main(["inspect", f"channels.train={manifest}", f"output={tmp_path / 'report'}", "workers=1"]) == 0
    assert sorted(path.name for path in (tmp_path / "report").iterdir()) == ["inspection.html", "inspection.json"]


@pytest.fixture
def masked(tmp_path: Path) -> list[str]:
    """The words that inspect two images of 2x2 pixels with masks of 0 and 255; the second, grey, shows 255 alone."""
    noise = np.random.default_rng(0).integers(0, 256, (2, 2, 3), np.uint8)
    pairs = [(noise, [[0, 255], [255, 255]]), (np.full((2, 2, 3), 100, np.uint8), [[255, 255], [255, 255]])]
    for name in ("train", "train_annotation", "maps"):
        (tmp_path / name).mkdir()
    for number, (image, mask) in enumerate(pairs):
        cv2.imwrite(str(tmp_path / "train" / f"{number}.png"), image)
        cv2.imwrite(str(tmp_path / "train_annotation" / f"{number}.png"), np.array(mask, np.uint8))
    (tmp_path / "maps" / "train_label_map.json").write_text('{"map": {"0": 0, "1": 255}}')
    channels = {"train": "train", "train_annotation": "train_annotation", "label_map": "maps"}
    words = [f"channels.{name}={tmp_path / folder}" for name, folder in channels.items()]
    return ["inspect", *words, f"output={tmp_path / 'report'}", "workers=1"]


def test_inspect_reads_masks_by_their_label_map(
    masked: list[str], tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    assert main(masked) == 0
    train = json.loads((tmp_path / "report" / "inspection.json").read_text())["channels"]["train"]
    assert (train["pixels"], train["ignored_pixels"]) == ([1, 7], 0)
    assert len(train["classes"]) == 2

    label_map = tmp_path / "maps" / "train_label_map.json"
    label_map.write_text("{}")
    assert main(masked) == 1
    assert f"error: {label_map}: is no label map" in capsys.readouterr().err


def test_inspect_shows_masks_in_color_beside_their_images(masked: list[str], tmp_path: Path) -> None:
    assert main(masked) == 0

    # The mask of one class is the only finding with a picture, behind those of the two classes.
    *of_classes, encoded = re.findall(
        r"data:image/jpeg;base64,([^\"]+)", (tmp_path / "report" / "inspection.html").read_text()
    )
    assert len(of_classes) == 3
    picture = cv2.imdecode(np.frombuffer(base64.b64decode(encoded), np.uint8), cv2.IMREAD_COLOR_RGB)
    assert picture.shape == (160, 320, 3)
    np.testing.assert_allclose(picture[80, 80], (100, 100, 100), atol=6)
    # Class 1 is dark red; two thirds of it cover the image.
    np.testing.assert_allclose(picture[80, 240], (119, 33, 33), atol=6)
