"""``vision doctor``: what this machine has for training, what is missing, and how fast it is."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import ClassVar, Literal, TypeAlias

from pydantic import Field

import vision
from vision.cli.assignments import read_assignments
from vision.nn.weights_files import PUBLISHED, PUBLISHED_COCO, candidates, torch_cache
from vision.settings.device import usable_cores
from vision.settings.file_names import local_path
from vision.settings.run import RunSettings
from vision.settings.table import SettingsTable

HELP = """\
Usage: vision doctor [name=value ...]

Says which Python, PyTorch, CUDA and driver are there, the memory of the GPUs, DALI, free disk space, which published
weights are found and under which file names the others are looked for, which extras are installed, and in about two
seconds how fast this machine reads images and trains.

  format            text (default) or json
  output            folder of the runs, whose disk is looked at (default: runs)
  weights_folder    folder of weights (default: that of run.weights_folder)

Example: vision doctor format=json"""

_GB = 1e9
_SPEED_TEST_S = 1.0
_STEP_IMAGES, _STEP_SIDE_PX = 8, 224
# A photo as cameras of telephones send it on: width and height.
_PHOTO_PX = (1024, 768)

Facts: TypeAlias = dict[str, str | int | float | bool | list[str] | dict[str, str | None] | None]


class DoctorSettings(SettingsTable):
    """Settings of ``vision doctor``."""

    NOUN: ClassVar[str] = "Setting"

    format: Literal["text", "json"] = Field("text", description="how to print")
    output: str = Field("runs", description="folder of the runs")
    weights_folder: str | None = Field(None, description="folder of weights")


def run(argv: Sequence[str]) -> int:
    """Look at the machine and print what was found. Return the exit status."""
    if {"-h", "--help"}.intersection(argv):
        print(HELP)
        return 0
    settings = DoctorSettings.parse(read_assignments(argv, tuple(DoctorSettings.model_fields), ()).names)
    given = settings.weights_folder
    weights_folder = RunSettings().weights_folder if given is None else local_path(given)
    found = {
        "versions": _versions(),
        "gpu": _gpus(),
        "memory_and_disk": _space(local_path(settings.output)),
        "weights": _weights(weights_folder),
        "extras": _extras(),
        "speed": _speed(),
    }
    print(json.dumps(found, indent=1) if settings.format == "json" else as_text(found))
    return 0


def as_text(found: dict[str, Facts]) -> str:
    """Return what was found, a line a fact under the titles of its parts."""
    lines = []
    for title, facts in found.items():
        lines.append(title.replace("_", " "))
        width = max(map(len, facts), default=0)
        for name, value in facts.items():
            first, *more = _shown(value)
            lines.append(f"  {name.replace('_', ' '):<{width}}  {first}")
            lines += [f"  {'':<{width}}  {one}" for one in more]
    return "\n".join(lines)


def _shown(value: object) -> list[str]:
    if isinstance(value, dict):
        return [f"{name}: {one or 'missing'}" for name, one in value.items()] or ["-"]
    if isinstance(value, list):
        return value or ["none"]
    return ["-" if value is None else "yes" if value is True else "no" if value is False else str(value)]


def _versions() -> Facts:
    import torch

    return {
        "vision": vision.__version__,
        "python": platform.python_version(),
        "system": platform.platform(),
        "torch": torch.__version__,
        "torchvision": installed("torchvision"),
        "pytorch_lightning": installed("pytorch-lightning"),
        "cuda_of_torch": torch.version.cuda,
        "driver": _driver(),
        "dali": next(filter(None, map(installed, _dali_packages())), None),
    }


def _dali_packages() -> list[str]:
    return [_name(line) for line in _requirements() if "dali" in line]


def _requirements() -> list[str]:
    """Return what the package and its extras need, as metadata of packages say it."""
    project = Path(vision.__file__).parents[1] / "pyproject.toml"
    if project.is_file():
        # A checkout: what was noted when it was installed grows old.
        found = tomllib.loads(project.read_text(encoding="utf-8"))["project"]
        extras = found["optional-dependencies"].items()
        return [*found["dependencies"], *(f"{line}; extra == '{name}'" for name, lines in extras for line in lines)]
    return metadata.requires("vision") or []


def _driver() -> str | None:
    """Return the version of NVIDIA's driver; None where there is none."""
    if shutil.which("nvidia-smi") is None:
        return None
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        told = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return told.stdout.split("\n")[0].strip() or None if told.returncode == 0 else None


def _gpus() -> Facts:
    import torch

    if not torch.cuda.is_available():
        why = "this PyTorch is built without CUDA" if torch.version.cuda is None else "PyTorch finds no GPU or driver"
        return {"usable": False, "why": why}
    found: Facts = {"usable": True}
    for number in range(torch.cuda.device_count()):
        free, total = torch.cuda.mem_get_info(number)
        name = torch.cuda.get_device_name(number)
        found[f"cuda:{number}"] = f"{name}, {free / _GB:.1f} of {total / _GB:.1f} GB free"
    return found


def _space(output: Path) -> Facts:
    from vision.data.cache.free_memory import free_memory_bytes

    # The runs' folder may not be there yet.
    place = next(folder for folder in (output.absolute(), *output.absolute().parents) if folder.exists())
    disk = shutil.disk_usage(place)
    return {
        "cores": usable_cores(),
        "free_memory_gb": round(free_memory_bytes() / _GB, 1),
        "output": str(output),
        "can_be_written": os.access(place, os.W_OK),
        "free_disk_gb": round(disk.free / _GB, 1),
    }


def _weights(folder: Path | None) -> Facts:
    """Return the file that training would take, or what is missing, by network."""
    looked_in = [str(place) for place in (folder, torch_cache()) if place is not None]
    found: dict[str, str | None] = {}
    missing = []
    for network, files in {**PUBLISHED, **PUBLISHED_COCO}.items():
        path = next((file for file, _ in candidates(network, files, folder, torch_cache()) if file.is_file()), None)
        if path is None:
            missing.append(f"{network}: {' or '.join(f'{file.stem}.pth' for file in files)}")
        else:
            found[network] = str(path)
    return {"looked_in": looked_in, "found": found, "missing": missing}


def _extras() -> Facts:
    """Return of each extra whether all it needs is installed, or what is not."""
    needs: dict[str, list[str]] = {}
    for line in _requirements():
        extra = re.search(r"extra == ['\"]([\w-]+)['\"]", line)
        if extra is not None:
            needs.setdefault(extra[1], []).append(line)
    found: Facts = {}
    for name in sorted(needs):
        absent = [package for package in _packages(name, needs) if installed(package) is None]
        found[name] = f"not installed: {', '.join(absent)}" if absent else "installed"
    return found


def _packages(extra: str, needs: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the packages of an extra, and of the extras that it takes in as ``vision[one,two]``."""
    found: dict[str, None] = {}
    for line in needs.get(extra, ()):
        others = re.match(r"vision\[([\w,-]+)\]", line)
        names = (
            [_name(line)]
            if others is None
            else [one for name in others[1].split(",") for one in _packages(name, needs)]
        )
        found.update(dict.fromkeys(names))
    return list(found)


def _name(requirement: str) -> str:
    """Return the package that a requirement such as ``onnx>=1.17; extra == 'export'`` is about."""
    return re.split(r"[^\w.-]", requirement.strip(), maxsplit=1)[0]


def installed(package: str) -> str | None:
    """Return the version of an installed package; None if it is not."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _speed() -> Facts:
    """Return images per second of one core reading photos, and of the device training a ResNet-18."""
    import cv2
    import numpy as np
    import torch

    from vision.data.image_codec import decode_rgb
    from vision.nn.resnet import ResNet

    width, height = _PHOTO_PX
    noise = np.random.default_rng(0).integers(0, 255, (height // 8, width // 8, 3), np.uint8)
    photo = cv2.imencode(".jpg", cv2.resize(noise, _PHOTO_PX))[1].tobytes()
    read = per_second(lambda: decode_rgb(photo, "photo") is None)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network = ResNet(18, 1000).to(device)
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-3)
    images = torch.zeros(_STEP_IMAGES, 3, _STEP_SIDE_PX, _STEP_SIDE_PX, device=device)

    def step() -> None:
        optimizer.zero_grad()
        network(images).mean().backward()
        optimizer.step()
        if device.type == "cuda":
            torch.cuda.synchronize()

    trained = _STEP_IMAGES * per_second(step)
    return {
        f"photos of {width}x{height} read by one core": f"{read:.0f} images/s",
        f"training of resnet-18 at {_STEP_SIDE_PX}x{_STEP_SIDE_PX} on {device.type}": f"{trained:.1f} images/s",
    }


def per_second(work: Callable[[], object], seconds: float = _SPEED_TEST_S) -> float:
    """Return how often a second ``work`` can be done, after once for warming up."""
    work()
    began, count = time.perf_counter(), 0
    while (spent := time.perf_counter() - began) < seconds or not count:
        work()
        count += 1
    return count / spent if spent > 0 else float(sys.maxsize)
