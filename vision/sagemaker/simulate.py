"""Runs a training job on this machine as the platform would: config files, channels, pipes, stop.

``python -m vision.sagemaker.simulate FOLDER NAME=VALUE ...``: FOLDER plays /opt/ml. hp.NAME and channels.NAME are those
of ``vision train``. mode is File, FastFile or Pipe; attributes=source-ref,class and shuffle_seed=N are for manifests in
Pipe mode; stop_after_s=SECONDS sends SIGTERM. The job is the image's: VISION_ALGORITHM must be set.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vision.sagemaker.simulator import Simulator
from vision.settings.errors import SettingsError, UserError
from vision.settings.nearest import did_you_mean, shown

_NAMES = ("mode", "attributes", "shuffle_seed", "stop_after_s", "content_type")
_USER_ERROR = 2


def main(argv: Sequence[str]) -> int:
    """Run one job, its output on stdout; the exit status is the job's."""
    if not argv or argv[0] in ("-h", "--help"):
        print(__doc__)
        return 0
    try:
        return simulate(Path(argv[0]).absolute(), *read(argv[1:]))
    except UserError as error:
        print(error, file=sys.stderr)
        return _USER_ERROR


def read(words: Sequence[str]) -> tuple[dict[str, str], dict[str, str], dict[str, str]]:
    """(hyperparameters, channel paths, our own settings). Raises SettingsError with every problem."""
    hyperparameters: dict[str, str] = {}
    channels: dict[str, str] = {}
    own: dict[str, str] = {}
    problems = []
    for word in words:
        name, separator, value = word.partition("=")
        section, _, rest = name.partition(".")
        if not separator:
            problems.append(f"{shown(word)} is no setting: write NAME=VALUE.")
        elif section == "hp" and rest:
            hyperparameters[rest] = value
        elif section == "run" and rest:
            hyperparameters[name] = value
        elif section == "channels" and rest:
            channels[rest] = value
        elif name in _NAMES:
            own[name] = value
        else:
            problems.append(f"Setting {shown(name)} is unknown: {did_you_mean(name, _NAMES)}")
    missing = {name: path for name, path in channels.items() if not Path(path).exists()}
    problems += [f"Channel {name} is {path}, which does not exist." for name, path in missing.items()]
    if own.get("mode") == "Pipe" and "attributes" not in own and any(_is_manifest(path) for path in channels.values()):
        problems.append("A manifest in Pipe mode needs attributes: give for example attributes=source-ref,class.")
    if problems:
        raise SettingsError(problems)
    return hyperparameters, channels, own


def simulate(folder: Path, hyperparameters: dict[str, str], channels: dict[str, str], own: dict[str, str]) -> int:
    """Play the platform for one job and return its exit status."""
    if (folder / "input").exists():
        raise UserError(
            f"{folder} already holds a job's input; give a new folder, or remove {folder / 'input'} to start it again"
        )
    platform = Simulator(folder)
    platform.write(hyperparameters, {name: channel(path, own) for name, path in channels.items()})
    process = platform.start(stdout=None)
    try:
        process.wait(float(own["stop_after_s"]) if "stop_after_s" in own else None)
    except subprocess.TimeoutExpired:
        return platform.stop()[0]
    return platform.finish()[0]


def channel(path: str, own: dict[str, str]) -> dict[str, Any]:
    """What the simulator needs to bring one channel."""
    given: dict[str, Any] = {"path": path, "mode": own.get("mode", "File")}
    if "content_type" in own:
        given["content_type"] = own["content_type"]
    if _is_manifest(path):
        given["attributes"] = tuple(own.get("attributes", "").split(","))
        given["shuffle_seed"] = int(own["shuffle_seed"]) if "shuffle_seed" in own else None
    return given


def _is_manifest(path: str) -> bool:
    return path.endswith((".manifest", ".jsonl"))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
