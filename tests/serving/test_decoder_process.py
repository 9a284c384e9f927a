from __future__ import annotations

import asyncio
import io

import numpy as np
import pytest
from PIL import Image

from vision.data.containers.jpeg import MAX_SCANNED_PIXELS
from vision.data.image_codec import check_image, decode_rgb
from vision.serving import decoder_pools
from vision.serving.decoder_pools import DecoderPools
from vision.serving.decoder_process import decode_elsewhere
from vision.serving.hosted_network import MAX_THREAD_WORK
from vision.serving.settings import ServingSettings
from vision.settings.errors import DataError


def progressive(width: int, height: int, scans: int, *, speckled: bool = False) -> bytes:
    """A grey JPEG of ``scans`` scans, of which the last is repeated; ``speckled`` makes each of them much work."""
    tile = np.full((min(height, 500), min(width, 500)), 128, np.uint8)
    if speckled:
        rows, columns = np.random.default_rng(0).integers(0, 500, (2, 3000))
        tile[rows, columns] = 180
    pixels = np.tile(tile, (-(-height // len(tile)), -(-width // tile.shape[1])))[:height, :width]
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", progressive=True)
    jpeg = buffer.getvalue()
    last = jpeg.rindex(b"\xff\xda")
    first_scans = jpeg.count(b"\xff\xda") - 1
    return jpeg[:last] + jpeg[last:-2] * (scans - first_scans) + b"\xff\xd9"


def test_an_image_is_the_same_from_another_process() -> None:
    encoded = progressive(300, 200, 20)
    found = decode_elsewhere(encoded, "a.jpg", max_pixels=60_000, limit_s=10, timeout_s=60)
    np.testing.assert_array_equal(found, decode_rgb(encoded, "a.jpg"))


def test_a_refusal_is_the_same_from_another_process() -> None:
    with pytest.raises(DataError) as here:
        decode_rgb(b"cats", "the body")
    with pytest.raises(DataError) as there:
        decode_elsewhere(b"cats", "the body", max_pixels=100, limit_s=10, timeout_s=60)
    assert str(there.value) == str(here.value)


def test_work_without_end_is_ended() -> None:
    scans = MAX_SCANNED_PIXELS // (7000 * 7000)
    # Some four seconds of work for a processor that is fast.
    encoded = progressive(7000, 7000, scans, speckled=True)
    _, body = check_image(encoded, "the body")
    assert body.work > MAX_THREAD_WORK
    with pytest.raises(DataError, match="the body: takes more than the 1 seconds to decode that decode_limit_s allows"):
        decode_elsewhere(encoded, "the body", max_pixels=50_000_000, limit_s=1, timeout_s=60)
    with pytest.raises(DataError, match=r"the body: was not decoded within 0\.01 seconds"):
        decode_elsewhere(encoded, "the body", max_pixels=50_000_000, limit_s=1, timeout_s=0.01)


def test_one_scan_more_is_refused_at_once() -> None:
    with pytest.raises(DataError, match="has more than 43 scans; save it again as a plain JPEG"):
        check_image(progressive(7000, 7000, 44), "the body")


@pytest.mark.parametrize("megapixels", [1, 12])
def test_usual_photos_are_decoded_in_threads(megapixels: int) -> None:
    plain, buffer = io.BytesIO(), io.BytesIO()
    image = Image.new("RGB", (4000, megapixels * 250))
    image.save(plain, "JPEG")
    image.save(buffer, "JPEG", progressive=True)
    for encoded in (plain.getvalue(), buffer.getvalue()):
        assert check_image(encoded, "a.jpg")[1].work <= MAX_THREAD_WORK


@pytest.mark.parametrize("name", ["small", "large"])
def test_decoders_are_stuck_when_all_of_a_pool_are_held_for_long(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    decoders = DecoderPools(ServingSettings.parse({"model": "m", "decode_threads": 1}))
    pool = getattr(decoders, name)
    assert not decoders.are_stuck

    async def seen() -> list[bool]:
        found = [await pool.run(lambda: decoders.are_stuck)]
        monkeypatch.setattr(decoder_pools, "STUCK_S", -1.0)
        return [*found, await pool.run(lambda: decoders.are_stuck)]

    assert asyncio.run(seen()) == [False, True]
    assert not decoders.are_stuck
