"""Compares a graph from a file with the one that MXNet's builder makes for the same plan, and pairs their parameters.

Names play no part, so that any name a parameter has leads to its place in the network.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from vision.interop.mxnet_node import Node, Output
from vision.interop.mxnet_symbol import Graph
from vision.settings.errors import DataError

# Operators that hand on their first input at inference; training knows what to do in their place.
TRANSPARENT = frozenset({"_copy", "Cast", "Dropout", "BlockGrad", "MakeLoss"})


def resolve(graph: Graph, output: Output) -> Output:
    """Return the output behind operators that change nothing at inference."""
    while graph.nodes[output.node].op in TRANSPARENT and graph.nodes[output.node].inputs:
        output = graph.nodes[output.node].inputs[0]
    return output


def sources(graph: Graph, node: Node) -> tuple[Output, ...]:
    """Return what a node reads, in an order that does not depend on how the file writes a sum.

    The longer branch of a sum comes first: the residual before its shortcut. A dense layer flattens by itself.
    """
    found = [resolve(graph, output) for output in node.inputs]
    if node.op == "elemwise_add" and len(found) == 2:
        found.sort(key=lambda output: -depths(graph)[output.node])
    if node.op == "FullyConnected" and found and graph.nodes[found[0].node].op == "Flatten":
        flat = graph.nodes[found[0].node]
        found[0] = resolve(graph, flat.inputs[0]) if flat.inputs else found[0]
    return tuple(found)


def depths(graph: Graph) -> list[int]:
    """Return for each node the number of operators on the longest path to it."""
    cached = graph.__dict__.get("_depths")
    if cached is None:
        cached = []
        for node in graph.nodes:
            cached.append(1 + max((cached[source.node] for source in node.inputs), default=-1))
        graph.__dict__["_depths"] = cached
    return cached


def match(
    expected: Graph, found: Graph, starts: Iterable[tuple[Output, Output]], network: str
) -> tuple[dict[str, str], frozenset[str]]:
    """Walk both graphs from pairs of outputs to their inputs.

    Returns the name in ``found`` for each variable of ``expected``, and those of the former whose gamma counts as
    1 only because the file says so. Raises DataError naming the first node that differs; ``network`` says what it
    was taken for.
    """
    partner: dict[int, int] = {}
    names: dict[str, str] = {}
    fixed_gammas = set()
    stack = [(resolve(expected, a), resolve(found, b)) for a, b in starts]
    while stack:
        wanted_output, given_output = stack.pop()
        wanted, given = expected.nodes[wanted_output.node], found.nodes[given_output.node]
        if partner.get(wanted.index, given.index) != given.index:
            raise DataError(given.key, f"stands where {network} has the same node twice, {wanted.name!r}")
        if wanted.index in partner:
            continue
        partner[wanted.index] = given.index
        if wanted.is_variable != given.is_variable or given_output.output != wanted_output.output:
            raise _differs(wanted, given, network)
        if wanted.is_variable:
            names[wanted.name] = given.name
            continue
        inputs = sources(expected, wanted), sources(found, given)
        if describe(wanted) != describe(given) or len(inputs[0]) != len(inputs[1]):
            raise _differs(wanted, given, network)
        if given.op == "BatchNorm" and given.flag("fix_gamma") and not wanted.flag("fix_gamma"):
            fixed_gammas.add(found.nodes[inputs[1][1].node].name)
        stack += zip(*inputs, strict=True)
    return names, frozenset(fixed_gammas)


def describe(node: Node) -> str:
    """Return an operator's name with everything that decides what it computes at inference."""
    read = _SETTINGS.get(node.op)
    settings = read(node) if read else {}
    return " ".join([node.op, *(f"{name}={value}" for name, value in settings.items())])


def _differs(wanted: Node, given: Node, network: str) -> DataError:
    there = "an input or a parameter" if given.is_variable else f"{describe(given)} with {len(given.inputs)} inputs"
    here = "an input or a parameter" if wanted.is_variable else f"{describe(wanted)} with {len(wanted.inputs)} inputs"
    return DataError(given.key, f"is {there}, but {network} has {here} there; such a network cannot be imported")


def _axes(node: Node, attribute: str, neutral: int) -> tuple[int, ...]:
    """A value for each spatial axis."""
    return node.integers(attribute) or (neutral,) * len(node.integers("kernel"))


def _convolution(node: Node) -> dict[str, object]:
    return {
        "num_filter": node.integer("num_filter"),
        "kernel": node.integers("kernel"),
        "stride": _axes(node, "stride", 1),
        "pad": _axes(node, "pad", 0),
        "dilate": _axes(node, "dilate", 1),
        "num_group": node.integer("num_group"),
        "no_bias": node.flag("no_bias"),
    }


def _pooling(node: Node) -> dict[str, object]:
    kind = {"pool_type": node.text("pool_type")}
    if node.flag("global_pool"):
        return {**kind, "global_pool": True}
    return {
        **kind,
        "kernel": node.integers("kernel"),
        "stride": _axes(node, "stride", 1),
        "pad": _axes(node, "pad", 0),
        "pooling_convention": node.text("pooling_convention"),
    }


def _batch_norm(node: Node) -> dict[str, object]:
    return {"eps": node.number("eps"), "axis": node.integer("axis")}


def _prior(node: Node) -> dict[str, object]:
    numbers = ("sizes", "ratios", "steps", "offsets")
    return {**{name: node.numbers(name) for name in numbers}, "clip": node.flag("clip")}


_SETTINGS: dict[str, Callable[[Node], dict[str, object]]] = {
    "Convolution": _convolution,
    "Pooling": _pooling,
    "BatchNorm": _batch_norm,
    "Activation": lambda node: {"act_type": node.text("act_type")},
    "FullyConnected": lambda node: {"num_hidden": node.integer("num_hidden"), "no_bias": node.flag("no_bias")},
    "L2Normalization": lambda node: {"mode": node.text("mode"), "eps": node.number("eps")},
    "transpose": lambda node: {"axes": node.integers("axes")},
    "Reshape": lambda node: {"shape": node.integers("shape")},
    "Concat": lambda node: {"dim": node.integer("dim")},
    "_contrib_MultiBoxPrior": _prior,
}
