"""The search for a learning rate: its rates, and what it suggests from a curve."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.training.small_run import SmallRun
from vision.training.rate_range import RangeTried, RateCurve, RateRange

RATES = 10.0 ** np.linspace(-6, 0, 61)


@pytest.mark.parametrize(
    ("case", "losses", "suggestion"),
    [
        ("flat", np.ones(61), None),
        ("only rises", np.linspace(1, 3, 61), None),
        ("too few", np.linspace(1, 0.1, 10), None),
        # A step at rate 0.001, of which the average has gone half of the way seven rates later: 0.9**7 < 0.5.
        ("a step", np.where(np.arange(61) < 30, 1.0, 0.5), 0.004),
    ],
)
def test_suggestion(case: str, losses: np.ndarray, suggestion: float | None) -> None:
    assert RateCurve(RATES[: len(losses)], losses).suggestion == suggestion, case


def test_average_is_corrected_for_its_start() -> None:
    assert RateCurve(RATES[:3], np.array([2.0, 2.0, 2.0])).smooth_losses == pytest.approx([2.0, 2.0, 2.0])
    assert RateCurve(RATES[:2], np.array([1.0, 2.0])).smooth_losses[1] == pytest.approx((0.09 + 0.2) / 0.19)


def test_every_rate_has_an_update_and_parameters_keep_their_multiples(tmp_path: Path) -> None:
    tried = RateRange(0.001, 0.1, 5)
    run = SmallRun(tmp_path, callbacks=(tried,), run={"accumulate": 2, "base_rate_factor": 0.5}, epochs=3)
    seen: list[list[float]] = []
    original = RateRange.on_train_batch_start

    def note(self: RateRange, trainer: object, *args: object) -> None:
        original(self, trainer, *args)  # type: ignore[arg-type]
        seen.append(sorted({group["lr"] for group in run.trainer.optimizers[0].param_groups}))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RateRange, "on_train_batch_start", note)
        with pytest.raises(RangeTried):
            run.train()
    assert run.trainer.global_step == 5
    assert tried.curve.rates == pytest.approx([0.001, 0.1**2.5, 0.01, 0.1**1.5, 0.1])
    assert len(tried.curve.losses) == 5
    rates = np.repeat(tried.curve.rates, 2)
    assert [rate[1] for rate in seen] == pytest.approx(rates.tolist())
    assert [rate[0] for rate in seen] == pytest.approx((rates / 2).tolist())


def test_a_loss_that_explodes_ends_the_search(tmp_path: Path) -> None:
    tried = RateRange(0.1, 1e6, 40)
    with pytest.raises(RangeTried):
        SmallRun(tmp_path, callbacks=(tried,), epochs=10).train()
    assert 10 <= len(tried.curve.losses) < 40
