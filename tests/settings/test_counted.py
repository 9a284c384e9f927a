from __future__ import annotations

import pytest

from vision.settings.counted import counted


@pytest.mark.parametrize(
    ("count", "noun", "text"),
    [
        (1, "image", "1 image"),
        (0, "image", "0 images"),
        (12_345, "image", "12,345 images"),
        (2, "class", "2 classes"),
        (2, "box", "2 boxes"),
        (3, "epoch", "3 epochs"),
        (3, "batch", "3 batches"),
    ],
)
def test_nouns_follow_their_count(count: int, noun: str, text: str) -> None:
    assert counted(count, noun) == text
