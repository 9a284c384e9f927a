"""Runs MXNet 1.9.1 in its own environment; ``scripts/test.sh interop`` makes it."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
SYMBOLS = ROOT / "tests" / "fixtures" / "mxnet" / "full_symbols"

Oracle = Callable[..., dict[str, np.ndarray]]


@pytest.fixture
def seed() -> int:
    """Fresh for each run; pytest prints it when a test fails. VISION_INTEROP_SEED repeats a run."""
    value = int(os.environ.get("VISION_INTEROP_SEED") or int.from_bytes(os.urandom(4), "little"))
    print(f"VISION_INTEROP_SEED={value}")
    return value


@pytest.fixture
def oracle(tmp_path: Path) -> Oracle:
    """``oracle(task, **job)`` runs a task of oracle.py in ``tmp_path`` and returns the arrays it answered."""
    python = os.environ.get("VISION_MXNET_PYTHON") or str(ROOT / ".venv-mxnet" / "bin" / "python")

    def run(task: str, **job: Any) -> dict[str, np.ndarray]:
        (tmp_path / "job.json").write_text(json.dumps(job))
        (tmp_path / "answer.npz").unlink(missing_ok=True)
        command = [python, str(ROOT / "tests" / "interop_mxnet" / "oracle.py"), task, str(tmp_path)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-4000:]
        answer = tmp_path / "answer.npz"
        return dict(np.load(answer)) if answer.exists() else {}

    return run


@pytest.fixture
def report(record_property: Callable[[str, object], None]) -> Callable[[str, np.ndarray, np.ndarray], float]:
    """``report(name, ours, theirs)`` prints and records the largest differences; returns the relative one."""

    def measure(name: str, ours: np.ndarray, theirs: np.ndarray) -> float:
        assert ours.shape == theirs.shape, (name, ours.shape, theirs.shape)
        absolute = float(np.abs(ours - theirs).max(initial=0))
        relative = absolute / max(float(np.abs(theirs).max(initial=0)), 1e-12)
        print(f"{name}: max abs {absolute:.3g}, relative to the largest value {relative:.3g}")
        record_property(name, f"{absolute:.3g} {relative:.3g}")
        return relative

    return measure
