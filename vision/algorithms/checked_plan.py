"""Checks the plan of a network, whether hyperparameters ask for it or a model folder holds it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from vision.settings.errors import UserError

P = TypeVar("P", bound=BaseModel)

IMPOSSIBLE = "These hyperparameters ask for an impossible network"
DAMAGED = "The model's plan of its network is damaged or made by another version"
_SHOWN = 3


def checked_plan(kind: type[P], values: Mapping[str, object], complaint: str) -> P:
    """Return the plan as a ``kind``. Raises UserError: the complaint and which values are wrong."""
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        problems = [
            f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}".removeprefix(": ")
            for problem in error.errors()[:_SHOWN]
        ]
        raise UserError(f"{complaint} ({'; '.join(problems)}).") from error
