"""Odd names of files and classes through the verbs and formats: right, or one sentence; never a traceback or a wrong
class."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
import pytest

from vision.cli.main import main
from vision.data.convert.format import SourceOptions
from vision.data.convert.formats import FORMATS
from vision.data.skipped import Skipped

NAMES = {
    "blank inside": "a b",
    "blank before": " a",
    "blank behind": "a ",
    "narrow no-break space": "10.00\u202fPM",
    "no-break and wide space": "\u3000a\u00a0b",
    "joiners": "a\u200cb\u200dc",
    "umlaut NFC": "K\u00e4se",
    "umlaut NFD": "Ka\u0308se",
    "comma": "a,b",
    "equals sign": "draft=1",
    "brackets": "[a](b){c}",
    "leading dash": "-a",
    "quotes": 'it\'s "a" `b`',
    "markup": "<b>&amp;%20\\n",
    "interpolation": "${a}",
    "number": "2024.10",
    "truth value": "true",
    "tilde": "~a",
    "star": "*a?",
    "line separator": "a\u2028b",
    "tab": "a\tb",
    "line break": "a\nb",
    "longest": "x" * 251,
}
NOT_UTF8 = os.fsdecode(b"caf\xe9")
# What the formats of text lines cannot hold, and what leaves no room for a longer suffix.
UNWRITTEN = ("blank before", "blank behind", "tab", "line break", "longest")
CLASS_FORMATS, BOX_FORMATS = (
    ("lst", "recordio", "manifest"),
    ("coco", "voc", "yolo", "annotation_json", "lst", "recordio"),
)


def image(number: int) -> bytes:
    blocks = np.random.default_rng(number).integers(0, 256, (4, 4, 3), np.uint8)
    picture = cv2.resize(blocks, (24, 16), interpolation=cv2.INTER_NEAREST)
    return bytes(cv2.imencode(".png", picture)[1].tobytes())


IMAGES = [image(number) for number in range(6)]


def make_folder(root: Path, name: str) -> Path:
    """Six images in two classes; one class and one image of each class have the name."""
    for number, encoded in enumerate(IMAGES):
        path = root / (name if number % 2 else "other") / (f"{number}.png" if number > 1 else f"{name}.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded)
    return root


def content(form: str, path: Path) -> dict[bytes, tuple[str, ...]]:
    """Names of the classes, with their boxes, of each image by its bytes."""
    source = FORMATS[form].source(path, SourceOptions())
    skipped, found = Skipped(), {}
    for item in source.images(skipped):
        names = source.class_names or ("0", "1")
        objects = [f"{names[o.class_id]} {tuple(map(round, o.xyxy_px))}" for o in item.objects or ()]
        encoded = item.image.read_bytes() if isinstance(item.image, Path) else bytes(item.image)
        found[encoded] = tuple(names[class_id] for class_id in item.class_ids or ()) + tuple(objects)
    assert not skipped.sentences
    return found


def told(status: int, capsys: pytest.CaptureFixture) -> bool:
    """Whether a verb did all its work; if not, it must have said why, without a traceback."""
    error = capsys.readouterr().err
    assert status in (0, 1, 2), error
    assert "Traceback" not in error
    assert not status or error.strip(), "status without a sentence"
    return status == 0


def convert(source: tuple[str, Path], form: str, folder: Path, capsys: pytest.CaptureFixture) -> Path | None:
    """The data set in another format; None where the verb said in a sentence that it cannot be."""
    output = folder / f"all{''.join(FORMATS[form].suffixes[:1])}"
    words = [f"from={source[0]}", f"input={source[1]}", f"to={form}", f"output={output}", "workers=1"]
    return output if told(main(["convert", *words]), capsys) else None


def converted(
    source: tuple[str, Path], forms: Iterable[str], back: str, folder: Path, capsys: pytest.CaptureFixture
) -> dict[str, bool]:
    """Convert to each format, and from there back; whether both went. What was written says what the source says."""
    right, went = content(*source), {}
    for form in forms:
        path = convert(source, form, folder / form, capsys)
        if path is not None:
            assert content(form, path) == right, form
            again = convert((form, path), back, folder / f"{form}-{back}", capsys)
            if again is not None:
                assert content(back, again) == right, f"{form} to {back}"
        went[form] = path is not None and again is not None
    return went


@pytest.mark.parametrize("kind", NAMES)
def test_classes(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    folder = make_folder(tmp_path / NAMES[kind] / "data", NAMES[kind])
    went = converted(("folder", folder), CLASS_FORMATS, "folder", tmp_path / "out", capsys)
    if kind not in UNWRITTEN:
        assert all(went.values()), went
    assert told(main(["inspect", f"channels.train={folder}", f"output={tmp_path / 'i'}", "workers=1"]), capsys)
    words = ["split", "format=folder", f"input={folder}", f"output={tmp_path / 's'}", "parts=a:0.5,b:0.5", "workers=1"]
    if told(main(words), capsys):
        parts = [content("folder", tmp_path / "s" / part) for part in "ab"]
        assert parts[0] | parts[1] == content("folder", folder)
    else:
        assert kind in UNWRITTEN


@pytest.mark.parametrize("kind", NAMES)
def test_lists_and_records(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    folder = make_folder(tmp_path / NAMES[kind] / "data", NAMES[kind])
    prefix = tmp_path / "lists" / "all"
    if told(main(["im2rec", str(prefix), str(folder), "--list", "--recursive"]), capsys):
        assert told(main(["im2rec", str(prefix), str(folder), "--pass-through", "--num-thread", "1"]), capsys)
        assert content("recordio", prefix.with_suffix(".rec")) == content("folder", folder)
    else:
        assert kind in UNWRITTEN


@pytest.mark.parametrize("kind", NAMES)
def test_boxes(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    name, lines = NAMES[kind], []
    for number, encoded in enumerate(IMAGES[:3]):
        path = tmp_path / "data" / (f"{name}.png" if number else f"{name}/0.png")
        path = path if number < 2 else path.with_name("2.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded)
        box = {"class_id": number % 2, "left": number, "top": 1, "width": 5, "height": 6}
        boxes = {"annotations": [box], "image_size": [{"width": 24, "height": 16, "depth": 3}]}
        metadata = {"class-map": {str(number % 2): (name, "other")[number % 2]}, "type": "groundtruth/object-detection"}
        reference = str(path.relative_to(tmp_path / "data"))
        lines.append(json.dumps({"source-ref": reference, "b": boxes, "b-metadata": metadata}))
    manifest = tmp_path / "data" / "t.manifest"
    manifest.write_text("\n".join(lines))
    went = converted(("manifest", manifest), BOX_FORMATS, "manifest", tmp_path / "out", capsys)
    if kind not in UNWRITTEN:
        assert all(went.values()), went


@pytest.mark.parametrize("where", ["class", "image"])
def test_what_is_not_utf8_is_refused_alike_by_every_verb(
    where: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    folder = make_folder(tmp_path / "data", "cats")
    if where == "class":
        (folder / "cats").rename(folder / NOT_UTF8)
    if where == "image":
        (folder / "cats" / "3.png").rename(folder / "cats" / f"{NOT_UTF8}.png")
    channels = [f"channels.{name}={folder}" for name in ("train", "validation")]
    job = ["algorithm=image_classification", "hp.num_classes=2", "hp.num_training_samples=6", *channels]
    verbs = {
        "inspect": ["inspect", channels[0], f"output={tmp_path / 'i'}"],
        "convert": ["convert", "from=folder", "to=recordio", f"input={folder}", f"output={tmp_path / 'x.rec'}"],
        "split": ["split", "format=folder", f"input={folder}", f"output={tmp_path / 's'}"],
        "im2rec": ["im2rec", str(tmp_path / "x"), str(folder), "--list", "--recursive"],
        "check": ["check", *job],
        "train": ["train", *job, f"run.output={tmp_path / 'run'}"],
    }
    for verb, words in verbs.items():
        assert main(words) == (1 if verb == "inspect" else 2), verb
        error = capsys.readouterr().err
        assert "caf\\xe9" in error, verb
        assert "is not UTF-8; rename it" in error, verb
    assert not list(tmp_path.glob("x*"))


def test_a_word_that_is_not_utf8_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert main(["predict", f"model={tmp_path}", str(tmp_path / f"{NOT_UTF8}.jpg")]) == 2
    assert "caf\\xe9.jpg' is not UTF-8; rename it" in capsys.readouterr().err
