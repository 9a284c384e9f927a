"""Which frames of an endless video stay candidates."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tests.video.square_finder import box_model
from vision.video.worth_labeling import WorthLabeling


def test_of_the_two_most_alike_the_less_doubtful_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stored = lambda frame, doubt: SimpleNamespace(uncertainty=doubt, file=tmp_path / "none")  # noqa: E731
    worth = WorthLabeling(box_model(), tmp_path, 2, "m")
    monkeypatch.setattr(worth, "_stored", stored)
    random = np.random.default_rng(0)
    vectors, doubts = random.normal(size=(300, 6)).astype(np.float32), random.random(300).tolist()
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    # Compares all with all each time.
    expected: list[int] = []
    for new in range(300):
        worth._consider(None, doubts[new], ("clip", frozenset()), vectors[new])  # type: ignore[arg-type]
        near = [old for old in expected if vectors[old] @ vectors[new] >= 0.99]
        if all(doubts[old] < doubts[new] for old in near):
            expected = [old for old in expected if old not in near] + [new]
        if len(expected) > 20:
            similar = vectors[expected] @ vectors[expected].T
            np.fill_diagonal(similar, -np.inf)
            pair = np.unravel_index(int(similar.argmax()), similar.shape)
            expected.remove(min((expected[int(place)] for place in pair), key=doubts.__getitem__))
        assert [one.image.uncertainty for one in worth._candidates] == [doubts[one] for one in expected]
    assert len(expected) == 20
