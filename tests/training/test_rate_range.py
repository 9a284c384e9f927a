"""The search for a learning rate: its rates, and what it suggests from a curve."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.training.small_run import SmallRun
from vision.training.rate_range import RangeTried, RateCurve, RateRange

RATES = 10.0 ** np.linspace(-6, 0, 61)


VALLEY = np.concatenate([np.full(20, 1.0), np.linspace(1, 0.3, 25), np.linspace(0.3, 3, 16)])


@pytest.mark.parametrize(
    ("case", "losses", "low", "high"),
    [
        # It falls from rate 1e-4 to 2.5e-2, and the average later still.
        ("a valley", VALLEY, 5e-4, 1e-2),
        ("a valley of noise", VALLEY + np.random.default_rng(0).normal(0, 0.1, 61), 5e-4, 1e-2),
        # It falls at once at rate 1e-3.
        ("a step", np.where(np.arange(61) < 30, 1.0, 0.5), 1e-3, 3e-2),
    ],
)
def test_suggested_is_the_middle_of_the_fall(case: str, losses: np.ndarray, low: float, high: float) -> None:
    suggestion = RateCurve(RATES, losses).suggestion
    assert suggestion is not None
    assert low <= suggestion <= high, case


@pytest.mark.parametrize(
    ("case", "losses"),
    [
        ("flat", np.ones(61)),
        ("only rises", np.linspace(1, 3, 61)),
        ("too few", np.linspace(1, 0.1, 15)),
        ("noise", np.random.default_rng(0).normal(1, 0.1, 61)),
    ],
)
def test_without_a_clear_fall_nothing_is_suggested(case: str, losses: np.ndarray) -> None:
    assert RateCurve(RATES[: len(losses)], losses).suggestion is None, case


def test_average_is_corrected_for_its_start() -> None:
    assert RateCurve(RATES[:3], np.array([2.0, 2.0, 2.0])).smooth_losses == pytest.approx([2.0, 2.0, 2.0])
    assert RateCurve(RATES[:2], np.array([1.0, 2.0])).smooth_losses[1] == pytest.approx(
        (0.98 * 0.02 + 0.04) / (1 - 0.98**2)
    )


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
