from __future__ import annotations

import json

from vision.interop.mxnet_builder import GraphBuilder, symbol_json
from vision.interop.mxnet_symbol import parse_symbol


def test_a_written_graph_reads_the_same() -> None:
    builder = GraphBuilder("test")
    x = builder.convolution(builder.variable("data"), "conv", 4, 3, stride=2, bias=True)
    x = builder.relu(builder.batch_norm(x, "bn", 2e-5, fix_gamma=True), "relu")
    graph = builder.graph([builder.max_pool(x, "pool", 3, 2, pad=1, rounds_up=True)])
    read = parse_symbol(symbol_json(graph), "file")
    assert [(node.op, node.name, node.inputs) for node in read.nodes] == [
        (node.op, node.name, node.inputs) for node in graph.nodes
    ]
    assert read.node("conv").integers("stride") == (2, 2)
    assert read.node("conv").integers("pad") == (1, 1)
    assert not read.node("conv").flag("no_bias")
    assert read.node("bn").number("eps") == 2e-5
    assert read.node("bn").flag("fix_gamma")
    assert read.node("pool").text("pooling_convention") == "full"
    assert read.auxiliary == ("bn_moving_mean", "bn_moving_var")
    root = json.loads(symbol_json(graph))
    assert root["arg_nodes"] == [0, 1, 2, 4, 5, 6, 7]
    assert root["attrs"] == {"mxnet_version": ["int", 10901]}
