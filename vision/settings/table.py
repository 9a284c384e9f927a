"""A table of named settings, parsed from texts or typed values, with a sentence for each problem."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator, model_validator
from pydantic_core import PydanticCustomError
from pydantic_core.core_schema import ValidationInfo

from vision.settings.errors import SettingsError
from vision.settings.form import Form
from vision.settings.nearest import did_you_mean, nearest, plain, shown


@dataclass(frozen=True)
class Rule:
    """A condition on the settings ``names``. If all of them are valid, ``problem`` returns a sentence or None."""

    names: tuple[str, ...]
    problem: Callable[[Any], str | None]


class SettingsTable(BaseModel):
    """Base of the typed tables. Subclasses declare fields; ``NOUN`` names one of them in sentences."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, protected_namespaces=())

    NOUN: ClassVar[str] = "Setting"
    RULES: ClassVar[tuple[Rule, ...]] = ()
    IGNORED: ClassVar[frozenset[str]] = frozenset()
    """Names that are accepted without effect."""

    @classmethod
    @functools.cache
    def forms(cls) -> dict[str, Form]:
        """Return the form of each field, by name."""
        return {name: Form.of(field) for name, field in cls.model_fields.items()}

    @classmethod
    def parse(cls, values: Mapping[str, object]) -> Self:
        """Parse texts, as a container gives them, or typed values; "" and None mean unset.

        Raises SettingsError with one sentence for each problem.
        """
        problems: list[str] = []
        given: dict[str, object] = {}
        for name, value in values.items():
            if name not in cls.model_fields:
                if name not in cls.IGNORED:
                    problems.append(cls._unknown(str(name), value))
            elif not (value is None or (isinstance(value, str) and not value.strip())):
                given[name] = value
        sound: dict[str, object] = {}
        try:
            settings = cls.model_validate(given, context=sound)
        except ValidationError as error:
            broken = {str(item["loc"][0]) for item in error.errors(include_url=False) if item["loc"]}
            problems += [cls._wrong(name, given) for name in cls.model_fields if name in broken]
            partial = cls.model_construct(**sound)  # type: ignore[arg-type]
            problems += cls._broken_rules(partial, broken)
        if problems:
            raise SettingsError(problems)
        return settings

    @classmethod
    def read_text(cls, name: str, form: Form, value: object) -> object:
        """Convert a given value to the field's type. Subclasses add spellings that only one field allows."""
        return form.read(value)

    @classmethod
    def hint(cls, name: str, value: object) -> str | None:
        """Return a sentence that replaces the general one for a known mistake, else None."""
        return None

    def to_strings(self) -> dict[str, str]:
        """Return every value that is set, as hyperparameters.json would have it."""
        fields, forms = type(self).model_fields, self.forms()
        values = {name: getattr(self, name) for name in fields}
        return {
            name: forms[name].write(value)
            for name, value in values.items()
            if value is not None and not (value == () and fields[name].default == ())
        }

    @field_validator("*", mode="before")
    @classmethod
    def _read(cls, value: object, info: ValidationInfo) -> object:
        assert info.field_name is not None
        return None if value is None else cls.read_text(info.field_name, cls.forms()[info.field_name], value)

    @field_validator("*", mode="after")
    @classmethod
    def _note_sound(cls, value: object, info: ValidationInfo) -> object:
        # parse() looks at relations between the sound fields even when others are wrong.
        if info.context is not None and info.field_name is not None:
            info.context[info.field_name] = value
        return value

    @model_validator(mode="after")
    def _hold_rules(self) -> Self:
        problems = self._broken_rules(self, set())
        if problems:
            raise PydanticCustomError("rule", "{text}", {"text": " ".join(problems)})
        return self

    @classmethod
    def _broken_rules(cls, settings: SettingsTable, broken: set[str]) -> list[str]:
        sentences = [rule.problem(settings) for rule in cls.RULES if not broken.intersection(rule.names)]
        return [sentence for sentence in sentences if sentence]

    @classmethod
    def _unknown(cls, name: str, value: object) -> str:
        advice = did_you_mean(name, cls.model_fields)
        if nearest(name, cls.model_fields) == plain(name):
            advice = f"write it {plain(name)}, in small letters with underscores."
        return cls.hint(name, value) or f"{cls.NOUN} {shown(name)} is unknown: {advice}"

    @classmethod
    def _wrong(cls, name: str, given: Mapping[str, object]) -> str:
        field, form = cls.model_fields[name], cls.forms()[name]
        examples = field.examples or form.choices or [form.write(field.get_default())]
        if name not in given:
            general = f"{cls.NOUN} {name} is required but missing"
            return cls.hint(name, None) or f"{general}: give {form.valid}, for example {name}={examples[0]}."
        value = given[name]
        close = nearest(value, map(str, form.choices)) if isinstance(value, str) else None
        advice = f"did you mean {name}={close}?" if close else f"give for example {name}={examples[0]}."
        general = f"{cls.NOUN} {name} is {shown(value)} but must be {form.valid}: {advice}"
        return cls.hint(name, value) or general
