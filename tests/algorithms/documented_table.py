"""A class of hyperparameters against its documented table, inherited by ``<name>/test_hyperparameters.py``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import pytest

from vision.settings.errors import SettingsError
from vision.settings.hyperparameters import TrainingHyperparameters, Tunable


class Row(NamedTuple):
    """One documented hyperparameter: values as given with what they become, and values that are refused."""

    name: str
    default: Any
    accepted: list[tuple[Any, Any]]
    rejected: list[Any]
    counted: bool = False
    tunable: Tunable | None = None


class DocumentedTable:
    """Subclasses transcribe the documentation, row by row."""

    table: ClassVar[type[TrainingHyperparameters]]
    required: ClassVar[Mapping[str, str]]
    rows: ClassVar[Sequence[Row]]
    ours: ClassVar[Sequence[Row]] = ()
    """Values that are accepted beyond the documented ones."""
    problems: ClassVar[Sequence[tuple[Mapping[str, str], Sequence[str]]]]
    """Settings with a part of each problem that they have."""
    warnings: ClassVar[Sequence[tuple[Mapping[str, str], Sequence[str]]]]
    """Settings with a part of each warning that they get."""
    optimizers: ClassVar[Sequence[tuple[Mapping[str, str], Mapping[str, float]]]]
    """Settings with what the optimizer that they name reads of them."""

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Make one test of each row and of each value."""
        cases: dict[tuple[str, ...], list[Any]] = {
            ("row",): [(row,) for row in self.rows],
            ("name", "value", "expected"): [
                (row.name, value, expected) for row in (*self.rows, *self.ours) for value, expected in row.accepted
            ],
            ("name", "value"): [(row.name, value) for row in self.rows for value in row.rejected],
            ("settings", "problems"): list(self.problems),
            ("settings", "warnings"): list(self.warnings),
            ("settings", "read"): list(self.optimizers),
        }
        wanted = set(metafunc.fixturenames)
        for names, values in cases.items():
            if wanted == set(names):
                metafunc.parametrize(names, values, ids=[_shown(value) for value in values])

    def test_names_counted_and_tunable_are_the_documented_ones(self) -> None:
        documented = sorted((row.name, row.counted, row.tunable) for row in self.rows)
        assert sorted((row.name, row.default == "counted", row.tunable) for row in self.table.rows()) == documented

    def test_default_is_the_documented_one(self, row: Row) -> None:
        (shown,) = [other for other in self.table.rows() if other.name == row.name]
        assert shown.description
        assert shown.valid
        if row.counted:
            assert shown.default == "counted"
            return
        parsed = getattr(self.table.parse(self.required), row.name)
        assert parsed == row.default
        assert type(parsed) is type(row.default)
        if row.default is None or row.default == ():
            assert shown.default == ""
        else:
            assert getattr(self.table.parse({**self.required, row.name: shown.default}), row.name) == row.default

    def test_blank_means_unset(self, row: Row) -> None:
        for unset in ("", "  ", None):
            given = {**self.required, row.name: unset}
            if row.counted:
                with pytest.raises(SettingsError, match=f"{row.name} is left out and cannot be counted"):
                    self.table.parse(given)
            else:
                assert getattr(self.table.parse(given), row.name) == row.default

    def test_accepts(self, name: str, value: object, expected: object) -> None:
        parsed = self.table.parse({**self.required, name: value})
        found = getattr(parsed, name)
        assert found == expected
        assert type(found) is type(expected)
        texts = parsed.to_strings()
        assert all(isinstance(text, str) for text in texts.values())
        assert self.table.parse(texts) == parsed

    def test_what_is_unset_has_no_string(self) -> None:
        unset = {row.name for row in self.rows if not row.counted and (row.default is None or row.default == ())}
        assert not unset & self.table.parse(self.required).to_strings().keys()

    def test_rejects_in_one_sentence_that_names_it(self, name: str, value: object) -> None:
        with pytest.raises(SettingsError) as caught:
            self.table.parse({**self.required, name: value})
        (problem,) = caught.value.problems
        assert problem.startswith(f"Hyperparameter {name} is ")

    def test_relations_and_known_mistakes(self, settings: Mapping[str, str], problems: Sequence[str]) -> None:
        found: tuple[str, ...] = ()
        try:
            self.table.parse({**self.required, **settings})
        except SettingsError as error:
            found = error.problems
        assert len(found) == len(problems), found
        for problem, part in zip(found, problems, strict=True):
            assert part in problem
            assert "\n" not in problem
            assert len(problem) < 600

    def test_warnings(self, settings: Mapping[str, str], warnings: Sequence[str]) -> None:
        found = self.table.parse({**self.required, **settings}).warnings()
        assert len(found) == len(warnings), found
        for warning, part in zip(found, warnings, strict=True):
            assert part in warning

    def test_optimizer_settings(self, settings: Mapping[str, str], read: Mapping[str, float]) -> None:
        assert self.table.parse({**self.required, **settings}).optimizer_settings() == read


def _shown(values: tuple[Any, ...]) -> str:
    """Return a short name of a test for its values."""
    return "-".join(value.name if isinstance(value, Row) else str(value) for value in values)[:60]
