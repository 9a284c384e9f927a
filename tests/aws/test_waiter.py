"""Describe calls that wait for an end: waiters as long as it takes, others a moment."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import uvicorn
from starlette.requests import Request

from tests.aws.endpoint import Clients
from vision.aws import waiter
from vision.aws.described import settled
from vision.aws.failure import ServiceFailure
from vision.aws.json_protocol import JsonService
from vision.aws.registry import Resource
from vision.aws.waiter import is_waiter


class Job:
    """Ends after ``looks`` looks at it."""

    def __init__(self) -> None:
        self.looks = 5
        self.created_s = time.time()
        self.calls = 0

    def look(self) -> Resource:
        self.looks -= 1
        state = {"status": "InProgress" if self.looks > 0 else "Completed"}
        return Resource("training-job", "job", self.created_s, self.created_s, state)

    async def describe(self, values: dict[str, Any], request: Request) -> dict[str, Any]:
        self.calls += 1
        if values["TrainingJobName"] != "job":
            raise ServiceFailure(400, "ValidationException", "Could not find it")
        found = await settled(self.look, lambda job: job.state["status"] == "Completed", 0.05, request)
        return {"TrainingJobName": found.name, "TrainingJobStatus": found.state["status"]}


@pytest.fixture
def job() -> Job:
    return Job()


@pytest.fixture
def clients(job: Job, monkeypatch: pytest.MonkeyPatch) -> Iterator[Clients]:
    monkeypatch.setattr(waiter, "_FIRST_BLANK_S", 0.05)
    monkeypatch.setattr(waiter, "_NEXT_BLANK_S", 0.05)
    service = JsonService("SageMaker", {"DescribeTrainingJob": job.describe})

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await (await service.answer(Request(scope, receive)))(scope, receive, send)

    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_config=None, access_log=False))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    yield Clients(f"http://127.0.0.1:{listener.getsockname()[1]}")
    server.should_exit = True
    thread.join()
    listener.close()


def test_a_waiter_learns_of_the_end_by_its_first_call(clients: Clients, job: Job) -> None:
    clients.sagemaker.get_waiter("training_job_completed_or_stopped").wait(TrainingJobName="job")
    assert (job.calls, job.looks) == (1, 0)


def test_a_waiter_of_something_unknown_has_an_error(clients: Clients) -> None:
    with pytest.raises(Exception, match="ValidationException"):
        clients.sagemaker.get_waiter("training_job_completed_or_stopped").wait(TrainingJobName="none")


def test_others_have_an_answer_after_a_moment(clients: Clients, job: Job) -> None:
    job.looks = 1000
    assert clients.sagemaker.describe_training_job(TrainingJobName="job")["TrainingJobStatus"] == "InProgress"
    looks = job.looks
    assert looks < 999
    # Old work is described at once.
    job.created_s -= 3600
    clients.sagemaker.describe_training_job(TrainingJobName="job")
    assert job.looks == looks - 1


@pytest.mark.parametrize(
    ("agent", "waits"),
    [
        ("Boto3/1.44.8 md/Botocore#1.44.8 m/b,Z,B,D cfg/retry-mode#legacy Botocore/1.44.8", True),
        ("aws-cli/1.46.3 m/B", True),
        ("Boto3/1.44.8 m/b,Z,C cfg/retry-mode#legacy", False),
        ("Boto3/1.35.0 md/B", False),
        ("", False),
    ],
)
def test_waiters_are_known_by_their_user_agent(agent: str, waits: bool) -> None:
    headers = [(b"user-agent", agent.encode())]
    assert is_waiter(Request({"type": "http", "headers": headers})) is waits
