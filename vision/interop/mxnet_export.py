"""Writes a model as SageMaker's containers and MXNet do, so that an old stack can load what was trained here."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import Tensor, nn

from vision.algorithms.image_classification.hyperparameters import ImageClassificationHyperparameters
from vision.algorithms.image_classification.network import ImageClassifier
from vision.algorithms.object_detection.hyperparameters import ObjectDetectionHyperparameters
from vision.algorithms.object_detection.network import SSD
from vision.algorithms.object_detection.network import mxnet_names as ssd_names
from vision.artifacts.model_description import ModelDescription
from vision.files.atomic_file import write_whole
from vision.files.write_error import make_folder
from vision.interop.mxnet_builder import symbol_json
from vision.interop.mxnet_params import write_params
from vision.interop.mxnet_resnet_graph import gluon_classifier, gluon_names, preact_classifier
from vision.interop.mxnet_ssd_graph import SuppressionSettings, ssd_graph
from vision.interop.mxnet_symbol import Graph
from vision.nn.mxnet_names import mxnet_names
from vision.nn.preact_resnet import PreactResNet
from vision.settings.errors import UserError

CLASSIFIER_PREFIX, DETECTOR_PREFIX = "image-classification", "model_algo_1"


@dataclass(frozen=True)
class MXNetModel:
    """``symbols``: graphs by file prefix, of which the first names the weights. ``side_files``: JSON by file name."""

    symbols: dict[str, Graph]
    arrays: dict[str, np.ndarray]
    epoch: int
    side_files: dict[str, object]

    @property
    def prefix(self) -> str:
        return next(iter(self.symbols))

    def save(self, folder: Path) -> list[Path]:
        """Write ``*-symbol.json``, ``*-NNNN.params`` and the files beside them, and return their paths."""
        make_folder(folder)
        contents = {f"{prefix}-symbol.json": symbol_json(graph) for prefix, graph in self.symbols.items()}
        contents |= {name: (json.dumps(value) + "\n").encode() for name, value in self.side_files.items()}
        for name, content in contents.items():
            write_whole(folder / name, content)
        params = folder / f"{self.prefix}-{self.epoch:04d}.params"
        write_params(params, self.arrays)
        return [params, *(folder / name for name in contents)]


def classifier_for_mxnet(network: ImageClassifier, *, multi_label: bool, epoch: int) -> MXNetModel:
    """Return the classifier as SageMaker's Image Classification saves it; torchvision's ResNet as Gluon has it."""
    plan = network.architecture
    resnet = network.resnet
    if isinstance(resnet, PreactResNet):
        graph, _ = preact_classifier(resnet.plan, plan.num_classes, multi_label)
        names = mxnet_names(resnet)
    else:
        graph, _ = gluon_classifier(plan.depth, plan.stem, plan.num_classes, multi_label)
        names = gluon_names(resnet)
    shape = [1, resnet.conv0.in_channels if isinstance(resnet, PreactResNet) else 3, *plan.image_shape[1:]]
    shapes = [{"name": "data", "shape": shape}]
    arrays = _arrays(graph, names, resnet.state_dict())
    return MXNetModel({CLASSIFIER_PREFIX: graph}, arrays, epoch, {"model-shapes.json": shapes})


def detector_for_mxnet(network: SSD, settings: SuppressionSettings, hyperparameters: Mapping[str, str]) -> MXNetModel:
    """Return the detector as SageMaker's Object Detection saves it, with the graph for inference beside.

    Raises UserError if the base network is none of MXNet's.
    """
    plan = network.architecture
    if plan.family == "resnet":
        raise UserError(
            f"This model is SSD on torchvision's {plan.base_network}, which MXNet's SSD does not have: use"
            " format=onnx, or train with base_network=vgg-16"
        )
    training, _ = ssd_graph(plan, settings, training=True)
    deployed, _ = ssd_graph(plan, settings, training=False)
    arrays = _arrays(training, ssd_names(network), network.state_dict())
    symbols = {DETECTOR_PREFIX: training, f"deploy_{DETECTOR_PREFIX}": deployed}
    return MXNetModel(symbols, arrays, 0, {"hyperparams.json": dict(hyperparameters)})


def _arrays(graph: Graph, names: Mapping[str, str], state: Mapping[str, Tensor]) -> dict[str, np.ndarray]:
    """Arrays by their names in a .params file. A gamma that MXNet holds at 1 is not in ``state``."""
    auxiliary = set(graph.auxiliary)
    by_name = {name: state[key].detach().cpu().float().contiguous().numpy() for key, name in names.items()}
    fixed = {node.inputs[1].node: node for node in graph.nodes if node.op == "BatchNorm" and node.flag("fix_gamma")}
    for index, node in fixed.items():
        beta = by_name[graph.nodes[node.inputs[2].node].name]
        by_name[graph.nodes[index].name] = np.ones_like(beta)
    return {f"{'aux' if name in auxiliary else 'arg'}:{name}": array for name, array in by_name.items()}


def _export_classifier(network: nn.Module, description: ModelDescription) -> MXNetModel:
    if not isinstance(network, ImageClassifier):
        raise UserError("This model's network is of a library that MXNet does not know: use format=onnx")
    multi_label = ImageClassificationHyperparameters.parse(description.hyperparameters).multi_label
    return classifier_for_mxnet(network, multi_label=multi_label, epoch=description.epoch)


def _export_detector(network: nn.Module, description: ModelDescription) -> MXNetModel:
    assert isinstance(network, SSD)
    given = ObjectDetectionHyperparameters.parse(description.hyperparameters)
    settings = SuppressionSettings(given.nms_threshold, given.nms_topk)
    return detector_for_mxnet(network, settings, description.hyperparameters)


# By the algorithm's name: one entry for each that declares the capability ``mxnet_export``.
EXPORTERS: dict[str, Callable[[nn.Module, ModelDescription], MXNetModel]] = {
    "image_classification": _export_classifier,
    "object_detection": _export_detector,
}


def for_mxnet(network: nn.Module, description: ModelDescription) -> MXNetModel:
    """Return the files of a network whose algorithm has an exporter. Raises UserError if MXNet has no such network."""
    return EXPORTERS[description.algorithm](network, description)
