"""hyperparameters.json and the environment, taken apart into hyperparameters and run settings."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

RUN_PREFIX = "run."
RUN_VARIABLE = "VISION_RUN_"
# Written by the SDK's script mode, whose code does not run here.
_SCRIPT_MODE = "sagemaker_"
# The platform fixes the folder, reads the log, and starts a job anew after an interruption.
DEFAULTS = {"progress": "plain", "resume": "true"}


@dataclass(frozen=True)
class GivenHyperparameters:
    """Texts by name: SageMaker's hyperparameters, our run settings, and sentences about what cannot be meant."""

    hyperparameters: dict[str, object]
    run: dict[str, object]
    problems: tuple[str, ...] = ()

    @classmethod
    def read(cls, values: Mapping[str, Any], environ: Mapping[str, str]) -> GivenHyperparameters:
        """Run settings come from ``VISION_RUN_<NAME>`` variables and, stronger, from ``run.<name>`` keys."""
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
    """The value without the JSON quotes that some versions of the SDK put around texts (``"\\"sgd\\""``)."""
    if isinstance(value, str) and len(value) >= 2 and value[0] == value[-1] == '"':
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value
