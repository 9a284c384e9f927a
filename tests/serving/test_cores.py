from __future__ import annotations

import itertools
import threading

import pytest
import torch

from vision.serving.cores import Cores, Share, share_of, use_cores

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
