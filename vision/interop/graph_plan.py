"""Reads the plan of a network, pre-activation ResNet or SSD, from its graph, whatever its nodes are called.

Only what the plan needs is looked at; ``graph_match`` then compares every node.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from vision.interop.graph_match import resolve, sources
from vision.interop.mxnet_node import Node, Output
from vision.interop.mxnet_ssd_graph import SSDOutputs
from vision.interop.mxnet_symbol import Graph
from vision.nn.preact_resnet import LARGE_PLANS, PreactPlan
from vision.nn.resnet import Stem
from vision.settings.errors import DataError

_MAX_UNITS = 400
BOX_VALUES = 4
_BASE_NETWORKS: dict[tuple[tuple[int, ...], bool], str] = {
    LARGE_PLANS[depth]: f"resnet-{depth}" for depth in (18, 34, 50)
}
_MAX_LEVELS = 12


def read_preact_plan(graph: Graph, last: Output, input_channels: int = 3) -> PreactPlan:
    """Return the plan of the network that ends in ``last``, which needs nothing but residual units below it.

    Raises DataError if there are none.
    """
    nodes = graph.needed_for(last)
    norm = next((node for node in nodes if node.op == "BatchNorm"), None)
    stem = next((node for node in nodes if node.op == "Convolution"), None)
    if norm is None or stem is None:
        raise DataError(graph.name, "has no convolution and batch normalisation, so it is no residual network")
    units = read_units(graph, nodes)
    bottleneck = units[0].layers == 3
    filters = (stem.integer("num_filter"), *(unit.filters for unit in units if unit.starts_stage))
    if bottleneck and any(width % 4 for width in filters[1:]):
        raise DataError(graph.name, f"has bottlenecks of {filters[1:]} channels; they must be multiples of 4")
    return PreactPlan(
        units=stage_lengths(units),
        filters=filters,
        bottleneck=bottleneck,
        stem=stem_of(stem),
        bn_eps=norm.number("eps"),
        input_channels=input_channels,
    )


def stem_of(convolution: Node) -> Stem:
    """Return which of the two stems begins with this convolution."""
    return "7x7" if convolution.integers("kernel")[:1] == (7,) else "3x3"


@dataclass(frozen=True)
class Unit:
    """A residual unit: ``layers`` convolutions, ``filters`` channels out; ``starts_stage`` if its shortcut projects."""

    layers: int
    filters: int
    starts_stage: bool


def stage_lengths(units: Sequence[Unit]) -> tuple[int, ...]:
    """Return the number of units in each stage."""
    starts = [index for index, unit in enumerate(units) if unit.starts_stage]
    return tuple(end - start for start, end in pairwise([*starts, len(units)]))


def read_units(graph: Graph, nodes: Sequence[Node]) -> list[Unit]:
    """Return the residual units among ``nodes``, starting at the input; all have 2 or all have 3 convolutions.

    The first one starts a stage in any case.
    """
    sums = [node for node in nodes if node.op == "elemwise_add"]
    if not 0 < len(sums) <= _MAX_UNITS:
        raise DataError(graph.name, f"has {len(sums)} sums of branches, so it is no residual network that can be read")
    units: list[Unit] = []
    for node in sums:
        convolutions, shortcut = _branch(graph, node)
        # Below the first unit lies the stem.
        count = len(convolutions) - (not units)
        if count not in (2, 3) or (units and count != units[0].layers):
            raise DataError(
                node.key, f"ends a branch of {count} convolutions; residual units of 2, or of 3, can be read"
            )
        starts = not units or shortcut.op in ("Convolution", "BatchNorm")
        units.append(Unit(count, convolutions[0].integer("num_filter"), starts))
    return units


def _branch(graph: Graph, add: Node) -> tuple[list[Node], Node]:
    """Convolutions on the longer branch of a sum, last first, down to the previous sum; and the shortcut's node."""
    inputs = sources(graph, add)
    if len(inputs) != 2:
        raise DataError(add.key, f"adds {len(inputs)} branches; a residual unit has two")
    node, shortcut = (graph.nodes[output.node] for output in inputs)
    found = []
    while node.op != "elemwise_add" and node.inputs:
        if node.op == "Convolution":
            found.append(node)
        node = graph.nodes[sources(graph, node)[0].node]
    return found, shortcut


def read_ssd_plan(graph: Graph, outputs: SSDOutputs) -> dict[str, object]:
    """Return unchecked values of an object detection ``Architecture``, except ``image_shape``, ``mean`` and ``std``."""
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
    if not 2 <= len(priors) <= _MAX_LEVELS or any(len(prior.inputs) != 1 for prior in priors):
        raise DataError(concat.key, f"joins the anchors of {len(priors)} maps; 2 to {_MAX_LEVELS} can be read")
    return priors


def _level(prior: Node) -> dict[str, object]:
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


def _vgg(graph: Graph, maps: list[Output]) -> dict[str, object]:
    """Widths by the convolutions before the second map: 13 in five blocks, fc6, fc7."""
    widths = [node.integer("num_filter") for node in _convolutions(graph, maps[1])]
    if len(widths) != 15:
        raise DataError(graph.nodes[maps[1].node].key, f"comes from {len(widths)} convolutions; 15 in VGG-16 reduced")
    blocks = (widths[0], widths[2], widths[4], widths[7], widths[10])
    return {"family": "vgg", "base_network": "vgg-16", "vgg_widths": (*blocks, *widths[13:])}


def _resnet(graph: Graph, maps: list[Output]) -> dict[str, object]:
    plan = read_preact_plan(graph, maps[1])
    name = _BASE_NETWORKS.get((plan.units, plan.bottleneck))
    if name is None:
        raise DataError(
            graph.name,
            f"detects on a ResNet of {plan.units} units; those of {', '.join(_BASE_NETWORKS.values())} can be imported",
        )
    fields = ("units", "filters", "bottleneck", "bn_eps")
    return {"family": "preact_resnet", "base_network": name, **{field: getattr(plan, field) for field in fields}}
