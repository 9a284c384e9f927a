"""Image channels with lists and annotations, and the ``model`` channel, by the real process (contract 4.1, 5.1)."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from tests.algorithms.object_detection.small_detector import small_plan
from tests.contract.training_jobs import HYPERPARAMETERS, IMAGES, images, machine
from tests.serving.small_model import write_any_model
from vision import algorithms
from vision.artifacts.model_folder import StoredModel, load_model, pack_model
from vision.sagemaker.simulator import Simulator

pytestmark = pytest.mark.timeout(600)

# So small that the weights of the model that is continued can be recognised.
RATE = 1e-6
SCENES = 4


@dataclass(frozen=True)
class Done:
    """A job that has ended, and the model that it went on from."""

    platform: Simulator
    status: int
    output: str
    before: StoredModel

    def weights_moved(self) -> dict[str, float]:
        """How far each convolution's weights are from where they began, at most."""
        old, new = self.before.state_dict(), load_model(self.platform.prefix.model).state_dict()
        assert old.keys() == new.keys()
        return {key: float((new[key] - old[key]).abs().max()) for key in old if old[key].ndim == 4}


def model_channel(folder: Path, model: Path) -> dict[str, Any]:
    """The model as an earlier job has left it: one archive."""
    folder.mkdir()
    pack_model(model, folder / "model.tar.gz")
    return {"path": folder, "content_type": "application/x-sagemaker-model"}


def run(folder: Path, platform: Simulator, given: dict[str, Any], channels: dict[str, Any], model: Path) -> Done:
    channels["model"] = model_channel(folder / "earlier", model)
    platform.write(given, channels)
    platform.start()
    return Done(platform, *platform.finish(500), load_model(model))


@pytest.fixture(scope="module")
def classified(tmp_path_factory: pytest.TempPathFactory) -> Done:
    """Images in folders of their own, and lists that leave some out and have labels of their own."""
    folder = tmp_path_factory.mktemp("lst")
    channels = {}
    for name in ("train", "validation"):
        (folder / name / "sub").mkdir(parents=True)
        lines = []
        for number, (_, png) in enumerate(images()):
            (folder / name / "sub" / f"{number}.png").write_bytes(png)
            # The first column is no label, the label may be written as a float, the path begins at the image channel.
            lines.append(f"{1000 + number}\t{number // 15}.000000\tsub/{number}.png\n")
        listed = folder / f"{name}_lst" / f"{name}.lst"
        listed.parent.mkdir()
        listed.write_text("".join(lines[: IMAGES - 4]))
        channels[name] = {"path": folder / name, "content_type": "application/x-image"}
        channels[f"{name}_lst"] = {"path": listed.parent, "content_type": "application/x-image"}
    given = {**HYPERPARAMETERS, "epochs": 1, "learning_rate": RATE, "use_pretrained_model": 0}
    settings = {name: HYPERPARAMETERS[name] for name in ("num_layers", "image_shape")}
    model = write_any_model(folder / "model", "image_classification", settings)
    return run(folder, machine(folder / "ml"), given, channels, model)


def test_lists_say_which_images_and_labels(classified: Done) -> None:
    assert classified.status == 0, classified.output
    assert f"num_training_samples is {IMAGES}, but channel 'train' holds {IMAGES - 4} images" in classified.output
    # 20 images in batches of 8; validation takes each of the 20 once.
    assert "Epoch[0] Batch [2]" in classified.output
    assert "Batch [3]" not in classified.output
    card = (classified.platform.prefix.output_data / "model_card.md").read_text()
    assert re.search(r"dark \D*15\b", card), card
    assert re.search(r"bright \D*5\b", card), card


def test_a_classifier_goes_on_from_the_model_channel(classified: Done) -> None:
    moved = classified.weights_moved()
    assert 0 < max(moved.values()) < 1e-3
    assert load_model(classified.platform.prefix.model).class_names == ("dark", "bright")


def annotated(folder: Path, name: str) -> dict[str, Any]:
    """Channels of dark images with a bright rectangle in each, and of their annotations."""
    rng = np.random.default_rng(3)
    for part in (name, f"{name}_annotation"):
        (folder / part).mkdir(parents=True)
    for number in range(SCENES):
        image = rng.integers(0, 90, (60, 80, 3)).astype(np.uint8)
        image[10:50, 20:70] = 220
        cv2.imwrite(str(folder / name / f"{number}.jpg"), image)
        annotation = {
            "file": f"{number}.jpg",
            "image_size": [{"width": 80, "height": 60, "depth": 3}],
            "annotations": [{"class_id": number % 2, "left": 20, "top": 10, "width": 50, "height": 40}],
            "categories": [{"class_id": 0, "name": "dark"}, {"class_id": 1, "name": "bright"}],
        }
        (folder / f"{name}_annotation" / f"{number}.json").write_text(json.dumps(annotation))
    return {part: {"path": folder / part, "content_type": "image/jpeg"} for part in (name, f"{name}_annotation")}


@pytest.fixture(scope="module")
def detected(tmp_path_factory: pytest.TempPathFactory) -> Done:
    """A detector on one machine whose name is not the first one's of the platform, as in the SDK's local mode."""
    folder = tmp_path_factory.mktemp("boxes")
    host = "algo-1-x7k2p"
    environment = {"VISION_ALGORITHM": "object-detection", "OMP_NUM_THREADS": "1"}
    platform = Simulator(folder / "ml", environment, host=host, hosts=(host,))
    given = {
        "base_network": "resnet-50",
        "num_classes": 2,
        "num_training_samples": SCENES,
        "mini_batch_size": 2,
        "epochs": 1,
        "learning_rate": RATE,
        "use_pretrained_model": 1,
        "run.device": "cpu",
        "run.workers": 0,
        "run.log_every_steps": 1,
    }
    channels = {**annotated(folder, "train"), **annotated(folder, "validation")}
    narrow = small_plan().model_dump(mode="json")
    model = write_any_model(folder / "model", "object_detection", {"base_network": "resnet-50"}, narrow)
    return run(folder, platform, given, channels, model)


def test_annotation_files_train_a_detector(detected: Done) -> None:
    assert detected.status == 0, detected.output
    prefix = detected.platform.prefix
    stored = load_model(prefix.model)
    assert (stored.algorithm, stored.class_names) == ("object_detection", ("dark", "bright"))
    assert (prefix.output_data / "report" / "report.html").exists()
    assert not prefix.failure.exists()


def test_every_metric_of_detection_is_found_and_names_the_current_host(detected: Done) -> None:
    for definition in algorithms.facts_of("object_detection").metric_definitions:
        values = [float(value) for value in re.findall(definition.regex, detected.output)]
        assert values, definition.name
        assert min(values) >= 0
    assert set(re.findall(r"host=([^,]+),", detected.output)) == {"algo-1-x7k2p"}


def test_a_detector_goes_on_from_the_model_channel(detected: Done) -> None:
    moved = detected.weights_moved()
    assert 0 < max(moved.values()) < 1e-3
    assert torch.isfinite(torch.tensor(list(moved.values()))).all()
    assert "hp.use_pretrained_model has no effect" in detected.output
