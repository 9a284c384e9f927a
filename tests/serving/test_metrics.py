from __future__ import annotations

import tempfile

import pytest

from vision.serving.metrics import Metrics, shared_bytes


def lines(metrics: Metrics) -> dict[str, float]:
    pairs = (line.rsplit(" ", 1) for line in metrics.text().splitlines() if not line.startswith("#"))
    return {name: float(value) for name, value in pairs}


def test_histogram_buckets_add_up() -> None:
    metrics = Metrics()
    for images, seconds in ((1, 0.01), (3, 0.2), (200, 99.0)):
        metrics.count_batch(images, seconds)
    found = lines(metrics)
    sizes = [found[f'vision_batch_images_bucket{{le="{bound}"}}'] for bound in ("1", "2", "4", "128", "+Inf")]
    assert sizes == [1, 1, 2, 2, 3]
    assert found["vision_batch_images_sum"] == 204
    assert found["vision_batch_images_count"] == 3
    assert found['vision_batch_seconds_bucket{le="0.01"}'] == 1
    assert found["vision_batch_seconds_sum"] == pytest.approx(99.21)


def test_unknown_statuses_count_as_500_and_idle_series_are_left_out() -> None:
    metrics = Metrics()
    metrics.count_request("invocations", 200, 0.1)
    metrics.count_request("invocations", 418, 0.1)
    counted = {name: value for name, value in lines(metrics).items() if name.startswith("vision_requests_total")}
    assert counted == {
        'vision_requests_total{route="invocations",status="200"}': 1,
        'vision_requests_total{route="invocations",status="500"}': 1,
    }


def test_every_family_is_declared_before_its_values() -> None:
    declared: set[str] = set()
    for line in Metrics().text().splitlines():
        if line.startswith("# TYPE "):
            declared.add(line.split()[2])
        elif not line.startswith("#"):
            name = line.split("{")[0].split()[0]
            assert any(name in (family, f"{family}_bucket", f"{family}_sum", f"{family}_count") for family in declared)


def test_workers_are_summed_whoever_answers() -> None:
    with tempfile.TemporaryFile() as memory:
        memory.truncate(shared_bytes(2))
        first, second = (Metrics(2, worker, memory.fileno()) for worker in range(2))
        first.count("vision_images_total", 'outcome="answered"')
        second.count("vision_images_total", 'outcome="answered"', by=2)
        second.put("vision_ready_workers", 1)
        for metrics in (first, second):
            assert lines(metrics)['vision_images_total{outcome="answered"}'] == 3
            assert lines(metrics)["vision_ready_workers"] == 1
        Metrics(2, 1, memory.fileno()).forget_gauges()
        assert lines(first)['vision_images_total{outcome="answered"}'] == 3
        assert lines(first)["vision_ready_workers"] == 0
