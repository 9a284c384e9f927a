"""Runs a training job on this machine as the platform would: config files, channels, pipes, stop.

``python -m vision.sagemaker.simulator FOLDER NAME=VALUE ...``: FOLDER takes the place of /opt/ml. hp.NAME and
channels.NAME are those of ``vision train``. mode is File, FastFile or Pipe; attributes=source-ref,class and
shuffle_seed=N are for manifests in Pipe mode; stop_after_s=SECONDS sends SIGTERM. The image names the algorithm:
VISION_ALGORITHM must be set.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vision.data import class_list
from vision.files.atomic_file import write_whole
from vision.files.write_error import make_folder, writing
from vision.sagemaker.pipe_feeder import Passes, PipeFeeder, file_bytes, manifest_records
from vision.sagemaker.prefix import Prefix
from vision.settings.errors import SettingsError, UserError
from vision.settings.nearest import did_you_mean, shown

GRACE_S = 120
_MANIFESTS = (".manifest", ".jsonl")
_NAMES = ("mode", "attributes", "shuffle_seed", "stop_after_s", "content_type")
_USER_ERROR = 2


@dataclass
class Simulator:
    """One machine of a training job below ``folder``.

    ``environment`` adds to this process's own. ``hosts`` are all machines, ``host`` is this one.
    """

    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    host: str = "algo-1"
    hosts: Sequence[str] = ("algo-1",)
    interface: str = "eth0"
    feeders: list[PipeFeeder] = field(default_factory=list)
    process: subprocess.Popen[str] | None = None

    @property
    def prefix(self) -> Prefix:
        return Prefix(self.folder)

    def write(self, hyperparameters: Mapping[str, object], channels: Mapping[str, Mapping[str, Any]]) -> None:
        """Write the config files as the platform does and provide the channels.

        A channel has ``path`` and may have ``content_type``, ``mode`` ("File", "FastFile" or "Pipe") and, for a
        manifest, ``attributes`` and ``shuffle_seed``.
        """
        inputs = {}
        make_folder(self.prefix.data)
        for name, channel in channels.items():
            wrapped = self._bring(name, channel)
            inputs[name] = {
                "TrainingInputMode": channel.get("mode", "File"),
                "S3DistributionType": "FullyReplicated",
                "RecordWrapperType": "RecordIO" if wrapped else "None",
                **({"ContentType": channel["content_type"]} if "content_type" in channel else {}),
            }
        self.write_config("hyperparameters.json", {name: str(value) for name, value in hyperparameters.items()})
        self.write_config("inputdataconfig.json", inputs)
        resources = {
            "current_host": self.host,
            "hosts": list(self.hosts),
            "network_interface_name": self.interface,
            "current_instance_type": "ml.g5.xlarge",
            "current_group_name": "homogeneousCluster",
        }
        self.write_config("resourceconfig.json", resources)

    def write_config(self, name: str, value: object) -> None:
        """Write one file into ``input/config``."""
        make_folder(self.prefix.config)
        write_whole(self.prefix.config / name, json.dumps(value))

    def feed(self, name: str, contents: Passes, **options: Any) -> PipeFeeder:
        """Start feeding the pipes of a channel."""
        make_folder(self.prefix.data)
        feeder = PipeFeeder(self.prefix.data / name, contents, **options)
        self.feeders.append(feeder)
        feeder.start()
        return feeder

    def _bring(self, name: str, channel: Mapping[str, Any]) -> bool:
        """Link or feed one channel and return whether its records are wrapped."""
        path = Path(channel["path"]).absolute()
        if channel.get("mode") == "Pipe":
            wrapped = path.name.endswith(_MANIFESTS)
            if wrapped:
                contents = manifest_records(path, channel["attributes"], channel.get("shuffle_seed"))
            else:
                contents = file_bytes(sorted(path.iterdir()) if path.is_dir() else [path])
            self.feed(name, contents)
            return wrapped
        place = self.prefix.data / name
        with writing(place):
            if path.is_dir():
                place.symlink_to(path)
            else:
                place.mkdir()
                for file in (path, *_companions(path)):
                    (place / file.name).symlink_to(file)
        return False

    def start(
        self,
        command: Sequence[str] = (sys.executable, "-m", "vision.sagemaker.train"),
        stdout: int | None = subprocess.PIPE,
    ) -> subprocess.Popen[str]:
        """Start the container's process. Its output is text in ``stdout``, or goes to this process's own (None)."""
        environment = {**os.environ, **self.environment, "SAGEMAKER_BASE_DIR": str(self.folder)}
        self.process = subprocess.Popen(
            list(command), env=environment, stdout=stdout, stderr=subprocess.STDOUT, text=True
        )
        return self.process

    def finish(self, timeout_s: float | None = None) -> tuple[int, str]:
        """Wait for the end and return (exit status, output)."""
        assert self.process is not None
        try:
            output, _ = self.process.communicate(timeout=timeout_s)
        finally:
            self.process.kill()
            for feeder in self.feeders:
                feeder.stop()
        return self.process.returncode, output or ""

    def stop(self) -> tuple[int, str]:
        """Stop as the platform does: SIGTERM, then SIGKILL after 120 seconds."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.finish(GRACE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.finish()


def _companions(path: Path) -> list[Path]:
    """Return the files that belong to a channel's file and would lie under the same S3 prefix."""
    beside = [path.with_name(class_list.NAME), *([path.with_suffix(".idx")] if path.suffix == ".rec" else [])]
    return [file for file in beside if file.is_file()]


def main(argv: Sequence[str]) -> int:
    """Run one job, with its output on stdout, and return its exit status."""
    if not argv or argv[0] in ("-h", "--help"):
        print(__doc__)
        return 0
    try:
        return simulate(Path(argv[0]).absolute(), *read(argv[1:]))
    except UserError as error:
        print(error, file=sys.stderr)
        return _USER_ERROR


def read(words: Sequence[str]) -> tuple[dict[str, str], dict[str, str], dict[str, str]]:
    """Return (hyperparameters, channel paths, our own settings). Raises SettingsError with every problem."""
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
    """Run one job as the platform would and return its exit status."""
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
    """Return what ``Simulator.write`` needs for one channel."""
    given: dict[str, Any] = {"path": path, "mode": own.get("mode", "File")}
    if "content_type" in own:
        given["content_type"] = own["content_type"]
    if _is_manifest(path):
        given["attributes"] = tuple(own.get("attributes", "").split(","))
        given["shuffle_seed"] = int(own["shuffle_seed"]) if "shuffle_seed" in own else None
    return given


def _is_manifest(path: str) -> bool:
    return path.endswith(_MANIFESTS)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
