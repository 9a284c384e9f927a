from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from vision.cli.main import main
from vision.data.readers.recordio import RecordIOReader


@pytest.fixture
def images(tmp_path: Path) -> Path:
    for number in range(6):
        path = tmp_path / "images" / ("cats" if number % 2 else "dogs") / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), np.full((8, 12, 3), 40 * number, np.uint8))
    return tmp_path / "images"


def test_folders_become_a_list_and_then_records(images: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    prefix = str(tmp_path / "data" / "all")
    assert main(["im2rec", prefix, str(images), "--list", "--recursive"]) == 0
    assert capsys.readouterr().out.splitlines() == ["cats 0", "dogs 1", f"{prefix}.lst: 6 images"]
    assert main(["im2rec", prefix, str(images), "--pass-through", "--num-thread", "2"]) == 0
    assert capsys.readouterr().out == f"{prefix}.rec: 6 records\n"
    assert (tmp_path / "data/classes.txt").read_text() == "cats\ndogs\n"
    reader = RecordIOReader([f"{prefix}.rec"])
    for index, line in enumerate(Path(f"{prefix}.lst").read_text().splitlines()):
        _, label, path = line.split("\t")
        assert reader.target(index).tolist() == [float(label)]
        assert bytes(reader[index].encoded) == (images / path).read_bytes()


def test_a_list_of_other_classes_stays(images: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    (tmp_path / "classes.txt").write_text("lion\n")
    assert main(["im2rec", str(tmp_path / "all"), str(images), "--list", "--recursive"]) == 2
    assert "names the classes lion, but the folders below" in capsys.readouterr().err
    assert (tmp_path / "classes.txt").read_text() == "lion\n"


def test_what_is_left_out_is_named_and_shows_in_the_status(
    images: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    (tmp_path / "all.lst").write_text("0\t0\tcats/1.png\n1\t1\tlost.png\n")
    assert main(["im2rec", str(tmp_path / "all"), str(images), "--num-thread", "1"]) == 1
    shown = capsys.readouterr()
    assert "all.rec: 1 record" in shown.out
    assert shown.err.splitlines()[0] == f"1 line left out (all in {tmp_path}/all.left-out.txt):"
    assert "all.lst line 2: names 'lost.png', which cannot be read below" in shown.err


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--resize", "-1"], "--resize is -1 but must be"),
        (["--quality", "0"], "--quality is 0 but must be from 1 to 100"),
        (["--train-ratio", "-0.1"], "--train-ratio is -0.1 but must be a share from 0 to 1."),
        (["--train-ratio", "0.5", "--test-ratio", "nan"], "--test-ratio is nan but must be a share from 0 to 1."),
        (["--color", "2"], "im2rec: argument --color: invalid choice: 2"),
        (["--no-such"], "im2rec: unrecognized arguments: --no-such"),
        ([], "No .lst file begins with"),
        (["--list"], "holds no files ending in .jpeg, .jpg, .png; --recursive looks into its folders too"),
    ],
)
def test_mistakes_get_a_sentence(
    options: list[str], sentence: str, images: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    assert main(["im2rec", str(tmp_path / "all"), str(images), *options]) == 2
    error = capsys.readouterr().err
    assert error.startswith("vision: ")
    assert sentence in error


def test_help_explains_labels(capsys: pytest.CaptureFixture) -> None:
    assert main(["im2rec", "--help"]) == 0
    assert "--no-pack-label" in capsys.readouterr().out
