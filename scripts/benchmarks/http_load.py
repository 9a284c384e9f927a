"""HTTP clients that keep a server busy, and what it costs the server's processes."""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Load:
    """What the clients saw, and what a request cost the server's processes, which other work disturbs less."""

    requests: int
    errors: int
    requests_per_s: float
    p50_ms: float
    p99_ms: float
    cpu_ms_per_request: float


def load(port: int, pid: int, bodies: Sequence[bytes], clients: int, seconds: float) -> Load:
    """Keep-alive clients of 127.0.0.1 that send the next request when they have the answer."""
    return asyncio.run(_load(port, pid, bodies, clients, seconds))


async def _load(port: int, pid: int, bodies: Sequence[bytes], clients: int, seconds: float) -> Load:
    times_ms: list[float] = []
    errors = 0
    ends = time.monotonic() + seconds

    async def client(number: int) -> None:
        nonlocal errors
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        turn = number
        while time.monotonic() < ends:
            body = bodies[turn % len(bodies)]
            turn += 1
            started = time.monotonic()
            head = f"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: image/jpeg\r\nContent-Length: {len(body)}"
            writer.write(head.encode() + b"\r\n\r\n" + body)
            answer = await reader.readuntil(b"\r\n\r\n")
            found = re.search(rb"content-length: (\d+)", answer)
            assert found is not None, answer
            await reader.readexactly(int(found[1]))
            times_ms.append(1000 * (time.monotonic() - started))
            errors += not answer.startswith(b"HTTP/1.1 200")
        writer.close()

    started, cpu_s = time.monotonic(), cpu_seconds(pid)
    await asyncio.gather(*(client(number) for number in range(clients)))
    wall_s, cpu_s = time.monotonic() - started, cpu_seconds(pid) - cpu_s
    ordered = sorted(times_ms)
    p50_ms, p99_ms = (round(ordered[int(len(ordered) * share)], 1) for share in (0.5, 0.99))
    count = len(ordered)
    return Load(count, errors, round(count / wall_s, 2), p50_ms, p99_ms, round(1000 * cpu_s / count, 1))


def cpu_seconds(pid: int) -> float:
    """Processor time of a process and its children, so far."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    own = (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
    return own + sum(cpu_seconds(int(child)) for child in children)


def memory_mb(pid: int) -> dict[str, float]:
    """Memory of a process: resident, its share of what it has in common with others, and its own alone."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    kilobytes = {name: int(value) for name, value in re.findall(r"^(\w+): +(\d+) kB", text, re.MULTILINE)}
    names = {"resident_mb": "Rss", "proportional_mb": "Pss", "anonymous_mb": "Anonymous"}
    return {key: round(kilobytes[name] / 1024, 1) for key, name in names.items()}
