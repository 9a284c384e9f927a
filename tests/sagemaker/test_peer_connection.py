from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.free_ports import free_port
from vision.sagemaker.hosts import Hosts
from vision.sagemaker.peer_connection import LostMachine, PeerConnection
from vision.settings.errors import UserError

NAMES = ("127.0.0.1", "localhost")


@pytest.fixture
def lines() -> Iterator[tuple[PeerConnection, PeerConnection]]:
    """The lines of two machines, connected."""
    port = free_port()
    first, second = (PeerConnection(Hosts(NAMES, name), port, timeout_s=30) for name in NAMES)
    with ThreadPoolExecutor() as pool:
        # The master comes second, so that the other has to try again.
        late = pool.submit(second.connect)
        first.connect()
        late.result()
        yield first, second
        # Together, since each waits for the other's end.
        list(pool.map(lambda line: line.finish(in_order=False), (first, second)))


def lost_within(line: PeerConnection, seconds: float, silence_s: float | None = None) -> LostMachine | None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        lost = line.lost(silence_s)
        if lost is not None:
            return lost
        time.sleep(0.01)
    return None


def test_nobody_is_lost_while_all_work(lines: tuple[PeerConnection, PeerConnection]) -> None:
    assert [line.lost() for line in lines] == [None, None]


def test_a_machine_that_ends_without_a_word_is_lost(lines: tuple[PeerConnection, PeerConnection]) -> None:
    first, second = lines
    second.finish(in_order=False)
    assert lost_within(first, 10) == LostMachine("localhost")


def test_the_loss_of_the_first_is_seen_too(lines: tuple[PeerConnection, PeerConnection]) -> None:
    first, second = lines
    first.finish(in_order=False)
    assert lost_within(second, 10) == LostMachine("127.0.0.1")


def test_a_machine_that_is_done_is_not_lost(lines: tuple[PeerConnection, PeerConnection]) -> None:
    first, second = lines
    with ThreadPoolExecutor() as pool:
        ended = pool.submit(second.finish, in_order=True)
        assert lost_within(first, 0.3) is None
        # It has its answer as soon as the first has listened.
        ended.result(timeout=1)


@pytest.mark.parametrize(("in_order", "last"), [(True, b"done\n"), (False, b"")])
def test_the_end_is_no_reset_though_heartbeats_are_unread(in_order: bool, last: bytes) -> None:
    """Closed with bytes unread, a connection is reset: the last word may be lost with a packet, or not be read."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        theirs = socket.create_connection(server.getsockname())
        ours, _ = server.accept()
    line = PeerConnection(Hosts(NAMES, NAMES[0]), 1, timeout_s=30)
    line._keep("localhost", ours)
    theirs.sendall(b"beat\n" * 3)
    with ThreadPoolExecutor() as pool, theirs:
        theirs.settimeout(10)
        ended = pool.submit(line.finish, in_order=in_order)
        with theirs.makefile("rb") as received:
            assert received.read() == last
        theirs.shutdown(socket.SHUT_WR)
        ended.result(timeout=10)


def test_a_silent_machine_is_lost(lines: tuple[PeerConnection, PeerConnection]) -> None:
    first, second = lines
    lost = lost_within(first, 20, silence_s=1.5)
    assert lost is not None
    assert lost.name == "localhost"
    assert lost.silent_s >= 1.5  # type: ignore[operator]
    # It hears what was said to it before it judges.
    assert lost_within(second, 0.1, silence_s=1.0) is None


def test_the_machine_that_is_blamed_is_the_one_that_is_gone(lines: tuple[PeerConnection, PeerConnection]) -> None:
    first, second = lines
    second.hosts = Hosts((*NAMES, "third"), "localhost")
    first.report_lost("third")
    first.finish(in_order=False)
    assert lost_within(second, 10) == LostMachine("third")


def test_one_machine_needs_no_line() -> None:
    line = PeerConnection(Hosts(), 1, timeout_s=0)
    line.connect()
    assert line.lost() is None


NEVER = [
    ("127.0.0.1", "machine localhost did not call machine 127.0.0.1 within 0.2 s"),
    ("localhost", "machine localhost cannot reach machine 127.0.0.1 at port"),
]


@pytest.mark.parametrize(("current", "sentence"), NEVER)
def test_a_machine_that_never_comes_is_a_sentence(current: str, sentence: str) -> None:
    port = free_port()
    with pytest.raises(UserError) as caught:
        PeerConnection(Hosts(NAMES, current), port, timeout_s=0.2).connect()
    assert sentence in str(caught.value)
