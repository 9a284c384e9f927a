"""The Dockerfile's steps without Docker: the wheel in a place of its own, train and serve as the image runs them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from tests.contract.training_jobs import HYPERPARAMETERS, images, machine, records
from tests.free_ports import free_port
from vision.sagemaker.simulator import Simulator

ROOT = Path(__file__).parents[2]
LONGEST_START_S = 300
pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel's contents. What the wheel depends on is that of this environment."""
    base = tmp_path_factory.mktemp("image")
    uv = [sys.executable, "-m", "uv"]
    subprocess.run([*uv, "build", "--quiet", "--wheel", "--out-dir", base / "dist", ROOT], check=True)
    (wheel,) = (base / "dist").glob("*.whl")
    target = ["--python", sys.executable, "--target", str(base / "site")]
    subprocess.run([*uv, "pip", "install", "--quiet", "--no-deps", *target, wheel], check=True)
    return base / "site"


@pytest.fixture(scope="module")
def trained(place: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Simulator, int, str]:
    """A job that the entry point has run from that place."""
    folder = tmp_path_factory.mktemp("job")
    platform = machine(folder / "ml", PYTHONPATH=str(place))
    data = records(folder / "data").parent
    platform.write({**HYPERPARAMETERS, "epochs": 1}, {name: {"path": data} for name in ("train", "validation")})
    platform.start((sys.executable, "-P", "-m", "vision.sagemaker", "train"))
    return platform, *platform.finish(600)


def test_train_runs_from_the_wheel(trained: tuple[Simulator, int, str]) -> None:
    platform, status, output = trained
    assert status == 0, output
    assert (platform.prefix.model / "model.json").exists()


def test_serve_answers_with_what_was_trained(place: Path, trained: tuple[Simulator, int, str]) -> None:
    platform = trained[0]
    port = free_port()
    environment = {
        **os.environ,
        "PYTHONPATH": str(place),
        "SAGEMAKER_BASE_DIR": str(platform.folder),
        "SAGEMAKER_BIND_TO_PORT": str(port),
        "VISION_SERVE_DEVICE": "cpu",
        "OMP_NUM_THREADS": "1",
    }
    process = subprocess.Popen([sys.executable, "-P", "-m", "vision.sagemaker", "serve"], env=environment)
    try:
        wait_until_ready(port)
        label, png = next(images())
        headers = {"Content-Type": "application/x-image"}
        request = urllib.request.Request(f"http://127.0.0.1:{port}/invocations", png, headers)
        with urllib.request.urlopen(request, timeout=60) as answer:
            probabilities = json.load(answer)
        assert (len(probabilities), round(sum(probabilities), 4), label) == (2, 1.0, 0)
        process.terminate()
        assert process.wait(60) == 0
    finally:
        process.kill()


def wait_until_ready(port: int) -> None:
    deadline_s = time.monotonic() + LONGEST_START_S
    while time.monotonic() < deadline_s:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/ping", timeout=10) as answer:
                if answer.status == 200:
                    return
        except OSError:
            time.sleep(0.5)
    raise AssertionError("the server did not become ready")


def test_the_entry_point_knows_two_commands(place: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(place)}
    command = [sys.executable, "-P", "-m", "vision.sagemaker", "predict"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (2, "usage: train | serve; received predict\n")
