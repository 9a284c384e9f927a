"""Builds an MXNet graph node by node, with the names that MXNet's own builders give."""

from __future__ import annotations

import json
from collections.abc import Iterable

from vision.interop.mxnet_node import VARIABLE, Node, Output
from vision.interop.mxnet_symbol import BATCH_NORM_STATISTICS, Graph

# As written by MXNet 1.9.1.
VERSION = 10901
Value = str | bool | int | float | tuple[float, ...]


class GraphBuilder:
    """Nodes are added in topological order; each method returns the output that the next one reads.

    ``name`` stands for the graph in errors.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._nodes: list[Node] = []

    def variable(self, name: str, **hints: Value) -> Output:
        """Add a parameter or an input. Hints such as ``__lr_mult__`` concern training only."""
        return self.add(VARIABLE, name, (), **hints)

    def add(self, op: str, name: str, inputs: Iterable[Output], **attributes: Value) -> Output:
        """Add an operator with the attributes that differ from MXNet's defaults."""
        texts = {key: value if isinstance(value, str) else str(value) for key, value in attributes.items()}
        key = f"{self.name} node {len(self._nodes)} ({name!r})"
        self._nodes.append(Node(len(self._nodes), op, name, tuple(inputs), texts, key))
        return Output(len(self._nodes) - 1, 0)

    def convolution(
        self,
        x: Output,
        name: str,
        filters: int,
        kernel: int,
        *,
        stride: int = 1,
        pad: int | None = None,
        dilate: int = 1,
        bias: bool = False,
    ) -> Output:
        """Add a square convolution; padded by half its kernel unless ``pad`` is given."""
        inputs = [x, self.variable(f"{name}_weight")]
        if bias:
            inputs.append(self.variable(f"{name}_bias"))
        pad = kernel // 2 if pad is None else pad
        attributes: dict[str, Value] = {
            "num_filter": filters,
            "kernel": (kernel, kernel),
            "stride": (stride, stride),
            "pad": (pad, pad),
            "dilate": (dilate, dilate),
            "no_bias": not bias,
        }
        return self.add("Convolution", name, inputs, **attributes)

    def batch_norm(self, x: Output, name: str, eps: float, *, fix_gamma: bool = False) -> Output:
        """Add batch normalization over channels; ``fix_gamma`` holds gamma at 1."""
        roles = ("gamma", "beta", *BATCH_NORM_STATISTICS)
        inputs = [x, *(self.variable(f"{name}_{role}") for role in roles)]
        return self.add("BatchNorm", name, inputs, eps=eps, momentum=0.9, fix_gamma=fix_gamma)

    def relu(self, x: Output, name: str) -> Output:
        return self.add("Activation", name, [x], act_type="relu")

    def max_pool(
        self, x: Output, name: str, kernel: int, stride: int, *, pad: int = 0, rounds_up: bool = False
    ) -> Output:
        """Square max-pooling; ``rounds_up`` keeps a last, incomplete window."""
        convention = "full" if rounds_up else "valid"
        return self.add(
            "Pooling",
            name,
            [x],
            kernel=(kernel, kernel),
            pool_type="max",
            stride=(stride, stride),
            pad=(pad, pad),
            pooling_convention=convention,
        )

    def graph(self, heads: Iterable[Output]) -> Graph:
        """Return the graph of what was added so far."""
        return Graph(self.name, tuple(self._nodes), tuple(heads), VERSION)


def symbol_json(graph: Graph) -> bytes:
    """Return the bytes of ``*-symbol.json``, as MXNet 1.x reads them."""
    nodes = [
        {
            "op": node.op,
            "name": node.name,
            **({"attrs": dict(node.attributes)} if node.attributes else {}),
            "inputs": [[source.node, source.output, 0] for source in node.inputs],
        }
        for node in graph.nodes
    ]
    root = {
        "nodes": nodes,
        "arg_nodes": [node.index for node in graph.nodes if node.is_variable],
        "heads": [[head.node, head.output, 0] for head in graph.heads],
        "attrs": {"mxnet_version": ["int", graph.mxnet_version]},
    }
    return (json.dumps(root, indent=2) + "\n").encode()
