"""JSON of answers: scores as short as they are exact."""

from __future__ import annotations

import json

import numpy as np


def json_scores(scores: np.ndarray) -> list[float]:
    """Return float32 [n] as the shortest decimals of the same float32 values: 0.1, not 0.10000000149011612."""
    return [float(str(score)) for score in scores.astype(np.float32, copy=False)]


def json_percent(share: float) -> float:
    """Return a share, 0..1, in percent, as short and as exact."""
    return float(str(np.float32(100 * share)))


def json_bytes(value: object) -> bytes:
    """Encode an answer; NaN, which JSON does not have, is an error of ours."""
    return json.dumps(value, allow_nan=False).encode()
