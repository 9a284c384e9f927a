"""Splits hyperparameters.json and the environment into SageMaker's hyperparameters and our run settings."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

RUN_PREFIX = "run."
RUN_VARIABLE = "VISION_RUN_"
# Written by the SDK's script mode, whose code does not run here.
_SCRIPT_MODE = "sagemaker_"
# The platform collects the log, and restarts a job after an interruption.
DEFAULTS = {"progress": "plain", "resume": "true"}


@dataclass(frozen=True)
class ContainerSettings:
    """Values by name, as strings, and ``problems``: a sentence for each setting that a container cannot have."""

    hyperparameters: dict[str, object]
    run: dict[str, object]
    problems: tuple[str, ...] = ()

    @classmethod
    def read(cls, values: Mapping[str, Any], environ: Mapping[str, str]) -> ContainerSettings:
        """Take run settings from ``VISION_RUN_<NAME>`` variables and from ``run.<name>`` keys, which win."""
        hyperparameters: dict[str, object] = {}
        run: dict[str, object] = dict(DEFAULTS)
        run |= {
            name.removeprefix(RUN_VARIABLE).lower(): value
            for name, value in environ.items()
            if name.startswith(RUN_VARIABLE)
        }
        for name, value in values.items():
            if name.startswith(RUN_PREFIX):
                run[name.removeprefix(RUN_PREFIX)] = plain_text(value)
            elif not name.startswith(_SCRIPT_MODE):
                hyperparameters[name] = plain_text(value)
        problems: tuple[str, ...] = ()
        if run.pop("output", None):
            problems = (
                "Run setting output has no place in a container, whose folders the platform fixes: leave it out.",
            )
        return cls(hyperparameters, run, problems)


def plain_text(value: object) -> object:
    """Return the value without the JSON quotes that some versions of the SDK put around it (``"\\"sgd\\""``)."""
    if isinstance(value, str) and len(value) >= 2 and value[0] == value[-1] == '"':
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value
