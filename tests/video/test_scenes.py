"""The tracker on scenes with known tracks. The figures are TrackEval's; a change that tracks worse fails here."""

from __future__ import annotations

import numpy as np
import pytest

from tests.video.scenes import SCENES, Scene
from tests.video.track_metrics import Found, quality
from vision.video.tracker import Tracker

# HOTA, MOTA and IDF1 in percent, as scripts/test.sh tracking prints them.
EXPECTED = {
    "crossings": (89.9, 97.6, 98.8),
    "occlusions": (77.6, 83.3, 90.9),
    "misses": (67.6, 73.1, 84.5),
    "false boxes": (90.0, 97.9, 98.9),
    "low scores": (87.3, 94.8, 97.3),
    "entering and leaving": (89.1, 96.8, 98.4),
    "crowd": (90.0, 97.9, 98.9),
    "curves": (87.3, 96.7, 95.6),
    "5 frames a second": (88.8, 96.8, 98.4),
    "2 frames a second": (85.7, 93.1, 96.4),
    "2 frames a second, fast": (82.9, 89.5, 94.5),
    "classes waver": (89.7, 97.5, 98.8),
    "uneven times": (89.0, 96.6, 98.3),
}


def tracked(scene: Scene) -> list[Found]:
    tracker = Tracker(scene.frame_rate)
    found = []
    for frame in scene.frames():
        ids = tracker.update(frame.seen, frame.scores, frame.classes, frame.seconds)
        found.append(Found(frame.ids, frame.boxes, ids[ids > 0], frame.seen[ids > 0]))
    return found


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)
def test_a_scene_is_tracked_as_well_as_before(scene: Scene) -> None:
    found = np.array(quality(tracked(scene))) * 100
    assert found == pytest.approx(np.array(EXPECTED[scene.name]), abs=0.1)
