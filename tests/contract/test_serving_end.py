"""The end of a serving container: SIGTERM loses no accepted request; workers come back, and die with their parent."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.server_process import LONGEST_START_S, ServerProcess
from tests.serving.small_model import picture

IMAGE = picture(1)


@pytest.fixture(scope="module")
def two_workers(model_folder: Path) -> Iterator[ServerProcess]:
    with ServerProcess(model_folder, "workers=2") as process:
        _wait_for_workers(process, 2)
        yield process


def _children(process: ServerProcess) -> list[int]:
    path = Path(f"/proc/{process.process.pid}/task/{process.process.pid}/children")
    return [int(pid) for pid in path.read_text().split()]


def _wait_for_workers(process: ServerProcess, count: int) -> None:
    deadline_s = time.monotonic() + LONGEST_START_S
    while process.log.count("vision: ready") < count:
        assert time.monotonic() < deadline_s, process.log
        time.sleep(0.1)


def test_a_killed_worker_is_replaced_while_the_other_answers(two_workers: ServerProcess) -> None:
    first, _second = _children(two_workers)
    os.kill(first, signal.SIGKILL)
    # Connections that the killed worker had not taken are the other's.
    assert two_workers.invoke(IMAGE)[0] == 200
    _wait_for_workers(two_workers, 3)
    assert len(_children(two_workers)) == 2
    assert first not in _children(two_workers)
    assert two_workers.invoke(IMAGE)[0] == 200


def test_sigterm_answers_every_request_that_was_accepted(two_workers: ServerProcess) -> None:
    workers = _children(two_workers)
    request = b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(IMAGE)
    connections = [socket.create_connection(("127.0.0.1", two_workers.port), timeout=60) for _ in range(24)]
    halves, wholes = connections[:8], connections[8:]
    for half in halves:
        half.sendall(request + IMAGE[:100])
    time.sleep(0.3)
    for whole in wholes:
        whole.sendall(request + IMAGE)
    two_workers.process.send_signal(signal.SIGTERM)
    time.sleep(0.2)
    for half in halves:
        half.sendall(IMAGE[100:])
    answers = [connection.makefile("rb").read() for connection in connections]
    assert two_workers.process.wait(60) == 0
    assert [answer[:15] for answer in answers] == [b"HTTP/1.1 200 OK"] * 24
    assert all(len(json.loads(answer.split(b"\r\n\r\n", 1)[1])) == 3 for answer in answers)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", two_workers.port), timeout=5)
    assert not [pid for pid in workers if Path(f"/proc/{pid}/cmdline").exists()]


def test_workers_do_not_outlive_a_killed_parent(model_folder: Path) -> None:
    with ServerProcess(model_folder, "workers=2", wait=False) as process:
        workers = _children(process)
        while len(workers) < 2:
            workers = _children(process)
        process.process.kill()
        deadline_s = time.monotonic() + LONGEST_START_S
        while any(_is_alive(pid) for pid in workers):
            assert time.monotonic() < deadline_s
            time.sleep(0.1)


def test_a_broken_model_ends_the_container_with_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.json").write_text("{}")
    environment = {
        **os.environ,
        "SAGEMAKER_BASE_DIR": str(tmp_path),
        "SAGEMAKER_BIND_TO_PORT": "0",
        "VISION_SERVE_HOST": "127.0.0.1",
        "VISION_SERVE_DEVICE": "cpu",
    }
    command = [sys.executable, "-m", "vision.sagemaker", "serve"]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=LONGEST_START_S)
    assert ended.returncode == 2
    # It was not announced.
    assert "serving" not in ended.stderr
    assert f"vision: {tmp_path}/model/model.json is not the description of a model" in ended.stderr


def test_a_port_in_use_is_a_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        (tmp_path / "model.tar.gz").write_bytes(b"\x1f\x8b")
        process = ServerProcess(tmp_path, f"port={port}", wait=False)
        assert process.process.wait(LONGEST_START_S) == 2
        assert f"port {port} of 127.0.0.1 cannot be listened on (Address already in use)" in process.log


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except FileNotFoundError:
        return False
