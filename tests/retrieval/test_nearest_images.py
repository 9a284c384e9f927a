from __future__ import annotations

import numpy as np
import pytest

from vision.retrieval import nearest_images
from vision.retrieval.found_images import FoundImage, named
from vision.retrieval.nearest_images import Nearest, Vectors


def test_nearest_by_hand() -> None:
    vectors = Vectors(np.array([[1, 0], [0, 2], [3, 3]]))
    found = vectors.nearest(np.array([[2, 0], [0, 1]]), 2)
    assert found.places.tolist() == [[0, 2], [1, 2]]
    assert found.similarities == pytest.approx(np.array([[1, 0.5**0.5], [1, 0.5**0.5]]))


def test_no_image_is_more_alike_than_equal() -> None:
    above = np.nextafter(np.ones((1, 1), np.float32), np.float32(2))
    assert named(["a"], Nearest(np.zeros((1, 1), np.int64), above)) == [[FoundImage("a", 1.0)]]


def test_an_index_with_fewer_images_than_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Vectors(np.zeros((0, 2))).nearest(np.ones((1, 2)), 5).places.shape == (1, 0)
    assert Vectors(np.ones((1, 2))).nearest(np.ones((1, 2)), 5).places.tolist() == [[0]]
    assert Vectors(np.ones((1, 2))).nearest(np.ones((0, 2)), 5).places.shape == (0, 1)


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(0)
    vectors, queries = generator.normal(size=(300, 16)), generator.normal(size=(40, 16))
    monkeypatch.setattr(nearest_images, "_BLOCK_VALUES", 700)
    found = Vectors(vectors).nearest(queries, 7)
    similarity = (queries / np.linalg.norm(queries, axis=1, keepdims=True)) @ (
        vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    ).T
    assert np.array_equal(found.places, np.argsort(-similarity, axis=1)[:, :7])
    pairs, values = Vectors(vectors).pairs_above(0.5, 10_000)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    expected = np.argwhere(np.triu(unit @ unit.T >= 0.5, 1))
    assert len(expected) > 20
    assert np.array_equal(pairs[np.lexsort(pairs.T[::-1])], expected)
    assert values == pytest.approx([unit[first] @ unit[second] for first, second in pairs], abs=1e-5)
    few, kept = Vectors(vectors).pairs_above(0.5, 5)
    assert sorted(kept.tolist()) == sorted(values.tolist())[-5:]
    assert len(few) == 5


def test_whitened_vectors_vary_alike_in_all_directions() -> None:
    generator = np.random.default_rng(1)
    vectors = generator.normal(size=(500, 3)) * [0.5, 0.1, 0.02] + [5, 0, 0]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    plain, whitened = Vectors(vectors), Vectors(vectors, whiten=True)
    assert np.linalg.svd(plain.vectors.numpy(), compute_uv=False).max() > 20
    spread = np.linalg.svd(whitened.vectors.numpy(), compute_uv=False)
    assert spread.max() / spread.min() < 1.2
    # A query goes the same way.
    assert whitened.nearest(vectors[7:8], 1).places.tolist() == [[7]]
