from __future__ import annotations

import pytest

from vision.data.readers.manifest_line import check_attributes, infer_attributes


@pytest.mark.parametrize(
    ("keys", "found"),
    [
        (["source-ref", "class"], ("source-ref", "class")),
        (["class", "image-ref"], ("image-ref", "class")),
        (["source-ref", "id", "bb", "bb-metadata"], ("source-ref", "bb")),
        (["source-ref", "city-ref", "city-ref-metadata"], ("source-ref", "city-ref")),
        (["source-ref", "city-ref"], ("source-ref", "city-ref")),
    ],
)
def test_one_choice_is_taken(keys: list[str], found: tuple[str, str]) -> None:
    assert infer_attributes(dict.fromkeys(keys, "x")) == found


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        (["source-ref", "a", "b"], "a, b could each name the label; set attributes to"),
        (["source-ref", "bb", "bb-metadata", "v", "v-metadata"], "bb, v could each name the label"),
        (["source-ref"], "no key names the label"),
        (["left-ref", "right-ref", "class"], "left-ref, right-ref could each name the image"),
        (
            ["image", "class"],
            ("no key names the image (keys that end in '-ref' name images; the line has image, class)"),
        ),
        ([], "no key names the image"),
    ],
)
def test_more_than_one_choice_is_for_the_user(keys: list[str], sentence: str) -> None:
    with pytest.raises(ValueError) as caught:
        infer_attributes(dict.fromkeys(keys, "x"))
    assert sentence in str(caught.value)


def test_stated_attributes() -> None:
    assert check_attributes(["image-ref", "class"]) == ("image-ref", "class")


@pytest.mark.parametrize(
    ("attributes", "sentence"),
    [
        (["source-ref"], "1 attributes are given (source-ref), but it takes two"),
        (["source-ref", "bb", "bb-metadata"], "3 attributes are given"),
        (["class", "source-ref"], ("the first attribute is 'class', but it must name the image and end in '-ref'")),
        (["class", "source-ref"], "did you mean source-ref,class?"),
        (["image", "class"], "such as source-ref,class"),
        (["source-ref", "class-metadata"], "the second attribute is 'class-metadata', but it must name the label"),
        (["source-ref", "source-ref"], "the second attribute is 'source-ref'"),
    ],
)
def test_wrong_attributes(attributes: list[str], sentence: str) -> None:
    with pytest.raises(ValueError) as caught:
        check_attributes(attributes)
    assert sentence in str(caught.value)
