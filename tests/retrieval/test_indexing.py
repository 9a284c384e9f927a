"""Indexing with a network of its own: the smallest that has an algorithm to make vectors."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from tests.api.conftest import write_records
from tests.retrieval.pictures import picture
from vision import algorithms
from vision.retrieval import indexing
from vision.retrieval.embedding_model import Content, EmbeddingModel, contents_of
from vision.retrieval.found_images import ImageSearch
from vision.retrieval.image_index import ImageIndex
from vision.retrieval.indexing import Indexed, index_images
from vision.settings.errors import DataError, UserError
from vision.settings.run import RunSettings


@pytest.fixture(scope="module")
def model() -> EmbeddingModel:
    algorithm = algorithms.get("image_classification")
    given = {"num_classes": "2", "num_training_samples": "1", "num_layers": "20", "image_shape": "3,32,32"}
    hyperparameters = algorithm.facts.hyperparameters.parse(given)
    torch.manual_seed(0)
    network = algorithm.build_network(algorithm.architecture(hyperparameters)).eval()
    transform = algorithm.transform(hyperparameters, "inference")
    return EmbeddingModel(algorithm, network, transform, torch.device("cpu"), "runs/x")


def png(seed: int) -> bytes:
    return cv2.imencode(".png", picture(seed, 64))[1].tobytes()


def contents(*names: str) -> Iterator[Content]:
    """Yield an image for each name, which begins with its number."""
    for name in names:
        yield Content(name, png(int(name.partition(".")[0].partition("-")[0])))


def test_the_same_images_are_indexed_once(
    model: EmbeddingModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexing, "PART_IMAGES", 3)
    names = [f"{number}.png" for number in range(8)]
    assert index_images(tmp_path, model, contents(*names), print) == Indexed(added=8)
    parts = {path.name: path.read_bytes() for path in tmp_path.glob("[!.]*")}
    assert len(parts) == 4
    assert index_images(tmp_path, model, contents(*names), print) == Indexed(known=8)
    assert {path.name: path.read_bytes() for path in tmp_path.glob("[!.]*")} == parts
    assert index_images(tmp_path, model, contents(*names, "8.png"), print) == Indexed(added=1, known=8)
    assert ImageIndex.open(tmp_path).entries().names == (*names, "8.png")


def test_a_file_has_one_place_however_its_path_is_written(
    model: EmbeddingModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = Path("photos") / "1.png"
    path.parent.mkdir()
    path.write_bytes(png(1))
    assert index_images(tmp_path / "index", model, contents_of([path]), print) == Indexed(added=1)
    ways = [Path("photos/../photos/1.png"), tmp_path / path]
    assert index_images(tmp_path / "index", model, contents_of(ways), print) == Indexed(known=2)
    path.write_bytes(png(2))
    assert index_images(tmp_path / "index", model, contents_of(ways), print) == Indexed(added=1, known=1)
    assert ImageIndex.open(tmp_path / "index").entries().names == ("photos/1.png",)


def test_images_of_data_sets_of_one_name_are_apart(model: EmbeddingModel, tmp_path: Path) -> None:
    for seed, folder in enumerate(("a", "b")):
        (tmp_path / folder).mkdir()
        write_records(tmp_path / folder / "train.rec", 3, seed)
    data_sets = [tmp_path / folder / "train.rec" for folder in ("a", "b")]
    assert index_images(tmp_path / "index", model, contents_of(data_sets), print) == Indexed(added=6)
    names = ImageIndex.open(tmp_path / "index").entries().names
    assert [name.partition(" record ")[0] for name in names] == [str(path) for path in data_sets for _ in range(3)]
    assert index_images(tmp_path / "index", model, contents_of(data_sets), print) == Indexed(known=6)


def test_an_interrupted_run_goes_on(model: EmbeddingModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(indexing, "PART_IMAGES", 32)
    names = [f"{place}.png" for place in range(150)]

    def interrupted() -> Iterator[Content]:
        yield from contents(*names[:120])
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        index_images(tmp_path / "index", model, interrupted(), print)
    kept = len(ImageIndex.open(tmp_path / "index").entries())
    done = index_images(tmp_path / "index", model, contents(*names), print)
    assert 0 < kept < 120
    assert done == Indexed(added=150 - kept, known=kept)
    index_images(tmp_path / "whole", model, contents(*names), print)
    whole, found = (ImageIndex.open(tmp_path / name).entries() for name in ("whole", "index"))
    assert found.names == whole.names
    assert np.array_equal(found.vectors, whole.vectors)


def test_a_slow_run_writes_now_and_then(model: EmbeddingModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(indexing, "PART_SECONDS", 0.0)

    def interrupted() -> Iterator[Content]:
        yield from contents(*(f"{place}.png" for place in range(120)))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        index_images(tmp_path, model, interrupted(), print)
    assert len(ImageIndex.open(tmp_path).entries()) > 0
    assert len(list(tmp_path.glob("part-*"))) == 1


def test_equal_bytes_are_embedded_once_and_changed_ones_again(
    model: EmbeddingModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    embed = model.embed
    monkeypatch.setattr(model, "embed", lambda given: embed(noted(given, seen)))
    assert index_images(tmp_path, model, contents("1.png", "1-copy.png", "2.png"), print).added == 3
    assert seen == ["1.png", "2.png"]
    vectors = ImageIndex.open(tmp_path).entries().vectors
    assert np.array_equal(vectors[0], vectors[1])
    changed = [Content("1.png", png(3)), Content("1-copy.png", png(2))]
    assert index_images(tmp_path, model, iter(changed), print) == Indexed(added=2)
    assert seen == ["1.png", "2.png", "1.png"]
    entries = ImageIndex.open(tmp_path).entries()
    assert sorted(entries.names) == ["1-copy.png", "1.png", "2.png"]
    by_name = dict(zip(entries.names, entries.vectors, strict=True))
    assert np.array_equal(by_name["1-copy.png"], by_name["2.png"])


def noted(given: Iterator[Content], seen: list[str]) -> Iterator[Content]:
    for content in given:
        seen.append(content.name)
        yield content


def test_broken_images_are_named_and_tried_again(model: EmbeddingModel, tmp_path: Path) -> None:
    sentences: list[str] = []
    unread = Content("x.png", DataError("x.png", "cannot be read"))
    given = [Content("bad.png", b"nothing"), *contents("1.png"), unread, Content("bad too.png", b"nothing")]
    found = index_images(tmp_path, model, given, sentences.append)
    assert (found.added, found.failed) == (1, 3)
    assert {sentence.partition(":")[0] for sentence in sentences} == {"bad.png", "x.png", "bad too.png"}
    mended = index_images(tmp_path, model, [Content("bad.png", png(2))], sentences.append)
    assert mended == Indexed(added=1)


def test_an_image_is_found_by_itself_and_by_its_smaller_copy(model: EmbeddingModel, tmp_path: Path) -> None:
    names = [f"{number}.png" for number in range(10)]
    index_images(tmp_path, model, contents(*names), print)
    search = ImageSearch(ImageIndex.open(tmp_path).entries())
    small = cv2.cvtColor(cv2.resize(picture(4, 64), (48, 48), interpolation=cv2.INTER_AREA), cv2.COLOR_BGR2RGB)
    queries = model.vectors([model.prepare(small, "small")])
    (found,) = search.nearest(queries, 3)
    assert found[0].name == "4.png"
    assert found[0].similarity > found[1].similarity > found[2].similarity


def test_a_model_without_a_base_network_is_refused() -> None:
    with pytest.raises(UserError, match="which does not exist"):
        EmbeddingModel.open("no-such-model", RunSettings())
