"""Named pipes without a writer where files are expected: each verb says so and none waits."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tests.cli.conftest import FakeApi
from vision.cli.main import main
from vision.data.readers.folder import FolderReader
from vision.data.readers.image_list import ImageListReader
from vision.data.readers.recordio import RecordIOReader
from vision.settings.errors import DataError

LONGEST_S = 60


@pytest.fixture(autouse=True)
def _nothing_waits() -> Iterator[None]:
    def stop(number: int, frame: Any) -> None:
        raise AssertionError("it waits for the pipe's other end")

    former = signal.signal(signal.SIGALRM, stop)
    signal.alarm(LONGEST_S)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, former)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Two classes of an image each, and a pipe and a dead link with the names of images."""
    for number, name in enumerate(("cats", "dogs")):
        (tmp_path / "images" / name).mkdir(parents=True)
        cv2.imwrite(str(tmp_path / "images" / name / "a.png"), np.full((8, 12, 3), 90 * number, np.uint8))
    os.mkfifo(tmp_path / "images" / "cats" / "pipe.png")
    (tmp_path / "images" / "dogs" / "lost.png").symlink_to("nothing")
    return tmp_path / "images"


def test_predict_passes_over_them(
    api: FakeApi, model_here: None, images: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (images / "cats" / ".hidden.png").touch()
    assert main(["predict", "model=model.tar.gz", str(images)]) == 0
    shown = capsys.readouterr()
    assert [json.loads(line)["file"] for line in shown.out.splitlines()] == [
        str(images / name / "a.png") for name in ("cats", "dogs")
    ]
    assert shown.err.splitlines()[:3] == [
        f"vision: {images}: 'cats/.hidden.png' is passed over: it is hidden",
        f"vision: {images}: 'cats/pipe.png' is passed over: it is a named pipe",
        f"vision: {images}: 'dogs/lost.png' is passed over: it is a link to nothing",
    ]


def test_predict_of_a_pipe(api: FakeApi, model_here: None, images: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", "model=model.tar.gz", str(images / "cats" / "pipe.png")]) == 1
    assert "pipe.png: cannot be read (it is a named pipe, not a file)" in capsys.readouterr().err


def test_inspect_counts_them_as_broken(images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", f"channels.train={images}", f"output={tmp_path / 'report'}", "workers=1"]) == 1
    errors = capsys.readouterr().err
    assert "2 of 4 images" in errors
    assert "it is a named pipe, not a file" in errors


def test_im2rec_names_them(images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["im2rec", str(tmp_path / "all"), str(images), "--list", "--recursive"]) == 1
    errors = capsys.readouterr().err
    assert "'cats/pipe.png': is a named pipe, not a file" in errors
    assert "'dogs/lost.png': is a link to nothing, not a file" in errors
    (tmp_path / "all.lst").write_text("0\t0\tcats/a.png\n1\t1\tcats/pipe.png\n")
    assert main(["im2rec", str(tmp_path / "all"), str(images), "--num-thread", "1"]) == 1
    assert "(it is a named pipe, not a file)" in capsys.readouterr().err


def test_convert_leaves_them_out(images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "all.rec"
    assert main(["convert", "from=folder", "to=recordio", f"input={images}", f"output={output}", "workers=1"]) == 1
    assert "it is a named pipe, not a file" in capsys.readouterr().err
    assert len(RecordIOReader([output])) == 2


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (["from=lst", "to=recordio"], "pipe.lst"),
        (["from=recordio", "to=lst"], "pipe.rec"),
        (["from=manifest", "to=recordio"], "pipe.manifest"),
        (["from=coco", "to=recordio"], "pipe.json"),
    ],
)
def test_convert_of_a_pipe(words: list[str], name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    os.mkfifo(tmp_path / name)
    output = tmp_path / f"out.{'rec' if words[1].endswith('recordio') else 'lst'}"
    assert main(["convert", *words, f"input={tmp_path / name}", f"output={output}"]) == 2
    assert "named pipe" in capsys.readouterr().err


def test_readers_of_channels(images: Path, tmp_path: Path) -> None:
    reader = FolderReader(images)
    keys = [reader.key(index) for index in range(len(reader))]
    with pytest.raises(DataError, match="it is a named pipe, not a file"):
        reader[keys.index("images/cats/pipe.png")]
    for name in ("x.rec", "x.lst"):
        os.mkfifo(tmp_path / name)
    with pytest.raises(DataError, match="it is a named pipe, not a file"):
        RecordIOReader([tmp_path / "x.rec"])
    with pytest.raises(DataError, match="it is a named pipe, not a file"):
        ImageListReader(tmp_path / "x.lst", images)
