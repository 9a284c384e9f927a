"""A real ``vision serve`` process, and plain HTTP to it."""

from __future__ import annotations

import http.client
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

LONGEST_START_S = 120


class ServerProcess:
    """Starts on a free port of 127.0.0.1; ``log`` gathers what it says."""

    def __init__(
        self, model: Path, *settings: str, python: tuple[str, ...] = (), wait: bool = True, files: int | None = None
    ) -> None:
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        # With no more than so many open files.
        limit = () if files is None else ("sh", "-c", f'ulimit -n {files} && exec "$@"', "sh")
        command = [sys.executable, *python, "-m", "vision", "serve", f"model={model}", "port=0", "device=cpu"]
        self.process = subprocess.Popen(
            [*limit, *command, *settings],
            stderr=subprocess.PIPE,
            env=environment,
            text=True,
            errors="replace",
        )
        self.lines: list[str] = []
        self.port = 0
        self._has_port = threading.Event()
        threading.Thread(target=self._read, daemon=True).start()
        assert self._has_port.wait(LONGEST_START_S), self.log
        # What was answered before it was ready, by the status of /ping.
        self.pings: list[int] = []
        if wait:
            self.wait_until_ready()

    @property
    def log(self) -> str:
        return "".join(self.lines)

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(line)
            found = re.search(r" on http://127\.0\.0\.1:(\d+)", line)
            if found:
                self.port = int(found[1])
                self._has_port.set()
        self._has_port.set()

    def wait_until_ready(self) -> None:
        deadline_s = time.monotonic() + LONGEST_START_S
        while time.monotonic() < deadline_s:
            assert self.process.poll() is None, self.log
            self.pings.append(self.request("GET", "/ping")[0])
            if self.pings[-1] == 200:
                return
            time.sleep(0.1)
        raise AssertionError(f"not ready: {self.log}")

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    def request(
        self, method: str, path: str, body: bytes | None = None, **headers: str
    ) -> tuple[int, bytes, dict[str, str]]:
        """(status, body, headers in small letters). ``content_type`` means Content-Type."""
        return exchange(self.connect(), method, path, body, close=True, **headers)

    def invoke(self, body: bytes, **headers: str) -> tuple[int, bytes, dict[str, str]]:
        return self.request("POST", "/invocations", body, **headers)

    def stop(self) -> int:
        """SIGTERM, and the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def __enter__(self) -> ServerProcess:
        return self

    def __exit__(self, *failure: Any) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def exchange(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    body: bytes | None = None,
    *,
    close: bool = False,
    **headers: str,
) -> tuple[int, bytes, dict[str, str]]:
    """One request over a connection, which stays open unless ``close``."""
    connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
    response = connection.getresponse()
    content = response.read()
    if close:
        connection.close()
    return response.status, content, {name.lower(): value for name, value in response.getheaders()}
