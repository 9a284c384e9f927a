"""Imports Image Classification: pre-activation ResNets of SageMaker and MXNet's examples, and Gluon's ResNets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from vision.algorithms.image_classification.algorithm import ALGORITHM
from vision.algorithms.image_classification.hyperparameters import ImageClassificationHyperparameters
from vision.algorithms.image_classification.network import Architecture, build_network, read_architecture
from vision.artifacts.model_description import ModelDescription
from vision.interop import pixel_scale
from vision.interop.graph_match import match, resolve
from vision.interop.graph_plan import read_preact_plan, read_units, stage_lengths, stem_of
from vision.interop.imported_model import ImportedModel, ImportOptions, import_weights, unused_arrays
from vision.interop.mxnet_files import MXNetFiles
from vision.interop.mxnet_node import Node, Output
from vision.interop.mxnet_resnet_graph import GLUON_EPS, gluon_classifier, gluon_names, preact_classifier
from vision.interop.mxnet_symbol import Graph
from vision.interop.pixel_scale import PixelScale
from vision.nn.mxnet_names import mxnet_names
from vision.nn.resnet import PLANS, ResNet
from vision.settings.errors import DataError, SettingsError, UserError

_SIGMOIDS = ("LogisticRegressionOutput", "sigmoid")


@dataclass(frozen=True)
class _Reading:
    """What the graph says: plan values, the graph that MXNet makes of them, and its logits."""

    plan: dict[str, Any]
    expected: Graph
    logits: Output
    network: str


def import_classifier(files: MXNetFiles, options: ImportOptions) -> ImportedModel:
    """Import a classifier's network, class names and settings. Raises UserError naming what cannot be mapped."""
    graph = files.graph
    (head,) = dense_layers(graph)
    num_classes = head.integer("num_hidden")
    multi_label = _is_multi_label(graph, head)
    first_conv = _first(graph, head, "Convolution")
    channels = _input_channels(files, graph, first_conv)
    is_preact = _reads_data(graph, _first(graph, head, "BatchNorm"))
    read = _read_preact if is_preact else _read_gluon
    reading = read(graph, head, num_classes, channels, multi_label)
    pairs, fixed = match(reading.expected, graph, [(reading.logits, Output(head.index, 0))], reading.network)
    remarks = list(files.remarks)
    scale = _pixel_scale(files, pairs, channels, is_preact, options)
    shape = _image_shape(files, options, reading.plan["stem"], len(reading.plan.get("units", (0,) * 4)), remarks)
    if shape[0] != channels:
        raise UserError(f"{files.name} takes images of {channels} channels, but image_shape has {shape[0]}")
    values = {**reading.plan, "num_classes": num_classes, "image_shape": shape}
    architecture = read_architecture({**values, "mean": scale.mean, "std": scale.std})
    with torch.device("meta"):
        network = build_network(architecture).resnet
    names = gluon_names(network) if isinstance(network, ResNet) else mxnet_names(network)
    state = import_weights(network, names, pairs, fixed, files)
    hyperparameters = _hyperparameters(files, architecture, multi_label, graph)
    class_names = options.class_names(num_classes, files.name, remarks)
    return ImportedModel(
        ModelDescription(
            algorithm=ALGORITHM.facts.name,
            architecture=architecture.model_dump(mode="json"),
            hyperparameters=hyperparameters.to_strings(),
            class_names=class_names,
            preprocessing=ALGORITHM.preprocessing(hyperparameters, architecture),
            metrics={},
            epoch=files.epoch,
        ),
        {f"resnet.{key}": tensor for key, tensor in state.items()},
        (scale.reason, *remarks, *unused_arrays(files, pairs)),
    )


def dense_layers(graph: Graph) -> list[Node]:
    """Return the fully connected layers that the graph's outputs need."""
    needed = {node.index for head in graph.heads for node in graph.needed_for(head)}
    return [node for node in graph.nodes if node.op == "FullyConnected" and node.index in needed]


def is_classifier(graph: Graph) -> bool:
    """Return whether the graph has one fully connected layer, as ResNets have; what else it needs, the import says."""
    return len(dense_layers(graph)) == 1


def _is_multi_label(graph: Graph, head: Node) -> bool:
    """Whether a sigmoid follows the dense layer."""
    later = {head.index}
    for node in graph.nodes[head.index + 1 :]:
        if any(source.node in later for source in node.inputs):
            later.add(node.index)
            if node.op in _SIGMOIDS or (node.op == "Activation" and node.text("act_type") == "sigmoid"):
                return True
    return False


def _first(graph: Graph, head: Node, op: str) -> Node:
    found = next((node for node in graph.needed_for(Output(head.index, 0)) if node.op == op), None)
    if found is None:
        raise DataError(graph.name, f"has no {op}, so it is no ResNet; only ResNets can be imported as classifiers")
    return found


def _reads_data(graph: Graph, node: Node) -> bool:
    return graph.nodes[resolve(graph, node.inputs[0]).node].is_variable


def _input_channels(files: MXNetFiles, graph: Graph, first_conv: Node) -> int:
    """Channels of the images, as the first convolution's weights have them."""
    name = graph.nodes[first_conv.inputs[1].node].name if len(first_conv.inputs) > 1 else ""
    weights = files.arrays.get(name)
    if weights is None or weights.ndim != 4 or weights.shape[1] not in (1, 3):
        found = "is missing" if weights is None else f"has the shape {weights.shape}"
        raise DataError(f"{files.name} parameter {name[:80]!r}", f"{found}; weights for 1 or 3 channels are needed")
    return int(weights.shape[1])


def _read_preact(graph: Graph, head: Node, num_classes: int, channels: int, multi_label: bool) -> _Reading:
    plan = read_preact_plan(graph, Output(head.index, 0), channels)
    values = {
        "family": "preact_resnet",
        "depth": sum(plan.units) * (3 if plan.bottleneck else 2) + 2,
        **{name: getattr(plan, name) for name in ("stem", "units", "filters", "bottleneck", "bn_eps")},
    }
    # Bounds the plan before a graph is built from it.
    read_architecture(values | {"num_classes": num_classes, "image_shape": (channels, 224, 224)} | _raw(channels))
    expected, logits = preact_classifier(plan, num_classes, multi_label)
    return _Reading(values, expected, logits, "the pre-activation ResNet of MXNet")


def _read_gluon(graph: Graph, head: Node, num_classes: int, channels: int, multi_label: bool) -> _Reading:
    nodes = graph.needed_for(Output(head.index, 0))
    units = read_units(graph, nodes)
    plan = (stage_lengths(units), units[0].layers == 3)
    # In units of two convolutions the first stage has no projection, in those of three it has one.
    depth = next((depth for depth, known in PLANS.items() if known == plan), None)
    if depth is None or channels != 3:
        known = ", ".join(map(str, PLANS))
        raise DataError(
            graph.name, f"is a ResNet with {plan[0]} units and {channels} channels; ResNets of depth {known} are known"
        )
    stem = stem_of(_first(graph, head, "Convolution"))
    expected, logits = gluon_classifier(depth, stem, num_classes, multi_label)
    values = {"family": "resnet", "depth": depth, "stem": stem}
    return _Reading(values, expected, logits, f"the ResNet v1.5 of Gluon and torchvision with eps {GLUON_EPS:g}")


def _raw(channels: int) -> dict[str, Any]:
    return {"mean": (0.0,) * channels, "std": (1.0,) * channels}


def _pixel_scale(
    files: MXNetFiles, pairs: dict[str, str], channels: int, is_preact: bool, options: ImportOptions
) -> PixelScale:
    if options.mean is not None:
        return pixel_scale.given(options.mean, channels)
    if not is_preact:
        return pixel_scale.imagenet(channels, "Gluon's ResNets have no normalisation of the pixels of their own")
    return pixel_scale.from_batch_norm(files.arrays, pairs, channels, files.name)


def _image_shape(
    files: MXNetFiles, options: ImportOptions, stem: str, stages: int, remarks: list[str]
) -> tuple[int, int, int]:
    if options.image_shape is not None:
        return options.image_shape
    if files.data_shape is not None:
        _, channels, height, width = files.data_shape
        return channels, height, width
    side = 224 if stem == "7x7" else 28 if stages == 3 else 32
    remarks.append(
        f"No model-shapes.json says the size of the images: {side} x {side} is assumed; image_shape=3,H,W corrects it."
    )
    return 3, side, side


def _hyperparameters(
    files: MXNetFiles, architecture: Architecture, multi_label: bool, graph: Graph
) -> ImageClassificationHyperparameters:
    """What is known; all else has its default, and the number of training images is unknown, so 1."""
    values: dict[str, object] = {
        "num_classes": architecture.num_classes,
        "num_training_samples": 1,
        "num_layers": architecture.depth,
        "image_shape": ",".join(map(str, architecture.image_shape)),
        "multi_label": int(multi_label),
    }
    if files.data_shape is not None:
        values["mini_batch_size"] = files.data_shape[0]
    if any(node.op == "Cast" and node.text("dtype") == "float16" for node in graph.nodes):
        values["precision_dtype"] = "float16"
    try:
        return ImageClassificationHyperparameters.parse(values)
    except SettingsError as error:
        raise UserError(f"{files.name} cannot be a model of image classification here: {error}") from error
