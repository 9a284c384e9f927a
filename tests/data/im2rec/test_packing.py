from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from vision.data.im2rec.encoding import PackOptions
from vision.data.im2rec.packing import lists_of, pack_list, skipped_file
from vision.data.readers.recordio import RecordIOReader

MXNET = Path(__file__).parents[2] / "fixtures" / "mxnet"
Unpacked = Callable[[str], tuple[Path, Path]]


def pack(lst: Path, root: Path, workers: int = 1, **options: object) -> list[str]:
    done: list[int] = []
    options = {"pass_through": True, **options}
    packed = pack_list(lst, PackOptions(str(root), **options), workers, done.append)  # type: ignore[arg-type]
    assert sum(done) == len(lst.read_bytes().splitlines())
    return packed.skipped.sentences


@pytest.mark.parametrize(
    ("name", "pack_label", "workers"),
    [("det", None, 1), ("det_difficult", None, 1), ("small", True, 1), ("det", True, 2)],
)
def test_records_are_those_of_mxnets_tool(name: str, pack_label: bool | None, workers: int, unpacked: Unpacked) -> None:
    lst, root = unpacked(name)
    assert pack(lst, root, workers, pack_label=pack_label) == []
    for suffix in (".rec", ".idx"):
        assert lst.with_suffix(suffix).read_bytes() == (MXNET / f"{name}{suffix}").read_bytes()
    assert sorted(path.suffix for path in lst.parent.iterdir()) == [".idx", ".lst", ".rec"]


def test_what_gives_no_record_is_told_and_the_rest_is_packed(unpacked: Unpacked, tmp_path: Path) -> None:
    lst, root = unpacked("det_difficult")
    (tmp_path / "secret.jpg").write_bytes((root / "img6.jpg").read_bytes())
    (root / "cut.jpg").write_bytes((root / "img6.jpg").read_bytes()[:1000])
    (root / "page.jpg").write_bytes(b"<html>not found</html>")
    bad = [
        "1\t0\tlost.jpg",
        "2\t0\t../secret.jpg",
        "3\t0\tcut.jpg",
        "4\t0\tpage.jpg",
        "5\tcat\timg5.jpg",
        "6\timg5.jpg",
    ]
    lst.write_text("\n".join([*bad, "7\t3\timg5.jpg", "8\t0\t2\t5.5\timg5.jpg"]) + "\n")
    sentences = pack(lst, root)
    expected = ["cannot be read below", "leaves", "is cut off after 1000 bytes", "an HTML page", "'cat'", "2 columns"]
    assert len(sentences) == 7
    for number, (sentence, part) in enumerate(zip(sentences, [*expected, "--pack-label"], strict=True), 1):
        assert sentence.startswith(f"det_difficult.lst line {number + (number == 7)}: "), sentence
        assert part in sentence
    assert skipped_file(lst).read_text().splitlines() == sentences
    reader = RecordIOReader([lst.with_suffix(".rec")])
    assert len(reader) == 1
    assert reader.target(0).tolist() == [3]


KILLED = """
import os, signal, sys
from pathlib import Path
from vision.data.im2rec import packing, resumable_records
packing.FIRST_LINES = packing.MOST_LINES = 2
resumable_records.JOURNAL_EVERY_S = 0
from vision.data.im2rec.encoding import PackOptions
done = []
def advance(count):
    done.append(count)
    if sum(done) >= 4:
        os.kill(os.getpid(), signal.SIGKILL)
packing.pack_list(Path(sys.argv[1]), PackOptions(sys.argv[2], pass_through=True, pack_label=True), 1, advance)
"""


def test_a_killed_packing_continues_where_it_was(unpacked: Unpacked) -> None:
    lst, root = unpacked("small")
    killed = subprocess.run([sys.executable, "-c", KILLED, str(lst), str(root)], check=False)
    assert killed.returncode == -9
    assert not lst.with_suffix(".rec").exists()
    # What was written but not yet vouched for by the journal does not count.
    with lst.with_name(".small.rec.unfinished").open("ab") as file:
        file.write(b"half a record")
    done: list[int] = []
    options = PackOptions(str(root), pass_through=True, pack_label=True)
    packed = pack_list(lst, options, 1, done.append)
    assert (packed.records, packed.lines_resumed, done[0]) == (10, 4, 4)
    assert lst.with_suffix(".rec").read_bytes() == (MXNET / "small.rec").read_bytes()
    assert lst.with_suffix(".idx").read_bytes() == (MXNET / "small.idx").read_bytes()


@pytest.mark.parametrize("change", ["options", "list"])
def test_work_of_other_options_or_another_list_is_not_continued(change: str, unpacked: Unpacked) -> None:
    lst, root = unpacked("small")
    subprocess.run([sys.executable, "-c", KILLED, str(lst), str(root)], check=False)
    if change == "list":
        lst.write_text(lst.read_text() + "77\t0\ta/astronaut.jpg\n")
    packed = pack_list(
        lst, PackOptions(str(root), pass_through=True, pack_label=change == "list"), 1, lambda count: None
    )
    assert packed.lines_resumed == 0
    assert packed.records == (11 if change == "list" else 10)


def test_every_list_that_begins_with_the_prefix_is_packed(tmp_path: Path) -> None:
    for name in ("train.lst", "train_1.lst", "val.lst", "train.rec"):
        (tmp_path / name).touch()
    assert [path.name for path in lists_of(f"{tmp_path}/train")] == ["train.lst", "train_1.lst"]
    assert [path.name for path in lists_of(str(tmp_path))] == ["train.lst", "train_1.lst", "val.lst"]
    assert lists_of(f"{tmp_path}/nowhere/train") == []


def test_resized_records_have_the_asked_shorter_edge(unpacked: Unpacked) -> None:
    import cv2

    lst, root = unpacked("small")
    assert pack(lst, root, pass_through=False, resize=24, pack_label=True) == []
    reader = RecordIOReader([lst.with_suffix(".rec")])
    for index in range(len(reader)):
        image = cv2.imdecode(np.frombuffer(reader[index].encoded, np.uint8), cv2.IMREAD_COLOR)
        assert min(image.shape[:2]) == 24
