"""Classifiers on timm's networks, and on one from Python: trained, resumed, continued, exported, refused."""

from __future__ import annotations

import json
import socket
import sys
from pathlib import Path
from typing import Any

import huggingface_hub
import numpy as np
import onnxruntime
import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

import vision
from tests.algorithms.conformance import assert_same_weights, served, timeless
from tests.api.conftest import channels, picture, write_records
from vision.algorithms.image_classification.algorithm import ALGORITHM
from vision.algorithms.image_classification.hyperparameters import ImageClassificationHyperparameters
from vision.algorithms.image_classification.library_network import LibraryClassifier
from vision.artifacts.archive import extract_archive
from vision.cli.main import main
from vision.nn.stages import is_in
from vision.python.results import TrainingResult
from vision.sagemaker.serve import container_settings
from vision.settings.errors import SettingsError, UserError

__all__ = ["channels"]

NETWORK = "timm:test_efficientnet"
HYPERPARAMETERS: dict[str, Any] = {"image_shape": "3,32,32", "resize": 32, "mini_batch_size": 20, "learning_rate": 0.05}
RUN = {"device": "cpu", "workers": 0, "progress": "none", "report": False}


def fit(channels: dict[str, str], output: Path, run: dict[str, Any], **hyperparameters: Any) -> TrainingResult:
    given = {**HYPERPARAMETERS, "epochs": 1, **hyperparameters}
    settings = {**RUN, "output": output, "backbone": NETWORK, **run}
    return vision.fit("image_classification", channels, run=settings, **given)


@pytest.fixture(scope="module")
def trained(channels: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> TrainingResult:
    return fit(channels, tmp_path_factory.mktemp("timm") / "whole", {"report": True}, epochs=2)


def network_of(name: str, shape: tuple[int, int, int] = (3, 32, 32), num_classes: int = 3) -> LibraryClassifier:
    given = {"num_classes": num_classes, "num_training_samples": 1, "image_shape": ",".join(map(str, shape))}
    plan = ALGORITHM.architecture(ImageClassificationHyperparameters.parse(given), name)
    network = ALGORITHM.build_network(plan)
    assert isinstance(network, LibraryClassifier)
    return network.eval()


def test_a_network_of_timm_learns_and_says_which_it_is(trained: TrainingResult) -> None:
    assert trained.history[-1]["train_loss"] < trained.history[0]["train_loss"]
    plan = json.loads((trained.folder.model / "model.json").read_text())["architecture"]
    assert (plan["library"], plan["network"], plan["version"]) == ("timm", "test_efficientnet", timm.__version__)
    assert [path.suffix for path in trained.folder.model.iterdir() if path.name != "model.json"] == [".safetensors"]


def test_a_resumed_run_is_the_whole_one(channels: dict[str, str], trained: TrainingResult, tmp_path: Path) -> None:
    fit(channels, tmp_path / "parts", {"report": True}, epochs=1)
    with pytest.raises(SettingsError, match=r"run\.backbone is timm:test_resnet, but the run in .* began with"):
        fit(channels, tmp_path / "parts", {"resume": True, "backbone": "timm:test_resnet"}, epochs=2)
    parts = fit(channels, tmp_path / "parts", {"resume": True}, epochs=2)
    assert timeless(parts) == timeless(trained)
    assert_same_weights(parts.folder.path, trained.folder.path)


def test_evaluation_and_export_answer_as_the_network(
    channels: dict[str, str], trained: TrainingResult, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert vision.evaluate(trained.folder.archive, run={"device": "cpu"}, channels=channels).metrics == trained.metrics
    path = tmp_path / "model.onnx"
    assert main(["export", f"model={trained.folder.path}", "format=onnx", f"output={path}"]) == 0
    images = np.random.default_rng(0).integers(0, 256, (2, 3, 32, 32), dtype=np.uint8)
    session = onnxruntime.InferenceSession(path)
    (logits,) = session.run(None, {session.get_inputs()[0].name: images})
    with torch.inference_mode():
        expected = trained.model.network(torch.from_numpy(images)).numpy()
    np.testing.assert_allclose(logits, expected, atol=1e-3, rtol=1e-3)
    assert main(["export", f"model={trained.folder.path}", "format=mxnet", f"output={tmp_path / 'x'}"]) == 2
    assert "MXNet does not know" in capsys.readouterr().err


def test_an_endpoint_and_the_container_answer_as_the_model(trained: TrainingResult, tmp_path: Path) -> None:
    image = picture(1, np.random.default_rng(0))
    expected = trained.model.predict(image)[0].probabilities
    # The platform unpacks the archive below the container's prefix.
    (tmp_path / "model").mkdir()
    extract_archive(trained.folder.archive, tmp_path / "model", lambda name: 10**9, 10**9)
    for model in (trained.folder.path, container_settings(str(tmp_path), {}).model):
        answered = served(Path(model), image, content_type="image/png")
        assert answered.status == 200
        np.testing.assert_allclose(json.loads(answered.body), expected, atol=1e-5)


def test_a_model_goes_on_with_another_head(channels: dict[str, str], trained: TrainingResult, tmp_path: Path) -> None:
    more = {**channels, "model": str(trained.folder.model)}
    given = {"learning_rate": 1e-9, "num_classes": 4}
    found = fit(more, tmp_path / "more", {"backbone": None, "new_head": True, "freeze": "base"}, **given)
    before, after = (run.model.network.state_dict() for run in (trained, found))
    assert after["network.classifier.weight"].shape == (4, before["network.classifier.weight"].shape[1])
    assert torch.equal(before["network.conv_stem.weight"], after["network.conv_stem.weight"])
    with pytest.raises(SettingsError, match=r"its network is timm:test_efficientnet, but run\.backbone is"):
        fit(more, tmp_path / "other", {"backbone": "timm:test_resnet"})


@pytest.mark.parametrize(
    ("name", "head", "stages"),
    [
        ("test_efficientnet", "classifier", 6),
        ("test_resnet", "fc", 5),
        ("test_convnext", "head.fc", 5),
        ("test_vit", "head", 7),
    ],
)
def test_what_is_not_the_head_is_in_a_stage(name: str, head: str, stages: int) -> None:
    network = network_of(f"timm:{name}")
    found = ALGORITHM.stages(network)
    assert len(found) == stages
    for parameter, _ in network.named_parameters():
        assert is_in(parameter, found) != ALGORITHM.is_head(parameter, network.architecture)
        assert ALGORITHM.is_head(parameter, network.architecture) == parameter.startswith(f"network.{head}.")


def test_batch_norm_is_frozen_in_training_that_goes_on(
    channels: dict[str, str], trained: TrainingResult, tmp_path: Path
) -> None:
    given = {**channels, "model": str(trained.folder.model)}
    found = fit(given, tmp_path / "more", {"freeze_batch_norm": True})
    before, after = trained.model.network.state_dict(), found.model.network.state_dict()
    changed = {name for name, value in before.items() if not torch.equal(value, after[name])}
    assert "network.conv_stem.weight" in changed
    assert not [name for name in changed if ".bn" in name]


@pytest.mark.parametrize(("name", "shape"), [("test_vit", (3, 96, 64)), ("test_resnet", (1, 40, 40))])
def test_any_image_size_and_grey_work(name: str, shape: tuple[int, int, int]) -> None:
    network = network_of(f"timm:{name}", shape)
    images = torch.zeros((2, *shape), dtype=torch.uint8)
    assert network(images).shape == (2, 3)


def test_trained_weights_come_from_a_folder_or_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(1)
    # A network of 1000 classes for images of another size: positions are interpolated, the head stays as it is.
    published = timm.create_model("test_vit").state_dict()
    network = network_of("timm:test_vit", (3, 64, 64))
    head = network.network.head.weight.clone()
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda hub, file: None)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", offline)
    monkeypatch.setattr("vision.nn.timm_backbones.socket.create_connection", lambda *place: socket.socket())
    with pytest.raises(UserError, match=r"put test_vit\.safetensors into a folder and name it by run\.weights_folder"):
        ALGORITHM.load_pretrained(network, network.architecture, tmp_path)
    save_file(published, tmp_path / "test_vit.r160_in1k.safetensors")
    said = ALGORITHM.load_pretrained(network, network.architecture, tmp_path)
    assert said == f"Trained weights for timm:test_vit from {tmp_path / 'test_vit.r160_in1k.safetensors'}."
    torch.testing.assert_close(network.network.blocks[0].attn.qkv.weight, published["blocks.0.attn.qkv.weight"])
    torch.testing.assert_close(network.network.head.weight, head)
    assert network.network.pos_embed.shape != published["pos_embed"].shape

    cached = tmp_path / "cached.safetensors"
    save_file(timm.create_model("test_resnet").state_dict(), cached)
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda hub, file: str(cached))
    network = network_of("timm:test_resnet")
    assert str(cached) in ALGORITHM.load_pretrained(network, network.architecture, None)


def offline(*_: object) -> str:
    raise OSError("no network")


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    save_file(timm.create_model("test_resnet").state_dict(), tmp_path / "test_convnext.safetensors")
    network = network_of("timm:test_convnext")
    with pytest.raises(UserError, match="does not fit"):
        ALGORITHM.load_pretrained(network, network.architecture, tmp_path)


@pytest.mark.parametrize(
    ("backbone", "sentence"),
    [
        ("convnext_tiny", "must be LIBRARY:NAME: give for example timm:convnext_tiny"),
        ("timm:convnext_tinny", "did you mean timm:convnext_tiny?"),
        ("timm:test_vit.r999", "timm has no network 'test_vit.r999': did you mean timm:test_vit.r160_in1k"),
        ("tim:resnet18", "the library 'tim', which is unknown: did you mean timm?"),
        ("own:Net", "came from Python and is in no library"),
    ],
)
def test_what_is_no_network_is_a_sentence(
    backbone: str, sentence: str, channels: dict[str, str], tmp_path: Path
) -> None:
    with pytest.raises(UserError) as caught:
        fit(channels, tmp_path / "run", {"backbone": backbone})
    assert sentence in str(caught.value)


def test_timm_is_asked_for_where_it_is_missing(
    channels: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(UserError, match=r"pip install 'vision\[timm\]'"):
        fit(channels, tmp_path / "run", {})


def test_detection_has_networks_of_its_own(tmp_path: Path) -> None:
    records = write_records(tmp_path / "train.rec", 4, 0)
    with pytest.raises(SettingsError, match="object_detection has networks of its own only"):
        vision.fit(
            "object_detection",
            {"train": records, "validation": records},
            run={**RUN, "backbone": NETWORK},
            num_classes=1,
        )


class OwnNetwork(nn.Module):
    """A network that no library has."""

    def __init__(self) -> None:
        super().__init__()
        self.base = nn.Conv2d(3, 8, 3, 2)
        self.head = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.base(x).relu().mean(dim=(2, 3)))
        return logits


def test_a_network_from_python_is_trained_and_loaded_with_its_like(channels: dict[str, str], tmp_path: Path) -> None:
    start = OwnNetwork()
    before = {name: value.clone() for name, value in start.state_dict().items()}
    given = {**HYPERPARAMETERS, "epochs": 1}
    run = {**RUN, "output": tmp_path / "run", "report": True}
    result = vision.fit("image_classification", channels, run=run, network=start, **given)
    assert all(torch.equal(value, before[name]) for name, value in start.state_dict().items())
    image = picture(1, np.random.default_rng(0))
    expected = result.model.predict(image)[0].probabilities
    loaded = vision.load(result.folder.path, run={"device": "cpu"}, network=OwnNetwork())
    np.testing.assert_array_equal(loaded.predict(image)[0].probabilities, expected)
    assert vision.evaluate(result.folder.path, network=OwnNetwork(), run={"device": "cpu"}).metrics == result.metrics
    with pytest.raises(UserError, match=r"vision\.load\(\.\.\., network=\.\.\.\)"):
        vision.load(result.folder.path)
    with pytest.raises(UserError, match="network is a OwnNetwork, but the network that was given is a Linear"):
        vision.load(result.folder.path, network=nn.Linear(1, 1))
    with pytest.raises(SettingsError, match="both name the network"):
        vision.fit("image_classification", channels, run={"backbone": NETWORK}, network=start, **given)


def test_a_hub_that_cannot_be_reached_is_not_tried_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(place: tuple[str, int], timeout_s: float) -> None:
        raise OSError(f"no route to {place}")

    def tried(hub: str, file: str) -> None:
        raise AssertionError("the client of the hub retries for half a minute")

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda hub, file: None)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", tried)
    monkeypatch.setattr("vision.nn.timm_backbones.getproxies", dict)
    monkeypatch.setattr("vision.nn.timm_backbones.socket.create_connection", unreachable)
    network = network_of("timm:test_resnet")
    with pytest.raises(UserError, match=r"cannot be downloaded from .*\(OSError\), and run\.weights_folder is unset"):
        ALGORITHM.load_pretrained(network, network.architecture, None)
