"""Times of an epoch on a clock that the test turns."""

from __future__ import annotations

import pytest

from vision.training.stopwatch import Stopwatch, Times


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def run_steps(watch: Stopwatch, clock: Clock, steps: list[tuple[float, float]], images: int = 32) -> None:
    for wait, work in steps:
        clock.now += wait
        watch.batch_ready()
        clock.now += work
        watch.batch_done(images)


def test_waiting_and_working_are_told_apart() -> None:
    clock = Clock()
    watch = Stopwatch(clock)
    watch.start()
    run_steps(watch, clock, [(1.0, 3.0), (0.0, 3.0), (1.0, 2.0)])
    assert watch.times() == Times(seconds=10.0, wait_seconds=2.0, images=96)
    assert watch.times().images_per_second == pytest.approx(9.6)
    assert watch.times().data_wait_share == pytest.approx(0.2)


def test_stop_includes_the_time_the_device_still_needed_and_validation_does_not_count() -> None:
    clock = Clock()
    watch = Stopwatch(clock)
    watch.start()
    run_steps(watch, clock, [(1.0, 1.0)])
    clock.now += 2.0
    assert watch.stop().seconds == 4.0
    clock.now += 50.0
    assert watch.times().seconds == 4.0


def test_laps_are_the_stretches_between_reports() -> None:
    clock = Clock()
    watch = Stopwatch(clock)
    watch.start()
    run_steps(watch, clock, [(1.0, 1.0)])
    assert watch.lap() == Times(2.0, 1.0, 32)
    run_steps(watch, clock, [(0.0, 4.0)])
    assert watch.lap() == Times(4.0, 0.0, 32)
    assert watch.lap() == Times()


def test_every_epoch_starts_from_nothing() -> None:
    clock = Clock()
    watch = Stopwatch(clock)
    watch.start()
    run_steps(watch, clock, [(1.0, 1.0)])
    clock.now += 9.0
    watch.start()
    run_steps(watch, clock, [(1.0, 3.0)])
    assert watch.lap() == watch.times() == Times(4.0, 1.0, 32)


def test_no_time_gives_no_speed() -> None:
    assert Times().images_per_second == 0.0
    assert Times().data_wait_share == 0.0
