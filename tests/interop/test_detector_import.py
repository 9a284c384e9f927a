from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.interop.models import SSD_RESNET, SSD_VGG
from vision import algorithms
from vision.algorithms.object_detection.loss import multibox_loss
from vision.algorithms.object_detection.matcher import MatcherSettings
from vision.algorithms.object_detection.network import SSD, mxnet_names
from vision.interop.imported_model import ImportedModel, ImportOptions
from vision.interop.mxnet_import import import_mxnet
from vision.settings.errors import UserError

MEAN = torch.tensor([123.0, 117.0, 104.0]).view(1, 3, 1, 1)


def network_of(imported: ImportedModel) -> SSD:
    algorithm = algorithms.get("object_detection")
    network = algorithm.build_network(algorithm.read_architecture(imported.description.architecture))
    network.load_state_dict(imported.state_dict)
    return network


def images(folder: Path) -> torch.Tensor:
    return torch.from_numpy(np.load(folder / "image_uint8_nhwc_rgb.npy")).permute(0, 3, 1, 2).contiguous()


@pytest.mark.parametrize(
    ("folder", "kind", "tolerance"),
    [(SSD_VGG, "train", 1e-3), (SSD_VGG, "deploy", 1e-3), (SSD_RESNET, "train", 2e-3), (SSD_RESNET, "deploy", 2e-3)],
    ids=lambda value: getattr(value, "name", None),
)
def test_heads_of_the_fixtures(folder: Path, kind: str, tolerance: float) -> None:
    imported = import_mxnet(next(folder.glob(f"*-{kind}-symbol.json")))
    network = network_of(imported).eval()
    expected = np.load(folder / "expected_inference.npz")
    assert imported.description.architecture["mean"] == [123.0, 117.0, 104.0]
    with torch.no_grad():
        outputs = network(images(folder))
    assert np.array_equal(network.anchors.boxes_xyxy_unit.numpy(), expected["anchors"][0])
    assert np.abs(outputs.class_logits.permute(0, 2, 1).numpy() - expected["cls_pred_logits"]).max() < tolerance
    assert np.abs(outputs.box_offsets.flatten(1).numpy() - expected["loc_pred"]).max() < tolerance


@pytest.mark.parametrize("folder", [SSD_VGG, SSD_RESNET], ids=lambda folder: folder.name)
def test_detections_of_the_fixtures(folder: Path) -> None:
    imported = import_mxnet(folder)
    algorithm = algorithms.get("object_detection")
    network = network_of(imported).eval()
    hyperparameters = algorithm.facts.hyperparameters.parse(imported.description.hyperparameters)
    with torch.no_grad():
        found = algorithm.predict(network(images(folder)), network, hyperparameters, [(300, 300)])
    for ours, theirs in zip(found, np.load(folder / "expected_inference.npz")["detection"], strict=True):
        theirs = theirs[theirs[:, 0] >= 0]
        assert abs(len(ours) - len(theirs)) <= 1
        # As sets: differences of 1e-5 may swap neighbours.
        rows = np.column_stack([ours.labels, ours.scores, ours.boxes_xyxy_unit])
        distances = np.abs(theirs[:, None] - rows[None]).max(axis=2).min(axis=1)
        assert np.sort(distances)[-2] < 2e-3


def test_the_first_training_step_of_the_fixture() -> None:
    network = network_of(import_mxnet(SSD_VGG)).train()
    expected = np.load(SSD_VGG / "expected_train_step.npz")
    labels = torch.from_numpy(expected["label"])
    outputs = network(images(SSD_VGG))
    losses = multibox_loss(
        outputs.class_logits,
        outputs.box_offsets,
        network.anchors,
        labels[..., 1:5].clone(),
        labels[..., 0].long(),
        MatcherSettings(),
    )
    sum(losses.values()).backward()
    names = mxnet_names(network)
    checked = 0
    for key, parameter in network.named_parameters():
        theirs = expected.get(f"grad:{names[key]}")
        if theirs is not None:
            checked += 1
            assert np.abs(parameter.grad.numpy() - theirs).max() <= 2e-3 * max(np.abs(theirs).max(), 1e-2), key
    assert checked == sum(name.startswith("grad:") for name in expected)


def test_settings_come_from_the_graph_and_from_hyperparams_json(tmp_path: Path) -> None:
    for path in SSD_VGG.glob("*300-*"):
        shutil.copy(path, tmp_path)
    settings = {
        "num_classes": "99",
        "image_shape": "512",
        "learning_rate": "0.004",
        "nms_topk": "7",
        "optimizer": "ftml",
        "_num_kv_servers": "auto",
    }
    (tmp_path / "hyperparams.json").write_text(json.dumps(settings))
    imported = import_mxnet(tmp_path, ImportOptions(labels=("a", "b", "c")))
    found = imported.description.hyperparameters
    assert {name: found[name] for name in ("num_classes", "image_shape", "learning_rate", "nms_topk", "optimizer")} == {
        "num_classes": "3",
        "image_shape": "512",
        "learning_rate": "0.004",
        "nms_topk": "400",
        "optimizer": "sgd",
    }
    assert any("optimizer" in remark and "left out" in remark for remark in imported.remarks)
    assert imported.description.class_names == ("a", "b", "c")


def change(nodes: list[dict[str, Any]], name: str, **attributes: str) -> None:
    next(item for item in nodes if item["name"] == name)["attrs"].update(attributes)


@pytest.mark.parametrize(
    ("name", "attributes", "message"),
    [
        ("detection", {"variances": "(1, 1, 1, 1)"}, "has other variances"),
        (
            "detection",
            {"threshold": "0.3"},
            "has the threshold 0.3, but detections here are all of a score of at least 0.01",
        ),
        ("detection", {"clip": "False"}, "boxes here end at the border"),
        ("detection", {"background_id": "2"}, "background_id=2, but MXNet 1.9.1 takes class 0"),
        ("detection", {"nms_threshold": "0"}, "nms_threshold"),
        ("relu7_anchors", {"clip": "True"}, "clips its anchors"),
        ("relu7_anchors", {"steps": "(0.1, 0.2)"}, "has the steps"),
        ("pool3", {"pooling_convention": "valid"}, "pooling_convention=valid"),
        ("fc6", {"dilate": "(3, 3)"}, r"dilate=\(3, 3\)"),
        ("relu4_3_norm", {"mode": "instance"}, "mode=instance"),
        ("cls_prob", {"axis": "2"}, "softmax over the classes"),
        ("relu7_cls_pred_conv", {"num_filter": "0"}, "num_filter=0"),
        ("relu4_3_cls_pred_conv", {"num_filter": "4"}, "num_classes"),
        ("relu4_3_loc_pred_conv", {"num_filter": "3"}, "fewer than 4 outputs"),
    ],
)
def test_what_cannot_be_mapped_is_named(tmp_path: Path, name: str, attributes: dict[str, str], message: str) -> None:
    root = json.loads(next(SSD_VGG.glob("*deploy-symbol.json")).read_text())
    change(root["nodes"], name, **attributes)
    (tmp_path / "ssd-symbol.json").write_text(json.dumps(root))
    shutil.copy(next(SSD_VGG.glob("*.params")), tmp_path / "ssd-0000.params")
    with pytest.raises(UserError, match=message) as caught:
        import_mxnet(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("topk", ["-1", "0", None])
def test_all_anchors_are_candidates_where_the_graph_says_so(tmp_path: Path, topk: str | None) -> None:
    root = json.loads(next(SSD_VGG.glob("*deploy-symbol.json")).read_text())
    attributes = next(item for item in root["nodes"] if item["name"] == "detection")["attrs"]
    attributes.pop("nms_topk")
    attributes.update({} if topk is None else {"nms_topk": topk})
    (tmp_path / "ssd-symbol.json").write_text(json.dumps(root))
    shutil.copy(next(SSD_VGG.glob("*.params")), tmp_path / "ssd-0000.params")
    # SSD300 on VGG-16 has 8732 anchors.
    assert import_mxnet(tmp_path).description.hyperparameters["nms_topk"] == "8732"


def test_suppression_across_classes_is_mentioned(tmp_path: Path) -> None:
    root = json.loads(next(SSD_VGG.glob("*deploy-symbol.json")).read_text())
    change(root["nodes"], "detection", force_suppress="True", nms_threshold="0.5")
    (tmp_path / "ssd-symbol.json").write_text(json.dumps(root))
    shutil.copy(next(SSD_VGG.glob("*.params")), tmp_path / "ssd-0000.params")
    imported = import_mxnet(tmp_path)
    assert any("force_suppress" in remark for remark in imported.remarks)
    assert imported.description.hyperparameters["nms_threshold"] == "0.5"
