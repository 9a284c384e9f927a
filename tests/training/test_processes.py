from __future__ import annotations

from collections.abc import Callable

import pytest

from vision.settings.errors import UserError
from vision.settings.run import RunSettings
from vision.training.accelerator import choose_accelerator
from vision.training.processes import EndSignal, is_first_process, machines, processes_here, told_to_end

NAMES = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE")
# Environment; first process?, machines, processes here.
ENVIRONMENTS = [
    ({}, True, 1, None),
    ({"LOCAL_RANK": "1"}, False, 1, None),
    # What Lightning gives the second of two processes on one machine.
    ({"LOCAL_RANK": "1", "NODE_RANK": "0", "WORLD_SIZE": "2"}, False, 1, None),
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


@pytest.mark.parametrize(("late", "heard"), [(False, [None, 15, 15]), (True, [None, None, 15])])
def test_on_gpus_each_answer_is_that_to_the_question_before(late: bool, heard: list[int | None]) -> None:
    waited: list[int] = []

    def ask(signum: int | None) -> Callable[[], int | None]:
        number = asked.pop(0)

        def answer() -> int | None:
            waited.append(number)
            return signum

        return answer

    asked = [0, 1, 2]
    signal = EndSignal(ask, lambda: late)
    assert [signal.ask(signum) for signum in (None, 15, 15)] == heard
    assert waited == ([0, 1] if late else [0, 1, 2])
