"""The same labels get the same answer from training's look at its data, from inspect, convert and split."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from vision import algorithms
from vision.algorithms.algorithm import LabeledChannel, TargetSummary
from vision.api.run_data import look_at_labels, run_names
from vision.cli.main import main
from vision.data.readers.open import open_channel
from vision.data.recordio.record import pack
from vision.data.recordio.writer import RecordIOWriter
from vision.settings.channels import parse_channels
from vision.settings.errors import UserError
from vision.settings.job import Job
from vision.settings.run import RunSettings

WIDTH, HEIGHT = 10, 8
MULTI_LABEL = "groundtruth/image-classification-multilabel"


def png(number: int, orientation: int = 1) -> bytes:
    pixels = np.random.default_rng(number).integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8)
    buffer, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(pixels).save(buffer, "PNG", exif=exif)
    return buffer.getvalue()


def boxes(width: Any = WIDTH, height: Any = HEIGHT, depth: Any = 3) -> dict[str, Any]:
    box = {"class_id": 0, "left": 1, "top": 1, "width": 3, "height": 2}
    return {"image_size": [{"width": width, "height": height, "depth": depth}], "annotations": [box]}


def manifest(folder: Path, labels: list[Any], kind: str | None = None, orientation: int = 1) -> Path:
    lines = []
    for number, label in enumerate(labels):
        (folder / f"{number}.png").write_bytes(png(number, orientation if number == 0 else 1))
        described = {"class-map": {"0": "cat", "1": "dog"}, **({"type": kind} if kind else {})}
        lines.append(json.dumps({"source-ref": f"{number}.png", "label": label, "label-metadata": described}))
    path = folder / "train.manifest"
    path.write_text("\n".join(lines) + "\n")
    return path


def columns(lst: Path) -> list[list[float]]:
    return [[float(word) for word in line.split("\t")[1:-1]] for line in lst.read_text().splitlines()]


def look(path: Path, algorithm: str, **hyperparameters: object) -> TargetSummary:
    chosen = algorithms.get(algorithm)
    channels = parse_channels({"train": str(path)})
    given = {"num_classes": 2, "num_training_samples": 2, **hyperparameters}
    hp = chosen.facts.hyperparameters.parse(given)
    return look_at_labels(chosen, LabeledChannel("train", channels, open_channel(channels, "train")), hp, RunSettings())


@pytest.mark.parametrize(
    ("first", "orientation", "says"),
    [
        (boxes(), 1, None),
        (boxes(depth=2), 1, None),
        (boxes(depth=0), 1, None),
        (boxes(depth="3"), 1, None),
        (boxes(depth=None), 1, None),
        (json.dumps(boxes()), 1, None),
        (boxes(HEIGHT, WIDTH), 1, f"states the size {HEIGHT}x{WIDTH}, but the image has {WIDTH}x{HEIGHT} pixels"),
        (boxes(WIDTH + 9, HEIGHT), 1, f"states the size {WIDTH + 9}x{HEIGHT}"),
        # A picture on its side: the size before it is turned upright.
        (boxes(), 6, f"states the size {WIDTH}x{HEIGHT}, but the image has {HEIGHT}x{WIDTH} pixels"),
    ],
)
def test_the_size_of_an_image(
    first: Any, orientation: int, says: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = manifest(tmp_path, [first, boxes(), boxes()], "groundtruth/object-detection", orientation)
    found = look(path, "object_detection")
    assert found.problems == () if says is None else says in found.problems[0]
    assert (says is None) or ("1 of 3 images" in found.problems[0] and "correct the size" in found.problems[0])
    status = main(["inspect", f"channels.train={path}", f"output={tmp_path / 'inspection'}", "workers=1"])
    assert status == (0 if says is None else 1)
    assert says is None or says in capsys.readouterr().err
    words = [f"input={path}", "workers=1"]
    assert main(["convert", "from=manifest", "to=recordio", f"output={tmp_path / 'c/x.rec'}", *words]) == status
    assert says is None or says in capsys.readouterr().err
    assert main(["split", "format=manifest", f"output={tmp_path / 's'}", *words]) == status
    assert says is None or says in capsys.readouterr().err


def test_a_picture_that_was_made_smaller_keeps_its_boxes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    drawn_larger = boxes(2 * WIDTH, 2 * HEIGHT)
    path = manifest(tmp_path, [drawn_larger, boxes()], "groundtruth/object-detection")
    found = look(path, "object_detection")
    assert found.problems == ()
    assert any("1 of 2 images are larger or smaller than their label states" in text for text in found.warnings)
    assert main(["convert", "from=manifest", "to=lst", f"input={path}", f"output={tmp_path / 'c/x.lst'}"]) == 0
    assert "its boxes are scaled with it" in capsys.readouterr().err
    scaled, same = columns(tmp_path / "c/x.lst")
    assert scaled == pytest.approx([2, 5, 0, 1 / 20, 1 / 16, 4 / 20, 3 / 16])
    assert same == pytest.approx([2, 5, 0, 1 / 10, 1 / 8, 4 / 10, 3 / 8])


@pytest.mark.parametrize(
    ("labels", "kind", "counts"),
    [
        ([[0, 1], [1, 0]], None, [1, 1]),
        ([[0, 1], [1, 0]], MULTI_LABEL, [2, 2]),
        ([[0], [1]], MULTI_LABEL, [1, 1]),
        (["[0, 1]", "[1]"], MULTI_LABEL, [1, 2]),
        ([[], [1]], MULTI_LABEL, [0, 1]),
    ],
)
def test_what_a_list_of_classes_means(
    labels: list[Any], kind: str | None, counts: list[int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = manifest(tmp_path, labels, kind)
    found = look(path, "image_classification", multi_label=1)
    assert found.problems == ()
    assert np.asarray(found.class_counts).tolist() == counts
    assert any("lists of classes hold class ids" in text for text in found.warnings) == (kind is not None)
    main(["inspect", f"channels.train={path}", f"output={tmp_path / 'inspection'}", "workers=1"])
    inspected = json.loads((tmp_path / "inspection/inspection.json").read_text())["channels"]["train"]["classes"]
    assert [entry["count"] for entry in inspected] == counts
    words, remark = [f"input={path}", "workers=1"], "train.manifest: lists of classes hold class ids"
    capsys.readouterr()
    assert main(["convert", "from=manifest", "to=lst", f"output={tmp_path / 'c/x.lst'}", *words]) == 0
    assert (remark in capsys.readouterr().err) == (kind is not None)
    assert np.sum(columns(tmp_path / "c/x.lst"), axis=0).tolist() == counts
    assert main(["split", "format=manifest", f"output={tmp_path / 's'}", *words]) == 0
    assert (remark in capsys.readouterr().err) == (kind is not None)


def test_lists_of_two_meanings_are_refused(tmp_path: Path) -> None:
    path = manifest(tmp_path, [[0, 1], [1]], MULTI_LABEL)
    first, second = path.read_text().splitlines()
    path.write_text(first + "\n" + second.replace(MULTI_LABEL, "other") + "\n")
    with pytest.raises(UserError, match=r"line 2: has a list .* but that of line 1 holds class ids: set label_format"):
        open_channel(parse_channels({"train": str(path)}), "train")


@pytest.mark.parametrize("label", ["0", '"0"', '"\\"0\\""', 0.0, "0.0"])
def test_quoted_labels_are_read(label: Any, tmp_path: Path) -> None:
    assert look(manifest(tmp_path, [label, 1]), "image_classification").problems == ()


Records = Callable[[str, list[Any]], Path]


@pytest.fixture
def records(tmp_path: Path) -> Records:
    def write(name: str, labels: list[Any]) -> Path:
        path = tmp_path / name
        with RecordIOWriter(path) as writer:
            for number, label in enumerate(labels):
                writer.write(number, pack(label, number, png(number)))
        return path

    return write


PACKED = [2.0, 5.0, 0.0, 0.1, 0.1, 0.5, 0.5]


@pytest.mark.parametrize(
    ("labels", "algorithm", "says"),
    [
        ([PACKED, PACKED], "image_classification", "its labels are boxes, but image_classification works with"),
        ([0.0, 1.0], "object_detection", "its labels are one class an image, but object_detection works with boxes"),
        ([[1.0, 0.0]] * 2, "object_detection", "its labels are several classes an image"),
        ([PACKED, [2.0, 5.0]], "object_detection", None),
        ([0.0, 1.0], "image_classification", None),
    ],
)
def test_labels_of_the_other_algorithm_are_one_sentence(
    labels: list[Any], algorithm: str, says: str | None, records: Records
) -> None:
    found = look(records("train.rec", labels), algorithm)
    assert len(found.problems) == (says is not None)
    assert says is None or says in found.problems[0]


@pytest.mark.parametrize(
    ("train", "validation", "problem"),
    [
        ("cat\ndog\n", "cat\ndog\n", None),
        ("cat\ndog\n", "cat\n", None),
        ("cat\ndog\n", "", None),
        ("cat\ndog\n", "dog\ncat\n", "has the classes cat, dog, but channel validation has dog, cat"),
        ("cat\ndog\n", "cat\ndog\neel\n", "but channel validation has cat, dog, eel"),
        ("0\n1\n10\n2\n", "0\n1\n2\n10\n", "has the classes 0, 1, 10, 2, but channel validation has 0, 1, 2, 10"),
        ("cat\ndog\n", "0\n1\n", None),
    ],
)
def test_names_beside_records_are_compared(
    train: str, validation: str, problem: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words: list[str] = []
    for name, names in (("train", train), ("validation", validation)):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "classes.txt").write_text(names)
        with RecordIOWriter(folder / "x.rec") as writer:
            for number in range(2):
                image = png(number + 2 * len(words))
                writer.write(number, pack(float(min(number, max(len(names.split()) - 1, 0))), number, image))
        words.append(f"channels.{name}={folder / 'x.rec'}")
    assert main(["inspect", *words, f"output={tmp_path / 'inspection'}", "workers=1"]) == (problem is not None)
    assert problem is None or problem in capsys.readouterr().err


def test_a_model_and_data_that_name_classes_differently(records: Records) -> None:
    path = records("train.rec", [0.0, 1.0])
    facts = algorithms.facts_of("image_classification")
    job: Job[Any] = Job.parse(
        facts.name,
        facts.hyperparameters,
        {"num_classes": 2, "num_training_samples": 2},
        {"train": str(path), "validation": str(path)},
        {},
        facts.channels,
    )
    assert run_names(("cat", "dog"), None, job) == ("cat", "dog")
    assert run_names(None, ("cat", "dog"), job) == ("cat", "dog")
    assert run_names(None, None, job) == ("0", "1")
    with pytest.raises(UserError, match="has the classes dog, cat, but channel 'train' has cat, dog"):
        run_names(("cat", "dog"), ("dog", "cat"), job)


def test_im2rec_keeps_the_names_of_folders(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("b", "a", "c"):
        (tmp_path / "images" / name).mkdir(parents=True)
        (tmp_path / "images" / name / "x.png").write_bytes(png(ord(name)))
    words = ["im2rec", str(tmp_path / "lists/x"), str(tmp_path / "images"), "--list", "--recursive"]
    assert main(words) == 0
    assert (tmp_path / "lists/classes.txt").read_text() == "a\nb\nc\n"
    # Another folder with fewer classes would number them otherwise.
    (tmp_path / "images/a/x.png").unlink()
    assert main(words) == 2
    assert "names the classes a, b, c, but the folders below" in capsys.readouterr().err
