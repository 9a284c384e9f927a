"""An endpoint configuration at work: a process for each variant, and the calls that are shared out among them."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vision.aws.endpoint_worker import EndpointWorker
from vision.aws.local_connection import Answer, LocalConnections
from vision.aws.logs.log_store import LogWriter
from vision.aws.sagemaker.data_capture import Call, DataCapture, now
from vision.serving.request_failure import PlatformFailure
from vision.settings.nearest import did_you_mean, shown

_TARGET = "x-amzn-sagemaker-target-variant"


@dataclass(frozen=True)
class VariantPlan:
    """What a variant serves, and ``weight``, its part of the calls."""

    name: str
    weight: float
    model: Path
    environment: Mapping[str, str]
    multi_model: bool
    log: LogWriter


@dataclass
class _Variant:
    weight: float
    worker: EndpointWorker
    connections: LocalConnections | None = None


class Deployment:
    """Starts at once.

    ``ready`` is called when all variants answer, ``ended``, with the last lines of its log, if one ends by itself.
    """

    def __init__(
        self,
        endpoint: str,
        config: str,
        plans: Sequence[VariantPlan],
        capture: DataCapture | None,
        *,
        ready: Callable[[Deployment], None],
        ended: Callable[[Deployment, str], None],
    ) -> None:
        self.config = config
        self._endpoint = endpoint
        self._capture = capture
        self._ready, self._ended = ready, ended
        self._lock = threading.Lock()
        self._calls = 0
        self._is_retired = False
        with self._lock:
            self._variants = {plan.name: _Variant(plan.weight, self._start(plan)) for plan in plans}

    def _start(self, plan: VariantPlan) -> EndpointWorker:
        return EndpointWorker(
            self._endpoint,
            [f"model={plan.model}", f"multi_model={str(plan.multi_model).lower()}"],
            plan.environment,
            log=plan.log,
            ready=lambda worker: self._variant_is_ready(plan.name, worker),
            ended=lambda worker, words: self._ended(self, words),
        )

    def _variant_is_ready(self, name: str, worker: EndpointWorker) -> None:
        with self._lock:
            self._variants[name].connections = LocalConnections(worker.port)
            is_ready = all(variant.connections is not None for variant in self._variants.values())
        if is_ready:
            self._ready(self)

    def set_weights(self, weights: Mapping[str, float]) -> None:
        """Share the next calls out by these weights of some variants."""
        with self._lock:
            for name, weight in weights.items():
                self._variants[name].weight = weight

    def enter(self) -> bool:
        """Let a call begin and return True, or False if this deployment takes none any more."""
        with self._lock:
            self._calls += not self._is_retired
            return not self._is_retired

    def leave(self) -> None:
        """Let a call that has entered end."""
        with self._lock:
            self._calls -= 1
            is_over = self._is_retired and not self._calls
        if is_over:
            self.end()

    def retire(self) -> None:
        """Take no more calls, and end when the last one is answered."""
        with self._lock:
            self._is_retired = True
            is_over = not self._calls
        if is_over:
            self.end()

    def end(self) -> None:
        """End the processes."""
        for variant in self._variants.values():
            variant.worker.end()
        if self._capture is not None:
            self._capture.close()

    async def ask(self, path: str, headers: dict[str, str], body: bytes) -> Answer:
        """Return a variant's answer to a call that has entered. Raises PlatformFailure, and OSError if it fails."""
        name = self._choose(headers.get(_TARGET))
        connections = self._variants[name].connections
        assert connections is not None
        moment = now()
        answer = await connections.ask("POST", path, headers | {_TARGET: name}, body)
        if self._capture is not None and answer.status == 200:
            output_type = next((value for key, value in answer.headers if key == "content-type"), "")
            self._capture.add(
                Call(name, moment, headers.get("content-type", ""), body, output_type, bytes(answer.body))
            )
        return answer

    def _choose(self, target: str | None) -> str:
        if target is None:
            if len(self._variants) == 1:
                return next(iter(self._variants))
            weights = [variant.weight for variant in self._variants.values()]
            # Weights that an update has kept may all be 0 among its new variants.
            return random.choices(list(self._variants), weights if any(weights) else None)[0]
        if target not in self._variants:
            raise PlatformFailure(
                400, f"TargetVariant {shown(target)} is none of this endpoint: {did_you_mean(target, self._variants)}"
            )
        return target
