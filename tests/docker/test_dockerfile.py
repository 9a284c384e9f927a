"""What the image's recipe says, read without Docker."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "docker"
Instruction = tuple[str, str]


def stages() -> dict[str, tuple[str, list[Instruction]]]:
    """Name of each stage -> (what it is made from, its instructions)."""
    text = (DOCKER / "Dockerfile").read_text().replace("\\\n", " ")
    found: dict[str, tuple[str, list[Instruction]]] = {}
    for line in text.splitlines():
        word, _, rest = line.strip().partition(" ")
        if word == "FROM":
            origin, _, name = rest.partition(" AS ")
            found[name] = (origin, [])
        elif word and not word.startswith("#") and found:
            found[next(reversed(found))][1].append((word, " ".join(rest.split())))
    return found


def whole(name: str) -> list[Instruction]:
    """The instructions of a stage and of those that it is made from."""
    made = stages()
    origin, own = made[name]
    return [*(whole(origin) if origin in made else []), *own]


def test_hadolint_finds_nothing() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    command = [hadolint, "--config", DOCKER / ".hadolint.yaml", DOCKER / "Dockerfile"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("target", ["train", "serve"])
def test_a_target_is_what_the_platform_needs(target: str) -> None:
    instructions = whole(target)
    (entrypoint,) = [rest for word, rest in instructions if word == "ENTRYPOINT"]
    # Exec form is a JSON list; a shell would keep SIGTERM for itself.
    assert json.loads(entrypoint) == ["python", "-m", "vision.sagemaker"]
    assert json.loads([rest for word, rest in instructions if word == "CMD"][-1]) == [target]
    labels = " ".join(rest for word, rest in instructions if word == "LABEL")
    for capability in ("accept-bind-to-port", "multi-models"):
        assert f"com.amazonaws.sagemaker.capabilities.{capability}=true" in labels
    assert any("VISION_ALGORITHM=${ALGORITHM}" in rest for word, rest in instructions if word == "ENV")
    assert not [rest for word, rest in instructions if word == "USER"]
    # Everything below it is the platform's.
    assert not [rest for _, rest in instructions if "/opt/ml" in rest]


@pytest.mark.parametrize("target", ["train", "serve"])
def test_no_build_tool_is_in_the_image(target: str) -> None:
    runs = [rest for word, rest in whole(target) if word == "RUN"]
    assert len(runs) == 1
    assert not [tool for tool in ("pip", "venv", "gcc", "build-essential", "git", "curl") if tool in runs[0]]
    assert "cuda" in (DOCKER / "Dockerfile").read_text().partition("FROM")[0]


@pytest.mark.parametrize("command", ["train", "serve"])
def test_the_platforms_commands_are_on_the_path_of_the_image_alone(command: str, tmp_path: Path) -> None:
    (step,) = [rest for word, rest in whole("build") if word == "RUN" and "printf" in rest]
    subprocess.run(["sh", "-c", step.replace("/opt/venv/bin", str(tmp_path))], check=True)
    path = os.pathsep.join((str(tmp_path), str(Path(sys.executable).parent), os.environ["PATH"]))
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([tmp_path / command, "--help"], env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"usage: {command} ")
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert list(scripts) == ["vision"]


def test_the_build_gets_only_what_it_copies() -> None:
    copied = {
        word
        for _, instructions in stages().values()
        for name, rest in instructions
        if name == "COPY" and "--from" not in rest
        for word in rest.split()[:-1]
    }
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in lines
    assert {line[1:] for line in lines if line.startswith("!")} == copied
    assert all((ROOT / path).exists() for path in copied)


def test_the_installed_extras_exist() -> None:
    extras = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"])
    text = (DOCKER / "Dockerfile").read_text()
    asked = {name for part in text.split(")[")[1:] for name in part.partition("]")[0].split(",")}
    assert {"serve", "track"} == asked <= extras


@pytest.mark.parametrize("script", ["build.sh", "try.sh", "push.sh"])
def test_scripts_are_sound_and_say_what_they_need(script: str) -> None:
    path = DOCKER / script
    assert subprocess.run(["bash", "-n", path]).returncode == 0
    done = subprocess.run([path], capture_output=True, text=True)
    assert done.returncode != 0
    assert "give" in done.stderr
