"""Every channel layout of SageMaker's documentation, and every way to contradict it."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest

from vision.data.readers.annotation_files import AnnotationFilesReader
from vision.data.readers.folder import FolderReader
from vision.data.readers.image_list import ImageListReader
from vision.data.readers.manifest import ManifestReader
from vision.data.readers.mask_files import MaskFilesReader
from vision.data.readers.open import open_channel
from vision.data.readers.recordio import RecordIOReader
from vision.data.sample import Reader
from vision.settings.channels import Channel
from vision.settings.errors import UserError

FIXTURES = Path(__file__).parents[2] / "fixtures" / "mxnet"
REC, IDX = ((FIXTURES / f"det.{suffix}").read_bytes() for suffix in ("rec", "idx"))
LST = "0\t1\ta.png\n"
MANIFEST = json.dumps({"source-ref": "a.png", "class": 1}) + "\n"
ANNOTATION = json.dumps({"file": "a.png", "annotations": []})
RECORDIO, IMAGE = "application/x-recordio", "application/x-image"
PICTURES = {"images/a.png": None}
CLASSES = {"train/cats/1.png": None, "train/dogs/2.png": None}


def channels(root: Path, paths: dict[str, object]) -> dict[str, Channel]:
    """Channels from paths relative to ``root``, or from mappings with such a path."""
    return {
        name: Channel.parse(
            name,
            {**value, "path": root / str(value["path"])} if isinstance(value, dict) else root / str(value),
        )
        for name, value in paths.items()
    }


def at(path: str, content_type: str | None = None, **more: object) -> dict[str, object]:
    return {"path": path, "content_type": content_type, **more}


LAYOUTS = {
    ".rec file": ({"t.rec": REC}, {"train": at("t.rec", RECORDIO)}, RecordIOReader),
    ".rec file, no type": ({"t.rec": REC}, {"train": "t.rec"}, RecordIOReader),
    "folder of .rec": ({"t/a.rec": REC, "t/b.rec": REC}, {"train": at("t", RECORDIO)}, RecordIOReader),
    "im2rec's folder": ({"t/a.rec": REC, "t/a.idx": IDX, "t/a.lst": LST}, {"train": "t"}, RecordIOReader),
    ".rec in a sub-folder": ({"t/part/a.rec": REC}, {"train": at("t", RECORDIO)}, RecordIOReader),
    "multi-hot .rec": ({"t.rec": REC}, {"train": at("t.rec", (f"{RECORDIO}; label-format=multi-hot"))}, RecordIOReader),
    "type decides": ({"t/a.rec": REC, "t/a.png": None}, {"train": at("t", RECORDIO)}, RecordIOReader),
    "manifest": (
        {"a.png": None, "t.manifest": MANIFEST},
        {"train": at("t.manifest", f"{RECORDIO};label-format=class-id", attributes=["source-ref", "class"])},
        ManifestReader,
    ),
    "manifest, no type": ({"a.png": None, "t.jsonl": MANIFEST}, {"train": "t.jsonl"}, ManifestReader),
    "manifest as images": ({"a.png": None, "t.jsonl": MANIFEST}, {"train": at("t.jsonl", IMAGE)}, ManifestReader),
    "manifest among images": ({"t/a.png": None, "t/t.jsonl": MANIFEST}, {"train": "t"}, ManifestReader),
    "lst channel": (
        {**PICTURES, "lst/train.lst": LST},
        {"train": at("images", IMAGE), "train_lst": at("lst", IMAGE)},
        ImageListReader,
    ),
    "lst channel as a file": ({**PICTURES, "t.lst": LST}, {"train": "images", "train_lst": "t.lst"}, ImageListReader),
    "lst file alone": ({"d/a.png": None, "d/t.lst": LST}, {"train": "d/t.lst"}, ImageListReader),
    "lst among images": ({"d/a.png": None, "d/t.lst": LST}, {"train": at("d", "image/png")}, ImageListReader),
    "annotation channel": (
        {**PICTURES, "json/a.json": ANNOTATION},
        {"train": at("images", "image/jpeg"), "train_annotation": at("json", "image/jpeg")},
        AnnotationFilesReader,
    ),
    "mask channel": (
        {**PICTURES, "masks/a.png": None},
        {"train": at("images", "image/jpeg"), "train_annotation": at("masks", "image/png")},
        MaskFilesReader,
    ),
    "class folders": (CLASSES, {"train": at("train", IMAGE)}, FolderReader),
    "class folders, no type": (CLASSES, {"train": "train"}, FolderReader),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_layouts(tree, name: str) -> None:
    files, given, kind = LAYOUTS[name]
    reader = open_channel(channels(tree(files), given), "train")
    assert type(reader) is kind
    assert isinstance(reader, Reader)
    assert len(reader) >= 1


def test_several_record_files_follow_each_other(tree) -> None:
    root = tree({"t/b.rec": REC, "t/a.rec": REC, "t.rec": REC})
    one = open_channel(channels(root, {"train": "t.rec"}), "train")
    two = open_channel(channels(root, {"train": "t"}), "train")
    assert len(two) == 2 * len(one)
    assert two.key(0).startswith("a.rec")


def test_each_channel_has_its_own_companion(tree) -> None:
    root = tree({**PICTURES, "t.lst": LST, "v.lst": LST.replace("\t1\t", "\t0\t")})
    given = {"train": "images", "train_lst": "t.lst", "validation": "images", "validation_lst": "v.lst"}
    opened = channels(root, given)
    assert open_channel(opened, "train").target(0).tolist() == [1]
    assert open_channel(opened, "validation").target(0).tolist() == [0]


def test_validation_folders_count_as_training_folders(tree) -> None:
    opened = channels(tree({**CLASSES, "v/dogs/1.png": None}), {"train": "train", "validation": "v"})
    reader = open_channel(opened, "validation")
    assert reader.class_names == ("cats", "dogs")
    assert reader.target(0).tolist() == [1]


def test_a_model_s_class_names_count_first(tree) -> None:
    opened = channels(tree({"v/dogs/1.png": None}), {"validation": "v"})
    assert open_channel(opened, "validation", ("birds", "cats", "dogs")).target(0).tolist() == [2]
    assert open_channel(opened, "validation").target(0).tolist() == [0]


def test_masks_of_validation_take_the_class_ids_of_training(tree) -> None:
    def masked(*names: str) -> str:
        colors = {str(key): {"class-name": name, "hex-color": f"#{len(name):06x}"} for key, name in enumerate(names)}
        metadata = {"internal-color-map": colors}
        return json.dumps({"source-ref": "i.png", "mask-ref": "m.png", "mask-ref-metadata": metadata}) + "\n"

    files = {"t.jsonl": masked("BACKGROUND", "car", "sidewalk"), "v.jsonl": masked("BACKGROUND", "sidewalk")}
    opened = channels(tree({"i.png": None, "m.png": b"", **files}), {"train": "t.jsonl", "validation": "v.jsonl"})
    for class_names in (None, ("BACKGROUND", "car", "sidewalk")):
        reader = open_channel(opened, "validation", class_names)
        assert reader.class_names == ("BACKGROUND", "car", "sidewalk")
        assert isinstance(reader, ManifestReader)
        assert reader.color_map is not None
        assert dict(reader.color_map.entries)[0, 0, len("sidewalk")] == 2


PROTOBUF = struct.pack("<II", 0xCED7230A, 24) + b"\x0a\x12\x0a\x06values" + bytes(14)

CONTRADICTIONS = {
    "no such channel": ({"t.rec": REC}, {"validation": "t.rec"}, "Channel train is needed, but only validation is"),
    "unknown type": ({"t.rec": REC}, {"train": at("t.rec", "text/csv")}, "content_type 'text/csv' but must have"),
    "model's type": (
        {"t.rec": REC},
        {"train": at("t.rec", "application/x-sagemaker-model")},
        "but must have application/x-recordio (.rec files and manifests) or one of application/x-image",
    ),
    "images as records": (
        CLASSES,
        {"train": at("train", RECORDIO)},
        "has content_type application/x-recordio, but {root}/train holds images (cats/); set "
        "content_type=application/x-image.",
    ),
    "list as records": ({"t.lst": LST}, {"train": at("t.lst", RECORDIO)}, "holds an image list (t.lst); set content"),
    "records as images": (
        {"t.rec": REC},
        {"train": at("t.rec", "image/jpeg")},
        "holds RecordIO (t.rec); set content_type=application/x-recordio.",
    ),
    "records and images": ({"t/a.rec": REC, "t/a.png": None}, {"train": "t"}, "holds RecordIO (a.rec) and images (a"),
    "records and manifest": ({"t/a.rec": REC, "t/m.jsonl": ""}, {"train": "t"}, "and a manifest (m.jsonl); give the"),
    "two manifests": ({"t/a.jsonl": "", "t/b.manifest": ""}, {"train": "t"}, "more than once (a.jsonl, b.manifest)"),
    "two lists": ({"t/a.lst": "", "t/b.lst": ""}, {"train": "t"}, "holds an image list more than once (a.lst, b.lst)"),
    "list and annotation": (
        {**PICTURES, "t.lst": LST, "j/a.json": ANNOTATION},
        {"train": "images", "train_lst": "t.lst", "train_annotation": "j"},
        "Channels train_lst and train_annotation are both given; keep the one that holds the labels.",
    ),
    "records and list": (
        {"t.rec": REC, "t.lst": LST},
        {"train": "t.rec", "train_lst": "t.lst"},
        "Channel train_lst is given, but {root}/t.rec holds RecordIO (t.rec), which has its labels in itself",
    ),
    "two list files": (
        {"t.lst": LST, "v.lst": LST},
        {"train": "t.lst", "train_lst": "v.lst"},
        "but channel train is the file {root}/t.lst; it must be the folder of the images.",
    ),
    "list channel without list": (
        {**PICTURES, "l/a.txt": ""},
        {"train": "images", "train_lst": "l"},
        "Channel train_lst: {root}/l holds 0 .lst files; it needs exactly one.",
    ),
    "annotation as a file": (
        {**PICTURES, "a.json": ANNOTATION},
        {"train": "images", "train_annotation": "a.json"},
        "a.json: is no folder; one JSON or PNG file for each image must lie there",
    ),
    "attributes of records": (
        {"t.rec": REC},
        {"train": at("t.rec", attributes=["source-ref", "class"])},
        "has attributes (source-ref, class), but {root}/t.rec holds RecordIO (t.rec), no manifest",
    ),
    "class ids in records": (
        {"t.rec": REC},
        {"train": at("t.rec", f"{RECORDIO};label-format=class-id")},
        "label-format=class-id, which only manifests have; t.rec holds one 0/1 number for each class",
    ),
    "protobuf": ({"t.rec": PROTOBUF}, {"train": "t.rec"}, "t.rec: holds SageMaker's protobuf records"),
    "loose images": (PICTURES, {"train": "images"}, "holds 1 image without a class (first a.png)"),
    "tfrecord": ({"t.tfrecord": b"\x10" + bytes(20)}, {"train": "t.tfrecord"}, "but a channel is a .rec,"),
}


@pytest.mark.parametrize("name", CONTRADICTIONS)
def test_contradictions(tree, name: str) -> None:
    files, given, sentence = CONTRADICTIONS[name]
    root = tree(files)
    with pytest.raises(UserError) as caught:
        open_channel(channels(root, given), "train")
    assert sentence.format(root=root) in str(caught.value)


@pytest.mark.parametrize(
    ("files", "suffixes", "sentence"),
    [
        ({"j": ""}, (".png",), "is no folder; one PNG file for each image must lie there"),
        ({"j": ""}, (".json",), "is no folder; one JSON file for each image must lie there"),
        ({"j/a.json": ANNOTATION}, (".png",), "holds no PNG files; it holds files ending in .json"),
        ({"j/a.jpg": ""}, (".png",), "it holds files ending in .jpg; JPEG changes the values of pixels, so make the"),
        ({"j/a.png": None}, (".json",), "holds no .json files; it holds files ending in .png"),
    ],
)
def test_messages_name_the_label_files_of_the_algorithm(
    tree, files: dict[str, str | None], suffixes: tuple[str, ...], sentence: str
) -> None:
    opened = channels(tree({**PICTURES, **files}), {"train": "images", "train_annotation": "j"})
    with pytest.raises(UserError, match=sentence):
        open_channel(opened, "train", label_suffixes=suffixes)


def test_a_path_that_vanished(tree) -> None:
    root = tree({"t.rec": REC})
    opened = channels(root, {"train": "t.rec"})
    (root / "t.rec").unlink()
    with pytest.raises(UserError, match=r"t.rec does not exist; give the path of a file or folder"):
        open_channel(opened, "train")


@pytest.mark.parametrize(
    ("files", "suffixes", "target"),
    [
        ({"mask/a.png": b"mask"}, (".png",), b"mask"),
        ({"mask/a.png": b"mask"}, (".json", ".png"), b"mask"),
        ({"mask/a.png": b"mask", "mask/a.json": ANNOTATION}, (".png",), b"mask"),
    ],
)
def test_the_algorithm_says_which_label_files_count(tree, files, suffixes: tuple[str, ...], target: bytes) -> None:
    root = tree({**PICTURES, **files})
    opened = channels(root, {"train": "images", "train_annotation": "mask"})
    assert open_channel(opened, "train", label_suffixes=suffixes).target(0) == target


def test_images_whose_masks_are_not_given(tree) -> None:
    opened = channels(tree(PICTURES), {"train": "images"})
    with pytest.raises(UserError, match=r"train_annotation is missing: .* give channels\.train_annotation= the folder"):
        open_channel(opened, "train", label_suffixes=(".png",))
