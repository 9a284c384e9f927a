"""Runs in the environment of the peers: reads scenes as JSON from standard input and writes what they make of them.

For each scene, what TrackEval says of the given tracks, and of those of Roboflow's ByteTrack on the same detections.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
import warnings
from typing import Any

import numpy as np
import supervision
from trackers import ByteTrackTracker

with contextlib.redirect_stdout(io.StringIO()):
    from trackeval.metrics import CLEAR, HOTA, Identity

    METRICS = HOTA(), CLEAR({"PRINT_CONFIG": False}), Identity({"PRINT_CONFIG": False})


def quality(scene: dict[str, Any], tracks: list[tuple[np.ndarray, np.ndarray]]) -> list[float]:
    """Return HOTA, MOTA and IDF1, shares, of the ids and boxes of each frame."""
    truth = [(np.array(frame["ids"], int), _boxes(frame["boxes"])) for frame in scene["frames"]]
    data: dict[str, Any] = {"num_timesteps": len(truth)}
    for name, frames in (("gt", truth), ("tracker", tracks)):
        known = np.unique(np.concatenate([ids for ids, _ in frames]))
        data[f"{name}_ids"] = [np.searchsorted(known, ids) for ids, _ in frames]
        data[f"num_{name}_ids"] = len(known)
        data[f"num_{name}_dets"] = sum(len(ids) for ids, _ in frames)
    data["similarity_scores"] = [_iou(boxes, found) for (_, boxes), (_, found) in zip(truth, tracks, strict=True)]
    hota, clear, identity = (metric.eval_sequence(data) for metric in METRICS)
    return [float(np.mean(hota["HOTA"])), float(clear["MOTA"]), float(identity["IDF1"])]


def of_peer(scene: dict[str, Any]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return ids and boxes of each frame by Roboflow's tracker with its own settings."""
    tracker = ByteTrackTracker(frame_rate=scene["frame_rate"])
    found = []
    for frame in scene["frames"]:
        seen = supervision.Detections(
            xyxy=_boxes(frame["seen"]),
            confidence=np.array(frame["scores"], float),
            class_id=np.array(frame["classes"], int),
        )
        tracked = tracker.update(seen, timestamp=frame["seconds"])
        kept = tracked.tracker_id >= 0
        found.append((tracked.tracker_id[kept], tracked.xyxy[kept]))
    return found


def _boxes(rows: list[list[float]]) -> np.ndarray:
    return np.array(rows, float).reshape(-1, 4)


def _iou(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    boxes, others = boxes[:, None], others[None]
    sides = np.minimum(boxes[..., 2:], others[..., 2:]) - np.maximum(boxes[..., :2], others[..., :2])
    common = sides.clip(min=0).prod(axis=-1)
    areas = [(some[..., 2:] - some[..., :2]).prod(axis=-1) for some in (boxes, others)]
    return common / (areas[0] + areas[1] - common)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    answers = []
    for scene in json.load(sys.stdin):
        ours = [(np.array(frame["ours"], int), _boxes(frame["our_boxes"])) for frame in scene["frames"]]
        answers.append([quality(scene, ours), quality(scene, of_peer(scene))])
    json.dump(answers, sys.stdout)
