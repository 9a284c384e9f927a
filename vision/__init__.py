"""SageMaker's built-in vision algorithms on PyTorch: the same hyperparameters and data, on your machine."""

from __future__ import annotations

import importlib
import importlib.metadata
import os
from typing import TYPE_CHECKING, Any

# albumentations otherwise asks the package registry for its newest version when imported.
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")

if TYPE_CHECKING:
    from vision.python import (
        compare,
        cross_validate,
        duplicates,
        evaluate,
        find_rate,
        fit,
        index,
        label_select,
        load,
        search,
        watch,
    )
    from vision.settings.errors import UserError

__all__ = [
    "UserError",
    "__version__",
    "compare",
    "cross_validate",
    "duplicates",
    "evaluate",
    "find_rate",
    "fit",
    "index",
    "label_select",
    "load",
    "search",
    "watch",
]


def __getattr__(name: str) -> Any:
    # Loaded when asked for: the functions need torch, which takes seconds to import.
    if name == "__version__":
        return importlib.metadata.version("vision")
    if name == "UserError":
        return importlib.import_module("vision.settings.errors").UserError
    if name in __all__:
        return getattr(importlib.import_module("vision.python"), name)
    raise AttributeError(f"module 'vision' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
