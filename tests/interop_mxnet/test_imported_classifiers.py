from __future__ import annotations

import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch

import vision
from vision.nn.mxnet_names import mxnet_names

FIXTURES = Path(__file__).parents[1] / "fixtures" / "mxnet"
SMALL = FIXTURES / "model_resnet20" / "image-classification-symbol.json"


def pack_as_sagemaker(folder: Path, shape: list[int]) -> Path:
    """model.tar.gz with the files of SageMaker's Image Classification."""
    (folder / "model-shapes.json").write_text(json.dumps([{"name": "data", "shape": shape}]))
    archive = folder / "model.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        for path in [*sorted(folder.glob("image-classification-*")), folder / "model-shapes.json"]:
            tar.add(path, path.name)
    return archive


@pytest.mark.parametrize(
    ("symbol", "side", "depth"),
    [
        (SMALL, 28, 20),
        (FIXTURES / "full_symbols" / "resnet18_224_1000cls-symbol.json", 224, 18),
        (FIXTURES / "full_symbols" / "resnet50_224_1000cls-symbol.json", 224, 50),
    ],
    ids=["resnet20", "resnet18", "resnet50"],
)
def test_logits_and_classes_are_mxnet_s(oracle, report, seed, tmp_path, symbol, side, depth) -> None:
    random = np.random.default_rng(seed)
    images = random.integers(0, 256, (4, 3, side, side), dtype=np.uint8)
    np.save(tmp_path / "images.npy", images)
    expected = oracle(
        "random_checkpoint",
        seed=seed,
        symbol=str(symbol),
        shapes={"data": list(images.shape), "softmax_label": [len(images)]},
        prefix="image-classification",
        epoch=7,
        outputs=["fc1_output", "softmax_output"],
    )
    model = vision.load(pack_as_sagemaker(tmp_path, [32, 3, side, side]), run={"device": "cpu"})
    assert model.hyperparameters.num_layers == depth
    assert model.hyperparameters.image_shape == (3, side, side)
    with torch.inference_mode():
        logits = model.network(torch.from_numpy(images)).numpy()
    assert report(f"ResNet-{depth} logits", logits, expected["fc1_output"]) < 2e-5
    found = model.predict(list(images.transpose(0, 2, 3, 1)))
    probabilities = np.stack([one.probabilities for one in found])
    assert report(f"ResNet-{depth} probabilities", probabilities, expected["softmax_output"]) < 1e-4
    assert probabilities.argmax(1).tolist() == expected["softmax_output"].argmax(1).tolist()


def test_the_first_step_of_incremental_training_is_mxnet_s(oracle, report, seed, tmp_path) -> None:
    random = np.random.default_rng(seed)
    images = random.integers(0, 256, (8, 3, 28, 28), dtype=np.uint8)
    labels = random.integers(0, 5, 8)
    np.save(tmp_path / "images.npy", images)
    np.save(tmp_path / "labels.npy", labels)
    job = {"seed": seed, "symbol": str(SMALL), "prefix": "image-classification", "epoch": 1}
    shapes = {"data": list(images.shape), "softmax_label": [len(images)]}
    oracle("random_checkpoint", **job, shapes=shapes, outputs=["fc1_output"])
    expected = oracle("train_step", **job)
    model = vision.load(tmp_path, run={"device": "cpu"})
    network = model.network.train()
    loss = torch.nn.functional.cross_entropy(network(torch.from_numpy(images)), torch.from_numpy(labels))
    loss.backward()
    expected["output"] = expected["output"].astype(np.float64)
    their_loss = -np.log(expected["output"][np.arange(8), labels]).mean()
    assert loss.item() == pytest.approx(their_loss, rel=1e-5)
    names = mxnet_names(network.resnet)
    keys = [key for key in names if f"grad:{names[key]}" in expected]
    assert len(keys) == len(list(network.parameters()))
    # MXNet sums over the batch and divides in the optimizer.
    ours = np.concatenate([network.resnet.get_parameter(key).grad.flatten().numpy() * 8 for key in keys])
    theirs = np.concatenate([expected[f"grad:{names[key]}"].flatten() for key in keys])
    # An activation within float noise of zero passes the ReLU in one engine only, which changes all gradients below
    # it by some thousandths; hence the lengths, and no tighter bound.
    report("ResNet-20 gradients", ours, theirs)
    assert np.linalg.norm(ours - theirs) < 2e-2 * np.linalg.norm(theirs)
