"""One training step of every network is the CPU's in float32, within tolerances that say how far a precision carries.

A tolerance of gradients is the length of the difference in lengths of the gradient; 1 is what two unrelated ones have.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.algorithms.object_detection.small_detector import small_plan
from tests.gpu.first_step import Network, first_step, relative

CLASSIFIES, DETECTS, SEGMENTS = "image_classification", "object_detection", "semantic_segmentation"
LIGHT = {"backbone": "resnet-18", "use_pretrained_model": 0}
# Depths of 18 and more as torchvision has them, below as MXNet's example; on a CPU only the first ones are tried.
SMALL = {
    "resnet-20": Network(CLASSIFIES, {"num_layers": 20, "image_shape": "3,28,28"}, 8, 28),
    "resnet-18": Network(CLASSIFIES, {"num_layers": 18, "image_shape": "3,40,40"}, 8, 40),
    "ssd, narrow": Network(DETECTS, {"base_network": "resnet-50", "use_pretrained_model": 0}, 2, 300, small_plan(3)),
    "fcn resnet-18": Network(SEGMENTS, {**LIGHT, "crop_size": 64}, 2, 64),
}
LARGE = {
    **{
        f"resnet-{depth}": Network(CLASSIFIES, {"num_layers": depth, "image_shape": "3,28,28"}, 16, 28)
        for depth in (32, 44, 56, 110)
    },
    **{
        f"resnet-{depth}": Network(CLASSIFIES, {"num_layers": depth, "image_shape": "3,96,96"}, 16, 96)
        for depth in (34, 50, 101, 152, 200)
    },
    "resnet-18 by Adam": Network(CLASSIFIES, {"num_layers": 18, "image_shape": "3,40,40", "optimizer": "adam"}, 8, 40),
    "ssd vgg-16": Network(DETECTS, {"base_network": "vgg-16", "use_pretrained_model": 0}, 2, 300),
    "ssd resnet-50": Network(DETECTS, {"base_network": "resnet-50", "use_pretrained_model": 0}, 2, 300),
    **{
        f"{decoder} resnet-50": Network(SEGMENTS, {"algorithm": decoder, "use_pretrained_model": 0}, 4, 240)
        for decoder in ("fcn", "psp", "deeplab")
    },
}
NETWORKS = SMALL | LARGE
# Precision -> (as the settings say it, whether TF32 is allowed, tolerance of the loss, of the gradients).
TOLERANCES = {
    "float32": ("float32", "highest", 1e-5, 1e-3),
    "float32 with TF32": ("float32", "high", 5e-3, 0.1),
    "float16": ("float16", "high", 5e-3, 0.1),
    "bfloat16": ("bfloat16", "high", 2e-2, 0.5),
}


@pytest.mark.parametrize("precision", TOLERANCES)
@pytest.mark.parametrize("name", NETWORKS)
def test_a_step_is_the_cpus(name: str, precision: str, device: torch.device, tmp_path: Path) -> None:
    if device.type == "cpu" and (name not in SMALL or precision not in ("float32", "bfloat16")):
        pytest.skip("needs a GPU")
    network = NETWORKS[name]
    given, matmul, of_loss, of_gradients = TOLERANCES[precision]
    expected = first_step(network, torch.device("cpu"), "float32", tmp_path / "cpu")
    found = first_step(network, device, given, tmp_path / "there", matmul=matmul)
    far = relative(found.flat_gradient(), expected.flat_gradient())
    moved = relative(found.flat_change(), expected.flat_change())
    loss = abs(found.loss / expected.loss - 1)
    # Shown by -rA, so that a first run on a new card says how far it is from the tolerances.
    print(f"loss {loss:.1e} of {of_loss:g}, gradients {far:.1e} of {of_gradients:g}, weights {moved:.1e}")
    assert loss <= of_loss
    assert found.gradients.keys() == expected.gradients.keys()
    assert far <= of_gradients
    # Adam divides a gradient by its own size, which turns the smallest differences of small ones into large steps.
    assert moved <= (2 * of_gradients if network.hyperparameters.get("optimizer") != "adam" else 1.0)
    assert found.skipped == 0 or given == "float16"


def test_float16_scales_its_loss(gpu: torch.device, tmp_path: Path) -> None:
    """Gradients below float16's least number would be lost otherwise: the loss is scaled by a large one."""
    from pytorch_lightning.plugins.precision import MixedPrecision

    from vision import algorithms
    from vision.settings.run import RunSettings
    from vision.training.trainer import build_trainer

    hp = algorithms.get(CLASSIFIES).facts.hyperparameters.parse({"num_classes": 3, "num_training_samples": 8})
    run = RunSettings.parse({"device": f"cuda:{gpu.index}", "precision": "float16"})
    precision = build_trainer(hp, run, callbacks=[], folder=tmp_path).precision_plugin
    assert isinstance(precision, MixedPrecision)
    scaler = precision.scaler
    assert scaler is not None and scaler.is_enabled()


@pytest.mark.usefixtures("_costly")
@pytest.mark.parametrize("name", ["resnet-20", "ssd, narrow"])
def test_a_compiled_step_is_the_plain_one(name: str, device: torch.device, tmp_path: Path) -> None:
    expected = first_step(NETWORKS[name], device, "float32", tmp_path / "plain")
    found = first_step(NETWORKS[name], device, "float32", tmp_path / "compiled", compile=True)
    assert found.loss == pytest.approx(expected.loss, rel=1e-5)
    # Fused kernels add in another order.
    assert relative(found.flat_gradient(), expected.flat_gradient()) <= 5e-3
