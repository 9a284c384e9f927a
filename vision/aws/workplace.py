"""What all services of the endpoint share: settings, buckets, registry, logs and metrics."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from vision.aws.logs.log_store import LogStore
from vision.aws.metrics.metric_store import MetricStore
from vision.aws.registry import Registry
from vision.aws.s3.storage import OWN_FOLDER, Storage
from vision.aws.settings import AwsSettings


@dataclass(frozen=True)
class Workplace:
    """The parts of one endpoint; all of them keep their state below ``settings.root``."""

    settings: AwsSettings
    storage: Storage
    registry: Registry
    logs: LogStore
    metrics: MetricStore

    @classmethod
    def open(cls, settings: AwsSettings) -> Workplace:
        """Open the state that an earlier server left, or begin."""
        root = settings.root.absolute()
        storage = Storage(root)
        own = root / OWN_FOLDER
        registry = Registry(own / "registry.sqlite")
        return cls(settings, storage, registry, LogStore(own / "logs"), MetricStore(own / "metrics"))

    @property
    def own_folder(self) -> Path:
        """Return the server's own folder, which is no bucket."""
        return self.settings.root.absolute() / OWN_FOLDER
