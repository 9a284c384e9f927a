from __future__ import annotations

import pytest

from vision.interop.graph_match import describe, match
from vision.interop.mxnet_builder import GraphBuilder
from vision.interop.mxnet_symbol import Graph
from vision.settings.errors import DataError


def unit(prefix: str, *, swapped: bool = False, kernel: int = 3, shares: bool = False) -> Graph:
    """relu(data) -> conv a, and the same relu -> conv b, added."""
    builder = GraphBuilder(prefix)
    data = builder.relu(builder.variable(f"{prefix}data"), f"{prefix}relu")
    long = builder.relu(builder.convolution(data, f"{prefix}a", 4, kernel), f"{prefix}mid")
    short = long if shares else builder.convolution(data, f"{prefix}b", 4, 1)
    inputs = [short, long] if swapped else [long, short]
    return builder.graph([builder.add("elemwise_add", f"{prefix}sum", inputs)])


@pytest.mark.parametrize("swapped", [False, True])
def test_parameters_are_paired_whatever_their_names_and_order(swapped: bool) -> None:
    ours, theirs = unit(""), unit("x_", swapped=swapped)
    names, fixed = match(ours, theirs, [(ours.heads[0], theirs.heads[0])], "the unit")
    assert names == {"data": "x_data", "a_weight": "x_a_weight", "b_weight": "x_b_weight"}
    assert fixed == frozenset()


@pytest.mark.parametrize(
    ("theirs", "message"),
    [
        (unit("x_", kernel=5), r"'x_a'.*kernel=\(5, 5\).*kernel=\(3, 3\)"),
        (unit("x_", shares=True), "Activation act_type=relu with 1 inputs, but the unit has Convolution"),
    ],
)
def test_the_first_difference_is_named(theirs: Graph, message: str) -> None:
    ours = unit("")
    with pytest.raises(DataError, match=message):
        match(ours, theirs, [(ours.heads[0], theirs.heads[0])], "the unit")


def test_two_places_of_one_parameter_must_agree() -> None:
    ours, theirs = unit("", shares=True), unit("x_")
    with pytest.raises(DataError, match=r"is Convolution|same node twice"):
        match(ours, theirs, [(ours.heads[0], theirs.heads[0])], "the unit")


def test_a_description_says_what_counts() -> None:
    assert describe(unit("").node("a")) == (
        "Convolution num_filter=4 kernel=(3, 3) stride=(1, 1) pad=(1, 1) dilate=(1, 1) num_group=1 no_bias=True"
    )
