from __future__ import annotations

import numpy as np
import pytest

from vision.video.box_motion import BoxMotion

BOXES = np.array([[0.0, 0.0, 20.0, 40.0], [100.0, 100.0, 130.0, 110.0]])
SEEN = np.zeros(2, bool)


def test_two_half_steps_give_the_same_state_as_one() -> None:
    motions = []
    for parts in (1, 2):
        motion = BoxMotion()
        motion.add(BOXES)
        for shift in (3.0, 6.0, 9.0):
            for _ in range(parts):
                motion.predict(0.5 / parts, SEEN)
            motion.correct(np.arange(2), BOXES + shift)
        motions.append(motion)
    one, two = motions
    assert one.boxes() == pytest.approx(two.boxes())
    assert one.velocities == pytest.approx(two.velocities)


def test_velocity_is_learned_and_size_is_kept_while_unseen() -> None:
    motion = BoxMotion()
    motion.add(BOXES)
    for frame in range(1, 40):
        motion.predict(1 / 30, SEEN)
        motion.correct(np.arange(2), BOXES + np.array([2.0, 1.0, 2.0, 1.0]) * frame)
    assert motion.velocities[:, :2] == pytest.approx(np.array([[60.0, 30.0]] * 2), rel=0.05)
    sides = motion.boxes()[:, 2:] - motion.boxes()[:, :2]
    motion.predict(10.0, ~SEEN)
    assert motion.boxes()[:, 2:] - motion.boxes()[:, :2] == pytest.approx(sides)
    assert motion.values[:, 0] == pytest.approx([10 + 78 + 600, 115 + 78 + 600], rel=0.05)


def test_a_filter_agrees_with_the_matrix_form() -> None:
    """The textbook's equations on one value and its velocity, with the transition and noise of a step of 1/30 s."""
    motion = BoxMotion()
    motion.add(BOXES[:1])
    step, height = 1 / 30, 40.0
    state, covariance = np.array([10.0, 0.0]), np.diag([(2 * height / 20) ** 2, (10 * height / 160 / step) ** 2])
    for center in (14.0, 19.0, 21.0):
        moves = np.array([[1, step], [0, 1]])
        drift = (height / 160 / step) ** 2
        noise = np.array([[(height / 20) ** 2 + drift * step**2 / 3, drift * step / 2], [drift * step / 2, drift]])
        state, covariance = moves @ state, moves @ covariance @ moves.T + noise
        gain = covariance[:, 0] / (covariance[0, 0] + (height / 20) ** 2)
        state, covariance = state + gain * (center - state[0]), covariance - np.outer(gain, covariance[0])
        motion.predict(step, SEEN[:1])
        motion.correct(np.zeros(1, np.int64), BOXES[:1] + np.array([center - 10, 0, center - 10, 0]))
        assert [motion.values[0, 0], motion.velocities[0, 0]] == pytest.approx(state)
