from __future__ import annotations

import struct

import pytest

from vision.data.containers.exif import read_tiff_tags


def directory(order: str, *entries: bytes) -> bytes:
    mark = b"II" if order == "<" else b"MM"
    return mark + struct.pack(order + "HIH", 42, 8, len(entries)) + b"".join(entries)


def short(order: str, tag: int, value: int) -> bytes:
    return struct.pack(order + "HHIHxx", tag, 3, 1, value)


def long(order: str, tag: int, value: int) -> bytes:
    return struct.pack(order + "HHII", tag, 4, 1, value)


@pytest.mark.parametrize("order", ["<", ">"])
def test_numbers_of_either_width_and_byte_order(order: str) -> None:
    data = directory(order, long(order, 256, 70000), short(order, 257, 5), short(order, 274, 6), short(order, 305, 1))
    assert read_tiff_tags(data) == {256: 70000, 257: 5, 274: 6}


def test_the_first_of_two_equal_tags_counts() -> None:
    assert read_tiff_tags(directory("<", short("<", 256, 9), short("<", 256, 1))) == {256: 9}


def test_text_where_a_number_belongs_is_left_out() -> None:
    assert read_tiff_tags(directory("<", struct.pack("<HHI4s", 274, 2, 4, b"six\0"))) == {}


def test_other_structures_are_empty() -> None:
    assert read_tiff_tags(b"Exif\0\0") == {}


@pytest.mark.parametrize("data", [b"II", b"II*\0\xff\xff\xff\xff", directory("<", short("<", 256, 1))[:-4]])
def test_data_that_ends_too_early(data: bytes) -> None:
    with pytest.raises(struct.error):
        read_tiff_tags(data)
