"""With the real libraries, and with the network cut."""

from __future__ import annotations

import builtins
import socket
from pathlib import Path
from typing import Any

import pytest

from vision.settings.errors import UserError
from vision.settings.run import RunSettings
from vision.training.loggers import QUIET, build_loggers


@pytest.fixture(autouse=True)
def _network_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the user's environment, and no connection beyond this machine."""
    for name in (*QUIET, "MLFLOW_TRACKING_URI"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    connect = socket.socket.connect

    def local_only(self: socket.socket, address: Any) -> None:
        is_local = self.family == getattr(socket, "AF_UNIX", None) or str(address[0]) in ("127.0.0.1", "::1")
        assert is_local, f"{address} was asked for"
        connect(self, address)

    def resolve(host: Any, *given: Any, **named: Any) -> Any:
        assert host in (None, "localhost", "127.0.0.1", "::1"), f"{host} was asked for"
        return original(host, *given, **named)

    original = socket.getaddrinfo
    monkeypatch.setattr(socket.socket, "connect", local_only)
    monkeypatch.setattr(socket, "getaddrinfo", resolve)


def loggers(names: str, folder: Path) -> list[Any]:
    return build_loggers(RunSettings.parse({"loggers": names}), folder)


def log(names: str, folder: Path, step: int, accuracy: float) -> None:
    """What a trainer does with its loggers."""
    (logger,) = loggers(names, folder)
    if step == 1:
        logger.log_hyperparams({"learning_rate": "0.1"})
    logger.log_metrics({"validation_accuracy": accuracy}, step=step)
    logger.finalize("success")


def test_csv_needs_no_logger(tmp_path: Path) -> None:
    assert loggers("csv", tmp_path) == []


def test_tensorboard(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    log("tensorboard", tmp_path, 1, 0.25)
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [(event.step, event.value) for event in events.Scalars("validation_accuracy")] == [(1, 0.25)]


def test_mlflow_keeps_runs_in_a_store_beside_them_and_resumes(tmp_path: Path) -> None:
    from mlflow.tracking import MlflowClient

    for name, step in (("first", 1), ("first", 2), ("second", 1)):
        log("mlflow", tmp_path / name, step, step / 4)
    client = MlflowClient((tmp_path / "mlruns").as_uri())
    experiment = client.get_experiment_by_name("vision")
    assert experiment is not None
    runs = {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}
    assert set(runs) == {"first", "second"}
    history = client.get_metric_history(runs["first"].info.run_id, "validation_accuracy")
    assert [(point.step, point.value) for point in history] == [(1, 0.25), (2, 0.5)]
    assert runs["first"].data.params == {"learning_rate": "0.1"}
    assert runs["first"].info.status == "FINISHED"


def test_wandb_writes_offline_files_and_ends_its_run(tmp_path: Path) -> None:
    import wandb

    log("wandb", tmp_path / "first", 1, 0.25)
    assert wandb.run is None
    # Its service writes the file in a process of its own, which ends here.
    wandb.teardown()
    (file,) = (tmp_path / "first/wandb").glob("offline-run-*/run-*.wandb")
    assert b"validation_accuracy" in file.read_bytes()


@pytest.mark.parametrize("name", ["mlflow", "wandb"])
def test_a_missing_library_is_a_sentence(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def missing(module: str, *given: Any, **named: Any) -> Any:
        if module.split(".")[0] == name:
            raise ModuleNotFoundError(f"No module named {module!r}")
        return real(module, *given, **named)

    monkeypatch.setattr(builtins, "__import__", missing)
    monkeypatch.setattr(f"pytorch_lightning.loggers.{name}._{name.upper()}_AVAILABLE", False, raising=False)
    with pytest.raises(UserError, match=rf"run.loggers={name} needs a library .*pip install 'vision\[track\]'"):
        loggers(name, tmp_path)
