from __future__ import annotations

import numpy as np

from tests.training.optimizer_cases import CASES, problem
from tests.training.test_optimizer import trajectory


def test_every_update_rule_is_mxnet_s(oracle, seed, tmp_path, report) -> None:
    start, gradients = problem(seed)
    np.save(tmp_path / "weights.npy", start)
    np.save(tmp_path / "gradients.npy", gradients)
    cases = {
        name: {"optimizer": case.optimizer, "settings": dict(case.mxnet), "steps": list(case.steps)}
        for name, case in CASES.items()
    }
    found = oracle("update_weights", cases=cases)
    for name, case in CASES.items():
        ours, theirs = trajectory(name, seed) - start, found[name] - start
        report(name, ours, theirs)
        atol = 1.5e-6 + case.tolerance * np.abs(theirs).max()
        np.testing.assert_allclose(ours, theirs, rtol=case.tolerance, atol=atol)
