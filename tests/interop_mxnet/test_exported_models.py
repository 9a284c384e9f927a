from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from vision import algorithms
from vision.algorithms.image_classification.network import architecture_for
from vision.algorithms.object_detection.architecture import standard_architecture
from vision.api.export import export
from vision.artifacts.model_description import ModelDescription
from vision.artifacts.model_folder import save_model

CLASSIFIERS = [(20, 28), (18, 64), (50, 64)]


def randomise(network: torch.nn.Module, seed: int) -> None:
    """Running statistics and scales as after training; the weights are random already."""
    generator = torch.Generator().manual_seed(seed)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            size = module.running_mean.shape
            module.running_mean.copy_(torch.rand(size, generator=generator) - 0.5)
            module.running_var.copy_(torch.rand(size, generator=generator) * 0.5 + 0.75)
            module.bias.data.copy_(torch.rand(size, generator=generator) - 0.5)
            if "weight" in dict(module.named_parameters()):
                module.weight.data.copy_(torch.rand(size, generator=generator) * 0.5 + 0.4)
            else:
                # Sees raw pixels.
                module.running_mean.fill_(120.0)
                module.running_var.fill_(3500.0)


def save(folder: Path, name: str, plan, network, values: dict[str, object]) -> None:
    algorithm = algorithms.get(name)
    hyperparameters = algorithm.facts.hyperparameters.parse(values)
    description = ModelDescription(
        algorithm=name,
        architecture=plan.model_dump(mode="json"),
        hyperparameters=hyperparameters.to_strings(),
        class_names=tuple(map(str, range(plan.num_classes))),
        preprocessing=algorithm.preprocessing(hyperparameters, plan),
        metrics={},
        epoch=3,
    )
    save_model(folder, description, network.state_dict())


@pytest.mark.parametrize(("depth", "side"), CLASSIFIERS, ids=lambda value: str(value))
def test_module_answers_as_the_classifier_does(oracle, report, seed, tmp_path, depth, side) -> None:
    values = {"num_classes": 6, "num_training_samples": 1, "num_layers": depth, "image_shape": f"3,{side},{side}"}
    algorithm = algorithms.get("image_classification")
    plan = architecture_for(algorithm.facts.hyperparameters.parse(values))
    torch.manual_seed(seed)
    network = algorithm.build_network(plan).eval()
    randomise(network, seed)
    save(tmp_path / "model", "image_classification", plan, network, values)
    export(tmp_path / "model", "mxnet", tmp_path / "mxnet")
    images = np.random.default_rng(seed).integers(0, 256, (3, 3, side, side)).astype(np.float32)
    with torch.inference_mode():
        expected = network(torch.from_numpy(images)).softmax(1).numpy()
    mean, std = (np.array(values, np.float32)[:, None, None] for values in (plan.mean, plan.std))
    np.save(tmp_path / "images.npy", (images - mean) / std)
    labels = [["softmax_label", [3]]]
    answer = oracle("answer_checkpoint", prefix="mxnet/image-classification", epoch=3, labels=labels)
    assert report(f"exported ResNet-{depth}", expected, answer["softmax_output"]) < 1e-4


def test_module_answers_as_the_detector_does(oracle, report, seed, tmp_path) -> None:
    values = {"num_classes": 4, "num_training_samples": 1, "base_network": "vgg-16", "use_pretrained_model": 0}
    algorithm = algorithms.get("object_detection")
    plan = standard_architecture("vgg-16", 300, 4)
    torch.manual_seed(seed)
    network = algorithm.build_network(plan).eval()
    save(tmp_path / "model", "object_detection", plan, network, values)
    export(tmp_path / "model", "mxnet", tmp_path / "mxnet")
    images = np.random.default_rng(seed).integers(0, 256, (1, 3, 300, 300)).astype(np.float32)
    with torch.inference_mode():
        logits = network(torch.from_numpy(images)).class_logits
    np.save(tmp_path / "images.npy", images - np.array(plan.mean, np.float32)[:, None, None])
    answer = oracle("answer_checkpoint", prefix="mxnet/model_algo_1", epoch=0, labels=[["label", [1, 3, 5]]])
    assert set(answer) == {"cls_prob_output", "loc_loss_output", "cls_label_output", "det_out_output"}
    expected = logits.softmax(2).permute(0, 2, 1).numpy()
    assert report("exported SSD-300 vgg-16 scores", expected, answer["cls_prob_output"]) < 1e-4
