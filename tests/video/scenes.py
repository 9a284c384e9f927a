"""Scenes with known tracks, and what a detector that errs would see of them. Everything follows from the seed.

Objects are boxes that go straight at their own speed, or in curves. Boxes are xyxy in pixels.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

WIDTH, HEIGHT = 640, 480


@dataclass(frozen=True)
class Frame:
    """Truth ``ids`` [M] and ``boxes`` [M, 4]; detections ``seen`` [N, 4] with ``scores`` and ``classes`` [N]."""

    seconds: float
    ids: np.ndarray
    boxes: np.ndarray
    seen: np.ndarray
    scores: np.ndarray
    classes: np.ndarray


@dataclass(frozen=True)
class Scene:
    """``miss``: share of objects not seen; ``false_boxes`` a frame; ``dim``: share of objects that score low.

    ``pillar_px``: width of a pillar in the middle that hides what is behind it. ``curve``: turns go up to this many
    radians a second. ``uneven``: frames come at odd times.
    """

    name: str
    objects: int = 8
    seconds: float = 6.0
    frame_rate: float = 25.0
    speed_px: float = 60.0
    size_px: float = 50.0
    jitter: float = 0.03
    miss: float = 0.02
    false_boxes: float = 0.0
    dim: float = 0.05
    pillar_px: float = 0.0
    curve: float = 0.0
    uneven: bool = False
    classes: int = 1
    flip: float = 0.0
    seed: int = 0

    def frames(self) -> Iterator[Frame]:
        draw = np.random.default_rng(self.seed)
        count = int(self.seconds * self.frame_rate)
        times = np.arange(count) / self.frame_rate
        if self.uneven:
            times = np.sort(times + draw.uniform(-0.4, 0.4, count) / self.frame_rate)
        sides = self.size_px * draw.uniform(0.6, 1.4, (self.objects, 1)) * draw.uniform(0.7, 1.3, (self.objects, 2))
        middle_s = draw.uniform(0, self.seconds, self.objects)
        # Where an object is at a time in the middle of its life: all pass through the picture, and cross.
        place = np.array([WIDTH, HEIGHT]) * draw.uniform(0.2, 0.8, (self.objects, 2))
        angle, speed = draw.uniform(0, 2 * np.pi, self.objects), self.speed_px * draw.uniform(0.5, 1.5, self.objects)
        turn = self.curve * draw.uniform(-1, 1, self.objects)
        kinds = draw.integers(0, self.classes, self.objects)
        # A doubt about an object lasts: scores wander, rather than jump.
        doubt = np.zeros(self.objects)
        for now_s in times:
            passed = (now_s - middle_s)[:, None]
            bent = angle[:, None] + turn[:, None] * passed / 2
            # The chord of an arc; straight where nothing turns.
            reach = speed[:, None] * passed * np.sinc(turn[:, None] * passed / (2 * np.pi))
            center = place + reach * np.concatenate([np.cos(bent), np.sin(bent)], axis=1)
            boxes = np.concatenate([center - sides / 2, center + sides / 2], axis=1)
            inside = ((center > 0) & (center < [WIDTH, HEIGHT])).all(axis=1)
            hidden = np.abs(center[:, 0] - WIDTH / 2) < self.pillar_px / 2
            doubt += 0.3 * (draw.normal(0, 1, self.objects) - doubt)
            dim = doubt < np.quantile(doubt, self.dim) if self.dim else np.zeros(self.objects, bool)
            scores = np.where(dim, draw.uniform(0.15, 0.45, self.objects), draw.uniform(0.65, 0.99, self.objects))
            near_pillar = np.abs(center[:, 0] - WIDTH / 2) < (self.pillar_px + sides[:, 0]) / 2
            scores = np.where(near_pillar & (self.pillar_px > 0), np.minimum(scores, draw.uniform(0.2, 0.5)), scores)
            found = inside & ~hidden & (draw.uniform(0, 1, self.objects) >= self.miss)
            noise = self.jitter * np.tile(sides, 2) * draw.normal(0, 1, (self.objects, 4))
            wrong = draw.uniform(0, 1, self.objects) < self.flip
            named = np.where(wrong, (kinds + 1) % self.classes, kinds)
            clutter = self._clutter(draw)
            yield Frame(
                float(now_s),
                np.flatnonzero(inside) + 1,
                boxes[inside],
                np.concatenate([(boxes + noise)[found], clutter]),
                np.concatenate([scores[found], draw.uniform(0.1, 0.75, len(clutter))]),
                np.concatenate([named[found], draw.integers(0, self.classes, len(clutter))]),
            )

    def _clutter(self, draw: np.random.Generator) -> np.ndarray:
        count = draw.poisson(self.false_boxes)
        corner = draw.uniform(0, 1, (count, 2)) * [WIDTH, HEIGHT]
        return np.concatenate([corner, corner + self.size_px * draw.uniform(0.5, 1.5, (count, 2))], axis=1)


SCENES = (
    Scene("crossings", objects=16, speed_px=90),
    Scene("occlusions", objects=10, pillar_px=60, speed_px=120),
    Scene("misses", objects=10, miss=0.25),
    Scene("false boxes", objects=8, false_boxes=3.0),
    Scene("low scores", objects=10, dim=0.35),
    Scene("entering and leaving", objects=40, seconds=8, speed_px=220),
    Scene("crowd", objects=40, size_px=40, speed_px=40),
    Scene("curves", objects=10, speed_px=120, curve=1.5),
    Scene("5 frames a second", objects=10, frame_rate=5, seconds=20, speed_px=40),
    Scene("2 frames a second", objects=8, frame_rate=2, seconds=40, speed_px=30, size_px=70),
    Scene("2 frames a second, fast", objects=8, frame_rate=2, seconds=40, speed_px=60, size_px=70),
    Scene("classes waver", objects=10, classes=3, flip=0.15),
    Scene("uneven times", objects=10, uneven=True, frame_rate=10, speed_px=60),
)
