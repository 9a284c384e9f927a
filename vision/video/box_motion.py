"""Where boxes go between two frames: a Kalman filter of constant velocity over many boxes at once.

The model is ByteTrack's (Zhang and others 2022): a box is its center, its aspect ratio (width by height) and its
height, and is as uncertain as it is high. All noises are independent, so that each of the four values has a filter of
two numbers (value and velocity) of its own, in closed form. Noises are given for 1/30 of a second, the step of the
videos that the paper tuned them on, and grow with the real time: two steps of half the length give the same as one.

Legend: T boxes. Boxes are xyxy in pixels; state values are (center x, center y, aspect, height), velocities per second.
"""

from __future__ import annotations

import numpy as np

_STEPS_PER_SECOND = 30.0
# Standard deviations of one step: as shares of a box's height, and of its aspect ratio in its own unit.
_POSITION_SHARE = 1 / 20
_VELOCITY_SHARE = 1 / 160
_ASPECT_NOISE = 1e-2
_ASPECT_VELOCITY_NOISE = 1e-5
_ASPECT_MEASUREMENT_NOISE = 1e-1
# The standard deviation of a position that needs no margin, as a share of the height; the margin's share of the rest.
_USUAL_DOUBT_SHARE = 0.2
_MARGIN_SHARE = 0.5
_LEAST_SIDE_PX = 1e-3
_ASPECT, _HEIGHT = 2, 3


class BoxMotion:
    """The states of T boxes: ``values`` and ``velocities`` float64 [T, 4] and the covariance of each pair."""

    def __init__(self) -> None:
        self.values = np.zeros((0, 4))
        self.velocities = np.zeros((0, 4))
        # Of each value and its velocity: variance of the value, covariance, variance of the velocity.
        self._value_variance = np.zeros((0, 4))
        self._covariance = np.zeros((0, 4))
        self._velocity_variance = np.zeros((0, 4))

    def __len__(self) -> int:
        return len(self.values)

    def boxes(self) -> np.ndarray:
        """Return the boxes float64 [T, 4] where they are now."""
        height = np.maximum(self.values[:, _HEIGHT], _LEAST_SIDE_PX)
        half = np.stack([np.maximum(self.values[:, _ASPECT], 0.0) * height, height], axis=1) / 2
        return np.concatenate([self.values[:, :2] - half, self.values[:, :2] + half], axis=1)

    def margins(self) -> np.ndarray:
        """Return by how many pixels float64 [T] to grow each box for the search: 0 where its position is well known."""
        height = self.values[:, _HEIGHT]
        doubt = np.sqrt(self._value_variance[:, 0]) - _USUAL_DOUBT_SHARE * height
        return np.clip(doubt, 0.0, height) * _MARGIN_SHARE

    def add(self, boxes: np.ndarray) -> None:
        """Add boxes [n, 4], whose velocity is not known yet."""
        values = _state_values(boxes)
        position, velocity = _noises(values[:, _HEIGHT], _ASPECT_NOISE)
        self.values = np.concatenate([self.values, values])
        self.velocities = np.concatenate([self.velocities, np.zeros_like(values)])
        self._value_variance = np.concatenate([self._value_variance, (2 * position) ** 2])
        self._covariance = np.concatenate([self._covariance, np.zeros_like(values)])
        self._velocity_variance = np.concatenate([self._velocity_variance, (10 * velocity) ** 2])

    def keep(self, kept: np.ndarray) -> None:
        """Keep only the boxes of the mask bool [T]."""
        self.values, self.velocities = self.values[kept], self.velocities[kept]
        self._value_variance, self._covariance = self._value_variance[kept], self._covariance[kept]
        self._velocity_variance = self._velocity_variance[kept]

    def predict(self, seconds: float, unseen: np.ndarray) -> None:
        """Move all boxes forward in time. Those of the mask ``unseen`` bool [T] keep their size."""
        self.velocities[unseen, _ASPECT:] = 0.0
        position, velocity = _noises(self.values[:, _HEIGHT], _ASPECT_NOISE)
        # Velocities drift like a random walk; what they add to the value and to the covariance is its integral.
        steps = seconds * _STEPS_PER_SECOND
        position_noise, velocity_noise = position**2 * steps, velocity**2 * steps
        self.values += self.velocities * seconds
        self._value_variance += (
            2 * seconds * self._covariance
            + seconds**2 * self._velocity_variance
            + position_noise
            + velocity_noise * seconds**2 / 3
        )
        self._covariance += seconds * self._velocity_variance + velocity_noise * seconds / 2
        self._velocity_variance += velocity_noise

    def correct(self, places: np.ndarray, boxes: np.ndarray) -> None:
        """Correct the boxes at places int [n] by the detected boxes [n, 4]."""
        noise, _ = _noises(self.values[places, _HEIGHT], _ASPECT_MEASUREMENT_NOISE)
        variance, covariance = self._value_variance[places], self._covariance[places]
        surprise = _state_values(boxes) - self.values[places]
        total = variance + noise**2
        gain, velocity_gain = variance / total, covariance / total
        self.values[places] += gain * surprise
        self.velocities[places] += velocity_gain * surprise
        self._value_variance[places] = variance - gain * variance
        self._covariance[places] = covariance - gain * covariance
        self._velocity_variance[places] -= velocity_gain * covariance


def _state_values(boxes: np.ndarray) -> np.ndarray:
    sides = boxes[:, 2:] - boxes[:, :2]
    aspect = sides[:, 0] / sides[:, 1]
    return np.concatenate([(boxes[:, :2] + boxes[:, 2:]) / 2, aspect[:, None], sides[:, 1:]], axis=1)


def _noises(heights: np.ndarray, aspect_noise: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the standard deviations [T, 4] of values, and of velocities per second, over one step."""
    heights = np.maximum(heights, _LEAST_SIDE_PX)[:, None]
    position = heights * np.array([_POSITION_SHARE, _POSITION_SHARE, 0.0, _POSITION_SHARE])
    velocity = heights * np.array([_VELOCITY_SHARE, _VELOCITY_SHARE, 0.0, _VELOCITY_SHARE])
    position[:, _ASPECT], velocity[:, _ASPECT] = aspect_noise, _ASPECT_VELOCITY_NOISE
    return position, velocity * _STEPS_PER_SECOND
