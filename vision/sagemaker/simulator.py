"""Plays the platform's part on this machine: config files, channels, pipes, start and stop of the process."""

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

GRACE_S = 120
_MANIFESTS = (".manifest", ".jsonl")


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
        """Write the config files as the platform does and bring the channels.

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
        """Begin to feed the pipes of a channel."""
        make_folder(self.prefix.data)
        feeder = PipeFeeder(self.prefix.data / name, contents, **options)
        self.feeders.append(feeder)
        feeder.start()
        return feeder

    def _bring(self, name: str, channel: Mapping[str, Any]) -> bool:
        """Link or feed one channel; whether its records are wrapped."""
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
        """Start the container's process; its output comes as text from ``stdout``, or goes where ours goes (None)."""
        environment = {**os.environ, **self.environment, "SAGEMAKER_BASE_DIR": str(self.folder)}
        self.process = subprocess.Popen(
            list(command), env=environment, stdout=stdout, stderr=subprocess.STDOUT, text=True
        )
        return self.process

    def finish(self, timeout_s: float | None = None) -> tuple[int, str]:
        """Wait for the end: (exit status, output)."""
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
    """Files beside a channel's file that belong to it, which its S3 prefix would hold, too."""
    beside = [path.with_name(class_list.NAME), *([path.with_suffix(".idx")] if path.suffix == ".rec" else [])]
    return [file for file in beside if file.is_file()]
