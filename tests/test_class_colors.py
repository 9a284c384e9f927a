"""Colors of VOC's own palette."""

from __future__ import annotations

import pytest

from vision.class_colors import class_colors


@pytest.mark.parametrize(
    ("id", "rgb"),
    [(0, (0, 0, 0)), (1, (128, 0, 0)), (2, (0, 128, 0)), (4, (0, 0, 128)), (8, (64, 0, 0)), (15, (192, 128, 128)),
     (20, (0, 64, 128)), (255, (224, 224, 192))],
)  # fmt: skip
def test_ids_have_the_colors_of_voc(id: int, rgb: tuple[int, int, int]) -> None:
    assert tuple(class_colors(256)[id]) == rgb


def test_no_two_ids_share_a_color() -> None:
    assert len({tuple(color) for color in class_colors(256).tolist()}) == 256
