from __future__ import annotations

from tests.metrics.test_label_evaluation import of_images
from vision.metrics.galleries import label_galleries, listed


def test_false_positives_surest_first_and_misses_clearest_first() -> None:
    wrong, missed = label_galleries(of_images([0.5, 0.35, 0.5]), "key {}".format)
    assert [(e.index, e.key, e.caption) for e in wrong.examples] == [
        (5, "key 5", "truth dog / predicted cat 0.70"),
        (6, "key 6", "truth cat / predicted dog 0.60"),
    ]
    assert [(e.index, e.caption) for e in missed.examples] == [
        (5, "missed dog 0.30 / predicted cat 0.70"),
        (6, "missed cat 0.40 / predicted dog 0.60"),
    ]


def test_an_image_may_get_nothing() -> None:
    _, missed = label_galleries(of_images([1.0, 1.0, 1.0]), str)
    assert missed.examples[0].caption == "missed dog 0.30 / predicted none"


def test_long_lists_are_cut() -> None:
    assert listed(["a", "b", "c", "d", "e"]) == "a, b, c and 2 more"
