"""Clients and proxies as they come: the same answers and the same refusals through each.

nginx, Java and curl are Debian's packages, which scripts/clients.sh installs; without one its tests are skipped.
"""

from __future__ import annotations

import http.client
import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.server_process import ServerProcess, exchange
from tests.free_ports import free_port
from tests.serving.small_model import picture

LONGEST_S = 60
# A good image, one that is none, and two that are too large: before and after max_payload_mb of the server.
BODIES = {"image": picture(1), "text": b"no image", "large": bytes(3 << 20)}
STATUSES = {"image": 200, "text": 400, "large": 413}


def need(program: str) -> str:
    found = shutil.which(program) or shutil.which(program, path="/usr/sbin")
    if found is None:
        pytest.skip(f"{program} is not installed: scripts/clients.sh does it")
    return found


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("bodies")
    for name, body in BODIES.items():
        (folder / name).write_bytes(body)
    return {name: folder / name for name in BODIES}


@pytest.fixture(scope="module")
def expected(server: ServerProcess) -> dict[str, tuple[int, object]]:
    found = {name: server.invoke(body, content_type="application/octet-stream") for name, body in BODIES.items()}
    return {name: (status, json.loads(body)) for name, (status, body, _) in found.items()}


def test_the_plain_answers(expected: dict[str, tuple[int, object]]) -> None:
    assert {name: status for name, (status, _) in expected.items()} == STATUSES


@pytest.mark.parametrize("options", [(), ("--http1.0",), ("-H", "Expect: 100-continue"), ("-H", "Connection: close")])
@pytest.mark.parametrize("name", BODIES)
def test_curl(
    server: ServerProcess,
    files: dict[str, Path],
    expected: dict[str, tuple[int, object]],
    name: str,
    options: tuple[str, ...],
) -> None:
    command = [need("curl"), "-sS", "--noproxy", "*", "-w", "\n%{http_code}", *options]
    kind = ("-H", "Content-Type: application/octet-stream")
    address = f"http://127.0.0.1:{server.port}/invocations"
    done = subprocess.run(
        [*command, *kind, "--data-binary", f"@{files[name]}", address], capture_output=True, timeout=LONGEST_S
    )
    body, _, status = done.stdout.rpartition(b"\n")
    assert (done.stderr, int(status), json.loads(body)) == (b"", *expected[name])


def test_java(server: ServerProcess, files: dict[str, Path], expected: dict[str, tuple[int, object]]) -> None:
    source = Path(__file__).with_name("DefaultClient.java")
    address = f"http://127.0.0.1:{server.port}/invocations"
    done = subprocess.run(
        [need("java"), str(source), address, *map(str, files.values())], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    answers = [line.partition(" ") for line in done.stdout.splitlines()]
    assert [(int(status), json.loads(body)) for status, _, body in answers] == [
        expected[name] for name in files for _ in range(2)
    ]


NGINX = """
daemon off; pid {folder}/pid; error_log {folder}/error.log; {user}
events {{ worker_connections 64; }}
http {{
    access_log off; client_max_body_size 0;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/f;
    uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
    upstream models {{ server 127.0.0.1:{port}; keepalive 4; }}
    server {{
        listen 127.0.0.1:{own};
        location / {{ proxy_pass http://127.0.0.1:{port}; }}
        location /named/ {{ proxy_pass http://models/; }}
        location /kept/ {{ proxy_pass http://models/; proxy_http_version 1.1; proxy_set_header Connection ""; }}
        location /streamed/ {{ proxy_pass http://127.0.0.1:{port}/; proxy_request_buffering off; }}
    }}
}}
"""


@pytest.fixture(scope="module")
def nginx(server: ServerProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of an nginx in front of the server, in the ways in which it is set up."""
    program, folder = need("nginx"), tmp_path_factory.mktemp("nginx")
    own = free_port()
    user = f"user {folder.owner()};" if folder.owner() == "root" else ""
    settings = folder / "nginx.conf"
    settings.write_text(NGINX.format(folder=folder, port=server.port, own=own, user=user))
    process = subprocess.Popen([program, "-e", str(folder / "error.log"), "-c", str(settings), "-p", str(folder)])
    try:
        deadline_s = time.monotonic() + LONGEST_S
        while time.monotonic() < deadline_s:
            assert process.poll() is None, (folder / "error.log").read_text()
            try:
                socket.create_connection(("127.0.0.1", own), timeout=5).close()
                break
            except ConnectionRefusedError:
                time.sleep(0.05)
        yield own
    finally:
        process.terminate()
        process.wait(LONGEST_S)


@pytest.mark.parametrize("way", ["", "/named", "/kept", "/streamed"])
@pytest.mark.parametrize("name", BODIES)
def test_nginx_in_front(nginx: int, expected: dict[str, tuple[int, object]], name: str, way: str) -> None:
    for _ in range(4):
        connection = http.client.HTTPConnection("127.0.0.1", nginx, timeout=LONGEST_S)
        kind = {"content_type": "application/octet-stream"}
        status, body, _headers = exchange(connection, "POST", f"{way}/invocations", BODIES[name], close=True, **kind)
        assert (status, json.loads(body)) == expected[name]


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/nothing", {}, 404),
        ("/invocations", {"accept": "text/csv"}, 406),
        ("/invocations", {"content_type": "text/csv"}, 415),
    ],
)
def test_refusals_of_large_bodies_come_through_nginx(
    nginx: int, path: str, headers: dict[str, str], status: int
) -> None:
    for way in ("", "/kept", "/streamed"):
        connection = http.client.HTTPConnection("127.0.0.1", nginx, timeout=LONGEST_S)
        found, body, _ = exchange(connection, "POST", way + path, BODIES["large"], close=True, **headers)
        assert found == status
        assert json.loads(body)["error"]
