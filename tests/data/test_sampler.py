from __future__ import annotations

import numpy as np
import pytest

from vision.data.sampler import BalancedSampler, EvaluationSampler, TrainSampler, balancing_weights


def taken(sampler: TrainSampler, epochs: int) -> np.ndarray:
    """Indices [batches, images] of so many iterations."""
    return np.stack([draw.indices for _ in range(epochs) for draw in sampler])


def test_each_pass_is_a_permutation_of_its_own_and_batches_never_shrink() -> None:
    batches = taken(TrainSampler(10, 4, seed=3), epochs=5)
    assert batches.shape == (10, 4)
    passes = batches.reshape(4, 10)
    expected = [np.random.default_rng([3, number]).permutation(10) for number in range(4)]
    assert passes.tolist() == np.stack(expected).tolist()


@pytest.mark.parametrize("world", [2, 4])
def test_processes_take_disjoint_shares_of_the_same_batches(world: int) -> None:
    whole = taken(TrainSampler(50, 8, seed=1), epochs=3)
    shares = [taken(TrainSampler(50, 8, seed=1, rank=rank, world=world), epochs=3) for rank in range(world)]
    assert np.concatenate(shares, axis=1).tolist() == whole.tolist()
    for batch in whole[:6]:
        assert len(set(batch.tolist())) == 8


def test_a_resumed_stream_goes_on_with_the_same_draws() -> None:
    whole = [draw for sampler in [TrainSampler(10, 3, seed=2)] for _ in range(4) for draw in sampler]
    rest = TrainSampler(10, 3, seed=2, batches_done=5)
    resumed = [draw for _ in range(3) for draw in rest]
    for found, expected in zip(resumed, whole[5:], strict=True):
        assert found.indices.tolist() == expected.indices.tolist()
        assert found.seeds.tolist() == expected.seeds.tolist()


def test_an_image_has_another_seed_in_each_pass_whatever_its_batch() -> None:
    def seeds(batch_size: int) -> dict[tuple[int, int], int]:
        sampler, found = TrainSampler(12, batch_size, seed=0), {}
        draws = [draw for _ in range(3) for draw in sampler]
        numbers = zip(
            np.concatenate([draw.indices for draw in draws]).tolist(),
            np.concatenate([draw.seeds for draw in draws]).tolist(),
            strict=True,
        )
        for place, (index, seed) in enumerate(numbers):
            found[place // 12, index] = seed
        return found

    assert seeds(4) == seeds(6) == seeds(12)
    assert len(set(seeds(4).values())) == 36


@pytest.mark.parametrize("world", [1, 3])
def test_evaluation_shows_each_image_once(world: int) -> None:
    samplers = [EvaluationSampler(10, 2, rank=rank, world=world) for rank in range(world)]
    shown = [index for sampler in samplers for draw in sampler for index in draw.indices.tolist()]
    assert sorted(shown) == list(range(10))
    assert sum(map(len, samplers)) == sum(1 for sampler in samplers for _ in sampler)


def test_no_process_is_without_an_image_to_evaluate() -> None:
    shown = [[draw.indices.tolist() for draw in EvaluationSampler(3, 2, rank=rank, world=5)] for rank in range(5)]
    assert shown == [[[0]], [[1]], [[2]], [[0]], [[1]]]


def test_balanced_weights_by_hand() -> None:
    # Class 0 in three images, class 1 in two, no class in one.
    shown = [np.array([0]), np.array([0]), np.array([0, 1]), np.array([1]), np.array([], np.int64)]
    assert balancing_weights(shown).tolist() == pytest.approx([1 / 3, 1 / 3, (1 / 3 + 1 / 2) / 2, 1 / 2, 1])


@pytest.mark.parametrize("world", [1, 2])
def test_balanced_classes_come_equally_often_and_each_image_as_often_as_the_others_of_its_class(world: int) -> None:
    classes = np.array([0] * 90 + [1] * 9 + [2])
    weights = balancing_weights(list(classes[:, None]))
    parts = [taken(BalancedSampler(weights, 10, seed=4, rank=rank, world=world), epochs=6) for rank in range(world)]
    passes = np.concatenate(parts, axis=1).reshape(6, 100)
    for drawn in passes:
        counts = np.bincount(classes[drawn], minlength=3)
        assert counts.min() >= 28
        assert counts.max() <= 39
        for_each = np.bincount(drawn, minlength=100)
        assert set(for_each[:90]) <= {0, 1}
        assert set(for_each[90:99]) <= {3, 4}
    assert len({tuple(drawn) for drawn in passes.tolist()}) == 6
    # All of the frequent class comes in time, and nothing comes in blocks.
    assert len(set(passes.ravel())) > 85
    assert np.abs(np.diff(np.flatnonzero(classes[passes[0]] == 2))).max() < 40


def test_an_image_that_comes_again_is_augmented_otherwise_and_a_resume_goes_on() -> None:
    weights = np.array([1.0, 1.0, 1.0, 9.0])
    whole = [draw for sampler in [BalancedSampler(weights, 2, seed=2)] for _ in range(5) for draw in sampler]
    seeds = np.concatenate([draw.seeds for draw in whole])
    assert len(set(seeds.tolist())) == len(seeds)
    rest = BalancedSampler(weights, 2, seed=2, batches_done=3)
    resumed = [draw for _ in range(4) for draw in rest]
    for found, expected in zip(resumed, whole[3:], strict=True):
        assert found.indices.tolist() == expected.indices.tolist()
        assert found.seeds.tolist() == expected.seeds.tolist()
