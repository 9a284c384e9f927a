from __future__ import annotations

import io
import json
import re
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from vision.algorithms.algorithm import LabeledChannel
from vision.algorithms.semantic_segmentation.algorithm import ALGORITHM
from vision.algorithms.semantic_segmentation.hyperparameters import SemanticSegmentationHyperparameters
from vision.algorithms.semantic_segmentation.targets import FEW_MASKS, mask_decoder, summarize_masks
from vision.data.masks.mask_decoder import MaskDecoder
from vision.data.masks.mask_png import write_mask
from vision.data.readers.mask_files import MaskFilesReader
from vision.data.readers.open import open_channel
from vision.data.readers.pipe import PipeReader
from vision.settings.channels import Channel
from vision.settings.errors import DataError
from vision.settings.run import RunSettings

RED_BGR, WHITE_BGR, GREEN_BGR = (0, 0, 255), (255, 255, 255), (0, 255, 0)


def write_manifest(path: Path, *names: str) -> None:
    colors = {"BACKGROUND": "#ffffff", "crack": "#ff0000", "dent": "#00ff00"}
    color_map = {str(key): {"class-name": name, "hex-color": colors[name]} for key, name in enumerate(names)}
    line = {"source-ref": "i.png", "mask-ref": "m.png", "mask-ref-metadata": {"internal-color-map": color_map}}
    path.write_text(json.dumps(line) + "\n")


@pytest.mark.parametrize("name", ["train", "validation"])
def test_masks_of_ground_truth_are_read_by_the_colors_of_training(tmp_path: Path, name: str) -> None:
    """Validation, whose lines name fewer classes, gives a class the id that it has in training."""
    cv2.imwrite(str(tmp_path / "i.png"), np.zeros((1, 3, 3), np.uint8))
    cv2.imwrite(str(tmp_path / "m.png"), np.array([[RED_BGR, WHITE_BGR, GREEN_BGR]], np.uint8))
    write_manifest(tmp_path / "train.manifest", "BACKGROUND", "dent", "crack")
    write_manifest(tmp_path / "validation.manifest", "crack", "dent")
    channels = {channel: Channel(tmp_path / f"{channel}.manifest") for channel in ("train", "validation")}
    reader = open_channel(channels, name)
    decode = mask_decoder(LabeledChannel(name, channels, reader), 3)
    assert decode(reader.target(0), reader.key(0)).tolist() == [[2, 0, 1]]


def test_fewer_classes_than_the_color_map_names_are_refused(tmp_path: Path) -> None:
    for name in ("i.png", "m.png"):
        cv2.imwrite(str(tmp_path / name), np.zeros((1, 3, 3), np.uint8))
    write_manifest(tmp_path / "train.manifest", "BACKGROUND", "dent", "crack")
    channels = {"train": Channel(tmp_path / "train.manifest")}
    with pytest.raises(DataError, match=r"train: has masks of 3 classes, .* dent, crack\): set num_classes=3"):
        mask_decoder(LabeledChannel("train", channels, open_channel(channels, "train")), 2)


@pytest.mark.parametrize(("batch", "said"), [(16, True), (1, False)])
def test_a_stream_says_what_it_does_without(
    batch: int, said: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    given = SemanticSegmentationHyperparameters(num_classes=2, num_training_samples=1, validation_mini_batch_size=batch)
    channels = {"validation": Channel(tmp_path / "validation", input_mode="Pipe")}
    source = LabeledChannel("validation", channels, PipeReader(tmp_path / "validation", 1.0))
    with caplog.at_level("INFO"):
        ALGORITHM.target_decoder(source, given, RunSettings())
    assert "#label_map validation :{'scale': 1}" in caplog.messages
    assert "which brings no color map of Ground Truth" in caplog.text
    assert ("whole_images_mIOU is not measured" in caplog.text) is said


class Terminal(io.StringIO):
    """What a terminal was sent."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("num_masks", "shows_progress", "rank", "is_shown"),
    [
        (FEW_MASKS + 1, True, "0", True),
        (FEW_MASKS + 1, False, "0", False),
        (FEW_MASKS + 1, True, "1", False),
        (FEW_MASKS, True, "0", False),
    ],
    ids=["many", "not wanted", "second process", "few"],
)
def test_the_progress_of_counting_is_shown_on_a_terminal(
    num_masks: int, shows_progress: bool, rank: str, is_shown: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, suffix, held in (("a", "jpg", b""), ("masks", "png", write_mask(np.ones((1, 1), np.uint8)))):
        (tmp_path / name).mkdir()
        for number in range(num_masks):
            (tmp_path / name / f"{number}.{suffix}").write_bytes(held)
    source = LabeledChannel("train", {}, MaskFilesReader(tmp_path / "a", tmp_path / "masks"))
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    for name, value in {"LOCAL_RANK": rank, "TERM": "xterm", "COLUMNS": "120"}.items():
        monkeypatch.setenv(name, value)

    summary = summarize_masks(source, MaskDecoder(2), shows_progress=shows_progress)

    assert summary.class_counts is not None
    assert summary.class_counts.tolist() == [0, num_masks]
    assert ("counting masks of train" in terminal.getvalue()) is is_shown
    assert (f"{num_masks}/{num_masks}" in terminal.getvalue()) is is_shown


@pytest.mark.parametrize(
    ("name", "pixels", "problem"),
    [
        (
            "train",
            [0, 255],
            'the masks have the values 0 and 255 alone, .* give the label map {"map": {"0": 0, "1": 255',
        ),
        ("validation", [0, 255], None),
        ("train", [255, 255], "no pixel of the masks counts"),
        ("validation", [255, 255], "no pixel of the masks counts"),
    ],
)
def test_masks_that_teach_nothing_are_a_problem(
    tmp_path: Path, name: str, pixels: list[int], problem: str | None
) -> None:
    for folder in (name, f"{name}_annotation"):
        (tmp_path / folder).mkdir()
        cv2.imwrite(str(tmp_path / folder / "1.png"), np.array([pixels], np.uint8))
    channels = {channel: Channel(tmp_path / channel) for channel in (name, f"{name}_annotation")}
    source = LabeledChannel(name, channels, open_channel(channels, name, label_suffixes=(".png",)))

    found = summarize_masks(source, mask_decoder(source, 2), shows_progress=False)

    if problem is None:
        assert found.problems == ()
        assert "the values 0 and 255 alone" in found.warnings[0]
    else:
        assert re.match(problem, found.problems[0])
