from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from vision.serving.batcher import Batcher, batch_size
from vision.serving.cores import Cores

LONG_S = 30.0


class Network:
    """Answers with the first pixel, and keeps the sizes of its batches; waits for ``gate`` before each."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, images: list[np.ndarray], cores: int) -> list[Any]:
        self.gate.wait(LONG_S)
        self.sizes.append(len(images))
        if any(image[0, 0, 0] == 13 for image in images):
            raise ValueError("unlucky")
        return [int(image[0, 0, 0]) for image in images]


def image(value: int) -> np.ndarray:
    return np.full((2, 2, 3), value, np.uint8)


def use(network: Network, scenario: Callable[[Batcher], Any], max_batch: int = 4, max_wait_s: float = LONG_S) -> Any:
    batcher = Batcher(network, max_batch=max_batch, max_wait_s=max_wait_s)
    try:
        return asyncio.run(scenario(batcher))
    finally:
        network.gate.set()
        batcher.close()


def test_a_lone_image_waits_for_nobody() -> None:
    async def scenario(batcher: Batcher) -> int:
        return await asyncio.wait_for(batcher.submit(image(7)), LONG_S / 3)

    assert use(Network(), scenario) == 7


def test_images_on_their_way_are_waited_for() -> None:
    network = Network()

    async def scenario(batcher: Batcher) -> list[int]:
        batcher.expect(3)
        futures = []
        for value in (1, 2, 3):
            futures.append(batcher.submit(image(value)))
            await asyncio.sleep(0.05)
            batcher.expect(-1)
        return await asyncio.gather(*futures)

    assert use(network, scenario) == [1, 2, 3]
    assert network.sizes == [2, 1]


def test_waiting_ends_when_what_was_expected_fails() -> None:
    async def scenario(batcher: Batcher) -> int:
        batcher.expect(2)
        future = batcher.submit(image(5))
        batcher.expect(-1)
        await asyncio.sleep(0.05)
        assert not future.done()
        batcher.expect(-1)
        return await asyncio.wait_for(future, LONG_S / 3)

    assert use(Network(), scenario) == 5


def test_waiting_ends_after_max_wait() -> None:
    async def scenario(batcher: Batcher) -> int:
        batcher.expect(1)
        return await asyncio.wait_for(batcher.submit(image(5)), LONG_S / 3)

    assert use(Network(), scenario, max_wait_s=0.02) == 5


def test_while_the_network_works_the_next_batches_gather_in_order() -> None:
    network = Network()
    network.gate.clear()

    async def scenario(batcher: Batcher) -> list[int]:
        first = batcher.submit(image(0))
        while len(batcher):
            await asyncio.sleep(0.001)
        rest = [batcher.submit(image(value)) for value in range(1, 8)]
        network.gate.set()
        return await asyncio.gather(first, *rest)

    assert use(network, scenario) == list(range(8))
    assert network.sizes == [1, 4, 2, 1]


def test_an_image_that_the_network_cannot_take_fails_alone() -> None:
    async def scenario(batcher: Batcher) -> list[Any]:
        batcher.expect(1)
        futures = [batcher.submit(image(value)) for value in (12, 13, 14)]
        batcher.expect(-1)
        return await asyncio.gather(*futures, return_exceptions=True)

    first, second, third = use(Network(), scenario)
    assert (first, third) == (12, 14)
    assert isinstance(second, ValueError)


def test_who_has_given_up_is_left_out() -> None:
    network = Network()
    network.gate.clear()

    async def scenario(batcher: Batcher) -> int:
        first = batcher.submit(image(0))
        while len(batcher):
            await asyncio.sleep(0.001)
        batcher.submit(image(1)).cancel()
        last = batcher.submit(image(2))
        network.gate.set()
        await first
        return await last

    assert use(network, scenario) == 2
    assert network.sizes == [1, 1]


def test_a_closed_batcher_has_answered_and_takes_no_more() -> None:
    async def scenario(batcher: Batcher) -> int:
        future = batcher.submit(image(3))
        await asyncio.to_thread(batcher.close)
        with pytest.raises(RuntimeError, match="unloaded"):
            batcher.submit(image(4))
        return await future

    assert use(Network(), scenario) == 3


@pytest.mark.parametrize(
    ("waiting", "max_batch", "size"),
    [(0, 16, 0), (1, 16, 1), (2, 16, 2), (3, 16, 2), (15, 16, 8), (16, 16, 16), (99, 12, 12), (11, 12, 8)],
)
def test_few_different_sizes(waiting: int, max_batch: int, size: int) -> None:
    assert batch_size(waiting, max_batch) == size


def test_health_ends_when_everything_fails_and_comes_back() -> None:
    async def scenario(batcher: Batcher) -> list[bool]:
        found = [batcher.is_healthy]
        for values in ([13] * 20, [1]):
            futures = [batcher.submit(image(value)) for value in values]
            await asyncio.gather(*futures, return_exceptions=True)
            found.append(batcher.is_healthy)
        return found

    assert use(Network(), scenario) == [True, False, True]


def test_lone_images_have_all_cores_and_many_are_spread_over_them() -> None:
    seen: list[tuple[int, int]] = []
    gate = threading.Event()

    def network(images: list[np.ndarray], cores: int) -> list[Any]:
        seen.append((len(images), cores))
        assert gate.wait(LONG_S)
        return [int(image[0, 0, 0]) for image in images]

    async def scenario() -> list[int]:
        first = batcher.submit(image(0))
        while not seen:
            await asyncio.sleep(0.001)
        rest = [batcher.submit(image(value)) for value in range(1, 9)]
        gate.set()
        await first
        return await asyncio.gather(*rest)

    batcher = Batcher(network, max_batch=16, max_wait_s=LONG_S, cores=Cores(2))
    try:
        assert asyncio.run(scenario()) == list(range(1, 9))
    finally:
        batcher.close()
    assert seen[:2] == [(1, 2), (4, 1)]
    assert sum(images for images, _ in seen) == 9
