from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from vision.retrieval.image_index import ImageIndex, IndexDescription, IndexEntries
from vision.settings.errors import UserError

MADE_BY = IndexDescription(model="runs/x", model_sha256="a" * 64, dimension=2)


def entries(**vectors: list[float]) -> IndexEntries:
    digests = np.stack([np.full(32, len(name), np.uint8) for name in vectors])
    return IndexEntries(tuple(vectors), digests, np.array(list(vectors.values()), np.float16))


def held(index: ImageIndex) -> dict[str, list[float]]:
    found = index.entries()
    return {name: vector.tolist() for name, vector in zip(found.names, found.vectors, strict=True)}


def test_parts_are_read_as_one_and_a_name_replaces_itself(tmp_path: Path) -> None:
    index = ImageIndex.open_or_make(tmp_path / "index", MADE_BY)
    assert held(index) == {}
    index.add(entries(a=[1, 0], b=[0, 1]))
    index.add(entries(b=[0.5, 0.5], straße=[1, 1]))
    assert held(ImageIndex.open(tmp_path / "index")) == {"a": [1, 0], "b": [0.5, 0.5], "straße": [1, 1]}


def test_removed_entries_are_gone_and_the_rest_stays(tmp_path: Path) -> None:
    index = ImageIndex.open_or_make(tmp_path, MADE_BY)
    index.add(entries(a=[1, 0], b=[0, 1]))
    index.add(entries(c=[1, 1]))
    assert index.remove(["c", "a", "unknown"]) == 2
    assert held(index) == {"b": [0, 1]}
    index.add(entries(c=[0, 0]))
    assert held(index) == {"b": [0, 1], "c": [0, 0]}


def test_what_a_killed_writer_left_is_no_part(tmp_path: Path) -> None:
    index = ImageIndex.open_or_make(tmp_path, MADE_BY)
    index.add(entries(a=[1, 0]))
    (tmp_path / ".part-000002.safetensors.part").write_bytes(b"half")
    assert held(index) == {"a": [1, 0]}
    index.add(entries(b=[0, 1]))
    assert held(index) == {"a": [1, 0], "b": [0, 1]}


def test_vectors_of_other_weights_are_refused(tmp_path: Path) -> None:
    ImageIndex.open_or_make(tmp_path, MADE_BY)
    other = MADE_BY.model_copy(update={"model": "runs/y", "model_sha256": "b" * 64})
    with pytest.raises(UserError, match=r"holds vectors of runs/x, whose weights differ from those of runs/y"):
        ImageIndex.open_or_make(tmp_path, other)


def test_a_folder_of_other_things_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(b"")
    with pytest.raises(UserError, match="is not empty and holds no index"):
        ImageIndex.open_or_make(tmp_path, MADE_BY)
    with pytest.raises(UserError, match=r"holds no index: `vision index"):
        ImageIndex.open(tmp_path)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("{", "its text"), (json.dumps({"version": 2}), "version"), (json.dumps({"version": 1}), "model: Field required")],
)
def test_a_damaged_description_is_named(tmp_path: Path, text: str, expected: str) -> None:
    (tmp_path / "index.json").write_text(text)
    with pytest.raises(UserError, match=rf"index\.json is damaged: .*{expected}"):
        ImageIndex.open(tmp_path)


def test_a_file_that_is_no_part_is_left_alone(tmp_path: Path) -> None:
    index = ImageIndex.open_or_make(tmp_path, MADE_BY)
    (tmp_path / "part-backup.safetensors").write_bytes(b"of somebody")
    index.add(entries(a=[1, 0]))
    assert held(index) == {"a": [1, 0]}


NAMES = np.frombuffer(b'"a"\n', np.uint8)
DIGESTS, VECTORS = np.zeros((1, 32), np.uint8), np.zeros((1, 2), np.float16)


@pytest.mark.parametrize(
    "part",
    [
        b"no tensors",
        {"names": NAMES, "digests": DIGESTS},
        {"names": NAMES, "digests": DIGESTS, "vectors": VECTORS.astype(np.float32)},
        {"names": NAMES, "digests": DIGESTS, "vectors": np.zeros((2, 2), np.float16)},
        {"names": NAMES, "digests": DIGESTS[:, :31], "vectors": VECTORS},
        {"names": NAMES, "digests": DIGESTS, "vectors": np.full((1, 2), np.nan, np.float16)},
        {"names": np.frombuffer(b"3\n", np.uint8), "digests": DIGESTS, "vectors": VECTORS},
        {"names": np.frombuffer(b'"a\n', np.uint8), "digests": DIGESTS, "vectors": VECTORS},
    ],
)
def test_a_damaged_part_is_named(tmp_path: Path, part: bytes | dict[str, np.ndarray]) -> None:
    index = ImageIndex.open_or_make(tmp_path, MADE_BY)
    data = part if isinstance(part, bytes) else safetensors.numpy.save(part)
    (tmp_path / "part-000001.safetensors").write_bytes(data)
    with pytest.raises(UserError, match=r"part-000001\.safetensors is damaged .*: remove it and index again"):
        index.entries()
