from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from vision.cli.main import main
from vision.data.recordio.record import pack
from vision.sagemaker.pipe_feeder import wrap

HP = [
    "algorithm=image_classification",
    "hp.num_classes=2",
    "hp.num_layers=20",
    "hp.image_shape=3,8,8",
    "hp.mini_batch_size=4",
    "run.device=cpu",
]


@pytest.fixture
def records(tmp_path: Path) -> Any:
    def make(name: str, labels: list[Any], broken: int | None = None) -> Path:
        pixels = np.random.default_rng(0).integers(0, 255, (9, 9, 3), np.uint8)
        png = cv2.imencode(".png", pixels)[1].tobytes()
        path = tmp_path / name
        path.write_bytes(
            b"".join(wrap(pack(label, i, b"no image" if i == broken else png)) for i, label in enumerate(labels))
        )
        return path

    return make


def channels(train: Path, validation: Path) -> list[str]:
    return [f"channels.train={train}", f"channels.validation={validation}"]


def test_a_sound_job(records: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = channels(records("train.rec", [0, 1, 1, 0, 1]), records("validation.rec", [1, 1]))
    before = sorted(tmp_path.iterdir())
    assert main(["check", *HP, "hp.num_training_samples=7", *paths]) == 0
    out, err = capsys.readouterr()
    facts = dict(line.split(maxsplit=1) for line in out.splitlines()[:2])
    assert facts == {
        "train": "5 images; labels by class 0: 2, 1: 3",
        "validation": "2 images; labels by class 0: 0, 1: 2",
    }
    assert "images uint8 3x8x8" in out
    assert "Epoch[0] Validation-accuracy=0.500000" in out
    assert "no problem was found" in out
    assert "hp.num_training_samples is 7, but channel 'train' holds 5 images" in err
    assert "channel 'validation': no image has the class 0" in err
    assert sorted(tmp_path.iterdir()) == before


def test_problems_of_all_parts_come_together(records: Any, capsys: pytest.CaptureFixture[str]) -> None:
    paths = channels(records("train.rec", [0, 1, 2, 0], broken=0), records("validation.rec", [5]))
    weights = "hp.use_pretrained_model=0"
    assert main(["check", *HP, "hp.num_training_samples=4", weights, *paths, "channels.model=/etc/hostname"]) == 2
    err = capsys.readouterr().err
    for part in ("train.rec record 2", "validation.rec record 0", "no image", "/etc/hostname"):
        assert part in err
    assert "no problem was found" not in err


def test_equal_problems_are_told_once(records: Any, capsys: pytest.CaptureFixture[str]) -> None:
    boxes = [2.0, 5.0, 0.0, 0.1, 0.1, 0.5, 0.5]
    sound = records("sound.rec", [0, 1])
    assert main(["check", *HP, *channels(records("train.rec", [2, 3, 4, 5]), sound)]) == 2
    out, err = capsys.readouterr()
    (told,) = [line for line in err.splitlines() if "train.rec record" in line]
    assert "4 of 4 labels cannot be used: 4 times, in train.rec record 0" in told
    assert "the log will look like this" not in out
    assert main(["check", *HP, *channels(records("boxes.rec", [boxes] * 3), sound)]) == 2
    (told,) = [line for line in capsys.readouterr().err.splitlines() if "labels" in line]
    assert "its labels are boxes" in told


def test_wrong_settings_do_not_hide_wrong_data(
    records: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    zipped = tmp_path / "validation.rec"
    zipped.write_bytes(b"PK\x03\x04 no records")
    paths = channels(records("train.rec", [0, 1]), zipped)
    assert main(["check", *HP, "hp.num_training_samples=2", "hp.epochs=0", *paths]) == 2
    err = capsys.readouterr().err
    assert "Hyperparameter epochs is '0'" in err
    assert "validation.rec" in err


LEFT_OUT = [word for word in HP if not word.startswith("hp.num_classes")]


@pytest.mark.parametrize("verb", ["check", "train"])
def test_a_channel_that_keeps_counts_from_being_counted_is_what_is_named(
    verb: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    zipped = tmp_path / "train.rec"
    zipped.write_bytes(b"PK\x03\x04 no records")
    words = [*channels(zipped, zipped), f"run.output={tmp_path / 'run'}"]
    assert main([verb, *LEFT_OUT, *words]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"vision: {zipped}: ")
    assert "num_classes" not in line


def test_a_folder_without_masks_is_named_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
    (tmp_path / "images" / "a.jpg").write_bytes(b"image")
    parts = {"": "images", "_annotation": "masks"}
    words = [
        f"channels.{name}{part}={tmp_path / held}" for name in ("train", "validation") for part, held in parts.items()
    ]
    assert main(["check", "algorithm=semantic-segmentation", *words]) == 2
    assert capsys.readouterr().err.splitlines() == [f"vision: {tmp_path / 'masks'}: holds no PNG files"]


@pytest.mark.parametrize("verb", ["check", "train"])
def test_boxes_for_a_classifier_are_one_sentence_a_channel(
    verb: str, records: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    boxed = records("boxes.rec", [[2, 5, 0, 0.1, 0.1, 0.6, 0.6], [2, 5, 1, 0.2, 0.2, 0.6, 0.6]] * 2)
    assert main([verb, *LEFT_OUT, *channels(boxed, boxed), f"run.output={tmp_path / 'run'}"]) == 2
    _, *lines = capsys.readouterr().err.splitlines()
    assert [line.split(":")[1] for line in lines] == [" channel 'train'", " channel 'validation'"]
    assert all("its labels are boxes" in line and "use object_detection" in line for line in lines)


def test_help_needs_no_data(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--help"]) == 0
    assert "trains nothing and writes nothing" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("free_bytes", "remedy"),
    [(5_000_000, "run.fit_memory=true divides such batches"), (1000, "not even one image fits")],
)
def test_a_batch_that_does_not_fit_the_memory(
    records: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, free_bytes: int, remedy: str
) -> None:
    monkeypatch.setattr("vision.api.check.free_memory_bytes", lambda: free_bytes)
    train = records("train.rec", [0, 1] * 200)
    assert main(["check", *HP[:-2], "hp.mini_batch_size=400", HP[-1], *channels(train, train)]) == 0
    assert f"that are there: {remedy}" in capsys.readouterr().err
