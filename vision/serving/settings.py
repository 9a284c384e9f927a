"""Settings of the server: where it listens, how much it accepts, and what it refuses."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from vision.artifacts.model_place import is_published
from vision.settings.device import device_field, device_hint, shared_gpus, usable_cores
from vision.settings.table import Rule, SettingsTable

MEBIBYTE = 1 << 20
GIGABYTE = 10**9

_FEWEST_CONNECTIONS = 64

# The platform's variable, our setting.
_VARIABLES = {
    "SAGEMAKER_BIND_TO_PORT": "port",
    "SAGEMAKER_MAX_PAYLOAD_IN_MB": "max_payload_mb",
    "SAGEMAKER_MODEL_SERVER_WORKERS": "workers",
    "SAGEMAKER_MODEL_SERVER_TIMEOUT": "timeout_s",
    "SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT": "default_accept",
    "SAGEMAKER_MULTI_MODEL": "multi_model",
}
# The rest of the name is a setting's, in capitals.
_OWN_VARIABLES = "VISION_SERVE_"


def from_environment(environment: Mapping[str, str]) -> dict[str, object]:
    """Return the settings, by name, that the platform's variables and our own state."""
    found: dict[str, object] = {
        name: environment[variable] for variable, name in _VARIABLES.items() if environment.get(variable, "").strip()
    }
    for variable, value in environment.items():
        if variable.startswith(_OWN_VARIABLES):
            found[variable.removeprefix(_OWN_VARIABLES).lower()] = value
    if environment.get("SAGEMAKER_BATCH", "").lower() == "true":
        # A transform job joins answers as lines.
        found.setdefault("default_accept", "application/jsonlines")
    return found


def _one_worker_for_many_models(given: ServingSettings) -> str | None:
    if given.multi_model and given.workers not in (None, 1):
        return (
            f"Serving setting workers is {given.workers}, but with multi_model=true the models are loaded into one"
            " process: give workers=1 or leave it out."
        )
    return None


def _one_network_for_indexes(given: ServingSettings) -> str | None:
    if given.indexes is not None and given.multi_model:
        return (
            "Serving setting indexes is given with multi_model=true, but one model makes the vectors of all indexes:"
            " serve it from a server of its own."
        )
    return None


def _token_that_can_be_sent(given: ServingSettings) -> str | None:
    if given.token is None or (given.token.isascii() and given.token.isprintable() and " " not in given.token):
        return None
    return "Serving setting token has blanks or characters outside ASCII, which a header cannot carry: leave them out."


class ServingSettings(SettingsTable):
    """The table of serving settings. Limits are those of one process if there are several workers."""

    NOUN: ClassVar[str] = "Serving setting"
    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(("workers", "multi_model"), _one_worker_for_many_models),
        Rule(("indexes", "multi_model"), _one_network_for_indexes),
        Rule(("token",), _token_that_can_be_sent),
    )

    model: Path = Field(
        description="model folder, model.tar.gz or run folder; the folder of models with multi_model=true; imagenet,"
        " timm:NAME or classical (no weights) with indexes, to search alone",
        examples=["runs/first"],
    )
    indexes: Path | None = Field(
        default=None,
        description="folder of indexes, made by vision index and the model, or over HTTP, that /indexes searches",
        examples=["indexes"],
    )
    host: str = Field(default="127.0.0.1", description="address to listen on; 0.0.0.0 for every network")
    port: int = Field(default=8080, ge=0, le=65535, description="port to listen on; 0 takes a free one")
    hosts: tuple[str, ...] = Field(
        default=(),
        description="further host names that requests may use, as a proxy passes them on; the machine's own names are"
        " always allowed, and all others are refused on a loopback address or if this is set",
        examples=["api.example.com"],
    )
    token: str | None = Field(
        default=None,
        description="what every request but /ping must send, as Authorization: Bearer TOKEN; better given as the"
        " variable VISION_SERVE_TOKEN, which other users cannot see",
        examples=["of-32-random-letters"],
    )
    workers: int | None = Field(
        default=None, ge=1, le=256, description="processes; unset is one for each GPU, or one", examples=[1]
    )
    threads: int | None = Field(
        default=None, ge=1, le=1024, description="cores for the network; unset shares them evenly", examples=[2]
    )
    decode_threads: int | None = Field(
        default=None, ge=1, le=256, description="images decoded at once; unset is one for each core, at most 8"
    )
    decode_limit_s: float = Field(
        default=10.0,
        ge=1,
        le=3600,
        description="processor time for decoding an expensive image (a progressive one of many megapixels, AVIF, HEIC),"
        " which a process of its own decodes; images that take longer are refused",
    )
    device: str = device_field()
    prepack: bool = Field(
        default=True,
        description="on the CPU: fold batch normalization into the convolutions and keep their weights in the"
        " processor's order; false gives exactly the answers of vision predict",
    )
    max_batch: int = Field(default=16, ge=1, le=1024, description="images that the network sees at once, at most")
    max_wait_ms: float = Field(
        default=5.0, ge=0, le=1000, description="time an image waits for others that are on their way"
    )
    max_requests: int = Field(
        default=256, ge=1, le=65536, description="requests in work; further ones get 503 and may be sent again"
    )
    max_connections: int | None = Field(
        default=None,
        ge=16,
        le=1 << 20,
        description="open connections; further ones replace those that have waited longest; unset is four for each"
        " of max_requests, and never more than the limit of open files allows",
        examples=[1024],
    )
    head_timeout_s: float = Field(default=10.0, gt=0, le=3600, description="time for the head of a request")
    max_payload_mb: float = Field(default=6.0, gt=0, le=1024, description="size of a request's body in MiB")
    max_images: int = Field(default=256, ge=1, le=65536, description="images in the body of one request")
    max_pixels: int = Field(default=50_000_000, ge=1, le=1 << 30, description="width times height of an image")
    timeout_s: float = Field(default=60.0, gt=0, le=3600, description="time for one request, upload included")
    drain_s: float = Field(default=25.0, gt=0, le=3600, description="time for the last requests after SIGTERM")
    default_accept: str | None = Field(
        default=None,
        description="what a request without Accept gets; unset is the model's first form: JSON, or a PNG of class ids",
        examples=["application/jsonlines"],
    )
    verbose: bool = Field(
        default=False, description="add class names to every answer, as Accept: application/json;verbose does"
    )
    endpoint: str | None = Field(
        default=None, description="the one endpoint name that boto3 may use; unset allows any", examples=["birds"]
    )
    multi_model: bool = Field(default=False, description="load and unload models by SageMaker's multi-model API")
    max_models_gb: float = Field(default=4.0, gt=0, description="weights of all loaded models together, in GB")
    max_archive_gb: float = Field(default=8.0, gt=0, description="unpacked size above which an archive is refused")

    @classmethod
    def hint(cls, name: str, value: object) -> str | None:
        return device_hint(cls.NOUN, value) if name == "device" else None

    @property
    def only_searches(self) -> bool:
        """Return whether the model has published weights, which answer nothing but searches of ``indexes``."""
        return self.indexes is not None and is_published(str(self.model))

    @property
    def max_payload_bytes(self) -> int:
        """Return the size in bytes of the largest body that is read."""
        return int(self.max_payload_mb * MEBIBYTE)

    def connection_count(self) -> int:
        """Return how many connections one process may have open, if the limit of open files allows it."""
        return self.max_connections or max(_FEWEST_CONNECTIONS, 4 * self.max_requests)

    def worker_count(self) -> int:
        """Return the number of processes: as set, else one for each usable GPU."""
        if self.workers is not None:
            return self.workers
        return 1 if self.multi_model else max(1, len(shared_gpus(self.device)))

    def thread_count(self) -> int:
        """Return the cores for the network in each process: as set here or by OMP_NUM_THREADS, else an even share."""
        asked = os.environ.get("OMP_NUM_THREADS", "")
        if self.threads is None and asked.isdecimal() and int(asked) > 0:
            return int(asked)
        return self.threads or max(1, usable_cores() // self.worker_count())

    def decoder_count(self) -> int:
        """Return the number of threads that decode in each process."""
        return self.decode_threads or min(8, max(2, usable_cores() // self.worker_count()))
