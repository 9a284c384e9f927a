"""The tracker on scenes with known tracks. The figures are TrackEval's; a change that tracks worse fails here."""

from __future__ import annotations

import numpy as np
import pytest

from tests.video.scenes import SCENES, Scene
from tests.video.track_metrics import Found, quality
from vision.video.tracker import Tracker

# HOTA, MOTA and IDF1 in percent, as scripts/test.sh tracking prints them.
EXPECTED = {}


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
