"""What only happens when things go wrong: too many requests, silent clients, a network that hangs or breaks."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.serving.asgi import Answered, gone, post, silent, whole
from tests.serving.small_model import picture, write_model
from vision.data.recordio.record import pack
from vision.sagemaker.pipe_feeder import wrap
from vision.serving.app import build_app
from vision.serving.metrics import Metrics
from vision.serving.service import Service
from vision.serving.settings import ServingSettings

IMAGE = picture(1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("service") / "model")


@pytest.fixture
def make(folder: Path) -> Callable[..., Service]:
    def service(**settings: Any) -> Service:
        return Service(ServingSettings.parse({"model": folder, "device": "cpu", **settings}), Metrics())

    return service


@pytest.fixture
def hanging(make: Callable[..., Service], monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Service]]:
    """Services whose network answers nothing until the test is over."""
    released = threading.Event()

    def service(**settings: Any) -> Service:
        made = make(**settings)
        batcher = made.model._batcher

        def predict(images: list[Any], cores: int) -> list[Any]:
            released.wait(60)
            raise RuntimeError("the test is over")

        monkeypatch.setattr(batcher, "_predict", predict)
        return made

    yield service
    released.set()


def test_a_silent_client_is_given_up(make: Callable[..., Service]) -> None:
    service = make(timeout_s=0.05)
    answered = asyncio.run(post(build_app(service), silent))
    assert answered.status == 408
    assert answered.error == "the body did not come within the 0.05 seconds that timeout_s allows"
    assert service.in_work == 0
    assert asyncio.run(post(build_app(make()), whole(IMAGE))).status == 200


def test_a_client_that_hangs_up_leaves_nothing_behind(make: Callable[..., Service]) -> None:
    service = make()
    assert asyncio.run(post(build_app(service), gone)).status == 400
    assert service.in_work == 0


def test_a_hanging_network_is_a_503_in_time(hanging: Callable[..., Service]) -> None:
    service = hanging(timeout_s=0.3)
    answered = asyncio.run(post(build_app(service), whole(IMAGE)))
    assert answered.status == 503
    assert answered.headers["retry-after"] == "1"
    assert "no answer within the 0.3 seconds" in answered.error
    assert service.in_work == 0


def test_more_requests_than_allowed_are_told_to_come_back(hanging: Callable[..., Service]) -> None:
    service = hanging(max_requests=2, timeout_s=0.5)

    async def three() -> list[Answered]:
        app = build_app(service)
        return list(await asyncio.gather(*(post(app, whole(IMAGE)) for _ in range(3))))

    first, second, third = asyncio.run(three())
    assert "as many as max_requests allows" in third.error
    assert third.headers["retry-after"] == "1"
    assert [answered.status for answered in (first, second, third)] == [503, 503, 503]
    assert "no answer" in first.error


def test_the_servers_own_faults_say_nothing_of_its_inside(
    make: Callable[..., Service], monkeypatch: pytest.MonkeyPatch
) -> None:
    service = make()

    def predict(images: list[Any], cores: int) -> list[Any]:
        raise RuntimeError("secret path /srv/model")

    monkeypatch.setattr(service.model._batcher, "_predict", predict)
    answered = asyncio.run(post(build_app(service), whole(IMAGE)))
    assert answered.status == 500
    assert answered.error == "the server failed on this request; its log says why"


def test_answers_that_cannot_be_joined_are_of_one_image(
    make: Callable[..., Service], monkeypatch: pytest.MonkeyPatch
) -> None:
    service = make()
    monkeypatch.setattr(service.model, "forms", ("image/png", "application/jsonlines"))
    app = build_app(service)

    def ask(count: int, accept: str) -> Answered:
        records = b"".join(wrap(pack(0.0, number, IMAGE)) for number in range(count))
        return asyncio.run(post(app, whole(records), content_type="application/x-recordio", accept=accept))

    one, two = ask(1, "image/*"), ask(2, "image/*")
    assert (one.status, one.headers["content-type"]) == (200, "image/png")
    assert two.status == 406
    assert two.error == (
        "an answer as image/png is that of one image, but the body has 2: send one image a request, or ask for Accept:"
        " application/jsonlines"
    )
    for accept in ("", "*/*", "image/png, application/jsonlines;q=0.1"):
        joined = ask(2, accept)
        assert (joined.status, joined.headers["content-type"]) == (200, "application/jsonlines")
        assert len(joined.body.splitlines()) == 2


@pytest.mark.parametrize("accept", ["", "*/*"])
@pytest.mark.parametrize(
    ("settings", "form"), [({}, "image/png"), ({"default_accept": "application/jsonlines"}, "application/jsonlines")]
)
def test_who_accepts_anything_gets_the_model_s_first_form(
    make: Callable[..., Service], monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], form: str, accept: str
) -> None:
    service = make(**settings)
    monkeypatch.setattr(service.model, "forms", ("image/png", "application/json", "application/jsonlines"))
    answered = asyncio.run(post(build_app(service), whole(IMAGE), accept=accept))
    assert (answered.status, answered.headers["content-type"]) == (200, form)


def test_draining_closes_connections_after_their_answer(make: Callable[..., Service]) -> None:
    service = make()
    assert service.is_healthy
    service.is_draining = True
    answered = asyncio.run(post(build_app(service), whole(IMAGE)))
    assert answered.status == 200
    assert answered.headers["connection"] == "close"
    assert not service.is_healthy
