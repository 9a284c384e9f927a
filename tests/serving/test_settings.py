from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from vision.serving.settings import ServingSettings, from_environment
from vision.settings.errors import SettingsError


@pytest.mark.parametrize(
    ("environment", "name", "value"),
    [
        ({"SAGEMAKER_BIND_TO_PORT": "9001"}, "port", 9001),
        ({"SAGEMAKER_MAX_PAYLOAD_IN_MB": "20"}, "max_payload_bytes", 20 << 20),
        ({"SAGEMAKER_MODEL_SERVER_WORKERS": "3"}, "workers", 3),
        ({"SAGEMAKER_MODEL_SERVER_TIMEOUT": "120"}, "timeout_s", 120.0),
        ({"SAGEMAKER_MULTI_MODEL": "true"}, "multi_model", True),
        ({"SAGEMAKER_MULTI_MODEL": "false"}, "multi_model", False),
        ({"SAGEMAKER_BATCH": "true"}, "default_accept", "application/jsonlines"),
        (
            {"SAGEMAKER_BATCH": "true", "SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT": "application/json"},
            "default_accept",
            "application/json",
        ),
        ({"VISION_SERVE_MAX_BATCH": "32", "VISION_WEIGHTS": "/w"}, "max_batch", 32),
        ({"SAGEMAKER_BIND_TO_PORT": " "}, "port", 8080),
        ({}, "host", "127.0.0.1"),
    ],
)
def test_from_environment(environment: dict[str, str], name: str, value: object) -> None:
    settings = ServingSettings.parse({"model": "m", **from_environment(environment)})
    assert getattr(settings, name) == value


@pytest.mark.parametrize(
    ("values", "part"),
    [
        ({"port": 65536}, "from 0 to 65535"),
        ({"multi_model": True, "workers": 2}, "give workers=1 or leave it out"),
        ({"max_payload": 3}, "did you mean max_payload_mb?"),
    ],
)
def test_problems(values: dict[str, Any], part: str) -> None:
    with pytest.raises(SettingsError, match=part.replace("?", r"\?")):
        ServingSettings.parse({"model": "m", **values})


def test_a_model_is_needed() -> None:
    with pytest.raises(SettingsError, match="Serving setting model is required"):
        ServingSettings.parse({})


def test_one_worker_for_each_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,GPU-5e,3")
    assert ServingSettings.parse({"model": "m"}).worker_count() == 3
    assert ServingSettings.parse({"model": "m", "device": "cpu"}).worker_count() == 1
    assert ServingSettings.parse({"model": "m", "multi_model": True}).worker_count() == 1


def test_workers_share_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(16)))
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    settings = ServingSettings.parse({"model": Path("m"), "device": "cpu", "workers": 4})
    assert (settings.thread_count(), settings.decoder_count()) == (4, 4)
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert settings.thread_count() == 2
    assert ServingSettings.parse({"model": "m", "device": "cpu", "threads": 3}).thread_count() == 3
