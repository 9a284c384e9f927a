from __future__ import annotations

import asyncio
import gc
import weakref
from pathlib import Path

import pytest

from tests.serving.small_model import write_model
from vision.serving.failure import RequestFailure
from vision.serving.hosted_model import Workshop
from vision.serving.metrics import Metrics
from vision.serving.model_store import ModelStore
from vision.serving.settings import ServingSettings


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_model(tmp_path / "model")


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    settings = ServingSettings.parse({"model": tmp_path, "device": "cpu", "multi_model": True})
    return ModelStore(Workshop(settings, Metrics()))


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


def test_what_is_in_use_is_not_unloaded_for_others(store: ModelStore, folder: Path) -> None:
    async def scenario() -> list[str]:
        for name in "abc":
            await store.load(name, str(folder))
        async with store.use("a"):
            async with store.use("b"):
                pass
            assert await store.unload_least_recently_used()
            assert await store.unload_least_recently_used()
            assert not await store.unload_least_recently_used()
        return [loaded.name for loaded in store.list()]

    assert asyncio.run(scenario()) == ["a"]
