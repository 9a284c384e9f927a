from __future__ import annotations

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, IntervalSweep, RangeSweep

from vision.settings.errors import SettingsError
from vision.settings.hyperparameters import Tunable
from vision.sweeps.range_text import is_range, read_range, write_range

CASES = [
    ("interval(0.1,0.9)", Tunable("continuous", 0.1, 0.9)),
    ("interval(0, 0.999)", Tunable("continuous", 0.0, 0.999)),
    ("int(interval(8,512))", Tunable("integer", 8, 512)),
    ("tag(log,interval(1e-6,0.5))", Tunable("continuous", 1e-6, 0.5, scale="log")),
    ("tag(log, int(interval(8, 64)))", Tunable("integer", 8, 64, scale="log")),
    ("choice(sgd,adam)", Tunable("categorical", choices=("sgd", "adam"))),
    ("sgd, adam,nag", Tunable("categorical", choices=("sgd", "adam", "nag"))),
    ("choice('10,20','5,15')", Tunable("categorical", choices=("10,20", "5,15"))),
    ("range(2,9,3)", Tunable("categorical", choices=("2", "5", "8"))),
]


@pytest.mark.parametrize(("text", "expected"), CASES)
def test_reads(text: str, expected: Tunable) -> None:
    assert read_range("hp.x", text) == expected
    assert read_range("hp.x", write_range(expected)) == expected


@pytest.mark.parametrize(("text", "expected"), CASES)
def test_hydra_reads_the_same(text: str, expected: Tunable) -> None:
    value = OverridesParser.create().parse_override(f"x={write_range(expected)}").value()
    if expected.choices:
        assert isinstance(value, ChoiceSweep | RangeSweep)
        assert tuple(str(getattr(item, "text", item)) for item in value.list) == expected.choices
        return
    assert isinstance(value, IntervalSweep)
    assert (value.start, value.end) == (expected.low, expected.high)
    assert isinstance(value.start, int) is (expected.kind == "integer")
    assert ("log" in value.tags) is (expected.scale == "log")


@pytest.mark.parametrize(
    "text",
    [
        *("", "sgd", "choice(sgd)", "a,a", "a,,b", "interval(1)", "interval(1,2,3)", "interval(2,1)", "interval(a,b)"),
        *("interval(0,inf)", "interval(nan,1)", "tag(log,interval(0,1))", "tag(lin,interval(0,1))", "tag(log)"),
        *("int(interval(0.5,2))", "range(1,2)", "range(0.1,2)", "range(0,9999999)", "range(1,9,0)", "range()"),
    ],
)
def test_refuses(text: str) -> None:
    with pytest.raises(SettingsError, match=r"Setting hp\.x is .*which is no range of values.*interval\(0\.1,0\.9\)"):
        read_range("hp.x", text)


@pytest.mark.parametrize(
    ("text", "expected"), [("interval(0,1)", True), ("a,b", False), ("0.1", False), ("f(1)", False)]
)
def test_what_is_a_range(text: str, expected: bool) -> None:
    assert is_range(text) is expected
