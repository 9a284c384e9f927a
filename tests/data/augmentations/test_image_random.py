from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kstest

from vision.data.augmentations.image_random import BatchRandom, ImageRandom

SEEDS = np.array([0, 1, 2**63, 2**64 - 1, 1234567], np.uint64)


def test_the_numbers_are_those_of_splitmix64() -> None:
    # The first outputs for seed 1234567, from the reference implementation's test in many languages (Rosetta Code).
    outputs = [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431]
    rng = ImageRandom(1234567)
    assert [rng.random() for _ in outputs] == [(output >> 11) * 2.0**-53 for output in outputs]


def test_a_batch_draws_what_each_image_draws_by_itself() -> None:
    batch, singles = BatchRandom(SEEDS), [ImageRandom(seed) for seed in SEEDS.tolist()]
    for _ in range(3):
        assert batch.random().tolist() == [rng.random() for rng in singles]
        assert batch.uniform(-0.3, 2.7).tolist() == [rng.uniform(-0.3, 2.7) for rng in singles]
        assert batch.randrange(5).tolist() == [rng.randrange(5) for rng in singles]
        assert batch.randint(-10, 10).tolist() == [rng.randint(-10, 10) for rng in singles]


def test_numbers_are_uniform_over_images_and_over_calls() -> None:
    seeds = np.arange(2000, dtype=np.uint64)
    batch = BatchRandom(seeds)
    first, second = batch.random(), batch.random()
    for numbers in (first, second, (first + second) % 1.0):
        assert kstest(numbers, "uniform").pvalue > 1e-4
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.1


def test_without_a_seed_every_image_is_new() -> None:
    assert ImageRandom(None).random() != ImageRandom(None).random()


def test_only_the_forms_that_a_batch_knows_are_allowed() -> None:
    with pytest.raises(AssertionError, match="the same for a batch"):
        ImageRandom(1).randrange(2, 5)
