from __future__ import annotations

import pytest

from vision.settings.errors import UserError
from vision.settings.run import RunSettings
from vision.training.accelerator import choose_accelerator
from vision.training.processes import is_first_process, machines, processes_here, told_to_end

NAMES = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE")
# Environment; first process?, machines, processes here.
ENVIRONMENTS = [
    ({}, True, 1, None),
    ({"LOCAL_RANK": "1"}, False, 1, None),
    ({"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "8", "LOCAL_WORLD_SIZE": "4"}, True, 2, 4),
    ({"RANK": "4", "LOCAL_RANK": "0", "WORLD_SIZE": "8", "LOCAL_WORLD_SIZE": "4"}, False, 2, 4),
]


@pytest.mark.parametrize(("given", "first", "count", "here"), ENVIRONMENTS)
def test_torchruns_environment(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str], first: bool, count: int, here: int | None
) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    assert (is_first_process(), machines(), processes_here()) == (first, count, here)
    run = RunSettings.parse({"device": "cpu"})
    assert choose_accelerator(run) == ("cpu", here or 1)


def test_devices_without_a_launcher(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LOCAL_WORLD_SIZE", raising=False)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert choose_accelerator(RunSettings.parse({"devices": 3})) == ("cpu", 3)
    with pytest.raises(UserError, match="torch finds no CUDA GPU"):
        choose_accelerator(RunSettings.parse({"device": "cuda"}))


@pytest.mark.parametrize("signum", [None, 15])
def test_a_single_process_decides_alone(signum: int | None) -> None:
    assert told_to_end(signum) == signum
