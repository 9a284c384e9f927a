"""Measure ``vision serve`` beside a plain handler, in alternation: python scripts/benchmark_serve.py [seconds=20].

Both answer one-image JPEG requests of ResNet-18 at 224 in float32 on the CPU, from the same model folder, to the same
clients on the same machine. The plain server is Starlette on uvicorn, decoding and predicting one by one in the
handler. ``soak=60`` then sends 64 clients to ours for so many seconds. Prints JSON.
"""

from __future__ import annotations

import asyncio
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from vision import algorithms
from vision.artifacts.model_description import ModelDescription
from vision.artifacts.model_folder import save_model

PLAIN = """
import sys, uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from vision.api.model import load

model = load(sys.argv[1])

async def invocations(request):
    (found,) = model.predict(await request.body())
    return JSONResponse([float(p) for p in found.probabilities])

async def ping(request):
    return Response()

app = Starlette(routes=[Route("/invocations", invocations, methods=["POST"]), Route("/ping", ping)])
uvicorn.run(app, port=int(sys.argv[2]), log_level="warning")
"""
PORT = 18080


@dataclass(frozen=True)
class Load:
    """What the clients saw, and what a request cost the server's processes, which other work disturbs less."""

    requests_per_s: float
    p50_ms: float
    p99_ms: float
    errors: int
    cpu_ms_per_request: float


def write_model(folder: Path) -> Path:
    algorithm = algorithms.get("image_classification")
    values = {"num_classes": 10, "num_training_samples": 10, "num_layers": 18, "image_shape": "3,224,224"}
    hp = algorithm.hyperparameters.parse(values)
    plan = algorithm.architecture(hp)
    description = ModelDescription(
        algorithm=algorithm.name,
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
    """Photographs' size and detail: 500x375, about 50 KB."""
    rng = np.random.default_rng(0)
    coarse = [cv2.resize(rng.integers(0, 256, (24, 32, 3), np.uint8), (500, 375)) for _ in range(8)]
    noisy = [np.clip(image + rng.normal(0, 9, image.shape), 0, 255).astype(np.uint8) for image in coarse]
    return [cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes() for image in noisy]


def start(command: list[str]) -> tuple[subprocess.Popen[bytes], float]:
    """The process, and seconds until /ping is 200."""
    started = time.monotonic()
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    while True:
        assert process.poll() is None, "the server ended"
        answered = subprocess.run(
            ["curl", "-s", "-o", os.devnull, "-w", "%{http_code}", f"http://127.0.0.1:{PORT}/ping"],
            capture_output=True,
            check=False,
        )
        if answered.stdout == b"200":
            return process, time.monotonic() - started
        time.sleep(0.1)


async def load(pid: int, clients: int, seconds: float) -> Load:
    """Keep-alive clients that send the next request when they have the answer."""
    times: list[float] = []
    errors = 0
    bodies = pictures()
    ends = time.monotonic() + seconds

    async def client(number: int) -> None:
        nonlocal errors
        reader, writer = await asyncio.open_connection("127.0.0.1", PORT)
        turn = number
        while time.monotonic() < ends:
            body = bodies[turn % len(bodies)]
            turn += 1
            started = time.monotonic()
            head = f"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: image/jpeg\r\nContent-Length: {len(body)}"
            writer.write(head.encode() + b"\r\n\r\n" + body)
            answer = await reader.readuntil(b"\r\n\r\n")
            found = re.search(rb"content-length: (\d+)", answer)
            assert found is not None
            await reader.readexactly(int(found[1]))
            times.append(time.monotonic() - started)
            errors += not answer.startswith(b"HTTP/1.1 200")
        writer.close()

    started, cpu_s = time.monotonic(), cpu_seconds(pid)
    await asyncio.gather(*(client(number) for number in range(clients)))
    wall_s, cpu_s = time.monotonic() - started, cpu_seconds(pid) - cpu_s
    ordered = sorted(times)
    p50, p99 = (1000 * ordered[int(len(ordered) * share)] for share in (0.5, 0.99))
    return Load(
        round(len(times) / wall_s, 2), round(p50, 1), round(p99, 1), errors, round(1000 * cpu_s / len(times), 1)
    )


def cpu_seconds(pid: int) -> float:
    """Processor time of a process and its children, so far."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    own = (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
    return own + sum(cpu_seconds(int(child)) for child in children)


def memory_mb(pid: int) -> dict[str, float]:
    """Resident and proportional memory of a process, in MB."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    names = {"resident_mb": "Rss", "proportional_mb": "Pss", "anonymous_mb": "Anonymous"}
    return {key: round(int(re.search(rf"{name}: +(\d+)", text)[1]) / 1024, 1) for key, name in names.items()}  # type: ignore[index]


def main(argv: list[str]) -> None:
    options: dict[str, str] = dict(word.split("=", 1) for word in argv)
    seconds, rounds = float(options.pop("seconds", "20")), int(options.pop("rounds", "3"))
    clients, soak_s = int(options.pop("clients", "32")), float(options.pop("soak", "0"))
    settings = [f"{name}={value}" for name, value in options.items()]
    report: dict[str, Any] = {"settings": settings, "clients": clients, "seconds": seconds}
    report |= {"torch": torch.__version__, "machine": f"{platform.processor()} x{os.cpu_count()}"}
    results: dict[str, list[Load]] = {"plain": [], "vision": []}
    with tempfile.TemporaryDirectory() as folder:
        model = str(write_model(Path(folder) / "model"))
        ours = [sys.executable, "-m", "vision", "serve", f"model={model}", f"port={PORT}", "device=cpu", *settings]
        commands = {"plain": [sys.executable, "-c", PLAIN, model, str(PORT)], "vision": ours}
        report["load_average_before"] = os.getloadavg()
        for _ in range(rounds):
            for name, command in commands.items():
                process, start_s = start(command)
                report.setdefault("start_s", {}).setdefault(name, []).append(round(start_s, 2))
                report.setdefault("idle_memory", {})[name] = memory_mb(process.pid)
                # The network prepares itself for each batch size that it has not seen.
                asyncio.run(load(process.pid, clients, seconds / 2))
                results[name].append(asyncio.run(load(process.pid, clients, seconds)))
                print(name, results[name][-1], os.getloadavg(), file=sys.stderr)
                process.terminate()
                process.wait()
        if soak_s:
            report["soak"] = soak(ours, soak_s)
    for name, loads in results.items():
        report[name] = [asdict(found) for found in loads]
    medians = {name: statistics.median(found.requests_per_s for found in loads) for name, loads in results.items()}
    report["ratio"] = round(medians["vision"] / medians["plain"], 3)
    report["load_average_after"] = os.getloadavg()
    print(json.dumps(report, indent=1))


def soak(command: list[str], seconds: float) -> dict[str, Any]:
    """64 clients on our server: errors, and memory in the course of it."""
    process, _ = start(command)
    memory = []
    loads = []
    for _ in range(6):
        loads.append(asyncio.run(load(process.pid, 64, seconds / 6)))
        memory.append(memory_mb(process.pid)["anonymous_mb"])
    process.terminate()
    process.wait()
    return {"loads": [asdict(found) for found in loads], "anonymous_mb": memory}


if __name__ == "__main__":
    main(sys.argv[1:])
