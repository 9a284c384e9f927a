from __future__ import annotations

import pickle

import numpy as np
import pytest

from tests.training.small_run import NAMES, RandomImages
from vision.data.readers.subset import SubsetReader
from vision.data.sample import Reader


def test_gives_the_chosen_samples_in_order() -> None:
    whole = RandomImages(10)
    part = SubsetReader(whole, np.array([7, 2, 2]))
    assert isinstance(part, Reader)
    assert len(part) == 3
    assert part.class_names == NAMES
    assert [part.key(index) for index in range(3)] == ["image 7", "image 2", "image 2"]
    assert part[0].encoded == whole[7].encoded
    assert part.target(1) == whole.target(2)


@pytest.mark.parametrize("index", [3, -1])
def test_nothing_beyond_the_part(index: int) -> None:
    with pytest.raises(IndexError):
        SubsetReader(RandomImages(10), np.array([7, 2, 5]))[index]


def test_goes_to_loader_processes() -> None:
    part = pickle.loads(pickle.dumps(SubsetReader(RandomImages(4), np.array([3]))))
    assert part.key(0) == "image 3"
