"""Decodes mutated files of one format in this process; run by test_mutations as ``python -m`` with FORMAT COUNT.

Prints JSON: how many were decoded and refused, the most memory above what the process began with, and the longest
processor time of a file.
"""

from __future__ import annotations

import io
import json
import random
import resource
import sys
import time
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

from vision.data.image_codec import decode_rgb, prepare_threads
from vision.settings.errors import DataError

SIDES = (96, 64)
# So that every image whose header was changed to a large size is refused, as in the server at its own bound.
MAX_PIXELS = 1_000_000
_SAVED: dict[str, list[dict[str, object]]] = {
    "PNG": [{}, {"compress_level": 0}],
    "JPEG": [{}, {"progressive": True}, {"quality": 95, "subsampling": 0}],
    "WEBP": [{}, {"lossless": True}],
    "TIFF": [{}, {"compression": "tiff_lzw"}, {"compression": "tiff_adobe_deflate"}, {"compression": "jpeg"}],
    "GIF": [{}],
    "BMP": [{}],
    "AVIF": [{}],
}
_HEIC = Path(__file__).parents[2] / "fixtures" / "heic" / "gradient.heic"


def originals(form: str) -> list[bytes]:
    """Small files of the format in its usual kinds."""
    if form == "HEIC":
        return [_HEIC.read_bytes()]
    y, x = np.mgrid[0 : SIDES[1], 0 : SIDES[0]]
    picture = Image.fromarray(np.stack([x * 2, y * 3, (x * y) % 251], -1).astype(np.uint8))
    found = []
    for mode in ("RGB", "L", "P", "RGBA"):
        for options in _SAVED[form]:
            buffer = io.BytesIO()
            try:
                picture.convert(mode).save(buffer, form, **options)
            except (OSError, ValueError):
                # Not every format and compression holds every mode.
                continue
            found.append(buffer.getvalue())
    buffer = io.BytesIO()
    if form in ("PNG", "WEBP", "TIFF", "GIF"):
        picture.save(buffer, form, save_all=True, append_images=[picture.transpose(Image.Transpose.ROTATE_180)])
        found.append(buffer.getvalue())
    return found


def mutated(encoded: bytes, chance: random.Random) -> bytes:
    """Some bytes or numbers changed, or a part left out, doubled or cut off; mostly where lengths are."""
    changed = bytearray(encoded)
    for _ in range(chance.choice((1, 1, 2, 4, 8))):
        if len(changed) < 64:
            break
        place = chance.randrange(min(len(changed), chance.choice((40, 200, len(changed)))))
        kind = chance.randrange(6)
        if kind == 0:
            changed[place] = chance.randrange(256)
        elif kind == 1:
            changed[place] ^= 1 << chance.randrange(8)
        elif kind == 2:
            changed[place : place + 4] = chance.choice((b"\xff" * 4, b"\x7f\xff\xff\xff", bytes(4), b"\0\1\0\0"))
        elif kind == 3:
            del changed[place : place + chance.randrange(1, 32)]
        elif kind == 4:
            changed[place:place] = changed[place : place + chance.randrange(1, 64)]
        else:
            del changed[max(place, 32) + 1 :]
    return bytes(changed)


def with_checksums(png: bytes) -> bytes:
    """The PNG with right checksums wherever a chunk still ends inside the file: else most changes end there."""
    changed, place = bytearray(png), 8
    while place + 12 <= len(changed):
        end = place + 8 + int.from_bytes(changed[place : place + 4], "big")
        if end + 4 > len(changed):
            break
        changed[end : end + 4] = zlib.crc32(changed[place + 4 : end]).to_bytes(4, "big")
        place = end + 4
    return bytes(changed)


def main(form: str, count: int) -> None:
    """Decode ``count`` files, always the same ones."""
    prepare_threads()
    chance, files = random.Random(f"{form} 1"), originals(form)
    for encoded in files:
        decode_rgb(encoded, form)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    decoded, longest_s = 0, 0.0
    for _ in range(count):
        encoded = mutated(chance.choice(files), chance)
        if form == "PNG" and chance.random() < 0.8:
            encoded = with_checksums(encoded)
        begun_s = time.process_time()
        try:
            decode_rgb(encoded, form, max_pixels=MAX_PIXELS)
            decoded += 1
        except DataError:
            pass
        longest_s = max(longest_s, time.process_time() - begun_s)
    above = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    print(json.dumps({"decoded": decoded, "refused": count - decoded, "bytes": above, "longest_s": longest_s}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
