"""The one path that all front doors take."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vision.api.comparison import compare
    from vision.api.cross_validation import CrossValidation, cross_validate
    from vision.api.evaluation import EvaluatedModel, evaluate, evaluate_model
    from vision.api.model import Model, load
    from vision.api.rate_finder import find_rate
    from vision.api.training_run import RunResult, train

__all__ = [
    "CrossValidation",
    "EvaluatedModel",
    "Model",
    "RunResult",
    "compare",
    "cross_validate",
    "evaluate",
    "evaluate_model",
    "find_rate",
    "load",
    "train",
]

_HOMES = {
    "compare": "comparison",
    "CrossValidation": "cross_validation",
    "cross_validate": "cross_validation",
    "EvaluatedModel": "evaluation",
    "evaluate": "evaluation",
    "evaluate_model": "evaluation",
    "find_rate": "rate_finder",
    "Model": "model",
    "load": "model",
    "RunResult": "training_run",
    "train": "training_run",
}


def __getattr__(name: str) -> Any:
    # Imported on first use: answering with a model needs nothing of training, which takes long to import.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
