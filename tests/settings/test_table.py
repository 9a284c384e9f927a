"""Parsing, sentences and rows of any table of settings."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import Field, ValidationError

from vision.settings.errors import SettingsError
from vision.settings.table import Rule, SettingsTable


class Small(SettingsTable):
    RULES = (Rule(("low", "high"), lambda s: "low is above high." if s.low > s.high else None),)

    name: str | None = None
    low: int = Field(1, ge=1)
    high: int = Field(9, ge=1, le=9)
    share: float = Field(0.5, gt=0, lt=1)
    folder: Path | None = None
    words: tuple[Literal["a", "b"], ...] = ("a",)


PROBLEMS = [
    ({"low": 5, "high": 3}, ["low is above high."]),
    (
        {"low": 5, "high": "x"},
        ["Setting high is 'x' but must be an integer from 1 to 9: give for example high=9."],
    ),
    (
        {"share": "1"},
        ["Setting share is '1' but must be a number above 0 and below 1: give for example share=0.5."],
    ),
    ({"lwo": 1, "low": 7, "high": 6}, ["Setting 'lwo' is unknown: did you mean low?", "low is above high."]),
    ({"Low": 1}, ["Setting 'Low' is unknown: write it low, in small letters with underscores."]),
    ({"words": "a,c"}, ["Setting words is 'a,c' but must be a list of a or b: give for example words=a."]),
    (
        {"low": 10**30},
        ["Setting low is 1000000000000000000000000000000 but must be an integer of at least 1"],
    ),
    ({"low": "9" * 5000}, ["Setting low is '999"]),
    ({"folder": 3}, ["Setting folder is 3 but must be a path"]),
]


@pytest.mark.parametrize(("values", "expected"), PROBLEMS, ids=[str(values)[:40] for values, _ in PROBLEMS])
def test_problems(values: dict[str, object], expected: list[str]) -> None:
    with pytest.raises(SettingsError) as caught:
        Small.parse(values)
    assert len(caught.value.problems) == len(expected)
    for problem, start in zip(caught.value.problems, expected, strict=True):
        assert problem.startswith(start)
        assert len(problem) < 200


def test_typed_construction_checks_the_same_rules() -> None:
    with pytest.raises(ValidationError, match="low is above high"):
        Small(low=5, high=3, share=0.5)


def test_values_are_frozen_and_path_is_expanded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/somewhere")
    settings = Small.parse({"folder": "~/x"})
    assert settings.folder == Path("/somewhere/x")
    with pytest.raises(ValidationError):
        settings.low = 3


@settings(deadline=None, max_examples=300)
@given(
    st.dictionaries(
        st.sampled_from([*Small.model_fields, "other"]),
        st.one_of(st.text(), st.integers(), st.floats(), st.booleans(), st.none(), st.lists(st.text())),
    )
)
def test_any_value_parses_or_is_answered_in_sentences(values: dict[str, object]) -> None:
    try:
        parsed = Small.parse(values)
    except SettingsError as error:
        problems = error.problems
    else:
        texts = parsed.to_strings()
        assert Small.parse(texts).to_strings() == texts
        return
    assert problems
    assert all(problem.endswith((".", "?")) for problem in problems)
