from __future__ import annotations

import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch

import vision

SYMBOLS = Path(__file__).parents[1] / "fixtures" / "mxnet" / "full_symbols"
SIDE = 300
# Scores nearer than this may change places, and one detection may fall on the other side of a threshold.
SCORE_NOISE = 1e-4


def pack_as_sagemaker(folder: Path, settings: dict[str, str]) -> Path:
    """model.tar.gz with the files of SageMaker's Object Detection: the training graph."""
    (folder / "hyperparams.json").write_text(json.dumps(settings))
    archive = folder / "model.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        for name in ("model_algo_1-0000.params", "model_algo_1-symbol.json", "hyperparams.json"):
            tar.add(folder / name, name)
    return archive


def overlap(box: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """IoU of a box xyxy with several."""
    low, high = np.maximum(box[:2], boxes[:, :2]), np.minimum(box[2:], boxes[:, 2:])
    inside = np.prod(np.clip(high - low, 0, None), axis=1)
    areas = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    return inside / np.maximum(areas + np.prod(box[2:] - box[:2]) - inside, 1e-12)


def unmatched(ours: np.ndarray, theirs: np.ndarray) -> int:
    """Rows [class, score, box] of ``theirs`` without a counterpart in about the same place of the order."""
    missing = 0
    for row in theirs:
        near = ours[(ours[:, 0] == row[0]) & (np.abs(ours[:, 1] - row[1]) < SCORE_NOISE)]
        missing += not len(near) or overlap(row[2:], near[:, 2:]).max() <= 0.99
    return missing


@pytest.mark.parametrize(("network", "base"), [("vgg16", "vgg-16"), ("resnet50", "resnet-50")])
def test_heads_and_detections_are_mxnet_s(oracle, report, seed, tmp_path, network, base) -> None:
    random = np.random.default_rng(seed)
    # Smooth pictures: noise alone would make all places alike.
    coarse = torch.from_numpy(random.uniform(0, 255, (2, 3, 12, 12)))
    images = torch.nn.functional.interpolate(coarse, (SIDE, SIDE), mode="bilinear").round().to(torch.uint8)
    # VGG-16 sees pixels less the mean; bn_data of the ResNet has statistics of raw ones.
    mean = np.array([123, 117, 104], np.float32) if network == "vgg16" else np.zeros(3, np.float32)
    np.save(tmp_path / "images.npy", images.numpy().astype(np.float32) - mean[:, None, None])
    symbol = SYMBOLS / f"ssd_{network}_300_20cls-deploy-symbol.json"
    expected = oracle(
        "random_checkpoint",
        seed=seed,
        head_scale=0.03 if network == "vgg16" else 0.3,
        symbol=str(symbol),
        saved_symbol=str(symbol).replace("deploy", "train"),
        shapes={"data": [2, 3, SIDE, SIDE]},
        prefix="model_algo_1",
        epoch=0,
        outputs=["multibox_cls_pred_output", "multibox_loc_pred_output", "multibox_anchors_output", "detection_output"],
    )
    settings = {"base_network": base, "num_classes": "20", "image_shape": "300", "nms_threshold": "0.45"}
    settings |= {"mini_batch_size": "16", "_num_kv_servers": "auto", "kv_store": "dist_sync"}
    archive = pack_as_sagemaker(tmp_path, settings)
    model = vision.load(archive, run={"device": "cpu"})
    assert model.hyperparameters.mini_batch_size == 16
    with torch.inference_mode():
        outputs = model.network(images)
    logits = outputs.class_logits.permute(0, 2, 1).numpy()
    anchors = model.network.anchors.boxes_xyxy_unit.numpy()[None]
    name = f"SSD-300 {base}"
    assert report(f"{name} class logits", logits, expected["multibox_cls_pred_output"]) < 2e-5
    assert (
        report(f"{name} offsets", outputs.box_offsets.flatten(1).numpy(), expected["multibox_loc_pred_output"]) < 2e-5
    )
    assert np.array_equal(anchors, expected["multibox_anchors_output"])
    found = model.algorithm.predict(outputs, model.network, model.hyperparameters, [(300, 300)])
    for image, theirs in zip(found, expected["detection_output"], strict=True):
        theirs = theirs[theirs[:, 0] >= 0]
        ours = np.concatenate([image.labels[:, None], image.scores[:, None], image.boxes_xyxy_unit], axis=1)
        assert len(theirs) > 10
        assert unmatched(ours, theirs) <= 1
        assert unmatched(theirs, ours) <= 1
        print(f"{name}: {len(theirs)} detections, {len(ours)} here, {unmatched(ours, theirs)} without counterpart")
        steps = np.diff(ours[:, 1])
        assert (steps <= 0).all()
