"""Reads the plan of an SSD from its graph: base network, extra maps and anchors, whatever its nodes are called."""

from __future__ import annotations

from typing import Any

from vision.interop.graph_match import resolve, sources
from vision.interop.mxnet_node import Node, Output
from vision.interop.mxnet_ssd_graph import SSDOutputs
from vision.interop.mxnet_symbol import Graph
from vision.interop.preact_plan import read_preact_plan
from vision.nn.preact_resnet import LARGE_PLANS
from vision.settings.errors import DataError

BOX_VALUES = 4
_BASE_NETWORKS: dict[tuple[tuple[int, ...], bool], str] = {
    LARGE_PLANS[depth]: f"resnet-{depth}" for depth in (18, 34, 50)
}
_MOST_LEVELS = 12


def read_ssd_plan(graph: Graph, outputs: SSDOutputs) -> dict[str, Any]:
    """Values of an object detection ``Architecture``, all but ``image_shape``, ``mean`` and ``std``. Not checked."""
    priors = _priors(graph, outputs.anchors)
    levels = [_level(prior) for prior in priors]
    maps = [resolve(graph, prior.inputs[0]) for prior in priors]
    box_heads = _heads(graph, outputs.box_offsets, len(priors))
    class_heads = _heads(graph, outputs.class_logits, len(priors))
    per_cell = box_heads[0].integer("num_filter") // BOX_VALUES
    if per_cell < 1:
        raise DataError(box_heads[0].key, "has fewer than 4 outputs, but a box has 4 coordinates")
    base = _vgg(graph, maps) if graph.nodes[maps[0].node].op == "broadcast_mul" else _resnet(graph, maps)
    return {
        **base,
        "num_classes": class_heads[0].integer("num_filter") // per_cell - 1,
        "extra_layers": [_extra_layer(graph, output) for output in maps[2:]],
        "levels": levels,
    }


def _priors(graph: Graph, anchors: Output) -> list[Node]:
    """The operators that make the anchors, in the order in which these are joined."""
    concat = _up_to(graph, anchors, "Concat")
    priors = [_up_to(graph, output, "_contrib_MultiBoxPrior") for output in concat.inputs]
    if not 2 <= len(priors) <= _MOST_LEVELS or any(len(prior.inputs) != 1 for prior in priors):
        raise DataError(concat.key, f"joins the anchors of {len(priors)} maps; 2 to {_MOST_LEVELS} can be read")
    return priors


def _level(prior: Node) -> dict[str, Any]:
    if prior.flag("clip") or prior.numbers("offsets") != (0.5, 0.5):
        raise DataError(prior.key, "clips its anchors or moves their centres, which cannot be imported")
    steps = prior.numbers("steps")
    if len(steps) != 2 or steps[0] != steps[1]:
        raise DataError(prior.key, f"has the steps {steps}; two equal ones are expected")
    return {
        "sizes": prior.numbers("sizes"),
        "ratios": prior.numbers("ratios"),
        "step_unit": steps[0] if steps[0] > 0 else None,
    }


def _heads(graph: Graph, joined: Output, count: int) -> list[Node]:
    concat = _up_to(graph, joined, "Concat")
    if len(concat.inputs) != count:
        raise DataError(concat.key, f"joins {len(concat.inputs)} maps, but there are anchors for {count}")
    return [_up_to(graph, output, "Convolution") for output in concat.inputs]


def _up_to(graph: Graph, output: Output, op: str) -> Node:
    """The nearest node of this kind on the way of first inputs to the data."""
    node = graph.nodes[output.node]
    while node.op != op:
        if not node.inputs:
            raise DataError(graph.nodes[output.node].key, f"does not come from a {op}, as it does in SSD")
        node = graph.nodes[node.inputs[0].node]
    return node


def _convolutions(graph: Graph, output: Output) -> list[Node]:
    """All convolutions on the way of longest branches from the data to this output, in order."""
    node, found = graph.nodes[output.node], []
    while node.inputs:
        if node.op == "Convolution":
            found.append(node)
        node = graph.nodes[sources(graph, node)[0].node]
    return found[::-1]


def _extra_layer(graph: Graph, output: Output) -> dict[str, int]:
    *_, one, three = [None, None, *_convolutions(graph, output)]
    if one is None or three is None:
        raise DataError(graph.nodes[output.node].key, "does not come from two convolutions, as SSD's extra maps do")
    stride, pad = three.integers("stride") or (1,), three.integers("pad") or (0,)
    return {
        "width_1x1": one.integer("num_filter"),
        "width_3x3": three.integer("num_filter"),
        "stride": stride[0],
        "padding": pad[0],
    }


def _vgg(graph: Graph, maps: list[Output]) -> dict[str, Any]:
    """Widths by the convolutions before the second map: 13 in five blocks, fc6, fc7."""
    widths = [node.integer("num_filter") for node in _convolutions(graph, maps[1])]
    if len(widths) != 15:
        raise DataError(graph.nodes[maps[1].node].key, f"comes from {len(widths)} convolutions; 15 in VGG-16 reduced")
    blocks = (widths[0], widths[2], widths[4], widths[7], widths[10])
    return {"family": "vgg", "base_network": "vgg-16", "vgg_widths": (*blocks, *widths[13:])}


def _resnet(graph: Graph, maps: list[Output]) -> dict[str, Any]:
    plan = read_preact_plan(graph, maps[1])
    name = _BASE_NETWORKS.get((plan.units, plan.bottleneck))
    if name is None:
        raise DataError(
            graph.name,
            f"detects on a ResNet of {plan.units} units; those of {', '.join(_BASE_NETWORKS.values())} can be imported",
        )
    fields = ("units", "filters", "bottleneck", "bn_eps")
    return {"family": "preact_resnet", "base_network": name, **{field: getattr(plan, field) for field in fields}}
