"""Reads inputdataconfig.json and the folder input/data into values for ``Channel.parse``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vision.settings.channels import ChannelFacts

# Channels that the SDK's script mode adds; they hold no images.
_SCRIPT_MODE = frozenset({"code", "sm_drivers"})
_PIPE = "Pipe"


def read_channels(
    config: Mapping[str, Any], data: Path, machines: int, declared: Sequence[ChannelFacts]
) -> tuple[dict[str, object], list[str]]:
    """Return (values by channel name, problems) of an algorithm that declares these channels.

    Without a config file, folders and pipes in ``data`` are channels.
    """
    described = dict(config) or {name: {} for name in _found(data, declared)}
    values: dict[str, object] = {}
    problems: list[str] = []
    for name, settings in described.items():
        if name in _SCRIPT_MODE:
            continue
        if not isinstance(settings, Mapping):
            problems.append(f"Channel {name} is {settings!r:.80} in inputdataconfig.json but must be a JSON object.")
            continue
        values[name] = _value(name, settings, data)
        problems += _sharding_problems(name, settings, machines)
    required = [channel.name for channel in declared if channel.required]
    missing = [name for name in required if name not in described]
    given = ", ".join(described) or "none"
    problems += [
        f"Channel {name} is required but missing; given are {given}: add it to the job's InputDataConfig"
        f" (estimator.fit({{'train': ..., 'validation': ...}})), or put its data into {data / name}."
        for name in missing
    ]
    return values, problems


def _value(name: str, settings: Mapping[str, Any], data: Path) -> dict[str, object]:
    path = data / name
    mode = settings.get("TrainingInputMode") or ("File" if path.exists() else _found_mode(data, name))
    if mode == _PIPE and path.is_dir():
        # The model channel comes as a folder even where the job's other channels are pipes.
        mode = "File"
    return {"path": path, "content_type": settings.get("ContentType"), "input_mode": mode}


def _sharding_problems(name: str, settings: Mapping[str, Any], machines: int) -> list[str]:
    if settings.get("S3DistributionType") != "ShardedByS3Key" or machines == 1:
        return []
    return [
        f"Channel {name} has S3DataDistributionType=ShardedByS3Key, which gives each of the {machines} machines other"
        " data: set FullyReplicated; every step is shared out among the machines by itself."
    ]


def _found(data: Path, declared: Sequence[ChannelFacts]) -> list[str]:
    """Return the names of the declared channels that are present in ``data``."""
    if not data.is_dir():
        return []
    present = {entry.name for entry in data.iterdir()}
    return [name for name in (channel.name for channel in declared) if name in present or f"{name}_0" in present]


def _found_mode(data: Path, name: str) -> str:
    return _PIPE if (data / f"{name}_0").exists() else "File"
