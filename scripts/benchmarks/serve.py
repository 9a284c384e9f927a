"""``vision serve`` beside a plain handler: one-image JPEG requests of ResNet-18 at 224 in float32.

Both answer the same clients from the same model folder, in turn. The plain server is Starlette on uvicorn with torch's
own number of threads; its handler decodes and predicts one by one.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from importlib import metadata
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from comparison import Comparison
from environments import Environments
from http_load import Load, load, memory_mb
from measure import summary
from settings import Settings

from vision import algorithms
from vision.artifacts.model_description import ModelDescription
from vision.artifacts.model_folder import save_model

SETTINGS: dict[str, tuple[Any, str]] = {
    "rounds": (3, "repetitions of everything, in alternation"),
    "seconds": (20.0, "of the load that counts; half as long is spent on warming up"),
    "clients": (32, "at once"),
    "soak": (0.0, "seconds of 64 clients on our server at the end"),
    "server": ("", "settings of our server, such as max_batch=8,prepack=false"),
    "device": ("cpu", "of both"),
}

PLAIN = """
import sys, uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from vision.api.model import load
from vision.settings.run import RunSettings

model = load(sys.argv[1], RunSettings(device=sys.argv[3]))
model.predict(sys.stdin.buffer.read())

async def invocations(request):
    (found,) = model.predict(await request.body())
    return JSONResponse([float(p) for p in found.probabilities])

async def ping(request):
    return Response()

app = Starlette(routes=[Route("/invocations", invocations, methods=["POST"]), Route("/ping", ping)])
uvicorn.run(app, port=int(sys.argv[2]), log_level="warning")
"""
# No machine that is not broken takes longer.
LONGEST_START_S = 300
SOAK_CLIENTS, SOAK_PARTS = 64, 6


def write_model(folder: Path) -> Path:
    """ResNet-18 at 224 with random weights, ten classes."""
    algorithm = algorithms.get("image_classification")
    values = {"num_classes": 10, "num_training_samples": 10, "num_layers": 18, "image_shape": "3,224,224"}
    hp = algorithm.facts.hyperparameters.parse(values)
    plan = algorithm.architecture(hp)
    description = ModelDescription(
        algorithm=algorithm.facts.name,
        architecture=plan.model_dump(mode="json"),
        hyperparameters=hp.to_strings(),
        class_names=tuple("0123456789"),
        preprocessing=algorithm.preprocessing(hp, plan),
        metrics={},
        epoch=1,
    )
    save_model(folder, description, algorithm.build_network(plan).state_dict())
    return folder


def pictures() -> list[bytes]:
    """Photographs' size and detail: 500x375, about 70 KB."""
    rng = np.random.default_rng(0)
    coarse = [cv2.resize(rng.integers(0, 256, (24, 32, 3), np.uint8), (500, 375)) for _ in range(8)]
    noisy = [np.clip(image + rng.normal(0, 9, image.shape), 0, 255).astype(np.uint8) for image in coarse]
    return [cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes() for image in noisy]


class Server:
    """One side, started anew for each measurement; "vision" or "plain"."""

    def __init__(self, name: str, model: Path, settings: Settings) -> None:
        self.name = name
        self._model = str(model)
        self._settings = settings
        self._bodies = pictures()
        self.starts_s: list[float] = []
        self.idle: list[dict[str, float]] = []
        self.loads: list[Load] = []

    def measure(self) -> None:
        """A start, a load to warm up, and the load that counts."""
        seconds, clients = self._settings["seconds"], self._settings["clients"]
        with self.running() as (port, pid):
            load(port, pid, self._bodies, clients, seconds / 2)
            self.loads.append(load(port, pid, self._bodies, clients, seconds))
        print(self.name, self.starts_s[-1], self.loads[-1], os.getloadavg(), file=sys.stderr)

    def soak(self, seconds: float) -> dict[str, Any]:
        """Many clients for so long: errors, and memory in the course of it."""
        loads, memory = [], []
        with self.running() as (port, pid):
            for _ in range(SOAK_PARTS):
                loads.append(load(port, pid, self._bodies, SOAK_CLIENTS, seconds / SOAK_PARTS))
                memory.append(memory_mb(pid)["anonymous_mb"])
        found = {"clients": SOAK_CLIENTS, "requests": sum(found.requests for found in loads), "anonymous_mb": memory}
        return found | {"errors": sum(part.errors for part in loads), "p99_ms": max(part.p99_ms for part in loads)}

    @contextmanager
    def running(self) -> Iterator[tuple[int, int]]:
        """Port and process id of a started server."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        # Both choose their threads by themselves.
        environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
        started = time.monotonic()
        process = subprocess.Popen(self._command(port), stdin=subprocess.PIPE, env=environment)
        try:
            assert process.stdin is not None
            if self.name == "plain":
                process.stdin.write(self._bodies[0])
            process.stdin.close()
            while not _answers(port):
                assert process.poll() is None, f"the server {self.name} ended with status {process.returncode}"
                assert time.monotonic() < started + LONGEST_START_S, f"the server {self.name} does not answer"
                time.sleep(0.05)
            self.starts_s.append(round(time.monotonic() - started, 2))
            self.idle.append(memory_mb(process.pid))
            yield port, process.pid
        finally:
            process.terminate()
            process.wait()

    def _command(self, port: int) -> list[str]:
        device = self._settings["device"]
        if self.name == "plain":
            return [sys.executable, "-c", PLAIN, self._model, str(port), device]
        words = [word for word in self._settings["server"].split(",") if word]
        own = [f"model={self._model}", f"port={port}", f"device={device}"]
        return [sys.executable, "-m", "vision", "serve", *own, *words]

    def details(self) -> dict[str, Any]:
        """What the row does not say."""
        return {
            "start_s": asdict(summary(self.starts_s)),
            "idle_memory": {name: asdict(summary([found[name] for found in self.idle])) for name in self.idle[0]},
            "errors": sum(found.errors for found in self.loads),
            "loads": [asdict(found) for found in self.loads],
        }


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            connection.sendall(b"GET /ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            return connection.recv(12) == b"HTTP/1.1 200"
    except OSError:
        return False


def compare(settings: Settings, environments: Environments) -> Iterator[Comparison]:
    """Rounds of both in alternation, then the soak of ours."""
    versions = {package: metadata.version(package) for package in ("torch", "starlette", "uvicorn")}
    with tempfile.TemporaryDirectory() as folder:
        model = write_model(Path(folder) / "model")
        ours, plain = (Server(name, model, settings) for name in ("vision", "plain"))
        for number in range(settings["rounds"]):
            for server in (ours, plain) if number % 2 else (plain, ours):
                server.measure()
        details = {"ours": ours.details(), "theirs": plain.details()}
        if settings["soak"]:
            details["soak"] = ours.soak(settings["soak"])
    print({name: found for name, found in details["ours"].items() if name != "loads"}, file=sys.stderr)
    print(details.get("soak", ""), file=sys.stderr)
    peer = "plain handler"
    work = f"ResNet-18 at 224, {settings['clients']} clients"
    rates = [[found.requests_per_s for found in server.loads] for server in (ours, plain)]
    yield replace(Comparison.of(work, "requests/s", peer, *rates, 1.5, versions), details=details)
    slowest = [[1000 / found.p99_ms for found in server.loads] for server in (ours, plain)]
    yield Comparison.of(f"{work}, 99th percentile of times", "1/s", peer, *slowest, 1.0, versions)
