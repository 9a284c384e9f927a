from __future__ import annotations

import numpy as np
import pytest

from vision.video.tracker import Tracker, TrackerSettings

BOX = np.array([[100.0, 100.0, 140.0, 180.0]])
NONE = np.zeros((0, 4))


def moved(x: float, y: float = 0.0) -> np.ndarray:
    return BOX + np.array([x, y, x, y])


def step(
    tracker: Tracker, *boxes: np.ndarray, score: float = 0.9, kind: int = 0, seconds: float | None = None
) -> list[int]:
    found = np.concatenate(boxes) if boxes else NONE
    return tracker.update(found, np.full(len(found), score), np.full(len(found), kind), seconds).tolist()


def test_the_second_sighting_confirms_and_numbers_are_never_given_twice() -> None:
    tracker = Tracker(10)
    far = BOX + 300
    assert step(tracker, BOX) == [1]
    assert step(tracker, BOX, far) == [1, 0]
    assert step(tracker, far, BOX) == [2, 1]
    for _ in range(12):
        assert step(tracker) == []
    assert step(tracker, BOX) == [0]
    assert step(tracker, BOX) == [3]


def test_an_object_that_was_seen_once_leaves_no_track() -> None:
    tracker = Tracker(10)
    assert [step(tracker), step(tracker, BOX), step(tracker), step(tracker, BOX)] == [[], [0], [], [0]]


@pytest.mark.parametrize(("missed", "expected"), [(1, 1), (9, 1), (10, 0)])
def test_a_lost_track_is_kept_for_a_second(missed: int, expected: int) -> None:
    tracker = Tracker(10)
    step(tracker, BOX)
    for _ in range(missed):
        step(tracker)
    assert step(tracker, BOX) == [expected]


def test_at_few_frames_a_second_a_track_outlives_a_miss() -> None:
    tracker = Tracker(0.5)
    assert [step(tracker, BOX), step(tracker), step(tracker, BOX)] == [[1], [], [1]]


def test_a_low_score_goes_on_with_a_track_but_begins_none() -> None:
    tracker = Tracker(10)
    step(tracker, BOX)
    assert step(tracker, BOX, BOX + 300, score=0.3) == [1, 0]
    assert step(tracker, BOX, BOX + 300, score=0.3) == [1, 0]
    assert step(tracker, BOX, score=0.05) == [0]


def test_the_score_that_begins_tracks_is_set() -> None:
    tracker = Tracker(10, TrackerSettings(high_score=0.05))
    assert [step(tracker, BOX, score=0.06), step(tracker, BOX, score=0.04)] == [[1], [0]]


def test_a_class_that_wavers_keeps_the_track_but_another_object_does_not_take_it() -> None:
    tracker = Tracker(10)
    step(tracker, BOX, kind=1)
    assert step(tracker, BOX, kind=2) == [1]
    # Of two classes at one place the track's own, whatever the scores.
    assert tracker.update(np.concatenate([BOX, BOX]), np.array([0.95, 0.7]), np.array([2, 1])).tolist() == [0, 1]
    # 40 pixels of 80 overlap: IoU 1/3.
    assert step(tracker, moved(0, 40), kind=2) == [0]


def test_a_moving_box_is_looked_for_where_the_time_has_taken_it() -> None:
    """100 pixels a second, boxes 40 wide: after 0.6 s unseen it overlaps nothing of where it was."""
    for last, expected in ((moved(90), 1), (moved(40), 0)):
        tracker = Tracker(10)
        for time in range(4):
            assert step(tracker, moved(10.0 * time), seconds=time / 10) == [1]
        assert step(tracker, last, seconds=0.9) == [expected]


def test_two_that_cross_keep_their_numbers() -> None:
    tracker = Tracker(25)
    for frame in range(60):
        assert step(tracker, moved(4 * frame), moved(236 - 4 * frame, 10)) == [1, 2], frame


@pytest.mark.parametrize("seconds", [0.1, 0.0, -5.0, float("nan"), None])
def test_a_time_that_stands_still_or_runs_back_counts_as_one_frame(seconds: float | None) -> None:
    tracker = Tracker(10)
    step(tracker, BOX, seconds=0.1)
    assert step(tracker, BOX, seconds=seconds) == [1]


def test_boxes_that_are_none_get_no_track() -> None:
    tracker = Tracker(10)
    wrong = np.array([[np.nan, 0, 1, 1], [0, 0, np.inf, 1], [5, 5, 5, 9], [9, 9, 5, 5]])
    for _ in range(3):
        assert step(tracker, wrong, BOX) == [0, 0, 0, 0, 1]


def test_memory_of_a_long_stream_is_bounded() -> None:
    tracker = Tracker(10, TrackerSettings(lost_seconds=1))
    draw = np.random.default_rng(0)
    most = 0
    for _ in range(500):
        corner = draw.uniform(0, 5000, (20, 2))
        step(tracker, np.concatenate([corner, corner + 30], axis=1), np.tile(BOX, (1, 1)))
        most = max(most, len(tracker))
    assert most < 20 * 12


@pytest.mark.parametrize("rate", [0, -1, float("nan"), float("inf")])
def test_a_frame_rate_is_positive(rate: float) -> None:
    with pytest.raises(ValueError, match="frame rate"):
        Tracker(rate)
