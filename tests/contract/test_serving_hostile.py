"""Bodies that are damaged, lie or are meant to exhaust: each is a 4xx, and the next good request is answered."""

from __future__ import annotations

import json
import socket
import struct
import threading
import zlib
from collections import Counter
from collections.abc import Iterator

import numpy as np
import pytest

from tests.contract.server_process import ServerProcess, exchange
from tests.serving.small_model import picture
from vision.data.recordio.record import MAGIC, PART_HEADER, pack

GOOD = [picture(seed, suffix) for seed in range(4) for suffix in (".jpg", ".png")]
CLIENTS = 8


def png(width: int, height: int, rows: bytes) -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def bombs() -> list[bytes]:
    """Small files that declare, or really unpack to, far more than they hold."""
    zeros = zlib.compress(bytes(60_000_000))
    jpeg = picture(0)
    frame = jpeg.index(b"\xff\xc0")
    giant_jpeg = jpeg[: frame + 5] + b"\xff\xff\xff\xff" + jpeg[frame + 9 :]
    return [
        png(5000, 4000, zeros),
        png(2**31 - 1, 2**31 - 1, b""),
        png(0, 7, b""),
        giant_jpeg,
        b"GIF89a\xff\xff\xff\xff\xf7\0\0,\0\0\0\0\xff\xff\xff\xff\0\x02\0;",
        b"BM" + struct.pack("<IIIIii", 60, 0, 54, 40, 60000, 60000) + bytes(30),
        b"BM" + struct.pack("<IIIIii", 60, 0, 54, 40, -5, 2**31 - 1) + bytes(30),
        b"II*\0\x08\0\0\0\xff\xff" + bytes(40),
        b"RIFF\xff\xff\xff\xffWEBPVP8X\x0a\0\0\0\0\0\0\0" + b"\xff" * 6,
        PART_HEADER.pack(MAGIC, 0x1FFFFFFF) + b"x" * 100,
        PART_HEADER.pack(MAGIC, 1 << 29 | 4) + b"abcd" + PART_HEADER.pack(MAGIC, 4) + b"abcd",
        PART_HEADER.pack(MAGIC, 24) + struct.pack("<IfQQ", 0xFFFFFFFF, 0.0, 1, 1),
    ]


def hostile_bodies(count: int) -> Iterator[tuple[bytes, dict[str, str]]]:
    rng = np.random.default_rng(0)
    types = ("image/jpeg", "image/png", "application/x-image", "application/octet-stream", "application/x-recordio")
    traps = bombs()
    record = pack(1.0, 1, GOOD[0])
    framed = PART_HEADER.pack(MAGIC, len(record)) + record
    for number in range(count):
        headers = {"content_type": types[number % len(types)]}
        kind = number % 7
        good = GOOD[int(rng.integers(0, len(GOOD)))]
        if kind == 0:
            yield rng.bytes(int(rng.integers(0, 3000))), headers
        elif kind == 1:
            yield good[: int(rng.integers(0, len(good) - 12))], {"content_type": types[number % 4]}
        elif kind == 2:
            yield traps[int(rng.integers(0, len(traps)))], headers
        elif kind == 3:
            yield framed[: int(rng.integers(1, len(framed) - 8))], {"content_type": "application/x-recordio"}
        elif kind == 4:
            yield good[:16] + rng.bytes(int(rng.integers(0, 500))), headers
        elif kind == 5:
            yield good, {"content_type": f"text/{rng.bytes(8).hex()}"}
        else:
            yield good, {"accept": f"image/{'x' * int(rng.integers(1, 3000))}"}


@pytest.mark.parametrize("count", [5000])
def test_hostile_bodies_are_refused_and_the_next_good_one_is_answered(server: ServerProcess, count: int) -> None:
    statuses: Counter[int] = Counter()
    wrong: list[tuple[int, bytes]] = []
    bodies = hostile_bodies(count)
    lock = threading.Lock()

    def client() -> None:
        connection = server.connect()
        while True:
            with lock:
                body, headers = next(bodies, (b"", {}))
            if not headers:
                return
            status, content, _ = exchange(connection, "POST", "/invocations", body, **headers)
            with lock:
                statuses[status] += 1
                if not 400 <= status < 500 or "error" not in json.loads(content):
                    wrong.append((status, body[:40]))

    threads = [threading.Thread(target=client) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert statuses.total() == count
    assert server.invoke(GOOD[0])[0] == 200
    assert server.request("GET", "/ping")[0] == 200


def test_garbage_instead_of_http_harms_no_one(server: ServerProcess) -> None:
    rng = np.random.default_rng(1)
    openings = [
        rng.bytes(300),
        b"POST /invocations HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
        b"\x16\x03\x01" + bytes(200),
    ]
    for opening in openings:
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as raw:
            raw.sendall(opening)
            raw.shutdown(socket.SHUT_WR)
            answer = raw.recv(1000)
            assert answer == b"" or answer.startswith(b"HTTP/1.1 400")
    assert server.invoke(GOOD[0])[0] == 200
