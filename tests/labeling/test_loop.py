"""The whole way round: a model chooses images, a person corrects what it proposes, and the model learns from that."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import vision
from tests.algorithms.object_detection.small_detector import scene, use_small_networks, write_scenes
from tests.retrieval.pictures import picture
from vision.cli.main import main
from vision.data.readers.recordio import RecordIOReader

CPU = ["run.device=cpu", "run.report=false", "run.workers=0"]
CLASSES = ["algorithm=image_classification", "hp.num_layers=20", "hp.image_shape=3,28,28", "hp.mini_batch_size=2"]
BOXES = ["algorithm=object_detection", "hp.use_pretrained_model=0", "hp.mini_batch_size=2", "hp.base_network=resnet-18"]


def export(results_of: Callable[[str], list[dict[str, Any]]]) -> int:
    """Write the tasks as Label Studio exports them, under a name of its own; return how many there are."""
    tasks = json.loads(Path("out/label_studio.json").read_text())
    for number, task in enumerate(tasks):
        name = task["data"]["image"].rpartition("/")[2]
        annotation = {"id": number, "completed_by": 1, "was_cancelled": False, "result": results_of(name)}
        task |= {"id": number, "annotations": [annotation]}
    Path("out/project-1-at-2026.json").write_text(json.dumps(tasks))
    return len(tasks)


def weights(run: str) -> dict[str, np.ndarray]:
    network = vision.load(run, run={"device": "cpu"}).network
    return {name: value.numpy() for name, value in network.state_dict().items() if value.ndim == 4}


def assert_goes_on(first: str, second: str) -> None:
    """At a tiny rate the weights stay near those from which training began."""
    found = weights(second)
    assert found
    for name, value in found.items():
        assert np.abs(value - weights(first)[name]).max() < 1e-4, name


def test_classes_of_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for folder, shade in (("photos/daisy", 0), ("photos/rose", 120), ("pool", 120)):
        Path(folder).mkdir(parents=True)
        for seed in range(4):
            cv2.imwrite(f"{folder}/{seed}.png", picture(seed, 40) // 4 + np.uint8(shade))
    train = ["train", *CLASSES, *CPU, "channels.validation=photos"]
    assert main([*train, "channels.train=photos", "hp.epochs=1", "run.output=first"]) == 0

    assert main(["label", "select", "pool", "model=first", "output=out", "count=3", "run.device=cpu"]) == 0
    common = {"type": "choices", "from_name": "class", "to_name": "image"}
    assert export(lambda name: [{**common, "value": {"choices": ["rose"]}}]) == 3
    # No image shows a daisy, but the configuration knows that it is the first class.
    assert main(["convert", "out/project-1-at-2026.json", "labeled.manifest", "to=manifest"]) == 0
    assert Path("classes.txt").read_text() == "daisy\nrose\n"

    channel = ["channels.train.path=labeled.manifest", "channels.train.attributes=source-ref,class"]
    more = ["channels.model=first", "hp.num_classes=2", "hp.learning_rate=1e-6", "hp.epochs=1", "run.output=second"]
    assert main([*train, *channel, *more]) == 0
    assert vision.load("second").class_names == ("daisy", "rose")
    assert_goes_on("first", "second")


def test_boxes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    use_small_networks(monkeypatch)
    write_scenes(tmp_path / "data.rec", 4, seed=0)
    Path("classes.txt").write_text("green\nviolet\n")
    Path("pool").mkdir()
    rng, truth = np.random.default_rng(1), {}
    for number in range(4):
        image, truth[f"{number}.png"] = scene(rng)
        cv2.imwrite(f"pool/{number}.png", image[:, :, ::-1])
    train = ["train", *BOXES, *CPU, "channels.validation=data.rec"]
    assert main([*train, "channels.train=data.rec", "hp.epochs=1", "run.output=first"]) == 0

    assert main(["label", "select", "pool", "model=first", "output=out", "count=3", "run.device=cpu"]) == 0

    def drawn(name: str) -> list[dict[str, Any]]:
        found = []
        for kind, *corners in truth[name][2:].reshape(-1, 5).tolist():
            left, top, right, bottom = (100 * corner for corner in corners)
            value = {"x": left, "y": top, "width": right - left, "height": bottom - top, "rotation": 0}
            value["rectanglelabels"] = [("green", "violet")[int(kind)]]
            common = {"type": "rectanglelabels", "from_name": "label", "to_name": "image", "image_rotation": 0}
            found.append({**common, "original_width": 150, "original_height": 150, "value": value})
        return found

    assert export(drawn) == 3
    assert main(["convert", "out/project-1-at-2026.json", "labeled/all.rec", "to=recordio"]) == 0
    records = RecordIOReader([Path("labeled/all.rec")])
    assert len(records) == 3
    assert {records.target(number).tobytes() for number in range(3)} <= {one.tobytes() for one in truth.values()}

    more = ["channels.model=first", "hp.learning_rate=1e-6", "hp.epochs=1", "run.output=second"]
    assert main([*train, "channels.train=labeled/all.rec", *more]) == 0
    assert vision.load("second").class_names == ("green", "violet")
    assert_goes_on("first", "second")
