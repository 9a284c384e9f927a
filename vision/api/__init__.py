"""The one path that all front doors take."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vision.api.compare import compare
    from vision.api.cross_validation import CrossValidation, cross_validate
    from vision.api.evaluate import EvaluatedModel, evaluate, evaluate_model
    from vision.api.model import Model, load
    from vision.api.train import RunResult, train

__all__ = [
    "CrossValidation",
    "EvaluatedModel",
    "Model",
    "RunResult",
    "compare",
    "cross_validate",
    "evaluate",
    "evaluate_model",
    "load",
    "train",
]

_HOMES = {
    "compare": "compare",
    "CrossValidation": "cross_validation",
    "cross_validate": "cross_validation",
    "Model": "model",
    "load": "model",
    "EvaluatedModel": "evaluate",
    "evaluate": "evaluate",
    "evaluate_model": "evaluate",
    "RunResult": "train",
    "train": "train",
}


class _Api(ModuleType):
    """Loads what is asked for: to answer with a model needs nothing of training, which takes long to import."""

    def __getattr__(self, name: str) -> Any:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)

    def __setattr__(self, name: str, value: object) -> None:
        # Importing the files train.py, evaluate.py and compare.py must not put them in the place of their functions.
        if not (name in _HOMES and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Api
