"""Indexes that a server searches: the routes, without a socket."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tests.aws.mutated_requests import NASTY, damaged_bytes
from tests.retrieval.pictures import picture, reencoded
from tests.serving.asgi import Answered, ask, whole
from tests.serving.small_model import write_model
from vision.data.recordio.record import pack
from vision.retrieval.image_index import ImageIndex, IndexDescription
from vision.sagemaker.pipe_feeder import wrap
from vision.serving.app import build_app
from vision.serving.metrics import Metrics
from vision.serving.service import Service
from vision.serving.settings import ServingSettings
from vision.settings.errors import SettingsError


def png(image: np.ndarray) -> bytes:
    return cv2.imencode(".png", image)[1].tobytes()


IMAGES = {f"photo {seed}.png": png(picture(seed)) for seed in range(4)}
BROKEN = IMAGES["photo 0.png"][:200]


class App:
    """The application of a server, asked in small steps."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self._app = build_app(service)

    def __call__(self, method: str, target: str, body: bytes = b"", **headers: str) -> Answered:
        return asyncio.run(ask(self._app, method, target.replace(" ", "%20"), whole(body), **headers))

    def value(self, method: str, target: str, body: bytes = b"", **headers: str) -> Any:
        answered = self(method, target, body, **headers)
        assert answered.status == 200, answered.body
        return json.loads(answered.body)

    def add(self, index: str, images: dict[str, bytes]) -> Any:
        items = [{"name": name, "bytes": base64.b64encode(image).decode()} for name, image in images.items()]
        body = json.dumps({"images": items}).encode()
        return self.value("POST", f"/indexes/{index}/images", body, content_type="application/json")

    def found(self, index: str, image: bytes, query: str = "") -> list[str]:
        return [one["name"] for one in self.value("POST", f"/indexes/{index}/search{query}", image)["images"]]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("indexes") / "model")


@pytest.fixture(scope="module")
def indexes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("served")


@pytest.fixture(scope="module")
def app(model: Path, indexes: Path) -> App:
    settings = {"model": model, "device": "cpu", "indexes": indexes, "max_images": 8, "max_payload_mb": 2}
    return App(Service(ServingSettings.parse(settings), Metrics()))


@pytest.fixture
def photos(app: App) -> Iterator[str]:
    """An index with the images."""
    assert app.value("PUT", "/indexes/photos") == {"name": "photos", "images": 0}
    assert app.add("photos", IMAGES) == {"added": 4, "known": 0, "failed": []}
    yield "photos"
    assert app("DELETE", "/indexes/photos").status == 200


def test_search_by_images(app: App, photos: str) -> None:
    answer = app.value("POST", "/indexes/photos/search?top=2", IMAGES["photo 2.png"], content_type="image/png")
    first, second = answer["images"]
    assert (first["name"], first["similarity"]) == ("photo 2.png", pytest.approx(100, abs=0.05))
    assert 0 <= second["similarity"] < first["similarity"]
    copy = png(reencoded(picture(3)))
    least = (first["similarity"] + second["similarity"]) / 2
    assert app.found(photos, IMAGES["photo 2.png"], f"?threshold={least}") == ["photo 2.png"]
    records = b"".join(wrap(pack(0.0, number, image)) for number, image in enumerate((copy, BROKEN)))
    good, broken = app.value("POST", "/indexes/photos/search?top=1", records, content_type="application/x-recordio")
    assert good["images"][0]["name"] == "photo 3.png"
    assert "error" in broken
    like = app.value("POST", "/indexes/photos/search?name=photo 1.png")["images"]
    assert sorted(one["name"] for one in like) == ["photo 0.png", "photo 2.png", "photo 3.png"]


def test_views_are_compared_of_files_that_are_what_was_indexed(app: App, photos: str, tmp_path: Path) -> None:
    files = {str(tmp_path / name.replace(" ", "-")): image for name, image in IMAGES.items()}
    for name, image in files.items():
        Path(name).write_bytes(image)
    app.add(photos, files)
    other = str(tmp_path / "other.png")
    Path(other).write_bytes(IMAGES["photo 1.png"])
    # Its name is another image's file.
    app.add(photos, {other: IMAGES["photo 0.png"]})
    copy = png(reencoded(picture(1)))
    found = app.value("POST", "/indexes/photos/search?rerank=geometry&top=3", copy)["images"]
    assert (found[0]["name"], found[0]["agreeing"] > 20) == (str(tmp_path / "photo-1.png"), True)
    every = app.value("POST", "/indexes/photos/search?rerank=geometry", copy)["images"]
    assert {one["name"] for one in every if "agreeing" not in one} == {*IMAGES, other}


def test_images_are_listed_replaced_and_deleted(app: App, photos: str) -> None:
    pages, token = [], ""
    while token is not None:
        page = app.value("GET", f"/indexes/photos/images?limit=3&next_page_token={token}")
        pages.append(page["images"])
        token = page.get("nextPageToken")
    assert pages == [["photo 0.png", "photo 1.png", "photo 2.png"], ["photo 3.png"]]
    one, two = IMAGES["photo 1.png"], IMAGES["photo 2.png"]
    assert app.add(photos, {"photo 1.png": one, "new": two}) == {"added": 1, "known": 1, "failed": []}
    assert app.add(photos, {"new": one})["added"] == 1
    assert set(app.found(photos, one, "?top=2")) == {"photo 1.png", "new"}
    assert app.value("DELETE", "/indexes/photos/images?name=new&name=photo 0.png&name=none") == {"deleted": 2}
    body = json.dumps({"names": ["photo 1.png"]}).encode()
    assert app.value("DELETE", "/indexes/photos/images", body, content_type="application/json") == {"deleted": 1}
    assert app.value("GET", "/indexes/photos/images") == {"images": ["photo 2.png", "photo 3.png"]}
    assert app.value("GET", "/indexes/photos")["images"] == 2


def test_images_without_names_have_the_digests_of_their_bytes(app: App, photos: str) -> None:
    image = png(picture(9))
    assert app.value("POST", "/indexes/photos/images", image)["added"] == 1
    assert app.value("POST", "/indexes/photos/images", image)["known"] == 1
    assert hashlib.sha256(image).hexdigest() in app.value("GET", "/indexes/photos/images")["images"]
    records = b"".join(wrap(pack(0.0, number, one)) for number, one in enumerate((image, image, BROKEN)))
    assert app.value("POST", "/indexes/photos/images?name=r", records, content_type="application/x-recordio") == {
        "added": 2,
        "known": 0,
        "failed": [{"name": "r/2", "error": app("POST", "/indexes/photos/images?name=r/2", BROKEN).error}],
    }


def test_indexes_are_apart_and_come_and_go(app: App, photos: str) -> None:
    app.value("PUT", "/indexes/other")
    app.add("other", {"a": IMAGES["photo 0.png"]})
    assert app.value("GET", "/indexes?limit=1") == {"indexes": ["other"], "nextPageToken": "photos"}
    assert app.found("other", IMAGES["photo 1.png"]) == ["a"]
    assert app("PUT", "/indexes/other").status == 409
    assert app("DELETE", "/indexes/other").status == 200
    assert app("GET", "/indexes/other").status == app("DELETE", "/indexes/other").status == 404
    assert app.value("GET", "/indexes") == {"indexes": ["photos"]}


def test_what_other_servers_leave_is_freed(model: Path, tmp_path: Path) -> None:
    (tmp_path / ".deleted-1").mkdir()
    settings = ServingSettings.parse({"model": model, "device": "cpu", "indexes": tmp_path})
    service = Service(settings, Metrics())
    assert service.indexes is not None
    assert not list(tmp_path.iterdir())
    app = App(service)
    for name in ("one", "two"):
        app.value("PUT", f"/indexes/{name}")
    shutil.rmtree(tmp_path / "one")
    app.value("PUT", "/indexes/three")
    assert set(service.indexes._open) == {"two", "three"}


def test_a_damaged_index_can_be_deleted(app: App, indexes: Path) -> None:
    app.value("PUT", "/indexes/damaged")
    (indexes / "damaged" / "part-000001.safetensors").write_bytes(b"x")
    assert app("GET", "/indexes/damaged").status == 500
    assert app("DELETE", "/indexes/damaged").status == 200
    assert app("GET", "/indexes/damaged").status == 404


@pytest.mark.parametrize(
    ("method", "target", "body", "status", "sentence"),
    [
        ("POST", "/indexes/none/search", b"", 404, "index 'none' does not exist; make it with PUT /indexes/none"),
        ("PUT", "/indexes/..", b"", 400, "the name of an index is '..', but letters, digits"),
        ("POST", "/indexes/photos/search", b"", 400, "the body"),
        ("POST", "/indexes/photos/search", BROKEN, 400, "the body"),
        ("POST", "/indexes/photos/search?top=0", b"", 400, "top is '0', but a whole number from 1 to 4096 is needed"),
        ("POST", "/indexes/photos/search?threshold=nan", b"", 400, "threshold is 'nan', but a number from 0 to 100"),
        ("POST", "/indexes/photos/search?rerank=x", b"", 400, "rerank is 'x', but none or geometry is needed"),
        ("POST", "/indexes/photos/search?tops=1", b"", 400, "parameter 'tops' is unknown: did you mean top?"),
        ("POST", "/indexes/photos/search?name=x", b"", 404, "image 'x' is not in the index"),
        ("POST", "/indexes/photos/images?name=", IMAGES["photo 0.png"], 400, "the name of an image is ''"),
        ("POST", "/indexes/photos/images", bytes(3 << 20), 413, "max_payload_mb"),
        ("GET", "/indexes/photos/images?limit=x", b"", 400, "limit is 'x'"),
        ("DELETE", "/indexes/photos/images", b"", 400, "no image is named"),
    ],
)
def test_mistakes_are_sentences(
    app: App, photos: str, method: str, target: str, body: bytes, status: int, sentence: str
) -> None:
    answered = app(method, target, body)
    assert (answered.status, sentence in answered.error) == (status, True), answered.error


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b'{"images": []}', 400),
        (b'{"images": [1]}', 400),
        (b'{"images": [{"name": "a"}]}', 400),
        (b'{"images": [{"name": "a", "bytes": "?"}]}', 400),
        (b'{"images": [{"name": "\\ud800", "bytes": ""}]}', 400),
        (b'{"images": [{"name": "a", "bytes": ""}, {"name": "a", "bytes": ""}]}', 400),
        (json.dumps({"images": [{"bytes": ""}] * 9}).encode(), 413),
    ],
)
def test_bodies_that_name_no_images(app: App, photos: str, body: bytes, status: int) -> None:
    assert app("POST", "/indexes/photos/images", body, content_type="application/json").status == status


def test_no_body_breaks_a_route(app: App, photos: str, caplog: pytest.LogCaptureFixture) -> None:
    rng = random.Random(0)
    item = {"name": "a", "bytes": base64.b64encode(IMAGES["photo 0.png"]).decode()}
    bodies = {
        "application/json": json.dumps({"images": [item], "names": ["a"]}).encode(),
        "image/png": IMAGES["photo 1.png"],
        "application/x-recordio": wrap(pack(0.0, 1, IMAGES["photo 2.png"])),
    }
    targets = [f"/indexes/photos/{rest}" for rest in ("images", "search", "images?name=x", "search?rerank=geometry")]
    for number in range(1000):
        kind = rng.choice(list(bodies))
        body = damaged_bytes(bodies[kind], rng) if number % 4 else rng.choice(NASTY).encode("utf-8", "replace")
        target = rng.choice(targets)
        answered = app(rng.choice(("POST", "POST", "DELETE")), target, body, content_type=kind)
        assert answered.status < 500, (kind, target, body)
        assert answered.status == 200 or answered.error
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


def test_an_index_of_another_model_and_a_damaged_one(app: App) -> None:
    assert app.service.settings.indexes is not None
    folder = app.service.settings.indexes / "foreign"
    ImageIndex.open_or_make(folder, IndexDescription(model="runs/x", model_sha256="0" * 64, dimension=2))
    answered = app("POST", "/indexes/foreign/search", IMAGES["photo 0.png"])
    assert (answered.status, "holds vectors of x, whose weights differ" in answered.error) == (409, True)
    (folder / "index.json").write_text("{")
    answered = app("GET", "/indexes/foreign")
    assert (answered.status, answered.error) == (500, "the index is damaged; the server's log says why")


def test_one_model_makes_the_vectors_of_all_indexes(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="indexes is given with multi_model=true"):
        ServingSettings.parse({"model": tmp_path, "indexes": tmp_path, "multi_model": True})


@pytest.mark.parametrize(("name", "is_search"), [("imagenet", True), ("timm:resnet18", True), ("runs/x", False)])
def test_published_weights_only_search(name: str, is_search: bool, tmp_path: Path) -> None:
    assert ServingSettings.parse({"model": name, "indexes": tmp_path}).only_searches is is_search
    assert not ServingSettings.parse({"model": name}).only_searches


def test_a_server_that_only_searches(tmp_path: Path) -> None:
    settings = {"model": "classical", "device": "cpu", "indexes": tmp_path / "indexes"}
    app = App(Service(ServingSettings.parse(settings), Metrics()))
    app.value("PUT", "/indexes/photos")
    app.add("photos", IMAGES)
    assert app.found("photos", png(reencoded(picture(2))), "?top=1") == ["photo 2.png"]
    answered = app("POST", "/invocations", IMAGES["photo 0.png"])
    assert (answered.status, answered.error) == (404, "classical only searches here; call /indexes/NAME/search")
    assert app("GET", "/ping").status == 200
