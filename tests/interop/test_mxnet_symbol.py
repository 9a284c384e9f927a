from __future__ import annotations

import contextlib
import csv
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vision.interop.mxnet_node import Output
from vision.interop.mxnet_params import read_params
from vision.interop.mxnet_symbol import MAX_SYMBOL_BYTES, parse_symbol, read_symbol
from vision.settings.errors import DataError

FIXTURES = Path(__file__).parents[1] / "fixtures" / "mxnet"
RESNET20 = FIXTURES / "model_resnet20" / "image-classification-symbol.json"
SSD_TRAIN = FIXTURES / "model_ssd300_vgg16_narrow" / "ssd_vgg16_narrow_300-train-symbol.json"
SSD_DEPLOY = FIXTURES / "model_ssd300_vgg16_narrow" / "ssd_vgg16_narrow_300-deploy-symbol.json"


def variable(name: str) -> dict[str, Any]:
    return {"op": "null", "name": name, "inputs": []}


def symbol(*nodes: dict[str, Any], heads: list[Any] | None = None, **root: Any) -> bytes:
    return json.dumps({"nodes": nodes, "heads": heads or [[len(nodes) - 1, 0]], **root}).encode()


@pytest.mark.parametrize(
    ("path", "parameters"),
    [
        (RESNET20, "image-classification-0000.params"),
        (SSD_TRAIN, "ssd_vgg16_narrow_300-0000.params"),
        (SSD_DEPLOY, "ssd_vgg16_narrow_300-0000.params"),
        (
            FIXTURES / "model_ssd300_resnet50_narrow" / "ssd_resnet50_narrow_300-deploy-symbol.json",
            "ssd_resnet50_narrow_300-0000.params",
        ),
    ],
    ids=lambda value: value.name if isinstance(value, Path) else "",
)
def test_variables_are_the_checkpoint_s_names_and_the_inputs(path: Path, parameters: str) -> None:
    graph = read_symbol(path)
    stored = set(read_params(path.parent / parameters))
    variables = {f"arg:{name}" for name in graph.arguments} | {f"aux:{name}" for name in graph.auxiliary}
    assert stored - variables == set()
    assert variables - stored <= {"arg:data", "arg:label", "arg:softmax_label"}
    assert graph.mxnet_version == 10901


@pytest.mark.parametrize("name", ["resnet18_224_1000cls", "resnet50_224_1000cls", "ssd_vgg16_300_20cls-deploy"])
def test_full_networks_have_the_variables_that_mxnet_lists(name: str) -> None:
    graph = read_symbol(FIXTURES / "full_symbols" / f"{name}-symbol.json")
    table = FIXTURES / "full_symbols" / f"{name.removesuffix('-deploy')}-params.tsv"
    with table.open(newline="") as file:
        rows = [(row["kind"], row["name"]) for row in csv.DictReader(file, delimiter="\t")]
    listed = {kind: {name for row_kind, name in rows if row_kind == kind} for kind in ("arg", "aux")}
    assert set(graph.arguments) - {"data", "softmax_label"} == listed["arg"]
    assert set(graph.auxiliary) == listed["aux"]


def test_the_graph_of_resnet20() -> None:
    graph = read_symbol(RESNET20)
    # 3 stages of 3 units with 2 convolutions, the first one, and a projection for each stage (MXNet's builder).
    assert Counter(node.op for node in graph.nodes)["Convolution"] == 18 + 1 + 3
    assert [graph.nodes[head.node].op for head in graph.heads] == ["SoftmaxOutput"]
    conv = graph.node("stage2_unit1_conv1")
    assert (conv.integers("kernel"), conv.integers("stride"), conv.integers("pad")) == ((3, 3), (2, 2), (1, 1))
    assert (conv.integer("num_filter"), conv.flag("no_bias"), conv.integer("num_group")) == (32, True, 1)
    assert [node.name for node in graph.inputs(conv)] == ["stage2_unit1_relu1", "stage2_unit1_conv1_weight"]
    assert conv.name in {node.name for node in graph.consumers(graph.node("stage2_unit1_relu1"))}
    assert (graph.node("bn_data").flag("fix_gamma"), graph.node("bn1").flag("fix_gamma")) == (True, False)
    assert graph.node("bn1").number("eps") == 2e-5
    assert graph.node("fc1").integer("num_hidden") == 5


def test_the_graph_of_ssd() -> None:
    graph = read_symbol(SSD_TRAIN)
    anchors = graph.node("relu4_3_anchors")
    assert anchors.numbers("sizes") == (0.1, 0.141)
    assert anchors.numbers("ratios") == (1.0, 2.0, 0.5)
    assert anchors.numbers("offsets") == (0.5, 0.5)
    assert graph.node("pool3").text("pooling_convention") == "full"
    assert graph.node("pool4").text("pooling_convention") == "valid"
    assert graph.node("fc6").integers("dilate") == (6, 6)
    assert len(graph.heads) == 4


def test_inference_needs_no_labels() -> None:
    graph = read_symbol(SSD_TRAIN)
    for_scores = {node.name for node in graph.needed_for(Output(graph.node("multibox_cls_pred").index, 0))}
    for_training = {node.name for node in graph.needed_for(graph.heads[0])}
    assert "label" in for_training
    assert "label" not in for_scores
    assert {"data", "conv1_1_weight", "relu4_3_cls_pred_conv"} <= for_scores
    assert "relu4_3_loc_pred_conv" not in for_scores


OLD = symbol(
    variable("data"),
    variable("bn_gamma"),
    variable("bn_beta"),
    {
        "op": "BatchNorm",
        "name": "bn",
        "inputs": [[0, 0], [1, 0], [2, 0]],
        "param": {"eps": "2e-05", "fix_gamma": "False"},
        "attr": {"ctx": "gpu", "eps": "a user's note"},
        "backward_source_id": -1,
    },
    {"op": "_Plus", "name": "sum", "inputs": [[3, 0], [0, 0]], "param": {}, "backward_source_id": -1},
)


def test_files_from_before_0_9_get_their_running_statistics() -> None:
    graph = parse_symbol(OLD, "old.json")
    names = ["data", "bn_gamma", "bn_beta", "bn_moving_mean", "bn_moving_var", "bn", "sum"]
    assert [node.name for node in graph.nodes] == names
    assert [node.index for node in graph.nodes] == list(range(7))
    assert graph.auxiliary == ("bn_moving_mean", "bn_moving_var")
    assert [output.node for output in graph.node("bn").inputs] == [0, 1, 2, 3, 4]
    assert [output.node for output in graph.node("sum").inputs] == [5, 0]
    assert graph.heads == (Output(6, 0),)
    assert graph.mxnet_version == 800
    assert graph.node("sum").op == "elemwise_add"
    assert (graph.node("bn").number("eps"), graph.node("bn").text("ctx")) == (2e-5, "gpu")


@pytest.mark.parametrize("place", ["attr", "attrs", "param"])
def test_attributes_are_found_under_any_of_their_names(place: str) -> None:
    node = {"op": "Pooling", "name": "pool", "inputs": [[0, 0, 1]], place: {"kernel": "(2,2)"}}
    assert parse_symbol(symbol(variable("data"), node), "s").node("pool").integers("kernel") == (2, 2)


@pytest.mark.parametrize(
    ("method", "text", "value"),
    [
        ("integers", "(3, 3)", (3, 3)),
        ("integers", "(3,3)", (3, 3)),
        ("integers", "[3,]", (3,)),
        ("integers", "(3L, 4L)", (3, 4)),
        ("integers", "()", ()),
        ("integers", "[]", ()),
        ("integers", "7", (7,)),
        ("numbers", "(0.1, 2e-05, 1)", (0.1, 2e-5, 1.0)),
        ("numbers", "(-1.0, -1.0)", (-1.0, -1.0)),
        ("integer", "-1", -1),
        ("number", "2e-05", 2e-5),
        ("flag", "True", True),
        ("flag", "0", False),
        ("text", "relu", "relu"),
    ],
)
def test_attribute_values(method: str, text: str, value: object) -> None:
    node = parse_symbol(symbol({"op": "X", "name": "x", "inputs": [], "attrs": {"a": text}}), "s").node("x")
    assert getattr(node, method)("a") == value


@pytest.mark.parametrize(
    ("method", "text", "message"),
    [
        (
            "integers",
            "(3, x)",
            r"^s node 0 \('x'\): attribute 'a': expected whole numbers in brackets, found '\(3, x\)'",
        ),
        ("integers", "(1.5,)", "whole numbers"),
        ("integers", "(" + "1," * 65 + ")", "whole numbers"),
        ("integer", "9" * 5000, "a whole number"),
        ("number", "nan", "a number"),
        ("number", "1e999", "a number"),
        ("flag", "maybe", "True or False, found 'maybe'"),
        ("text", "None", "operator X has no attribute 'a', which it needs"),
    ],
)
def test_wrong_attribute_values_are_named(method: str, text: str, message: str) -> None:
    node = parse_symbol(symbol({"op": "X", "name": "x", "inputs": [], "attrs": {"a": text}}), "s").node("x")
    with pytest.raises(DataError, match=message):
        getattr(node, method)("a")


def test_attributes_left_out_have_mxnet_s_defaults() -> None:
    inputs = [[0, 0], [1, 0], [2, 0], [3, 0], [4, 0]]
    norm = {"op": "BatchNorm", "name": "norm", "inputs": inputs, "attrs": {"axis": "None"}}
    graph = parse_symbol(symbol(*[variable(name) for name in "abcde"], norm), "s")
    node = graph.node("norm")
    assert (node.number("eps"), node.number("momentum"), node.flag("fix_gamma")) == (1e-3, 0.9, True)
    assert (node.flag("use_global_stats"), node.integer("axis"), node.has("nothing")) == (False, 1, False)
    assert (graph.arguments, graph.auxiliary) == (("a", "b", "c"), ("d", "e"))


X = {"op": "X", "name": "x", "inputs": []}
REFUSED = [
    (b"", r"^s: is not JSON"),
    (b"\xff\xfe{", r"^s: is not JSON"),
    (b"[" * 100_000, r"^s: is not JSON"),
    (b'{"nodes": ' + b"9" * 5000 + b"}", r"^s: is not JSON"),
    (b" " * (MAX_SYMBOL_BYTES + 1), r"^s: is larger than 4194304 bytes"),
    (b"[]", r"expected an object with 'nodes' and 'heads'"),
    (b"{}", r"^s: expected a list under 'nodes', found None"),
    (b'{"nodes": []}', r"^s: expected a list under 'heads', found None"),
    (b'{"nodes": [], "heads": []}', r"^s: the list 'heads' is empty"),
    (symbol(X, heads=[[1, 0]]), r"^s heads: expected \[node, output\] with a node from 0 to 0, found \[1, 0\]"),
    (symbol(X, heads=[[0, -1]]), r"^s heads: .*found \[0, -1\]"),
    (symbol(X, heads=[[True, 0]]), r"^s heads: .*found \[True, 0\]"),
    (symbol({**X, "inputs": [[0, 0]]}), r"^s node 0: expected no reference yet, found \[0, 0\]"),
    (symbol(X, {**X, "inputs": [[1, 0]]}), r"^s node 1: .*from 0 to 0, found \[1, 0\]"),
    (symbol({**X, "op": 3}), r"^s node 0: expected a string under 'op', found 3"),
    (symbol({**X, "name": None}), r"expected a string under 'name', found None"),
    (symbol(X, "x"), r"^s node 1: expected an object .*found 'x'"),  # type: ignore[arg-type]
    (symbol({**X, "attrs": {"a": 1}}), r"expected strings by name under 'attrs', found dict of 1 items"),
    (symbol({**X, "attr": []}), r"under 'attr'"),
    (symbol(X, {**variable("v"), "inputs": [[0, 0]]}), r"a variable .* has no inputs"),
    (symbol(variable("v"), variable("v")), r"^s node 1 \('v'\): another variable has the same name"),
    (symbol(X, {"op": "BatchNorm", "name": "b", "inputs": [[0, 0]]}), r"3 or 5 inputs of BatchNorm, found 1"),
    (symbol(X, attrs={"mxnet_version": "1.9"}), r"'mxnet_version' .*found '1.9'"),
]


@pytest.mark.parametrize(("data", "message"), REFUSED)
def test_refuses_in_a_sentence(data: bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        parse_symbol(data, "s")


@pytest.mark.parametrize(("name", "count"), [("nothing", 0), ("x", 2)])
def test_a_node_that_is_missing_or_not_alone_is_named(name: str, count: int) -> None:
    with pytest.raises(DataError, match=f"^s: expected one node named '{name}', found {count}"):
        parse_symbol(symbol(X, X), "s").node(name)


@settings(max_examples=200)
@given(
    edits=st.lists(st.tuples(st.floats(0, 1), st.binary(max_size=4), st.integers(0, 20)), min_size=1, max_size=4),
    source=st.sampled_from([OLD, RESNET20.read_bytes()]),
)
def test_mutated_files_give_a_graph_or_a_sentence(edits: list[tuple[float, bytes, int]], source: bytes) -> None:
    data = bytearray(source)
    for place, insertion, removed in edits:
        at = int(place * len(data))
        data[at : at + removed] = insertion
    with contextlib.suppress(DataError):
        graph = parse_symbol(bytes(data), "mutated")
        assert all(output.node < node.index for node in graph.nodes for output in node.inputs)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["null", "BatchNorm", "x", "int"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["op", "name", "inputs", "attrs", "param"]), inner, max_size=5)
    ),
)


@given(nodes=json_values, heads=json_values, attributes=json_values)
def test_any_json_gives_a_graph_or_a_sentence(nodes: Any, heads: Any, attributes: Any) -> None:
    with contextlib.suppress(DataError):
        parse_symbol(json.dumps({"nodes": nodes, "heads": heads, "attrs": attributes}).encode(), "json")
