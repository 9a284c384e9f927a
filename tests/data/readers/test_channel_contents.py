from __future__ import annotations

import pytest

from vision.data.readers.channel_contents import look
from vision.settings.errors import DataError


@pytest.mark.parametrize(
    ("files", "path", "forms"),
    [
        ({"d/a.rec": "", "d/b.REC": "", "d/a.idx": "", "d/a.lst": ""}, "d", ["RecordIO 2", "an image list 1"]),
        ({"d/x.manifest": "", "d/i.png": None}, "d", ["a manifest 1", "images 0"]),
        ({"d/cats/1.png": None}, "d", ["images 0"]),
        ({"d/.hidden/x": "", "d/t.lst": ""}, "d", ["an image list 1"]),
        ({"t.rec": ""}, "t.rec", ["RecordIO 1"]),
        ({"t.lst": ""}, "t.lst", ["an image list 1"]),
        ({"output.manifest": ""}, "output.manifest", ["a manifest 1"]),
        ({"t.jsonl": ""}, "t.jsonl", ["a manifest 1"]),
    ],
)
def test_forms(tree, files: dict[str, str | None], path: str, forms: list[str]) -> None:
    found = look(tree(files) / path)
    assert [f"{contents.form} {len(contents.files)}" for contents in found] == forms


def test_record_files_one_folder_deeper_are_found_on_request(tree) -> None:
    root = tree({"d/part1/a.rec": "", "d/part0/a.rec": ""})
    assert [contents.form for contents in look(root / "d")] == ["images"]
    deeper = look(root / "d", below=True)[0]
    assert deeper.files == (root / "d/part0/a.rec", root / "d/part1/a.rec")


@pytest.mark.parametrize(
    ("files", "path", "sentence"),
    [
        ({"d/.x": ""}, "d", "d: holds nothing; a channel needs .rec files, a manifest or images"),
        ({"d/a.csv": "1,2"}, "d", "d: holds no data but a.csv;"),
        ({"a.png": None}, "a.png", ("a.png: is one image, but a channel is a .rec, .manifest, .jsonl or .lst file")),
        ({"a.zip": b"PK\x03\x04"}, "a.zip", "a.zip: is a ZIP archive, but a channel"),
        ({"a.idx": "0\t0"}, "a.idx", "a.idx: is text beginning '0\\t0', but a channel"),
        ({"a.tar.gz": b"\x1f\x8b"}, "a.tar.gz", "is gzip-compressed data"),
    ],
)
def test_nothing_to_read(tree, files: dict[str, str | bytes | None], path: str, sentence: str) -> None:
    with pytest.raises(DataError) as caught:
        look(tree(files) / path)
    assert sentence in str(caught.value)
