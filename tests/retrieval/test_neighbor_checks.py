from __future__ import annotations

import numpy as np
import pytest

from vision.retrieval.neighbor_checks import LEAST_DEVIATIONS, agreement, deviations, neighbors, suspicious_labels


def test_neighbors_are_the_most_similar_others_also_among_equals() -> None:
    angles = np.array([0.0, 0.1, 0.3, 2.0])
    found = neighbors(np.stack([np.cos(angles), np.sin(angles)], axis=1), 2)
    assert found.places.tolist() == [[1, 2], [0, 2], [1, 0], [2, 1]]
    assert found.similarities[0] == pytest.approx(np.cos([0.1, 0.3]))
    equals = neighbors(np.ones((5, 3)), 2).places
    assert equals.shape == (5, 2)
    assert all(place not in row for place, row in enumerate(equals.tolist()))
    assert neighbors(np.ones((1, 3))).places.shape == (1, 0)


def labels(*texts: str) -> list[frozenset[int]]:
    return [frozenset(map(int, text)) for text in texts]


@pytest.mark.parametrize(
    ("own", "others", "expected"),
    [
        ("0", ["1", "1", "1", "1", "0"], [(1, 0.8)]),
        ("0", ["1", "1", "1", "0", "0"], []),
        # Neighbors that disagree with each other contradict nothing.
        ("0", ["1", "1", "1", "2", "2"], []),
        # Several labels: the missing one counts, and others that neighbors do not have are no fault.
        ("02", ["01", "01", "01", "01", "0"], [(1, 0.8)]),
        ("01", ["1", "1", "1", "1", "1"], []),
        # Without a label, as with a mask that shows nothing, all neighbors are asked.
        ("", ["1", "1", "1", "1", "1"], [(1, 1.0)]),
    ],
)
def test_a_label_is_suspicious_where_neighbors_agree_on_a_class_that_it_lacks(
    own: str, others: list[str], expected: list[tuple[int, float]]
) -> None:
    given = labels(own, *others, *["0"] * 5)
    nearest = np.array([[1, 2, 3, 4, 5], *[[6, 7, 8, 9, 10]] * 10])
    found = [one for one in suspicious_labels(given, nearest, 0.8) if one.place == 0]
    assert [(one.class_id, one.share) for one in found] == expected
    assert all(one.agreeing == tuple(p for p in (1, 2, 3, 4, 5) if 1 in given[p]) for one in found)


@pytest.mark.parametrize(("others_of_class", "is_judged"), [(1, False), (2, True)])
def test_of_a_rare_class_fewer_neighbors_are_asked(others_of_class: int, is_judged: bool) -> None:
    given = labels("0", *["0"] * others_of_class, *["1"] * 20)
    own_first = np.tile(np.arange(1, 11), (len(given), 1))
    # Half of those asked show its class: the eight others of ten do not outvote it.
    assert all(one.place != 0 for one in suspicious_labels(given, own_first, 0.8))
    others = np.tile(np.arange(12, 22), (len(given), 1))
    found = {one.place: len(one.agreeing) for one in suspicious_labels(given, others, 0.8)}
    assert found.get(0) == (4 if is_judged else None)


def test_neighbors_agree_by_the_share_that_shows_a_class_of_the_label() -> None:
    nearest = np.array([[1, 2], [0, 2], [0, 1]])
    assert agreement(labels("0", "01", "2"), nearest) == pytest.approx(2 / 6)
    assert agreement(labels("0"), np.zeros((1, 0), np.int64)) == 0


def test_an_outlier_is_far_from_its_neighbors_by_the_measure_of_the_others() -> None:
    similarities = np.array([[0.90, 0.90], [0.91, 0.89], [0.88, 0.88], [0.92, 0.90], [0.5, 0.5]], np.float32)
    found = deviations(similarities, np.full(5, -1))
    # Distances 0.1, 0.1, 0.12, 0.09, 0.5: the median is 0.1, and the two above it lie 0.02 and 0.4 above, median 0.21.
    assert found == pytest.approx(np.array([0, 0, 0.02, -0.01, 0.4]) * 0.6745 / 0.21, abs=1e-3)
    assert deviations(np.zeros((3, 0), np.float32), np.zeros(3, np.int64)).tolist() == [0, 0, 0]
    assert not deviations(np.ones((3, 2), np.float32), np.zeros(3, np.int64)).any()


def test_an_image_is_measured_by_its_class_unless_that_is_rare() -> None:
    # A class whose images resemble each other, and one whose images do not; one of the first is as far as the second.
    distances = np.concatenate([np.linspace(0.01, 0.03, 24), [0.3], np.linspace(0.1, 0.5, 75)])
    similarities = (1 - distances)[:, None].astype(np.float32)
    class_of = np.repeat([0, 1], [25, 75])
    assert np.flatnonzero(deviations(similarities, class_of) > LEAST_DEVIATIONS).tolist() == [24]
    assert not (deviations(similarities, np.full(100, -1)) > LEAST_DEVIATIONS).any()
    rare = np.where(np.arange(100) < 15, 2, class_of)
    rare[:25] = np.where(rare[:25] == 2, 2, 3)
    assert not (deviations(similarities, rare) > LEAST_DEVIATIONS).any()
