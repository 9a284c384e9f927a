from __future__ import annotations

import csv
import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from vision.algorithms.object_detection.architecture import Architecture, standard_architecture
from vision.algorithms.object_detection.loss import multibox_loss
from vision.algorithms.object_detection.matcher import MatcherSettings
from vision.algorithms.object_detection.network import (
    SSD,
    build_network,
    load_pretrained,
    mxnet_names,
)
from vision.algorithms.object_detection.predictions import DetectionSettings, detect
from vision.interop.mxnet_params import read_params

FIXTURES = Path(__file__).parents[2] / "fixtures" / "mxnet"


def narrow_plan(base: str, arrays: dict[str, np.ndarray]) -> Architecture:
    """The standard plan with the widths that the stored arrays have."""
    name = {"vgg16": "vgg-16", "resnet50": "resnet-50"}[base]
    values: dict[str, Any] = standard_architecture(name, 300, 3, is_mxnet=True).model_dump()

    def width(layer: str) -> int:
        return arrays[f"arg:{layer}_weight"].shape[0]

    if base == "vgg16":
        values["vgg_widths"] = [width(layer) for layer in ("conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1")]
        values["vgg_widths"] += [width("fc6"), width("fc7")]
    else:
        values["filters"] = [width("conv0"), *(width(f"stage{i}_unit1_conv3") for i in range(1, 5))]
        values["mean"] = (123.0, 117.0, 104.0)
    for index, layer in enumerate(values["extra_layers"]):
        layer["width_1x1"] = width(f"multi_feat_{index + 2}_conv_1x1_conv")
        layer["width_3x3"] = width(f"multi_feat_{index + 2}_conv_3x3_conv")
    return Architecture.model_validate(values)


@cache
def narrow_network(base: str) -> tuple[SSD, torch.Tensor, Any]:
    folder = FIXTURES / f"model_ssd300_{base}_narrow"
    arrays = read_params(folder / f"ssd_{base}_narrow_300-0000.params")
    network = build_network(narrow_plan(base, arrays))
    by_name = {name.partition(":")[2]: array for name, array in arrays.items()}
    state = {key: torch.from_numpy(by_name[name].copy()) for key, name in mxnet_names(network).items()}
    missing, unexpected = network.load_state_dict(state, strict=False)
    assert all(key.endswith("num_batches_tracked") for key in missing)
    assert not unexpected
    images = torch.from_numpy(np.load(folder / "image_uint8_nhwc_rgb.npy")).permute(0, 3, 1, 2)
    return network.eval(), images, np.load(folder / "expected_inference.npz")


@pytest.mark.parametrize(("base", "tolerance"), [("vgg16", 1e-3), ("resnet50", 2e-3)])
def test_outputs_equal_mxnet(base: str, tolerance: float) -> None:
    network, images, expected = narrow_network(base)
    with torch.no_grad():
        output = network(images)
    np.testing.assert_array_equal(network.anchor_boxes.numpy(), expected["anchors"][0])
    logits = expected["cls_pred_logits"].transpose(0, 2, 1)
    np.testing.assert_allclose(output.class_logits.numpy(), logits, atol=tolerance, rtol=0)
    offsets = expected["loc_pred"].reshape(2, -1, 4)
    np.testing.assert_allclose(output.box_offsets.numpy(), offsets, atol=tolerance, rtol=0)


@pytest.mark.parametrize("base", ["vgg16", "resnet50"])
def test_detections_equal_mxnet(base: str) -> None:
    network, _, expected = narrow_network(base)
    logits = torch.from_numpy(expected["cls_pred_logits"]).transpose(1, 2)
    offsets = torch.from_numpy(expected["loc_pred"]).view(2, -1, 4)
    found = detect(logits, offsets, network.anchor_boxes, DetectionSettings())
    for image, rows in enumerate(expected["detection"]):
        rows = rows[rows[:, 0] >= 0]
        count = int((found.labels[image] >= 0).sum())
        assert count == len(rows)
        # softmax is computed by another engine here, so neighbours of nearly equal score may change places
        np.testing.assert_allclose(np.sort(found.scores[image, :count]), np.sort(rows[:, 1]), atol=1e-6)
        np.testing.assert_array_equal(np.bincount(found.labels[image, :count]), np.bincount(rows[:, 0].astype(int)))
        centre = found.boxes_xyxy_unit[image, :count].sum(0)
        np.testing.assert_allclose(centre, rows[:, 2:].sum(0), rtol=1e-4)


def test_gradients_of_a_training_step_equal_mxnet() -> None:
    network, images, _ = narrow_network("vgg16")
    expected = np.load(FIXTURES / "model_ssd300_vgg16_narrow" / "expected_train_step.npz")
    label = torch.from_numpy(expected["label"])
    logits, offsets = network(images)
    settings = MatcherSettings(train_images_without_objects=False)
    losses = multibox_loss(logits, offsets, network.anchors, label[..., 1:], label[..., 0].long(), settings)
    network.zero_grad()
    sum(losses.values()).backward()
    keys = {name: key for key, name in mxnet_names(network).items()}
    parameters = dict(network.named_parameters())
    stored = [name for name in expected.files if name.startswith("grad:")]
    assert len(stored) == 29
    for name in stored:
        gradient = parameters[keys[name.removeprefix("grad:")]].grad.numpy()
        scale = np.abs(expected[name]).max()
        np.testing.assert_allclose(gradient, expected[name], atol=1e-4 * scale, rtol=0, err_msg=name)


@pytest.mark.parametrize(
    ("base_network", "image_shape", "file"),
    [
        ("vgg-16", 300, "ssd_vgg16_300_20cls-params.tsv"),
        ("vgg-16", 512, "ssd_vgg16_512_20cls-params.tsv"),
        ("resnet-50", 300, "ssd_resnet50_300_20cls-params.tsv"),
        ("resnet-50", 512, "ssd_resnet50_512_20cls-params.tsv"),
    ],
)
def test_parameters_are_those_of_mxnet(base_network: str, image_shape: int, file: str) -> None:
    with torch.device("meta"):
        network = SSD(standard_architecture(base_network, image_shape, 20, is_mxnet=True))
    state = network.state_dict()
    ours = {name: list(state[key].shape) for key, name in mxnet_names(network).items()}
    with (FIXTURES / "full_symbols" / file).open() as stream:
        rows = list(csv.DictReader(stream, delimiter="\t"))
    theirs = {row["name"]: [int(side) for side in row["shape"].split("x")] for row in rows}
    del_fixed_gamma = {name: shape for name, shape in theirs.items() if name != "bn_data_gamma"}
    assert ours == del_fixed_gamma

    named = {name: dict(network.named_parameters()).get(key) for key, name in mxnet_names(network).items()}
    for row in rows:
        parameter = named.get(row["name"])
        if parameter is not None:
            assert getattr(parameter, "learning_rate_multiplier", 1.0) == float(row["lr_mult"])
            if row["name"] == "relu4_3_scale":
                assert getattr(parameter, "weight_decay_multiplier", 1.0) == float(row["wd_mult"])


@pytest.mark.parametrize(
    ("base_network", "image_shape"),
    [("vgg-16", 300), ("vgg-16", 301), ("vgg-16", 447), ("vgg-16", 450), ("resnet-18", 300), ("resnet-34", 333)],
)
def test_every_anchor_has_an_output(base_network: str, image_shape: int) -> None:
    architecture = standard_architecture(base_network, image_shape, 2)
    network = SSD(architecture).eval()
    with torch.no_grad():
        output = network(torch.zeros(1, 3, image_shape, image_shape, dtype=torch.uint8))
    assert output.class_logits.shape == (1, len(network.anchor_boxes), 3)
    assert output.box_offsets.shape == (1, len(network.anchor_boxes), 4)


def test_resnet_names_follow_the_corresponding_layers() -> None:
    with torch.device("meta"):
        names = mxnet_names(SSD(standard_architecture("resnet-18", 300, 2)))
    assert names["base.conv1.weight"] == "conv0_weight"
    assert names["base.bn1.running_var"] == "bn0_moving_var"
    assert names["base.layer2.0.bn2.weight"] == "stage2_unit1_bn2_gamma"
    assert names["base.layer2.0.downsample.0.weight"] == "stage2_unit1_sc_weight"
    assert names["base.layer2.0.downsample.1.bias"] == "stage2_unit1_sc_bn_beta"
    assert names["class_heads.1.bias"] == "_plus7_cls_pred_conv_bias"
    assert len(set(names.values())) == len(names)


def test_pretrained_weights_fill_the_base_network(tmp_path: Path) -> None:
    from torchvision.models import resnet18

    torch.manual_seed(0)
    source = resnet18()
    torch.save(source.state_dict(), tmp_path / "resnet18.pth")
    network = build_network(standard_architecture("resnet-18", 300, 2, is_pretrained=True))
    assert "resnet18" in load_pretrained(network, tmp_path)
    assert torch.equal(network.base.layer4[1].conv2.weight, source.layer4[1].conv2.weight)


def test_the_plan_survives_json() -> None:
    plan = narrow_network("resnet50")[0].architecture
    assert Architecture.model_validate(json.loads(plan.model_dump_json())) == plan
