from __future__ import annotations

import numpy as np
import pytest

from vision.settings.errors import DataError
from vision.video.mot_text import mot_text, read_mot_text

BOXES = np.array([[0.0, 10.0, 20.0, 50.5], [3.0, 4.0, 5.0, 6.0]])


def test_frames_and_pixels_count_from_1() -> None:
    text = mot_text(0, np.array([7, 0]), BOXES, np.array([0.25, 0.9]))
    assert text == "1,7,1.00,11.00,20.00,40.50,0.2500,-1,-1,-1\n"


def test_a_text_is_read_back() -> None:
    text = (
        mot_text(4, np.array([7, 8]), BOXES, np.array([0.25, 0.9])) + "\n" + mot_text(6, np.array([7]), BOXES[1:], [1])
    )
    tracks = read_mot_text(text.splitlines())
    assert tracks.frames.tolist() == [4, 4, 6] and tracks.ids.tolist() == [7, 8, 7]
    assert tracks.boxes.tolist() == [*BOXES.tolist(), BOXES[1].tolist()]
    assert tracks.scores.tolist() == [0.25, 0.9, 1.0]
    assert read_mot_text([]).boxes.shape == (0, 4)


@pytest.mark.parametrize("line", ["1,2,3", "a,1,2,3,4,5,6", "0,1,2,3,4,5,1", "1,1,nan,3,4,5,1", "1,1,2,3,-4,5,1"])
def test_a_wrong_line_is_named(line: str) -> None:
    with pytest.raises(DataError, match="line 2"):
        read_mot_text(["1,1,2,3,4,5,1,-1,-1,-1", line])
