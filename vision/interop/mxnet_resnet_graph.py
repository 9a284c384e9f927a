"""The graphs of MXNet's residual networks: the pre-activation one of its examples and Gluon's original one."""

from __future__ import annotations

from torch import nn

from vision.interop.mxnet_builder import GraphBuilder
from vision.interop.mxnet_node import Output
from vision.interop.mxnet_symbol import Graph
from vision.nn.preact_resnet import PreactPlan
from vision.nn.resnet import PLANS, ResNet, Stem

# PyTorch's, which Gluon's batch normalization shares.
GLUON_EPS = 1e-5


def preact_stages(builder: GraphBuilder, data: Output, plan: PreactPlan) -> list[Output]:
    """Add the pre-activation ResNet and return the raw residual sum that ends each stage."""
    x = builder.add("_copy", "id", [data])
    x = builder.batch_norm(x, "bn_data", plan.bn_eps, fix_gamma=True)
    kernel, stride = (7, 2) if plan.stem == "7x7" else (3, 1)
    x = builder.convolution(x, "conv0", plan.filters[0], kernel, stride=stride)
    if plan.stem == "7x7":
        x = builder.relu(builder.batch_norm(x, "bn0", plan.bn_eps), "relu0")
        x = builder.max_pool(x, "pooling0", 3, 2, pad=1)
    sums = []
    count = 0
    for stage, units in enumerate(plan.units, start=1):
        for unit in range(1, units + 1):
            name = f"stage{stage}_unit{unit}"
            stride = 2 if unit == 1 and stage > 1 else 1
            x = _preact_unit(builder, x, name, plan, plan.filters[stage], stride, unit == 1, f"_plus{count}")
            count += 1
        sums.append(x)
    return sums


def _preact_unit(
    builder: GraphBuilder,
    x: Output,
    name: str,
    plan: PreactPlan,
    filters: int,
    stride: int,
    projects: bool,
    sum_name: str,
) -> Output:
    activated = out = builder.relu(builder.batch_norm(x, f"{name}_bn1", plan.bn_eps), f"{name}_relu1")
    if plan.bottleneck:
        layers = [(filters // 4, 1, 1), (filters // 4, 3, stride), (filters, 1, 1)]
    else:
        layers = [(filters, 3, stride), (filters, 3, 1)]
    for number, (width, kernel, step) in enumerate(layers, start=1):
        if number > 1:
            out = builder.batch_norm(out, f"{name}_bn{number}", plan.bn_eps)
            out = builder.relu(out, f"{name}_relu{number}")
        out = builder.convolution(out, f"{name}_conv{number}", width, kernel, stride=step)
    shortcut = builder.convolution(activated, f"{name}_sc", filters, 1, stride=stride) if projects else x
    return builder.add("elemwise_add", sum_name, [out, shortcut])


def preact_classifier(plan: PreactPlan, num_classes: int, multi_label: bool) -> tuple[Graph, Output]:
    """Return the whole classifier, and the output of its dense layer (the logits)."""
    builder = GraphBuilder("pre-activation ResNet")
    x = preact_stages(builder, builder.variable("data"), plan)[-1]
    x = builder.relu(builder.batch_norm(x, "bn1", plan.bn_eps), "relu1")
    logits = _head(builder, x, "pool1", "fc1", num_classes)
    return builder.graph([_probabilities(builder, logits, multi_label)]), logits


def gluon_classifier(depth: int, stem: Stem, num_classes: int, multi_label: bool) -> tuple[Graph, Output]:
    """Return torchvision's ResNet as a graph named by its state-dict keys, and its logits; Gluon's ``resnet*_v1b``.

    Depths 18 and 34 are Gluon's ``resnet*_v1`` too.
    """
    builder = GraphBuilder("ResNet v1.5")
    kernel, stride = (7, 2) if stem == "7x7" else (3, 1)
    x = builder.convolution(builder.variable("data"), "conv1", 64, kernel, stride=stride)
    x = builder.relu(builder.batch_norm(x, "bn1", GLUON_EPS), "relu")
    if stem == "7x7":
        x = builder.max_pool(x, "maxpool", 3, 2, pad=1)
    units, bottleneck = PLANS[depth]
    in_channels = 64
    for stage, count in enumerate(units, start=1):
        for unit in range(count):
            width = 64 * 2 ** (stage - 1)
            stride = 2 if unit == 0 and stage > 1 else 1
            x = _gluon_unit(builder, x, f"layer{stage}.{unit}", in_channels, width, stride, bottleneck)
            in_channels = width * (4 if bottleneck else 1)
    logits = _head(builder, x, "avgpool", "fc", num_classes)
    return builder.graph([_probabilities(builder, logits, multi_label)]), logits


def gluon_names(network: ResNet) -> dict[str, str]:
    """State-dict key of torchvision's ResNet -> name in the graph of ``gluon_classifier``."""
    roles = {"weight": "gamma", "bias": "beta", "running_mean": "moving_mean", "running_var": "moving_var"}
    names = {}
    for key in network.state_dict():
        path, _, role = key.rpartition(".")
        if role != "num_batches_tracked":
            is_norm = isinstance(network.get_submodule(path), nn.BatchNorm2d)
            names[key] = f"{path}_{roles[role] if is_norm else role}"
    return names


def _gluon_unit(
    builder: GraphBuilder, x: Output, name: str, in_channels: int, width: int, stride: int, bottleneck: bool
) -> Output:
    filters = width * (4 if bottleneck else 1)
    layers = [(width, 1, 1), (width, 3, stride), (filters, 1, 1)] if bottleneck else [(width, 3, stride), (width, 3, 1)]
    out = shortcut = x
    for number, (channels, kernel, step) in enumerate(layers, start=1):
        if number > 1:
            out = builder.relu(out, f"{name}.relu{number - 1}")
        out = builder.convolution(out, f"{name}.conv{number}", channels, kernel, stride=step)
        out = builder.batch_norm(out, f"{name}.bn{number}", GLUON_EPS)
    if stride > 1 or in_channels != filters:
        shortcut = builder.convolution(x, f"{name}.downsample.0", filters, 1, stride=stride)
        shortcut = builder.batch_norm(shortcut, f"{name}.downsample.1", GLUON_EPS)
    return builder.relu(builder.add("elemwise_add", f"{name}.sum", [out, shortcut]), f"{name}.relu")


def _probabilities(builder: GraphBuilder, logits: Output, multi_label: bool) -> Output:
    op = "LogisticRegressionOutput" if multi_label else "SoftmaxOutput"
    return builder.add(op, "softmax", [logits, builder.variable("softmax_label")])


def _head(builder: GraphBuilder, x: Output, pool: str, dense: str, num_classes: int) -> Output:
    x = builder.add("Pooling", pool, [x], kernel=(7, 7), pool_type="avg", global_pool=True)
    x = builder.add("Flatten", "flatten0", [x])
    inputs = [x, builder.variable(f"{dense}_weight"), builder.variable(f"{dense}_bias")]
    return builder.add("FullyConnected", dense, inputs, num_hidden=num_classes)
