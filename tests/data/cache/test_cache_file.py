from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pytest

from tests.data.cache.pictures import Pictures, dataset
from vision.data.cache import cache_file
from vision.data.cache.cache_file import identity, open_or_make
from vision.data.cache.decoded_images import DecodedImages, measure
from vision.data.cache.transform_split import Splittable, TransformSplit
from vision.data.dataset import ImageDataset
from vision.settings.errors import UserError

SIZES = [(15, 14)] * 4 + [(16, 14), (15, 14)]


def division_of(source: ImageDataset) -> TransformSplit:
    assert isinstance(source.transform, Splittable)
    return source.transform.split()


def make(folder: Path, **values: object) -> DecodedImages:
    source = dataset(Pictures(SIZES, **values))  # type: ignore[arg-type]
    split = division_of(source)
    return open_or_make(source, split, measure(source, split.fixed), folder)


@pytest.fixture
def decodings(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows by one whenever images are decoded."""
    found: list[int] = []
    real = cache_file.decode_all
    monkeypatch.setattr(cache_file, "decode_all", lambda *given: found.append(1) or real(*given))
    return found


def test_the_second_time_nothing_is_decoded(tmp_path: Path, decodings: list[int]) -> None:
    first, second = make(tmp_path / "new", broken=(4,)), make(tmp_path / "new", broken=(4,))
    assert len(decodings) == 1
    assert np.array_equal(first.pixels, second.pixels)
    assert list(second.broken) == [4] and second.broken[4].key == "picture 4"
    assert str(first.broken[4]) == str(second.broken[4])
    assert not second.pixels.flags.writeable


@pytest.mark.parametrize("given", [{"seed": 1}, {"broken": (2,)}])
def test_other_images_have_another_file(given: dict[str, object], tmp_path: Path, decodings: list[int]) -> None:
    make(tmp_path)
    make(tmp_path, **given)
    assert len(decodings) == 2
    assert len(list(tmp_path.glob("*.decoded"))) == 2


def test_the_name_follows_from_what_is_done_to_the_images() -> None:
    reader = Pictures(SIZES)
    sources = [dataset(reader), dataset(reader, resize="14"), dataset(reader, image_shape="3,12,11")]
    assert len({identity(source, division_of(source)) for source in sources}) == 3
    other_colors = dataset(reader, level="crop_color")
    assert identity(other_colors, division_of(other_colors)) == identity(sources[0], division_of(sources[0]))


def flip_a_pixel(data: bytes) -> bytes:
    return bytes([data[0] ^ 1]) + data[1:]


@pytest.mark.parametrize(
    "damage",
    [
        flip_a_pixel,
        lambda data: data[:-1],
        lambda data: data[: len(data) // 2],
        lambda data: b"",
        lambda data: data + b"x",
        lambda data: data.replace(b'"broken": {}', b'"broken": []'),
        lambda data: data.replace(b'"broken": {}', b'"broken": 77'),
        lambda data: data.replace(b'"checksum"', b'"checksun"'),
        lambda data: data.replace(b'{"broken"', b'["broken"'),
        lambda data: data.replace(b'"broken": {}', b'"broken": {"1": ["a"]}'),
    ],
)
def test_a_damaged_file_is_made_anew(damage: object, tmp_path: Path, decodings: list[int]) -> None:
    expected = make(tmp_path).pixels.copy()
    (path,) = tmp_path.glob("*.decoded")
    whole = path.read_bytes()
    # It was made for reading only.
    path.chmod(0o644)
    path.write_bytes(damage(whole))  # type: ignore[operator]
    assert np.array_equal(make(tmp_path).pixels, expected)
    assert len(decodings) == 2
    assert path.read_bytes() == whole


def test_what_another_process_left_unfinished_is_not_taken(tmp_path: Path, decodings: list[int]) -> None:
    make(tmp_path)
    (path,) = tmp_path.glob("*.decoded")
    path.rename(path.with_suffix(".123"))
    make(tmp_path)
    assert len(decodings) == 2


def test_a_full_disk_is_told_before_anything_is_decoded(
    tmp_path: Path, decodings: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int, offset: int, length: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(UserError, match=r"cannot be kept: .*the disk is full.*; set run.cache_folder"):
        make(tmp_path)
    assert not decodings and [path.suffix for path in tmp_path.iterdir()] == [".lock"]
