from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.serving.small_model import picture, write_model
from vision.serving.hosted_model import HostedModel
from vision.serving.hosted_network import SharedResources
from vision.serving.metrics import Metrics
from vision.serving.model_store import ModelStore
from vision.serving.request_body import EncodedImage
from vision.serving.request_failure import PlatformFailure, RequestFailure
from vision.serving.settings import ServingSettings


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_model(tmp_path / "model")


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    settings = ServingSettings.parse({"model": tmp_path, "device": "cpu", "multi_model": True})
    return ModelStore(SharedResources(settings, Metrics()))


def small_store(root: Path, names: Sequence[str], *, room_for: float, **settings: Any) -> ModelStore:
    """A store of models of those names, in which so many of them have room at once."""
    for seed, name in enumerate(names):
        write_model(root / name, seed)
    (weights,) = (root / names[0]).glob("*.safetensors")
    given = {"max_models_gb": (room_for + 0.5) * weights.stat().st_size / 1e9, **settings}
    parsed = ServingSettings.parse({"model": root, "device": "cpu", "multi_model": True, "threads": 1, **given})
    return ModelStore(SharedResources(parsed, Metrics()))


def test_unloading_waits_for_requests_and_frees_the_network(store: ModelStore, folder: Path) -> None:
    async def scenario() -> weakref.ref[object]:
        await store.load("a", str(folder))
        network = weakref.ref(store.get("a").model.model.network)
        async with store.use("a"):
            unloading = asyncio.ensure_future(store.unload("a"))
            await asyncio.sleep(0.05)
            assert not unloading.done()
            with pytest.raises(RequestFailure, match="is not loaded"):
                store.get("a")
        await unloading
        return network

    network = asyncio.run(scenario())
    gc.collect()
    assert network() is None


def test_loading_twice_at_once_is_a_conflict(store: ModelStore, folder: Path) -> None:
    async def scenario() -> list[object]:
        return list(await asyncio.gather(*(store.load("a", str(folder)) for _ in range(2)), return_exceptions=True))

    first, second = asyncio.run(scenario())
    assert first is None
    assert isinstance(second, RequestFailure)
    assert second.status == 409


def test_room_is_made_by_what_no_request_uses(tmp_path: Path) -> None:
    names = ("a", "b", "c")
    store = small_store(tmp_path, names, room_for=2)

    async def scenario() -> list[str]:
        for name in names[:2]:
            async with store.use_or_load(tmp_path / name):
                pass
        async with store.use("a"):
            async with store.use("b"):
                pass
            async with store.use_or_load(tmp_path / "c"):
                return [loaded.name for loaded in store.list()]

    assert asyncio.run(scenario()) == ["a", "c"]


def test_many_clients_with_room_for_one_model_all_get_their_answer(tmp_path: Path) -> None:
    names = ("a", "b", "c")
    store = small_store(tmp_path, names, room_for=1)
    images = [EncodedImage(picture(1), "image")]

    async def client(number: int) -> list[tuple[str, str]]:
        found = []
        for turn in range(5):
            name = names[(number + turn) % 3]
            async with store.use_or_load(tmp_path / name) as model:
                assert len(store.list()) <= 1
                (answer,) = await model.answer(images, "application/json")
                found.append((name, answer.body))
        return found

    async def scenario() -> list[list[tuple[str, str]]]:
        return await asyncio.gather(*(client(number) for number in range(8)))

    answers = [answer for found in asyncio.run(scenario()) for answer in found]
    assert len(answers) == 40
    # One answer of each model, whenever it was loaded.
    assert sorted(name for name, _ in set(answers)) == list(names)


def test_requests_for_a_model_on_its_way_share_its_loading(tmp_path: Path) -> None:
    store = small_store(tmp_path, ("a",), room_for=1)

    async def use() -> HostedModel:
        async with store.use_or_load(tmp_path / "a") as model:
            return model

    async def scenario() -> list[HostedModel]:
        return await asyncio.gather(*(use() for _ in range(4)))

    assert len(set(map(id, asyncio.run(scenario())))) == 1


def test_a_model_that_does_not_come_in_time_is_there_for_the_next_request(tmp_path: Path) -> None:
    store = small_store(tmp_path, ("a", "b"), room_for=1, timeout_s=0.05)

    async def scenario() -> list[str]:
        async with store.use("a"):
            with pytest.raises(PlatformFailure, match="could not be loaded within") as late:
                async with store.use_or_load(tmp_path / "b"):
                    pass
            assert late.value.status == 429
        while [loaded.name for loaded in store.list()] != ["b"]:
            await asyncio.sleep(0.01)
        async with store.use_or_load(tmp_path / "b"):
            return [loaded.name for loaded in store.list()]

    asyncio.run(store.load("a", "a"))
    assert asyncio.run(scenario()) == ["b"]


def test_no_more_requests_wait_for_models_than_allowed(tmp_path: Path) -> None:
    store = small_store(tmp_path, ("a",), room_for=1, max_requests=2)

    async def use() -> int:
        try:
            async with store.use_or_load(tmp_path / "a"):
                return 200
        except PlatformFailure as failure:
            return failure.status

    async def scenario() -> list[int]:
        return await asyncio.gather(*(use() for _ in range(3)))

    assert asyncio.run(scenario()) == [200, 200, 503]


def test_a_model_larger_than_the_memory_for_models_unloads_no_other(tmp_path: Path) -> None:
    store = small_store(tmp_path, ("a", "b"), room_for=1)
    with (tmp_path / "b" / "more.safetensors").open("wb") as file:
        file.truncate(1 << 40)

    async def scenario() -> list[str]:
        await store.load("a", "a")
        with pytest.raises(RequestFailure, match="max_models_gb") as refused:
            async with store.use_or_load(tmp_path / "b"):
                pass
        assert refused.value.status == 507
        return [loaded.name for loaded in store.list()]

    assert asyncio.run(scenario()) == ["a"]


@pytest.mark.parametrize("error", [MemoryError(), torch.OutOfMemoryError("CUDA out of memory")])
def test_a_model_for_which_there_is_no_memory_is_refused(
    error: Exception, store: ModelStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(*_: object) -> HostedModel:
        raise error

    monkeypatch.setattr(HostedModel, "load", load)
    with pytest.raises(RequestFailure, match="there is no memory for model 'a'") as refused:
        asyncio.run(store.load("a", str(folder)))
    assert refused.value.status == 507


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("a", "a"),
        ("./a", "a"),
        ("a/", "a"),
        ("a//", "a"),
        ("b/../a", "a"),
        ("../{root}/a", "a"),
        ("{parent}/{root}/a", "a"),
        ("", None),
        (".", None),
        ("..", None),
        ("/", None),
        ("nothing", None),
        ("%61", None),
        ("a%00", None),
        ("a\0", None),
        ("\ud800", None),
        ("x" * 300, None),
        ("x/" * 3000, None),
        ("../" * 50 + "etc/passwd", None),
        ("a/../../{root}-beside", None),
        ("circle/a", None),
    ],
)
def test_names_of_models(tmp_path: Path, text: str, path: str | None) -> None:
    root = tmp_path / "root"
    (root / "a").mkdir(parents=True)
    (tmp_path / "root-beside").mkdir()
    (root / "circle").symlink_to("circle")
    settings = ServingSettings.parse({"model": root, "device": "cpu", "multi_model": True})
    store = ModelStore(SharedResources(settings, Metrics()))
    expected = None if path is None else root.resolve() / path
    assert store.path_of(text.replace("{root}", "root").replace("{parent}", str(tmp_path.resolve()))) == expected


def test_a_refusal_to_load_names_no_folder_of_the_machine(tmp_path: Path) -> None:
    store = small_store(tmp_path, ("a",), room_for=1)
    (tmp_path / "a" / "model.json").write_text("secret")
    with pytest.raises(RequestFailure) as refused:
        asyncio.run(store.load("first", str(tmp_path / "a")))
    assert refused.value.status == 400
    assert "model 'first'" in refused.value.sentence
    assert str(tmp_path) not in refused.value.sentence
    assert "secret" not in refused.value.sentence
