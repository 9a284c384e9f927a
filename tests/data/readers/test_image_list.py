"""Lines of .lst files, good and bad, written by hand and as MXNet's im2rec writes them."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from vision.data.readers.image_list import ImageListReader
from vision.data.sample import Reader
from vision.settings.errors import DataError


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("7\t0\ta.png\n1042\t1\tsub/b.png\n", [[0], [1]]),
        ("0\t3.000000\ta.png\r\n1\t1.000000\tsub/b.png\r\n", [[3], [1]]),
        ("\ufeff0\t2\ta.png\n\n   \n1\t1\tsub/b.png", [[2], [1]]),
        ("12\t1\t0\t0\t1\ta.png\n13\t0\t0\t1\t0\tsub/b.png\n", [[1, 0, 0, 1], [0, 0, 1, 0]]),
        (
            "0\t2\t5\t1.0\t0.1\t0.25\t0.5\t0.75\ta.png\n1\t4\t5\t640\t480\t0\t0\t0\t1\t1\tsub/b.png\n",
            [[2, 5, 1, 0.1, 0.25, 0.5, 0.75], [4, 5, 640, 480, 0, 0, 0, 1, 1]],
        ),
        ("7 0 a.png\n8   1  sub/b.png\n", [[0], [1]]),
    ],
    ids=["plain", "im2rec floats and CRLF", "BOM and blank lines", "multi-label", "detection", "blanks"],
)
def test_good_lines(tree, text: str, labels: list[list[float]]) -> None:
    root = tree({"images/a.png": None, "images/sub/b.png": None, "train.lst": text})
    reader = ImageListReader(root / "train.lst", root / "images")
    assert isinstance(reader, Reader)
    assert len(reader) == 2
    for copy in (reader, pickle.loads(pickle.dumps(reader))):
        for index, (label, name) in enumerate(zip(labels, ["a.png", "sub/b.png"], strict=True)):
            sample = copy[index]
            assert sample.target.dtype == np.float32
            np.testing.assert_array_equal(sample.target, np.array(label, np.float32))
            np.testing.assert_array_equal(copy.target(index), sample.target)
            assert sample.encoded == (root / "images" / name).read_bytes()
            assert sample.key == copy.key(index)
    assert reader.class_names is None


def test_spaces_of_other_scripts_belong_to_the_name(tree) -> None:
    name = "\u3000a\u202fb\u00a0.png"
    root = tree({f"images/{name}": None, "train.lst": f"7 0 {name}\n8\t1\t {name} \r\n"})
    reader = ImageListReader(root / "train.lst", root / "images")
    assert [(reader.path(index), reader.target(index).tolist()) for index in range(2)] == [(name, [0]), (name, [1])]


def test_keys_count_every_line_of_the_file(tree) -> None:
    root = tree({"cats/my cat.png": None, "train.lst": "\n\n5\t1\tcats/my cat.png\n"})
    assert ImageListReader(root / "train.lst", root).key(0) == "train.lst line 3 (cats/my cat.png)"


def test_targets_do_not_share_memory_with_the_reader(tree) -> None:
    root = tree({"a.png": None, "t.lst": "0\t1\ta.png"})
    reader = ImageListReader(root / "t.lst", root)
    reader.target(0)[:] = 9
    assert reader.target(0).tolist() == [1]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "holds no lines; each must be index<TAB>label<TAB>path"),
        ("a.png", "line 1: has 1 columns; index<TAB>label<TAB>path are needed"),
        ("0\ta.png", "line 1: has 2 columns"),
        ("0,1,a.png", "line 1: has 1 columns"),
        ("index\tlabel\tpath", "line 1: has the index 'index', which must be a whole number"),
        ("-1\t0\ta.png", "has the index '-1'"),
        ("1.5\t0\ta.png", "has the index '1.5'"),
        ("99999999999999999999\t0\ta.png", "has the index '99999999999999999999'"),
        ("0\tcat\ta.png", "line 1: has the label 'cat', which must be a number (classes are counted from 0)"),
        ("0\t\ta.png", "has the label '', which must be a number"),
        ("0\tnan\ta.png", "has the label 'nan', which must be a finite float32 number"),
        ("0\t1\t1e39\ta.png", "has the label '1e39', which must be a finite float32 number"),
        ("0\t1\t", "has no path in its last column"),
        ("0\t1\ta.png\n1\t0\tb.png", "line 2: file 'b.png' does not exist below"),
        ("0\t1\tsub", "path 'sub' is a folder, not an image"),
        ("0\t1\tsub\\c.png", "use forward slashes"),
        ("0\t1\t../t.lst", "line 1: path '../t.lst' must be relative to"),
        ("0\t1\t/etc/hostname", "must be relative to"),
        ("4\t1\ta.png\n\n4\t0\ta.png", "line 3: has the index 4 of line 1; every line needs its own"),
        ("0 1 my cat.png", "separate the columns with tabs"),
        ("0 1 2", "it is unclear where the path begins"),
        ("0\t1\ta.png\n1\t1\t\xe9".encode("latin-1"), "line 2 is not UTF-8 text"),
    ],
)
def test_bad_lines(tree, text: str | bytes, sentence: str) -> None:
    root = tree({"images/a.png": None, "images/sub/c.png": None, "t.lst": text})
    with pytest.raises(DataError) as caught:
        ImageListReader(root / "t.lst", root / "images")
    assert sentence in str(caught.value)
    assert str(caught.value).startswith(f"{root / 't.lst'}: ")


def test_all_bad_lines_are_reported_at_once(tree) -> None:
    root = tree({"a.png": None, "t.lst": "".join(f"{n}\t0\tb.png\n" for n in range(25)) + "99\t0\ta.png\n"})
    with pytest.raises(DataError) as caught:
        ImageListReader(root / "t.lst", root)
    assert "25 problems" in str(caught.value)
    assert "25 times, in line 1, line 2, line 3, ...: file 'b.png' does not exist" in str(caught.value)


def test_an_image_that_vanishes_is_named(tree) -> None:
    root = tree({"a.png": None, "t.lst": "0\t0\ta.png"})
    reader = ImageListReader(root / "t.lst", root)
    (root / "a.png").unlink()
    with pytest.raises(DataError, match=r"^t.lst line 1 \(a.png\): .* cannot be read"):
        reader[0]


def test_a_missing_list_is_named(tmp_path) -> None:
    with pytest.raises(DataError, match=r"train.lst: cannot be read \(No such file"):
        ImageListReader(tmp_path / "train.lst", tmp_path)
