"""Our tracker beside TrackEval and a peer, on generated scenes; ``scripts/test.sh tracking`` makes the environment."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.video.scenes import SCENES, Scene
from tests.video.test_scenes import EXPECTED
from tests.video.track_metrics import Found, quality
from vision.video.tracker import Tracker

ROOT = Path(__file__).parents[2]
SEEDS = range(3)


def tracked(scene: Scene) -> tuple[dict[str, Any], list[Found]]:
    """Return a scene as JSON, with our tracks in it, and what we found."""
    tracker = Tracker(scene.frame_rate)
    frames, found = [], []
    for frame in scene.frames():
        ids = tracker.update(frame.seen, frame.scores, frame.classes, frame.seconds)
        found.append(Found(frame.ids, frame.boxes, ids[ids > 0], frame.seen[ids > 0]))
        values = {name: value.tolist() for name, value in vars(frame).items() if name != "seconds"}
        ours = {"ours": ids[ids > 0].tolist(), "our_boxes": frame.seen[ids > 0].tolist()}
        frames.append({"seconds": frame.seconds, **values, **ours})
    return {"frame_rate": scene.frame_rate, "frames": frames}, found


@pytest.fixture(scope="module")
def figures() -> dict[str, np.ndarray]:
    """Percent by scene [seed, who, metric]: by TrackEval of ours and of the peer's tracks, and by our own formulas."""
    python = os.environ.get("VISION_TRACKING_PYTHON") or str(ROOT / ".venv-tracking" / "bin" / "python")
    scenes = [(scene, *tracked(dataclasses.replace(scene, seed=seed))) for scene in SCENES for seed in SEEDS]
    command = [python, str(ROOT / "tests" / "interop_tracking" / "peers.py")]
    job = json.dumps([values for _, values, _ in scenes])
    done = subprocess.run(command, input=job, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    answers = json.loads(done.stdout)
    rows = [[*answer, quality(found)] for (_, _, found), answer in zip(scenes, answers, strict=True)]
    shape = (len(SCENES), len(SEEDS), 3, 3)
    return dict(zip([scene.name for scene in SCENES], 100 * np.array(rows).reshape(shape), strict=True))


def test_the_figures_of_the_fast_tests_are_trackevals(figures: dict[str, np.ndarray]) -> None:
    for name, found in figures.items():
        assert found[0, 0] == pytest.approx(np.array(EXPECTED[name]), abs=0.1), name
        assert found[:, 2] == pytest.approx(found[:, 0], abs=0.05), name


def test_tracks_are_as_good_as_the_peers(figures: dict[str, np.ndarray]) -> None:
    means = {name: found.mean(axis=0) for name, found in figures.items()}
    means["mean"] = np.mean(list(means.values()), axis=0)
    print(f"\n{'HOTA, MOTA and IDF1 of':26} ours               ByteTrack of trackers")
    for name, (ours, peer, _) in means.items():
        print(f"{name:26} {ours[0]:.1f} {ours[1]:.1f} {ours[2]:.1f}     {peer[0]:.1f} {peer[1]:.1f} {peer[2]:.1f}")
    ours, peer, _ = means["mean"]
    assert (ours >= peer).all()
