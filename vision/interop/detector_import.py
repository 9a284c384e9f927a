"""Imports Object Detection: SSD on MXNet's reduced VGG-16 or pre-activation ResNet, training or deployed graphs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from vision.algorithms.object_detection.algorithm import ALGORITHM
from vision.algorithms.object_detection.architecture import (
    MXNET_MEAN,
    SMALLEST_SIDE,
    Architecture,
    read_architecture,
)
from vision.algorithms.object_detection.hyperparameters import ObjectDetectionHyperparameters
from vision.algorithms.object_detection.network import SSD, mxnet_names
from vision.algorithms.object_detection.predictions import DetectionSettings
from vision.artifacts.model_description import ModelDescription
from vision.interop import pixel_scale
from vision.interop.graph_match import match
from vision.interop.graph_plan import read_ssd_plan
from vision.interop.imported_model import ImportedModel, ImportOptions, import_weights, unused_arrays
from vision.interop.mxnet_files import MXNetFiles
from vision.interop.mxnet_node import Node
from vision.interop.mxnet_ssd_graph import VARIANCES, SSDOutputs, SuppressionSettings, ssd_graph
from vision.interop.mxnet_symbol import Graph
from vision.interop.pixel_scale import PixelScale
from vision.settings.errors import DataError, SettingsError, UserError

DETECTION = "_contrib_MultiBoxDetection"
_SOFTMAX = {"SoftmaxOutput", "softmax", "SoftmaxActivation"}


@dataclass(frozen=True)
class _Found:
    """The operators of the graph that everything hangs on."""

    detection: Node
    outputs: SSDOutputs


def import_detector(files: MXNetFiles, options: ImportOptions) -> ImportedModel:
    """Import a detector's network, class names and settings. Raises UserError naming what cannot be mapped."""
    graph = files.graph
    found = _find(graph)
    remarks = list(files.remarks)
    plan = read_ssd_plan(graph, found.outputs)
    plan["image_shape"] = _image_shape(files, options, plan, remarks)
    # Bounds the plan before a graph is built from it; the pixels come last, as they need the pairs of names.
    architecture = read_architecture(plan | {"mean": MXNET_MEAN, "std": (1.0,) * 3})
    expected, outputs = ssd_graph(architecture, SuppressionSettings(), training=False)
    starts = [
        (outputs.class_logits, found.outputs.class_logits),
        (outputs.box_offsets, found.outputs.box_offsets),
        (outputs.anchors, found.outputs.anchors),
    ]
    pairs, fixed = match(expected, graph, starts, f"the SSD of MXNet on {architecture.base_network}")
    scale = _pixel_scale(files, pairs, architecture, options)
    architecture = read_architecture(plan | {"mean": scale.mean, "std": scale.std})
    with torch.device("meta"):
        network = SSD(architecture)
    num_anchors = len(network.anchors.boxes_xyxy_unit)
    state = import_weights(network, mxnet_names(network), pairs, fixed, files)
    hyperparameters = _hyperparameters(files, architecture, num_anchors, found.detection, remarks)
    class_names = options.class_names(architecture.num_classes, files.name, remarks)
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
        state,
        (scale.reason, *remarks, *unused_arrays(files, pairs)),
    )


def is_detector(graph: Graph) -> bool:
    """Return whether the graph ends in SSD's detections."""
    return any(node.op == DETECTION for node in graph.nodes)


def _find(graph: Graph) -> _Found:
    detections = [node for node in graph.nodes if node.op == DETECTION]
    if len(detections) != 1 or len(detections[0].inputs) != 3:
        raise DataError(graph.name, f"has {len(detections)} detection operators of 3 inputs; a detector has one")
    detection = detections[0]
    if detection.numbers("variances") != VARIANCES:
        raise DataError(detection.key, f"has other variances than {VARIANCES}; such a network cannot be imported")
    threshold = DetectionSettings().score_threshold
    if detection.number("threshold") != threshold:
        raise DataError(
            detection.key,
            f"has the threshold {detection.number('threshold'):g}, but detections here are all of a score of at least"
            f" {threshold}: write that into the graph, and leave out those of a lower score than you want yourself",
        )
    if not detection.flag("clip"):
        raise DataError(
            detection.key,
            "has clip=False, but boxes here end at the border of the image: write clip=True into the graph if that"
            " serves you",
        )
    if detection.integer("background_id") != 0:
        raise DataError(
            detection.key,
            f"has background_id={detection.integer('background_id')}, but MXNet 1.9.1 takes class 0 for background"
            " whatever it says: write background_id=0 into the graph if class 0 is what the network learned for it",
        )
    scores, offsets, anchors = detection.inputs
    softmax = graph.nodes[scores.node]
    is_channel = softmax.op != "SoftmaxActivation" or softmax.text("mode") == "channel"
    is_channel &= softmax.op != "softmax" or softmax.integer("axis") in (1, -2)
    is_channel &= softmax.op != "SoftmaxOutput" or softmax.flag("multi_output")
    if softmax.op not in _SOFTMAX or not softmax.inputs or not is_channel:
        raise DataError(softmax.key, f"is {softmax.op}, but the scores of SSD come from a softmax over the classes")
    return _Found(detection, SSDOutputs(softmax.inputs[0], offsets, anchors))


def _image_shape(files: MXNetFiles, options: ImportOptions, plan: dict[str, Any], remarks: list[str]) -> int:
    """Side of the square images: as asked, as hyperparams.json or the steps of the anchors say, else assumed."""
    if options.image_shape is not None:
        return options.image_shape[1]
    if files.data_shape is not None:
        return files.data_shape[2]
    text = files.settings.get("image_shape", files.settings.get("data_shape", ""))
    if text.strip().isdigit() and len(text) < 6:
        return int(text)
    # The first map of VGG-16 has a cell for every 8 pixels.
    step = plan["levels"][0]["step_unit"]
    if step is not None and SMALLEST_SIDE <= round(8 / step) <= 4096:
        return round(8 / step)
    remarks.append(
        "No hyperparams.json says the size of the images: 300 is assumed; image_shape=3,512,512, say, corrects it."
    )
    return SMALLEST_SIDE


def _pixel_scale(
    files: MXNetFiles, pairs: dict[str, str], architecture: Architecture, options: ImportOptions
) -> PixelScale:
    if options.mean is not None:
        return pixel_scale.given(options.mean, 3)
    if architecture.family == "vgg":
        return pixel_scale.centered(3, "VGG-16 does not normalise the pixels itself, so MXNet's mean is assumed")
    return pixel_scale.from_batch_norm(files.arrays, pairs, 3, files.name)


def _hyperparameters(
    files: MXNetFiles, architecture: Architecture, num_anchors: int, detection: Node, remarks: list[str]
) -> ObjectDetectionHyperparameters:
    """hyperparams.json as far as we know its names, overruled by the graph; else defaults."""
    values: dict[str, object] = {"num_training_samples": 1}
    known = ObjectDetectionHyperparameters.model_fields
    values |= {name: text for name, text in files.settings.items() if name in known and text.strip()}
    values["num_classes"] = architecture.num_classes
    values["base_network"] = architecture.base_network
    values["image_shape"] = architecture.image_shape
    values["nms_threshold"] = detection.number("nms_threshold")
    topk = detection.integer("nms_topk")
    # MXNet looks at all then.
    values["nms_topk"] = topk if topk > 0 else num_anchors
    if detection.flag("force_suppress"):
        remarks.append(
            "The graph suppresses overlapping boxes across classes (force_suppress), as deploy.py sets it; here, as in"
            " SageMaker's training, only boxes of the same class suppress each other."
        )
    while True:
        try:
            return ObjectDetectionHyperparameters.parse(values)
        except SettingsError as error:
            refused = [
                name for name in values if name in files.settings and any(name in text for text in error.problems)
            ]
            if not refused:
                raise UserError(f"{files.name} cannot be a model of object detection here: {error}") from error
            remarks.append(f"hyperparams.json has values that are not allowed here and are left out: {error}")
            for name in refused:
                del values[name]
