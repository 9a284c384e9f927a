"""An MXNet network as its symbol.json describes it, of any version from 0.8 to 1.9, as a typed graph.

The bytes are untrusted: the file's size is bounded before it is parsed, and every index is checked.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from vision.interop.mxnet_node import CANONICAL_NAMES, VARIABLE, Node, Output
from vision.settings.errors import DataError
from vision.settings.regular_file import open_regular

# SSD on ResNet-50 takes 131 KB. Parsed JSON takes up to 30 times its size in memory.
MAX_SYMBOL_BYTES = 4 << 20
# Files from before 0.9 do not say their version; it is written as major * 10000 + minor * 100 + patch.
UNSTATED_VERSION = 800
BATCH_NORM_STATISTICS = ("moving_mean", "moving_var")


@dataclass(frozen=True)
class Graph:
    """``nodes`` in topological order: a node's inputs come before it. ``name`` stands for the file in errors."""

    name: str
    nodes: tuple[Node, ...]
    heads: tuple[Output, ...]
    mxnet_version: int

    @cached_property
    def auxiliary(self) -> tuple[str, ...]:
        """Names of the variables that training updates without gradients: the statistics of BatchNorm."""
        indices = {output.node for node in self.nodes if node.op == "BatchNorm" for output in node.inputs[3:5]}
        return tuple(node.name for node in self.nodes if node.is_variable and node.index in indices)

    @cached_property
    def arguments(self) -> tuple[str, ...]:
        """Names of all other variables: weights, and the inputs such as ``data`` and labels."""
        auxiliary = set(self.auxiliary)
        return tuple(node.name for node in self.nodes if node.is_variable and node.name not in auxiliary)

    def node(self, name: str) -> Node:
        """Return the only node of this name."""
        found = [node for node in self.nodes if node.name == name]
        if len(found) != 1:
            raise DataError(self.name, f"expected one node named {name!r}, found {len(found)}")
        return found[0]

    def inputs(self, node: Node) -> tuple[Node, ...]:
        """Return the nodes that ``node`` reads, in the operator's order."""
        return tuple(self.nodes[output.node] for output in node.inputs)

    def consumers(self, node: Node) -> tuple[Node, ...]:
        """Return the nodes that read any output of ``node``."""
        return tuple(self.nodes[index] for index in self._consumers[node.index])

    def needed_for(self, output: Output) -> tuple[Node, ...]:
        """Return the nodes to evaluate for ``output``, in order: what inference needs of a training graph."""
        needed = {output.node}
        for node in reversed(self.nodes[: output.node + 1]):
            if node.index in needed:
                needed.update(source.node for source in node.inputs)
        return tuple(self.nodes[index] for index in sorted(needed))

    @cached_property
    def _consumers(self) -> list[list[int]]:
        consumers: list[list[int]] = [[] for _ in self.nodes]
        for node in self.nodes:
            for source in {output.node for output in node.inputs}:
                consumers[source].append(node.index)
        return consumers


def read_symbol(path: str | Path) -> Graph:
    """Return the graph of a ``*-symbol.json`` file."""
    path = Path(path)
    with open_regular(path) as file:
        return parse_symbol(file.read(MAX_SYMBOL_BYTES + 1), path.name)


def parse_symbol(data: bytes, name: str) -> Graph:
    """Return the graph of such a file's bytes."""
    if len(data) > MAX_SYMBOL_BYTES:
        raise DataError(name, f"is larger than {MAX_SYMBOL_BYTES} bytes, the largest symbol file that is read")
    try:
        root = json.loads(data)
    except (ValueError, RecursionError) as problem:
        raise DataError(name, f"is not JSON: {problem}") from None
    if not isinstance(root, dict):
        raise DataError(name, "is not a symbol file of MXNet: expected an object with 'nodes' and 'heads'")
    nodes, new_index = _nodes(_list(root, "nodes", name), name)
    heads = tuple(_output(head, new_index, f"{name} heads") for head in _list(root, "heads", name))
    if not heads:
        raise DataError(name, "the list 'heads' is empty, so the network has no output")
    return Graph(name, nodes, heads, _version(root, name))


def _nodes(raw_nodes: list[Any], name: str) -> tuple[tuple[Node, ...], list[int]]:
    """All nodes, and for each number used in the file the place in this list."""
    nodes: list[Node] = []
    new_index: list[int] = []

    def add(op: str, node_name: str, inputs: tuple[Output, ...], attributes: dict[str, str]) -> None:
        key = f"{name} node {len(nodes)} ({node_name[:80]!r})"
        nodes.append(Node(len(nodes), op, node_name, inputs, attributes, key))

    for number, raw in enumerate(raw_nodes):
        where = f"{name} node {number}"
        if not isinstance(raw, dict):
            raise DataError(where, f"expected an object with 'op', 'name' and 'inputs', found {_shown(raw)}")
        node_name, op = _string(raw, "name", where), _string(raw, "op", where)
        op = CANONICAL_NAMES.get(op, op)
        inputs = tuple(_output(item, new_index, where) for item in _list(raw, "inputs", where))
        if op == VARIABLE and inputs:
            raise DataError(where, "a variable (op 'null') has no inputs")
        if op == "BatchNorm" and len(inputs) == 3:
            # Files from before 0.9 leave the running statistics out.
            for statistic in BATCH_NORM_STATISTICS:
                inputs += (Output(len(nodes), 0),)
                add(VARIABLE, f"{node_name}_{statistic}", (), {})
        elif op == "BatchNorm" and len(inputs) != 5:
            raise DataError(where, f"expected 3 or 5 inputs of BatchNorm, found {len(inputs)}")
        new_index.append(len(nodes))
        add(op, node_name, inputs, _attributes(raw, where))
    seen: set[str] = set()
    for node in nodes:
        if node.is_variable and node.name in seen:
            raise DataError(node.key, "another variable has the same name, so parameters cannot be assigned")
        if node.is_variable:
            seen.add(node.name)
    return tuple(nodes), new_index


def _attributes(raw: dict[str, Any], where: str) -> dict[str, str]:
    """Attributes of a node, whichever of the three places its version of MXNet used; ``param`` are the operator's."""
    merged: dict[str, str] = {}
    for place in ("attr", "attrs", "param"):
        group = raw.get(place, {})
        if not isinstance(group, dict) or not all(isinstance(value, str) for value in group.values()):
            raise DataError(where, f"expected strings by name under {place!r}, found {_shown(group)}")
        merged.update(group)
    return merged


def _output(raw: Any, new_index: list[int], where: str) -> Output:
    """``[node, output]`` or ``[node, output, version]``; the node must have come before."""
    is_reference = isinstance(raw, list) and len(raw) in (2, 3) and all(type(item) is int for item in raw[:2])
    if not is_reference or not 0 <= raw[0] < len(new_index) or not 0 <= raw[1] < 1 << 31:
        allowed = f"[node, output] with a node from 0 to {len(new_index) - 1}" if new_index else "no reference yet"
        raise DataError(where, f"expected {allowed}, found {_shown(raw)}")
    return Output(new_index[raw[0]], raw[1])


def _version(root: dict[str, Any], name: str) -> int:
    attributes = root.get("attrs", {})
    stated = attributes.get("mxnet_version") if isinstance(attributes, dict) else attributes
    if stated is None:
        return UNSTATED_VERSION
    if isinstance(stated, list) and len(stated) == 2 and type(stated[1]) is int:
        return stated[1]
    raise DataError(name, f"expected 'mxnet_version' as [\"int\", number], found {_shown(stated)}")


def _list(container: dict[str, Any], field: str, where: str) -> list[Any]:
    return _typed(container, field, where, "a list", lambda value: isinstance(value, list))


def _string(container: dict[str, Any], field: str, where: str) -> str:
    return _typed(container, field, where, "a string", lambda value: isinstance(value, str))


def _typed(container: dict[str, Any], field: str, where: str, wanted: str, fits: Callable[[Any], bool]) -> Any:
    value = container.get(field)
    if not fits(value):
        raise DataError(where, f"expected {wanted} under {field!r}, found {_shown(value)}")
    return value


def _shown(value: Any) -> str:
    """A value as it fits a sentence; what is nested is only counted."""
    if isinstance(value, list) and len(value) < 5 and not any(isinstance(item, dict | list) for item in value):
        return repr(value)[:80]
    if isinstance(value, dict | list):
        return f"{type(value).__name__} of {len(value)} items"
    return repr(value)[:80]
