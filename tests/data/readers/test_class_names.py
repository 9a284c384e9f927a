from __future__ import annotations

import pytest

from vision.data.readers.class_names import ClassNames


def test_union_in_the_order_of_ids() -> None:
    names = ClassNames()
    for class_id, name in [("5", "bone"), (0, "dog"), (5, "bone"), ("2", "cat")]:
        assert names.add(class_id, name, "line 1") is None
    assert names.names() == ("dog", "1", "cat", "3", "4", "bone")


def test_nothing_stated_is_none() -> None:
    assert ClassNames().names() is None


@pytest.mark.parametrize(
    ("class_id", "name", "sentence"),
    [
        (0, "cat", "class 0 is called 'cat', but 'dog' in line 1; use one name for each id"),
        (1, "dog", "class 'dog' has the id 1, but 0 in line 1; use one id for each name"),
        (-1, "cat", "class id -1 must be a whole number from 0 to 1000000"),
        ("x", "cat", "class id 'x' must be a whole number"),
        (True, "cat", "class id True must be a whole number"),
        (1.0, "cat", "class id 1.0 must be a whole number"),
        (10**9, "cat", "class id 1000000000 must be a whole number from 0 to 1000000"),
        ("9" * 5000, "cat", "must be a whole number"),
        (3, None, "class 3 has the name None, which must be text"),
        (3, " ", "class 3 has the name ' ', which must be text"),
    ],
)
def test_contradictions(class_id: object, name: object, sentence: str) -> None:
    names = ClassNames()
    names.add(0, "dog", "line 1")
    problem = names.add(class_id, name, "line 2")
    assert problem is not None
    assert sentence in problem
