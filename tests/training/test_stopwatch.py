"""Times of an epoch on a clock that the test turns, and on a device whose work has a length."""

from __future__ import annotations

from typing import Self

import pytest
import torch

from vision.training.stopwatch import DeviceGaps, Stopwatch, Times, gaps_of


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


class Device:
    """Reaches an event when its work has come to it: ``now_s`` is the time, ``busy_until_s`` the end of its queue."""

    def __init__(self) -> None:
        self.now_s = self.busy_until_s = 0.0

    def __call__(self) -> float:
        return self.now_s

    def give(self, work_s: float) -> None:
        self.busy_until_s = max(self.busy_until_s, self.now_s) + work_s


class Event:
    def __init__(self, device: Device) -> None:
        self.device = device

    def record(self) -> None:
        self.at_s = max(self.device.now_s, self.device.busy_until_s)

    def query(self) -> bool:
        return self.device.now_s >= self.at_s

    def elapsed_time(self, later: Self, /) -> float:
        assert self.query() and later.query()
        return (later.at_s - self.at_s) * 1e3


def run(steps: list[tuple[float, float, float]]) -> tuple[Stopwatch, Device]:
    """Steps of (seconds that the host waits for images, that it works, that the device works)."""
    device = Device()
    watch = Stopwatch(device, DeviceGaps(lambda: Event(device)))
    watch.start()
    for wait_s, host_s, device_s in steps:
        device.now_s += wait_s
        watch.batch_ready()
        device.now_s += host_s
        device.give(device_s)
        watch.batch_done(1)
    # The host reads a result.
    device.now_s = max(device.now_s, device.busy_until_s)
    watch.stop()
    return watch, device


@pytest.mark.parametrize(
    ("steps", "idle_s"),
    [
        # The host waits long, but the device always has work: it costs only the first wait.
        ([(1.0, 0.1, 9.0), (5.0, 0.1, 9.0), (5.0, 0.1, 9.0)], 1.0),
        # The device is done after 2 of the 5 seconds, and stands idle for 3, both times.
        ([(0.0, 0.0, 2.0), (5.0, 0.0, 2.0), (5.0, 0.0, 2.0)], 6.0),
        # The host's own slowness is no waiting for images.
        ([(0.0, 4.0, 1.0), (0.5, 4.0, 1.0), (0.5, 4.0, 1.0)], 0.0),
    ],
)
def test_waiting_counts_as_far_as_the_device_was_idle(steps: list[tuple[float, float, float]], idle_s: float) -> None:
    watch, device = run(steps)
    assert watch.times().wait_seconds == pytest.approx(idle_s)
    assert watch.times().seconds == pytest.approx(device.now_s)


def test_an_epoch_starts_anew_and_what_the_device_has_not_reached_is_left_for_later() -> None:
    watch, device = run([(3.0, 0.0, 1.0)])
    watch.start()
    assert watch.times().wait_seconds == 0.0
    watch.batch_ready()
    device.give(10.0)
    watch.batch_done(1)
    device.now_s += 2.0
    watch.batch_ready()
    # The device is still at the first step.
    assert watch.times().wait_seconds == 0.0


def test_a_cpu_needs_no_marks() -> None:
    assert gaps_of(torch.device("cpu")) is None
