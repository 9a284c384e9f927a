from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from vision.cli.main import main
from vision.data.recordio.record import pack
from vision.sagemaker.pipe_feeder import wrap


@pytest.fixture
def words(tmp_path: Path) -> list[str]:
    """A job on two colors, which a network tells apart at once."""
    files = [cv2.imencode(".png", np.full((8, 8, 3), value, np.uint8))[1].tobytes() for value in (30, 220)]
    for name in ("train", "validation"):
        records = [wrap(pack(float(i % 2), i, files[i % 2])) for i in range(16)]
        (tmp_path / f"{name}.rec").write_bytes(b"".join(records))
    return [
        "algorithm=image_classification",
        *(f"channels.{name}={tmp_path / name}.rec" for name in ("train", "validation")),
        *("hp.num_layers=20", "hp.image_shape=3,8,8", "hp.mini_batch_size=4", "run.device=cpu", "run.workers=0"),
        f"output={tmp_path / 'rates'}",
    ]


def test_a_rate_is_suggested_and_its_curve_written(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["find-rate", *words, "updates=40", "low=1e-5"]) == 0
    first, *_ = capsys.readouterr().out.splitlines()
    assert 1e-5 < float(first.removeprefix("hp.learning_rate=")) < 1
    folder = tmp_path / "rates"
    assert sorted(path.name for path in folder.iterdir()) == ["rate_curve.csv", "rate_curve.html", "rate_curve.png"]
    rows = np.loadtxt(folder / "rate_curve.csv", delimiter=",", skiprows=1)
    assert rows[0, 0] == pytest.approx(1e-5)
    assert cv2.imread(str(folder / "rate_curve.png")) is not None
    assert "<img" in (folder / "rate_curve.html").read_text()


def test_the_folder_of_the_run_is_that_of_the_curve(words: list[str], tmp_path: Path) -> None:
    assert main(["find-rate", *words[:-1], f"run.output={tmp_path / 'run'}", "updates=20"]) == 0
    assert (tmp_path / "run" / "rate_curve.html").is_file()


@pytest.mark.parametrize(
    ("more", "part"),
    [
        (["low=1", "high=0.1"], "low must be below high"),
        (["updates=3"], "Setting updates is '3' but must be an integer from 20"),
        (["hp.weight_decay=7"], "weight_decay is"),
    ],
)
def test_what_cannot_be_tried_is_said(
    words: list[str], more: list[str], part: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["find-rate", *words, *more]) == 2
    assert part in capsys.readouterr().err
