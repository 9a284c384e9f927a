"""Manifests as SageMaker's documentation and Ground Truth's real output write them."""

from __future__ import annotations

import json
import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from vision.data.readers.manifest import ManifestReader
from vision.data.readers.manifest_line import iter_lines
from vision.data.readers.subset import SubsetReader
from vision.data.sample import Reader
from vision.files.steady_file import FileChangedError, SteadyFile
from vision.settings.errors import DataError

BOXES = {
    "image_size": [{"width": 500, "height": 400, "depth": 3}],
    "annotations": [{"class_id": 0, "left": 111, "top": 134, "width": 61, "height": 128}],
}
EMPTY = {"image_size": [{"width": 4, "height": 3, "depth": 3}], "annotations": []}


def lines(*values: object, image: str = "s3://b/set/i.png", key: str = "class") -> str:
    return "".join(json.dumps({"source-ref": image, key: value}) + "\n" for value in values)


@pytest.mark.parametrize(
    ("value", "target"),
    [
        (0, 0),
        ("3", 3),
        (2.0, 2),
        ("dog", "dog"),
        ([1, 0, 8], [1, 0, 8]),
        ("[1, 0, 1]", [1, 0, 1]),
        ([], []),
        (BOXES, BOXES),
        (json.dumps(BOXES), BOXES),
        (EMPTY, EMPTY),
        ("true", "true"),
    ],
)
def test_labels_are_what_their_json_holds(tree, value: object, target: object) -> None:
    root = tree({"i.png": None, "t.manifest": lines(value)})
    reader = ManifestReader(root / "t.manifest")
    assert isinstance(reader, Reader)
    assert reader.target(0) == target
    assert type(reader.target(0)) is type(target)


def test_samples_after_blank_lines_bom_and_crlf(tree) -> None:
    text = "\ufeff\r\n" + lines(1).replace("\n", "\r\n") + "  \r\n" + lines(2, image="sub/k.png").rstrip()
    root = tree({"i.png": None, "sub/k.png": None, "train.manifest": text})
    reader = ManifestReader(root / "train.manifest")
    for copy in (reader, pickle.loads(pickle.dumps(reader))):
        assert len(copy) == 2
        assert [copy.key(0), copy.key(1)] == [("train.manifest line 2 (i.png)"), "train.manifest line 4 (sub/k.png)"]
        assert [copy[0].target, copy[1].target] == [1, 2]
        assert copy[1].encoded == (root / "sub/k.png").read_bytes()
        assert copy[1].key == copy.key(1)


def test_stated_attributes_and_folder(tree) -> None:
    line = json.dumps({"id": 7, "image-ref": "i.png", "a": 1, "b": 2})
    root = tree({"images/i.png": None, "t.jsonl": line})
    assert ManifestReader(root / "t.jsonl", ["image-ref", "b"], root / "images")[0].target == 2


def test_class_names_are_the_union_over_lines(tree) -> None:
    first = {"source-ref": "i.png", "bb": BOXES, "bb-metadata": {"class-map": {"0": "dog", "3": "bone"}}}
    second = {"source-ref": "i.png", "bb": EMPTY, "bb-metadata": {"class-map": {}}}
    third = {"source-ref": "i.png", "bb": BOXES, "bb-metadata": {"class-map": {"1": "cat"}}}
    root = tree({"i.png": None, "t.manifest": "\n".join(map(json.dumps, (first, second, third)))})
    assert ManifestReader(root / "t.manifest").class_names == ("dog", "cat", "2", "bone")


def test_class_name_of_single_labels(tree) -> None:
    found = [
        {"source-ref": "i.png", "species": str(number), "species-metadata": {"class-name": name, "confidence": 0.0}}
        for number, name in [(1, "dog"), (0, "cat")]
    ]
    root = tree({"i.png": None, "t.manifest": "\n".join(map(json.dumps, found))})
    assert ManifestReader(root / "t.manifest").class_names == ("cat", "dog")


def test_without_metadata_there_are_no_names(tree) -> None:
    root = tree({"i.png": None, "t.manifest": lines(0)})
    assert ManifestReader(root / "t.manifest").class_names is None


def named(number: int, name: object) -> str:
    return json.dumps({"source-ref": "i.png", "c": number, "c-metadata": {"class-name": name}}) + "\n"


FAILED = json.dumps({"source-ref": "i.png", "class-metadata": {"failure-reason": "image too large"}})


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "holds no lines; each must be one JSON object"),
        ("\n\n", "holds no lines"),
        ("[\n" + lines(0) + "]", "line 1: must be one JSON object, but is not JSON"),
        (json.dumps({"source-ref": "i.png", "class": 0}, indent=1), "line 1: must be one JSON object"),
        ("0\t1\ti.png\n", "it begins '0\\t1\\ti.png'"),
        (lines(0) + lines(0)[:30] + "\n", "line 2: must be one JSON object, but is not JSON"),
        (lines(0) + "[1, 2]\n", "line 2: holds a JSON list, but each line must be one JSON object"),
        (lines(0).encode() + b'{"source-ref": "\xe9"}', "line 2: must be one JSON object, but is not JSON: it is not"),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF", "line 1: must be one JSON object"),
        (lines(0) + "[" * 100_000, "nested too deeply"),
        (lines(0) + '{"source-ref": "i.png"}', "line 2: has no key 'class'; its keys are source-ref"),
        (lines(0) + FAILED, "line 2: has no key 'class' (Ground Truth says: 'image too large')"),
        (lines(0, None), "line 2: has class=None, but a label is a class number, a list or"),
        (lines(0, True), "line 2: has class=True"),
        (lines(0, 0.5), "line 2: has class=0.5"),
        (lines(0, ""), "line 2: has class=''"),
        (lines(0) + lines(0).replace(": 0", ": NaN"), "line 2: must be one JSON object, but is not JSON: it holds NaN"),
        (lines(0) + lines(0).replace(": 0", ": 1e999"), "line 2: has class=inf"),
        (lines(0) + lines(0, image="s3://b/j.png"), "line 2: refers to 's3://b/j.png', but no copy of it lies below"),
        (lines(0) + lines(0, image="../t.manifest"), "line 2: path '../t.manifest' must be relative to"),
        (lines(0, image="seq.json"), "a Ground Truth video manifest"),
        (json.dumps({"source-ref": "i.png", "a": 1, "b": 2}), "line 1: a, b could each name the label"),
        (named(0, "dog") + named(0, "cat"), "line 2: class 0 is called 'cat', but 'dog' in line 1"),
        (named(0, "dog") + named(1, "dog"), "line 2: class 'dog' has the id 1, but 0 in line 1"),
        (named(0, 5), "line 1: class 0 has the name 5, which must be text"),
    ],
)
def test_bad_manifests(tree, text: str | bytes, sentence: str) -> None:
    root = tree({"i.png": None, "t.manifest": text})
    with pytest.raises(DataError) as caught:
        ManifestReader(root / "t.manifest")
    assert sentence in str(caught.value)
    assert str(caught.value).startswith(f"{root / 't.manifest'}: ")


def test_bad_attributes_name_the_manifest(tree) -> None:
    root = tree({"i.png": None, "t.manifest": lines(0)})
    with pytest.raises(DataError, match=r"t.manifest: .* did you mean source-ref,class\?"):
        ManifestReader(root / "t.manifest", ["class", "source-ref"])
    with pytest.raises(DataError, match="line 1: has no key 'label'; its keys are source-ref, class"):
        ManifestReader(root / "t.manifest", ["source-ref", "label"])


def test_all_bad_lines_are_reported_at_once(tree) -> None:
    root = tree({"i.png": None, "t.manifest": lines(0, *[None] * 12)})
    with pytest.raises(DataError, match=r"(?s)12 problems:.*12 times, in line 2, line 3, line 4, \.\.\.: "):
        ManifestReader(root / "t.manifest")


def test_lines_are_bounded(tree, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tree({"i.png": None, "t.manifest": lines(0, "x" * 200)})
    monkeypatch.setattr("vision.data.readers.manifest_line.MAX_LINE_BYTES", 100)
    with pytest.raises(DataError, match=r"line 2: has more than the 100 bytes"):
        ManifestReader(root / "t.manifest")


def test_a_manifest_that_shrinks_is_a_sentence(tree) -> None:
    path = tree({"i.png": None, "t.manifest": lines(0, 1, 2)}) / "t.manifest"
    reader = ManifestReader(path)
    assert reader.target(2) == 2
    os.truncate(path, 10)
    with pytest.raises(FileChangedError, match="and has 10 now; it must not change while it is in use"):
        reader.target(2)


@pytest.mark.parametrize("block_bytes", [1, 7, 1 << 20])
def test_lines_are_found_across_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block_bytes: int) -> None:
    monkeypatch.setattr("vision.data.readers.manifest_line._BLOCK_BYTES", block_bytes)
    content = b"\xef\xbb\xbf{}\r\n\n  \n" + b"x" * 30 + b"\nlast"
    (tmp_path / "t").write_bytes(content)
    found = list(iter_lines(SteadyFile(tmp_path / "t", "t")))
    assert [line.number for line in found] == [1, 4, 5]
    assert [line.text for line in found] == [b"{}\r", b"x" * 30, b"last"]
    assert all(content[line.start :].startswith(line.text) for line in found)


def masked(image: str, label: object, **metadata: object) -> str:
    return json.dumps({"source-ref": image, "city-ref": label, "city-ref-metadata": metadata}) + "\n"


HEX = {"BACKGROUND": "#ffffff", "road": "#00FF00", "car": "#ff0000"}


def colors(*names: str) -> dict[str, object]:
    """Metadata with a color map."""
    entries = {str(key): {"class-name": name, "hex-color": HEX[name]} for key, name in enumerate(names)}
    return {"internal-color-map": entries}


def test_a_label_that_names_a_file_is_its_bytes(tree) -> None:
    text = masked("i.png", "s3://b/set/m.png", **colors("BACKGROUND", "road")) + masked("i.png", "sub/k.png")
    root = tree({"i.png": None, "m.png": b"mask", "sub/k.png": b"other", "t.manifest": text})
    reader = ManifestReader(root / "t.manifest")
    assert reader.class_names == ("BACKGROUND", "road")
    for copy in (reader, pickle.loads(pickle.dumps(reader))):
        assert [copy.target(0), copy[1].target] == [b"mask", b"other"]
        assert copy[0].encoded == (root / "i.png").read_bytes()


def test_masks_take_their_classes_from_the_color_maps_of_all_lines(tree) -> None:
    text = masked("i.png", "m.png", **colors("road")) + masked("i.png", "m.png", **colors("BACKGROUND", "car"))
    root = tree({"i.png": None, "m.png": b"mask", "t.manifest": text})
    reader = ManifestReader(root / "t.manifest")
    assert reader.class_names == ("BACKGROUND", "road", "car")
    assert reader.remarks == ()
    assert SubsetReader(reader, np.array([1])).color_map == reader.color_map
    assert ManifestReader(root / "t.manifest").color_map == reader.color_map
    reader.number_classes(("BACKGROUND", "sky", "car", "road"))
    assert reader.color_map is not None
    assert reader.color_map.entries == (((255, 255, 255), 0), ((0, 255, 0), 3), ((255, 0, 0), 2))
    with pytest.raises(DataError, match=r"t\.manifest: has masks of 'car', but the classes are BACKGROUND, sky"):
        reader.number_classes(("BACKGROUND", "sky"))


def test_a_manifest_without_background_says_that_it_is_added(tree) -> None:
    root = tree({"i.png": None, "m.png": b"mask", "t.manifest": masked("i.png", "m.png", **colors("road"))})
    reader = ManifestReader(root / "t.manifest")
    assert reader.class_names == ("background", "road")
    assert reader.remarks == ("t.manifest: the masks' color map has no BACKGROUND, which is added as class 0",)


@pytest.mark.parametrize(
    ("label", "sentence"),
    [
        ("gone.png", "line 1: file 'gone.png' does not exist below"),
        ("../m.png", "line 1: path '../m.png' must be relative to"),
        (1, "line 1: has city-ref=1, but a key that ends in '-ref' holds the path or address of a file"),
    ],
)
def test_label_files_that_are_not_there(tree, label: object, sentence: str) -> None:
    root = tree({"i.png": None, "t.manifest": masked("i.png", label)})
    with pytest.raises(DataError) as caught:
        ManifestReader(root / "t.manifest")
    assert sentence in str(caught.value)
