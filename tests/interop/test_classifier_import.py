from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.interop.models import RESNET20, SMALL_PLAN, pack, write_model, write_shapes
from vision import algorithms
from vision.interop.imported_model import ImportedModel, ImportOptions
from vision.interop.mxnet_import import import_mxnet
from vision.interop.mxnet_params import read_params, write_params
from vision.nn.mxnet_names import mxnet_names
from vision.nn.preact_resnet import PreactPlan
from vision.settings.errors import UserError


def network_of(imported: ImportedModel) -> Any:
    algorithm = algorithms.get(imported.description.algorithm)
    network = algorithm.build_network(algorithm.read_architecture(imported.description.architecture))
    network.load_state_dict(imported.state_dict)
    return network


def test_the_fixture_s_logits() -> None:
    imported = import_mxnet(RESNET20)
    network = network_of(imported).eval()
    with torch.no_grad():
        logits = network(torch.from_numpy(np.load(RESNET20 / "input.npy"))).numpy()
    assert np.abs(logits - np.load(RESNET20 / "logits.npy")).max() < 1e-4
    assert imported.description.epoch == 0
    assert imported.description.hyperparameters["num_layers"] == "20"
    assert imported.description.hyperparameters["image_shape"] == "3,28,28"


def test_the_fixture_s_first_training_step() -> None:
    network = network_of(import_mxnet(RESNET20)).train()
    expected = np.load(RESNET20 / "train_step.npz")
    labels = torch.from_numpy(expected["label"]).long()
    logits = network(torch.from_numpy(np.load(RESNET20 / "input.npy")))
    assert np.abs(logits.softmax(1).detach().numpy() - expected["output_train_mode"]).max() < 1e-4
    loss = torch.nn.functional.cross_entropy(logits, labels, reduction="sum")
    their_loss = -np.log(expected["output_train_mode"][np.arange(len(labels)), labels.numpy()]).sum()
    assert loss.item() == pytest.approx(float(their_loss), rel=1e-4)
    loss.backward()
    gradients = {name: key for key, name in mxnet_names(network.resnet).items() if f"grad:{name}" in expected}
    # MXNet has a gradient of the gamma that it holds at 1, and one of the pixels.
    assert set(gradients) | {"bn_data_gamma", "data"} >= {name[5:] for name in expected if name.startswith("grad:")}
    for name, key in gradients.items():
        ours, theirs = network.resnet.get_parameter(key).grad.numpy(), expected[f"grad:{name}"]
        assert np.abs(ours - theirs).max() <= 1e-3 * max(np.abs(theirs).max(), 1e-3), name


@pytest.mark.parametrize(
    "plan",
    [
        SMALL_PLAN,
        PreactPlan((2, 2, 2, 2), (4, 4, 8, 12, 16), False, "7x7", bn_eps=1e-3),
        PreactPlan((3, 4, 6, 3), (4, 8, 12, 16, 20), True, "7x7"),
        PreactPlan((3, 4, 6, 3), (4, 8, 8, 8, 8), True, "3x3"),
        PreactPlan((3, 3, 3), (4, 4, 8, 12), False, "3x3", input_channels=1),
    ],
    ids=["20", "18", "50", "50-small", "grey"],
)
def test_plans_are_read_from_the_graph(tmp_path: Path, plan: PreactPlan) -> None:
    write_model(tmp_path, plan, 6)
    write_shapes(tmp_path, (16, plan.input_channels, 40, 48))
    imported = import_mxnet(pack(tmp_path, tmp_path / "model.tar.gz"))
    found = imported.description.architecture
    fields = ("units", "filters", "bottleneck", "stem", "bn_eps")
    assert {name: found[name] for name in fields} == {
        name: list(value) if isinstance(value := getattr(plan, name), tuple) else value for name in fields
    }
    assert (found["num_classes"], found["image_shape"]) == (6, [plan.input_channels, 40, 48])
    assert imported.description.hyperparameters["mini_batch_size"] == "16"
    network_of(imported)


def edit_symbol(change: Callable[[list[dict[str, Any]]], None]) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        path = folder / "image-classification-symbol.json"
        root = json.loads(path.read_text())
        change(root["nodes"])
        path.write_text(json.dumps(root))

    return edit


def node(nodes: list[dict[str, Any]], name: str) -> dict[str, Any]:
    return next(item for item in nodes if item["name"] == name)


def edit_arrays(change: Callable[[dict[str, np.ndarray]], object]) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        path = folder / "image-classification-0004.params"
        arrays = read_params(path)
        change(arrays)
        write_params(path, arrays)

    return edit


def renamed(folder: Path) -> None:
    """Every node and array gets another name; the last layer is called fc, as after fine-tuning."""
    edit_symbol(lambda nodes: [item.update(name="x_" + item["name"]) for item in nodes])(folder)
    path = folder / "image-classification-0004.params"
    arrays = {name.replace(":", ":x_"): array for name, array in read_params(path).items()}
    write_params(path, arrays)


def half_precision(folder: Path) -> None:
    """Convolutions and the dense layer in float16, with casts around, as precision_dtype=float16 saves it."""
    edit_symbol(lambda nodes: node(nodes, "id").update(op="Cast", attrs={"dtype": "float16"}))(folder)

    def halve(arrays: dict[str, np.ndarray]) -> None:
        for name in arrays:
            if name.endswith("weight") or name.startswith("arg:fc1"):
                arrays[name] = arrays[name].astype(np.float16)

    edit_arrays(halve)(folder)


@pytest.mark.parametrize("change", [lambda folder: None, renamed, half_precision], ids=["plain", "renamed", "float16"])
def test_names_and_casts_make_no_difference(tmp_path: Path, change: Callable[[Path], None]) -> None:
    write_model(tmp_path)
    images = torch.randint(0, 256, (2, 3, 28, 28), dtype=torch.uint8)
    with torch.no_grad():
        expected = network_of(import_mxnet(tmp_path)).eval()(images)
        change(tmp_path)
        imported = import_mxnet(tmp_path)
        torch.testing.assert_close(network_of(imported).eval()(images), expected, rtol=0.02, atol=0.02)
    precision = "float16" if change is half_precision else "float32"
    assert imported.description.hyperparameters["precision_dtype"] == precision


def test_sigmoid_means_several_labels(tmp_path: Path) -> None:
    write_model(tmp_path, multi_label=True)
    assert import_mxnet(tmp_path).description.hyperparameters["multi_label"] == "1"


def test_a_gamma_that_the_graph_holds_counts_as_one(tmp_path: Path) -> None:
    write_model(tmp_path)
    edit_symbol(lambda nodes: node(nodes, "bn1")["attrs"].update(fix_gamma="True"))(tmp_path)
    edit_arrays(lambda arrays: arrays["arg:bn1_gamma"].fill(7))(tmp_path)
    assert import_mxnet(tmp_path).state_dict["resnet.bn1.weight"].tolist() == [1.0] * 12


def test_the_latest_epoch_unless_asked(tmp_path: Path) -> None:
    write_model(tmp_path)
    shutil.copy(tmp_path / "image-classification-0004.params", tmp_path / "image-classification-0012.params")
    latest = import_mxnet(tmp_path)
    assert latest.description.epoch == 12
    assert "Of 2 epochs the latest, 12, is imported; give epoch=N for another." in latest.remarks
    assert import_mxnet(tmp_path, ImportOptions(epoch=4)).description.epoch == 4
    with pytest.raises(UserError, match="has no weights of epoch 5; it has those of epoch 4, 12"):
        import_mxnet(tmp_path, ImportOptions(epoch=5))


def test_labels_and_shape_are_taken(tmp_path: Path) -> None:
    write_model(tmp_path)
    options = ImportOptions(labels=("ant", "bee", "cat"), image_shape=(3, 30, 31), mean=(1.0,))
    description = import_mxnet(tmp_path, options).description
    assert description.class_names == ("ant", "bee", "cat")
    assert description.architecture["image_shape"] == [3, 30, 31]
    assert description.architecture["mean"] == [1.0, 1.0, 1.0]
    with pytest.raises(UserError, match=r"labels has 2 names, but .* tells 3 classes apart"):
        import_mxnet(tmp_path, ImportOptions(labels=("ant", "bee")))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (edit_symbol(lambda n: node(n, "stage2_unit2_relu1")["attrs"].update(act_type="tanh")), "act_type=tanh"),
        (edit_symbol(lambda n: node(n, "stage2_unit2_conv1")["attrs"].update(kernel="(5, 5)")), "has Convolution"),
        (edit_symbol(lambda n: node(n, "stage3_unit1_bn2")["attrs"].update(eps="0.5")), "eps=0.5"),
        (edit_symbol(lambda n: node(n, "fc1").update(op="Convolution")), "has 0 fully connected layers"),
        (edit_symbol(lambda n: node(n, "_plus1").update(op="elemwise_mul")), "convolutions"),
        (edit_symbol(lambda n: node(n, "conv0").update(op="Deconvolution")), "has the shape"),
        (edit_arrays(lambda a: a.pop("arg:fc1_bias")), "'fc1_bias': is missing"),
        (edit_arrays(lambda a: a.pop("aux:bn_data_moving_mean")), "bn_data_moving_mean': is missing"),
        (edit_arrays(lambda a: a.update({"arg:fc1_bias": np.zeros(9, np.float32)})), "has the shape"),
        (edit_arrays(lambda a: a.update({"arg:fc1_bias": np.zeros(3, np.int32)})), "is of type int32"),
        (edit_arrays(lambda a: a["arg:fc1_bias"].fill(np.nan)), "not finite"),
        (lambda folder: (folder / "image-classification-0004.params").unlink(), "-NNNN.params is needed"),
        (lambda folder: (folder / "image-classification-symbol.json").unlink(), "holds no network of MXNet"),
    ],
)
def test_what_cannot_be_mapped_is_named(tmp_path: Path, change: Callable[[Path], None], message: str) -> None:
    write_model(tmp_path)
    change(tmp_path)
    with pytest.raises(UserError, match=message.replace("(", r"\(")) as caught:
        import_mxnet(tmp_path)
    assert "\n" not in str(caught.value)
