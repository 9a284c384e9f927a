from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vision.data.recordio.idx_file import read_idx
from vision.settings.errors import DataError

BIG = 2**64 - 1


@pytest.mark.parametrize(
    ("text", "keys", "offsets"),
    [
        ("", None, []),
        ("0\t0\n1\t40\n", None, [0, 40]),
        ("0\t0\n1\t40", None, [0, 40]),
        ("0\t0\r\n1\t40\r\n", None, [0, 40]),
        ("0 0\n\n1   40\n\n", None, [0, 40]),
        ("0\t0\n7\t40\n2\t80\n", [0, 7, 2], [0, 40, 80]),
        (f"5\t0\n{2**32}\t40\n{BIG}\t{BIG}\n", [5, 2**32, BIG], [0, 40, BIG]),
    ],
)
def test_lines_become_arrays(text: str, keys: list[int] | None, offsets: list[int], tmp_path: Path) -> None:
    (tmp_path / "train.idx").write_bytes(text.encode())
    got_keys, got_offsets = read_idx(tmp_path / "train.idx")
    assert (None if got_keys is None else got_keys.tolist()) == keys
    assert got_offsets.tolist() == offsets
    assert got_offsets.dtype == np.uint64


def test_keys_of_32_bits_take_4_bytes_each(tmp_path: Path) -> None:
    (tmp_path / "train.idx").write_text(f"{2**32 - 1}\t0\n")
    keys, _ = read_idx(tmp_path / "train.idx")
    assert keys is not None
    assert keys.dtype == np.uint32


def test_a_file_of_many_chunks_is_read_whole(tmp_path: Path) -> None:
    count = 200_000
    keys = np.random.default_rng(0).permutation(count)
    (tmp_path / "train.idx").write_text("".join(f"{key}\t{number * 44}\n" for number, key in enumerate(keys.tolist())))
    got_keys, got_offsets = read_idx(tmp_path / "train.idx")
    assert np.array_equal(got_keys, keys)
    assert np.array_equal(got_offsets, np.arange(count) * 44)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0\t0\n1\n", r"train.idx line 2: .*found '1'"),
        ("0\t0\n\n1\t40\t7\n", r"train.idx line 3: .*found '1\\t40\\t7'"),
        ("0\t-8\n", r"train.idx line 1: .*found '0\\t-8'"),
        ("0\t1.5\n", r"line 1: "),
        ("0\t0x10\n", r"line 1: "),
        ("a.jpg\t0\n", r"line 1: .*delete train.idx to have it rebuilt"),
        (f"0\t{2**64}\n", r"line 1: "),
        ("0\t" + "9" * 5000 + "\n", r"line 1: "),
        ("\x00\xff\n", r"line 1: "),
    ],
)
def test_a_bad_line_is_named(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "train.idx").write_bytes(text.encode("latin-1"))
    with pytest.raises(DataError, match=message):
        read_idx(tmp_path / "train.idx")


def test_a_bad_line_far_into_the_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "train.idx").write_text("".join(f"{i}\t{i * 44}\n" for i in range(150_000)) + "oops\n")
    with pytest.raises(DataError, match=r"line 150001: .*found .oops."):
        read_idx(tmp_path / "train.idx")


@given(data=st.binary() | st.text("0123456789\t\n -x").map(str.encode))
def test_any_bytes_give_an_index_or_a_sentence(data: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("idx") / "noise.idx"
    path.write_bytes(data)
    try:
        keys, offsets = read_idx(path)
    except DataError as problem:
        assert problem.key.startswith("noise.idx line ")  # noqa: PT017
    else:
        assert keys is None or len(keys) == len(offsets)
