from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from tests.retrieval.pictures import picture, reencoded, turned
from vision.retrieval.copies import candidate_pairs, find_copies
from vision.retrieval.image_index import IndexEntries
from vision.retrieval.matching_views import NO_FEATURES, local_features
from vision.retrieval.visual_words import NEIGHBORS, pairs_by_words


def vector_of(image: np.ndarray) -> np.ndarray:
    """Return colors of a small copy, which choose candidates as well as a network does here."""
    return cv2.resize(image, (4, 4), interpolation=cv2.INTER_AREA).ravel().astype(np.float32)


def test_copies_are_found_whatever_was_done_to_them_and_nothing_else() -> None:
    images = {f"{seed}": picture(seed) for seed in range(6)}
    images |= {
        "0 re-encoded": reencoded(images["0"]),
        "1 cropped": np.ascontiguousarray(images["1"][20:220, 30:230]),
        "2 mirrored": cv2.flip(images["2"], 1),
        "3 turned": turned(images["3"], 20),
        "4 equal": images["4"],
        "5 gone": images["5"],
    }
    digests = [np.full(32, 4 if name.startswith("4") else place + 100, np.uint8) for place, name in enumerate(images)]
    vectors = np.stack([vector_of(image) for image in images.values()])
    entries = IndexEntries(tuple(images), np.stack(digests), vectors)
    found = find_copies(entries, lambda name: None if name == "5 gone" else images[name])
    assert found.exact == [["4", "4 equal"]]
    assert sorted(map(sorted, found.near)) == [
        ["0", "0 re-encoded"],
        ["1", "1 cropped"],
        ["2", "2 mirrored"],
        ["3", "3 turned"],
    ]
    assert found.scenes == []
    assert found.unread == ["5 gone"]


@pytest.mark.parametrize(
    "change",
    [
        lambda image: cv2.flip(image, 1),
        lambda image: np.ascontiguousarray(image[2:30, 3:31]),
        lambda image: cv2.flip(reencoded(image), 1),
    ],
    ids=["mirrored", "cropped", "mirrored and re-encoded"],
)
def test_copies_of_small_images_are_found(change: Callable[[np.ndarray], np.ndarray]) -> None:
    small = {f"{seed}": cv2.resize(picture(seed), (32, 32), interpolation=cv2.INTER_AREA) for seed in range(6)}
    images = {**small, "2 changed": change(small["2"])}
    digests = np.arange(32 * len(images), dtype=np.uint8).reshape(-1, 32)
    entries = IndexEntries(tuple(images), digests, np.stack([vector_of(image) for image in images.values()]))
    found = find_copies(entries, images.__getitem__)
    assert [sorted(group) for group in found.near] == [["2", "2 changed"]]


def entries_of(images: dict[str, np.ndarray], vectors: np.ndarray) -> IndexEntries:
    digests = np.stack([np.full(32, place, np.uint8) for place in range(len(images))])
    return IndexEntries(tuple(images), digests, vectors)


def test_neighboring_frames_are_one_scene_and_no_copies() -> None:
    wide = np.concatenate([picture(seed) for seed in range(3)], axis=1)
    images = {"left": wide[:, :420], "right": wide[:, 200:620], "right again": reencoded(wide[:, 200:620])}
    found = find_copies(entries_of(images, np.stack(list(map(vector_of, images.values())))), images.__getitem__)
    assert found.near == [["right", "right again"]]
    assert found.scenes == [["left", "right"]]


def test_parts_of_an_image_have_the_most_words_in_common_with_it() -> None:
    images = [picture(seed) for seed in range(20)]
    images += [images[3][60:190, 80:210], cv2.flip(images[7][20:160, 20:160], 1)]
    features = [local_features(np.ascontiguousarray(image)) for image in images]
    pairs = set(map(tuple, pairs_by_words(features.__getitem__, len(images)).tolist()))
    assert {(3, 20), (7, 21)} <= pairs
    assert len(pairs) <= 2 * NEIGHBORS * len(images)
    assert pairs_by_words(lambda place: NO_FEATURES, 3).shape[1] == 2


def test_small_images_without_features_are_compared_in_all_positions() -> None:
    generator = np.random.default_rng(0)
    images = {
        f"{seed}": cv2.resize(
            generator.integers(0, 255, (3, 3, 3), dtype=np.uint8), (24, 24), interpolation=cv2.INTER_CUBIC
        )
        for seed in range(4)
    }
    images["1 turned"] = np.ascontiguousarray(np.rot90(images["1"][:, ::-1]))
    found = find_copies(entries_of(images, np.stack(list(map(vector_of, images.values())))), images.__getitem__)
    assert found.near == [["1", "1 turned"]]


def test_candidates_are_neighbors_and_all_that_are_similar() -> None:
    vectors = np.array([[np.cos(angle), np.sin(angle)] for angle in np.linspace(0, 3, 12)])
    pairs = candidate_pairs(vectors, 0.99)
    steps = pairs[:, 1] - pairs[:, 0]
    # 5 neighbors reach 3 or 4 places to a side, and at the ends 5.
    assert (pairs[:, 0] < pairs[:, 1]).all()
    assert steps.max() == 5
    assert candidate_pairs(np.zeros((0, 3)), 0.9).tolist() == []
