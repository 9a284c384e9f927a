from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from vision.serving.batcher import Batcher, Cores, Share, batch_size, share_of, use_cores
from vision.settings.errors import UserError

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


def test_it_begins_in_the_thread_that_answers() -> None:
    threads: list[threading.Thread] = []

    def predict(images: list[np.ndarray], cores: int) -> list[Any]:
        threads.append(threading.current_thread())
        return list(images)

    async def scenario(batcher: Batcher) -> Any:
        return await asyncio.wait_for(batcher.submit(image(7)), LONG_S / 3)

    batcher = Batcher(predict, max_batch=4, max_wait_s=LONG_S, begin=lambda: threads.append(threading.current_thread()))
    asyncio.run(scenario(batcher))
    batcher.close()
    began, answered = threads
    assert began is answered is not threading.current_thread()


def test_one_that_cannot_begin_leaves_no_thread() -> None:
    threads: list[threading.Thread] = []

    def fail() -> None:
        threads.append(threading.current_thread())
        raise UserError("the memory does not suffice")

    with pytest.raises(UserError, match="does not suffice"):
        Batcher(Network(), max_batch=4, max_wait_s=LONG_S, cores=Cores(3), begin=fail)
    (first,) = threads
    first.join(LONG_S)
    assert not first.is_alive()


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


LONG_S = 30.0


@pytest.mark.parametrize(
    ("images", "free", "share"),
    [
        (1, 1, Share(cores=1, images=1)),
        (9, 1, Share(cores=1, images=9)),
        # A lone image has all cores; two have half each.
        (1, 4, Share(cores=4, images=1)),
        (2, 4, Share(cores=2, images=1)),
        (3, 4, Share(cores=1, images=1)),
        (4, 4, Share(cores=1, images=1)),
        (9, 4, Share(cores=1, images=3)),
        (0, 3, Share(cores=3, images=1)),
    ],
)
def test_shares(images: int, free: int, share: Share) -> None:
    assert share_of(images, free) == share


def test_shares_taken_in_turn_serve_every_image_and_no_core_twice() -> None:
    for waiting, cores in itertools.product(range(1, 20), range(1, 9)):
        images, free = waiting, cores
        while images > 0 and free:
            share = share_of(images, free)
            assert 1 <= share.cores <= free
            images -= share.images
            free -= share.cores
        assert images <= 0


def test_who_comes_when_all_are_taken_waits_and_sees_what_waits_then() -> None:
    cores = Cores(3)
    waiting = 1
    found: list[Share] = []

    def late() -> None:
        with cores.use(lambda: waiting) as share:
            found.append(share)

    with cores.use() as all_of_them:
        thread = threading.Thread(target=late)
        thread.start()
        thread.join(0.05)
        waiting = 6
    thread.join(LONG_S)
    assert (all_of_them, found) == (Share(3, 1), [Share(1, 2)])


def test_a_failure_gives_the_cores_back() -> None:
    cores = Cores(2)
    with pytest.raises(ValueError, match="broken"), cores.use():
        raise ValueError("broken")
    with cores.use() as share:
        assert share.cores == 2


def test_threads_keep_their_own_number_of_cores() -> None:
    before = torch.get_num_threads()
    entered, left = threading.Event(), threading.Event()
    found: list[int] = []

    def other() -> None:
        use_cores(3)
        entered.set()
        left.wait(LONG_S)
        found.append(torch.get_num_threads())

    thread = threading.Thread(target=other)
    thread.start()
    try:
        assert entered.wait(LONG_S)
        use_cores(2)
        assert torch.get_num_threads() == 2
        left.set()
        thread.join(LONG_S)
        assert found == [3]
    finally:
        torch.set_num_threads(before)
