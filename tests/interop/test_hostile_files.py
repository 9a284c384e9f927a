"""Mutated files of MXNet: each is a sentence, in bounded memory, and writes nothing outside its folder.

VISION_MUTATIONS sets how many of each kind are tried.
"""

from __future__ import annotations

import gzip
import os
import random
import shutil
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.interop.models import pack, write_model
from vision.interop.mxnet_import import import_mxnet
from vision.settings.errors import UserError

MUTATIONS = int(os.environ.get("VISION_MUTATIONS", "60"))
SYMBOL, PARAMS = "image-classification-symbol.json", "image-classification-0004.params"
# Files of 100 kB; a symbol takes up to 30 times its size, sparse arrays and archives are bounded elsewhere.
MAX_BYTES = 64 << 20
NUMBERS = [0, 1, 7, 0x7F, 0xFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 1 << 40, (1 << 63) - 1, (1 << 64) - 1]
WORDS = [b"null", b"-1", b"1e999", b"[]", b"{}", b'""', b"9" * 400, b'"(1,"', b"BatchNorm", b"elemwise_add", b"\xff"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    write_model(folder)
    (folder / "model-shapes.json").write_text('[{"name": "data", "shape": [2, 3, 28, 28]}]')
    pack(folder, folder.parent / "model.tar.gz")
    # Loads what is loaded once, so that only what a file costs is measured.
    import_mxnet(folder)
    return folder


def mutate(data: bytes, chance: random.Random) -> bytes:
    """One to four changes: bits, lengths, words, cuts, repeats."""
    changed = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(changed) or 1)
        kind = chance.randrange(7)
        if kind == 0 and changed:
            changed[min(at, len(changed) - 1)] ^= 1 << chance.randrange(8)
        elif kind == 1:
            size = chance.choice([4, 8])
            number = chance.choice(NUMBERS) % (1 << 8 * size)
            changed[at : at + size] = number.to_bytes(size, "little")
        elif kind == 2:
            word = chance.choice(WORDS)
            changed[at : at + len(word)] = word
        elif kind == 3:
            changed[at:at] = chance.choice(WORDS)
        elif kind == 4:
            del changed[at : at + chance.randint(1, 200)]
        elif kind == 5:
            changed[at:at] = changed[: chance.randint(1, 300)]
        elif chance.random() < 0.3:
            del changed[at:]
    return bytes(changed)


def answers_in_bounds(path: Path) -> None:
    """Import: fine, or one sentence; without much memory."""
    sentence = "fine"
    tracemalloc.start()
    try:
        import_mxnet(path, max_bytes=16 << 20)
    except UserError as error:
        sentence = str(error)
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert 0 < len(sentence) < 2000
    assert peak < MAX_BYTES


def in_params(folder: Path, chance: random.Random) -> Path:
    path = folder / PARAMS
    data = path.read_bytes()
    # Half of the changes near the front or the back, where lengths and names are.
    edge = chance.choice([64, 4000, len(data)])
    data = (
        mutate(data[:edge], chance) + data[edge:]
        if chance.random() < 0.5
        else data[:-edge] + mutate(data[-edge:], chance)
    )
    path.write_bytes(data)
    return folder


def in_symbol(folder: Path, chance: random.Random) -> Path:
    path = folder / SYMBOL
    path.write_bytes(mutate(path.read_bytes(), chance))
    return folder


def in_symbol_values(folder: Path, chance: random.Random) -> Path:
    """Exchanges whole strings and numbers, so that the JSON stays valid."""
    path = folder / SYMBOL
    tokens = path.read_text().split()
    for _ in range(chance.randint(1, 3)):
        tokens[chance.randrange(len(tokens))] = chance.choice(tokens)
    path.write_text(" ".join(tokens))
    return folder


def in_tar(folder: Path, chance: random.Random) -> Path:
    archive = folder / "model.tar.gz"
    data = gzip.decompress((folder.parent / "model.tar.gz").read_bytes())
    start = chance.randrange(max(len(data) // 512 - 1, 1)) * 512 if chance.random() < 0.5 else 0
    data = data[:start] + mutate(data[start : start + 512], chance) + data[start + 512 :]
    archive.write_bytes(gzip.compress(data, 1))
    return archive


def in_gzip(folder: Path, chance: random.Random) -> Path:
    archive = folder / "model.tar.gz"
    archive.write_bytes(mutate((folder.parent / "model.tar.gz").read_bytes(), chance))
    return archive


@pytest.mark.parametrize("change", [in_params, in_symbol, in_symbol_values, in_tar, in_gzip])
def test_mutated_files(whole: Path, tmp_path: Path, change: Callable[[Path, random.Random], Path]) -> None:
    shutil.copy(whole.parent / "model.tar.gz", tmp_path / "model.tar.gz")
    for number in range(MUTATIONS):
        folder = tmp_path / "files"
        shutil.copytree(whole, folder)
        path = change(folder, random.Random(f"{change.__name__} {number}"))
        before = sorted(tmp_path.rglob("*"))
        try:
            answers_in_bounds(path)
        except BaseException as error:
            raise AssertionError(f"mutation {number} of {change.__name__}") from error
        assert sorted(tmp_path.rglob("*")) == before
        shutil.rmtree(folder)
