from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from vision import algorithms
from vision.interop.mxnet_import import import_mxnet
from vision.settings.errors import UserError


@pytest.mark.parametrize("name", ["resnet18_v1", "resnet50_v2"])
def test_resnets_of_the_model_zoo(oracle, report, seed, tmp_path: Path, name: str) -> None:
    images = np.random.default_rng(seed).integers(0, 256, (2, 3, 64, 64)).astype(np.float32)
    np.save(tmp_path / "images.npy", (images - 120) / 60)
    expected = oracle("gluon_export", seed=seed, name=name, prefix=name)
    imported = import_mxnet(tmp_path)
    algorithm = algorithms.get("image_classification")
    network = algorithm.build_network(algorithm.read_architecture(imported.description.architecture)).eval()
    network.load_state_dict(imported.state_dict)
    with torch.inference_mode():
        logits = network.resnet(torch.from_numpy((images - 120) / 60)).numpy()
    assert report(f"Gluon {name}", logits, expected["logits"]) < 2e-5


@pytest.mark.parametrize("name", ["resnet50_v1", "resnet18_v2", "vgg11"])
def test_what_has_no_counterpart_is_named(oracle, seed, tmp_path: Path, name: str) -> None:
    np.save(tmp_path / "images.npy", np.zeros((1, 3, 224, 224), np.float32))
    oracle("gluon_export", seed=seed, name=name, prefix=name)
    with pytest.raises(UserError) as caught:
        import_mxnet(tmp_path)
    print(caught.value)
    assert "\n" not in str(caught.value)
