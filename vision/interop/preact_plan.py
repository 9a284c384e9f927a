"""Reads the plan of a pre-activation ResNet from its graph: units, widths and stem, whatever its nodes are called.

Only what the plan needs is looked at; ``graph_match`` then compares every node.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from vision.interop.graph_match import sources
from vision.interop.mxnet_node import Node, Output
from vision.interop.mxnet_symbol import Graph
from vision.nn.preact_resnet import PreactPlan
from vision.nn.resnet import Stem
from vision.settings.errors import DataError

MOST_UNITS = 400


def read_preact_plan(graph: Graph, last: Output, input_channels: int = 3) -> PreactPlan:
    """The plan of the network that ends in ``last``, which needs nothing but residual units below it.

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
    """Which of the two stems begins with this convolution."""
    return "7x7" if convolution.integers("kernel")[:1] == (7,) else "3x3"


@dataclass(frozen=True)
class Unit:
    """A residual unit: ``layers`` convolutions, ``filters`` channels out; ``starts_stage`` if its shortcut projects."""

    layers: int
    filters: int
    starts_stage: bool


def stage_lengths(units: Sequence[Unit]) -> tuple[int, ...]:
    """Number of units in each stage."""
    starts = [index for index, unit in enumerate(units) if unit.starts_stage]
    return tuple(end - start for start, end in pairwise([*starts, len(units)]))


def read_units(graph: Graph, nodes: Sequence[Node]) -> list[Unit]:
    """The residual units among ``nodes``, from the input on; all have 2 or all have 3 convolutions.

    The first one starts a stage in any case.
    """
    sums = [node for node in nodes if node.op == "elemwise_add"]
    if not 0 < len(sums) <= MOST_UNITS:
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
