"""An index of images on disk: for each the vector by which it is found, its file and the digest of its bytes.

A folder with ``index.json`` and parts of safetensors, which are written whole or not at all, so that an interrupted
run goes on where it stopped. Legend: N images of a part or of the index, D the length of a vector.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, BinaryIO, Literal, TypeAlias

import numpy as np
import safetensors.numpy
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from vision.files.atomic_file import write_whole
from vision.files.file_lock import waiting_lock
from vision.files.write_error import make_folder
from vision.retrieval.stored_vectors import MOST_VALUES_IN_MEMORY, StoredVectors
from vision.settings.errors import UserError
from vision.settings.regular_file import open_regular

INDEX_JSON = "index.json"
_LOCK = ".lock"
DIGEST_BYTES = 32
_PART = "part-{:06d}.safetensors"
_PARTS = f"part-{'[0-9]' * 6}.safetensors"
_MAX_JSON_BYTES = 2**20
_MAX_PART_BYTES = 2**30
PartMarks: TypeAlias = dict[str, tuple[int, int]]
_DTYPES: Mapping[str, np.dtype] = {"F16": np.dtype(np.float16), "U8": np.dtype(np.uint8)}


class IndexDescription(BaseModel):
    """What ``index.json`` says: which network made the vectors, and how long they are."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    model: str
    model_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    dimension: Annotated[int, Field(ge=1, le=100_000)]


@dataclass(frozen=True)
class IndexEntries:
    """``names`` of N images, ``digests`` uint8 [N, 32] of their bytes (SHA-256), ``vectors`` float16 [N, D]."""

    names: tuple[str, ...]
    digests: np.ndarray
    vectors: np.ndarray

    def __len__(self) -> int:
        return len(self.names)

    def taken(self, places: np.ndarray) -> IndexEntries:
        """Return the entries at these places."""
        return IndexEntries(tuple(self.names[place] for place in places), self.digests[places], self.vectors[places])

    @classmethod
    def joined(cls, parts: Sequence[IndexEntries], dimension: int) -> IndexEntries:
        """Return all entries, of several with one name the last."""
        parts = [*parts, cls((), np.zeros((0, DIGEST_BYTES), np.uint8), np.zeros((0, dimension), np.float16))]
        names = [name for part in parts for name in part.names]
        digests = np.concatenate([part.digests for part in parts])
        found = cls(tuple(names), digests, np.concatenate([part.vectors for part in parts]))
        last = {name: place for place, name in enumerate(names)}
        return found if len(last) == len(names) else found.taken(np.array(sorted(last.values()), np.int64))


class ImageIndex:
    """The folder of an index, to which several processes may write. Raises UserError where it is damaged."""

    def __init__(self, folder: Path, description: IndexDescription) -> None:
        self.folder = folder
        self.description = description

    @classmethod
    def open(cls, folder: Path) -> ImageIndex:
        """Open an index that is there."""
        path = folder / INDEX_JSON
        try:
            with open_regular(path) as file:
                return cls(folder, IndexDescription.model_validate_json(file.read(_MAX_JSON_BYTES)))
        except FileNotFoundError as error:
            images, output = ("IMAGES", folder) if not folder.exists() else (folder, "INDEX")
            raise UserError(
                f"{folder} holds no index: `vision index {images} model=MODEL output={output}` makes one"
            ) from error
        except OSError as error:
            raise UserError(f"{path} cannot be read ({error.strerror})") from error
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or "its text"
            raise UserError(f"{path} is damaged: {where}: {first['msg']}; make the index again") from error

    @classmethod
    def open_or_make(cls, folder: Path, description: IndexDescription) -> ImageIndex:
        """Open the index to add to it, or begin one. Raises UserError if other weights made its vectors."""
        if not (folder / INDEX_JSON).exists():
            if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
                raise UserError(f"{folder} is not empty and holds no index: give an empty or new folder as output")
            make_folder(folder)
            write_whole(folder / INDEX_JSON, description.model_dump_json(indent=2) + "\n")
            return cls(folder, description)
        found = cls.open(folder)
        found.check(description.model_sha256, description.model)
        return found

    def check(self, model_sha256: str, model: str) -> None:
        """Raise UserError unless these weights made the vectors; ``model`` names them."""
        if self.description.model_sha256 != model_sha256:
            raise UserError(
                f"{self.folder} holds vectors of {self.description.model}, whose weights differ from those of "
                f"{model}: give the model by which the index was made, or make another index"
            )

    def entries(self) -> IndexEntries:
        """Read all entries."""
        return IndexEntries.joined(self._read_all(_loaded), self.description.dimension)

    def is_large(self) -> bool:
        """Return whether its vectors are better searched on disk than held in memory."""
        size = sum(size for size, _ in self.part_marks().values())
        return size >= MOST_VALUES_IN_MEMORY * np.dtype(np.float16).itemsize

    def stored_vectors(self) -> tuple[tuple[str, ...], StoredVectors]:
        """Return the names of all rows and their vectors, which stay on disk. Of equal names the last is live."""
        parts = self._read_all(_mapped)
        names = tuple(name for part in parts for name in part.names)
        last = {name: place for place, name in enumerate(names)}
        live = np.zeros(len(names), bool)
        live[list(last.values())] = True
        return names, StoredVectors([part.vectors for part in parts], live)

    def state(self) -> np.ndarray:
        """Return what changes whenever the parts do: uint8 [32]."""
        parts = [(name, *mark) for name, mark in self.part_marks().items()]
        return np.frombuffer(hashlib.sha256(repr(parts).encode()).digest(), np.uint8)

    def add(self, entries: IndexEntries) -> str:
        """Append entries as a part, and return its name; an entry whose name is there replaces that one."""
        with self._lock():
            last = max((int(path.stem.rpartition("-")[2]) for path in self._parts()), default=0)
            name = _PART.format(last + 1)
            write_whole(self.folder / name, _encoded(entries))
        return name

    def remove(self, names: Iterable[str]) -> int:
        """Remove the entries of these names, and return how many there were."""
        gone = set(names)
        removed = set()
        with self._lock():
            for path in self._parts():
                part = self._read(path)
                kept = np.array([place for place, name in enumerate(part.names) if name not in gone], np.int64)
                removed |= gone.intersection(part.names)
                if not len(kept):
                    path.unlink()
                elif len(kept) < len(part):
                    write_whole(path, _encoded(part.taken(kept)))
        return len(removed)

    def join_last_parts(self, images: int) -> tuple[PartMarks, PartMarks]:
        """Make one part of the last ones, until it has that many images, and return the marks before and after.

        What a kill leaves twice counts once.
        """
        with self._lock():
            before = self.part_marks()
            last: list[tuple[Path, IndexEntries]] = []
            for path in reversed(self._parts()):
                part = self._read(path)
                if len(part) >= images:
                    break
                last.insert(0, (path, part))
                if sum(len(part) for _, part in last) >= images:
                    break
            if len(last) > 1:
                joined = IndexEntries.joined([part for _, part in last], self.description.dimension)
                write_whole(last[0][0], _encoded(joined))
                for path, _ in last[1:]:
                    path.unlink()
            return before, self.part_marks()

    def part_marks(self) -> PartMarks:
        """Return for each part what changes whenever it is written again: its size in bytes and its time in ns."""
        try:
            found = [(path.name, os.stat(path)) for path in self._parts()]
        except FileNotFoundError:
            # Another process has removed it meanwhile.
            return self.part_marks()
        return {name: (status.st_size, status.st_mtime_ns) for name, status in found}

    def _lock(self) -> AbstractContextManager[None]:
        """Keep other processes from writing; they wait."""
        return waiting_lock(self.folder / _LOCK)

    def _parts(self) -> list[Path]:
        return sorted(self.folder.glob(_PARTS))

    def _read_all(self, tensors: Callable[[BinaryIO], Mapping[str, np.ndarray]]) -> list[IndexEntries]:
        paths = self._parts()
        try:
            return [self._read(path, tensors) for path in paths]
        except UserError:
            if self._parts() == paths:
                raise
            # Another process has removed or joined parts meanwhile.
            return self._read_all(tensors)

    def _read(self, path: Path, tensors: Callable[[BinaryIO], Mapping[str, np.ndarray]] | None = None) -> IndexEntries:
        try:
            with open_regular(path) as file:
                return _checked((tensors or _loaded)(file), self.description.dimension)
        except OSError as error:
            raise UserError(f"{path} cannot be read ({error.strerror})") from error
        # safetensors and json raise many kinds of error on bytes that are wrong.
        except Exception as error:
            raise UserError(f"{path} is damaged ({str(error)[:100]}): remove it and index again") from error


def _loaded(file: BinaryIO) -> Mapping[str, np.ndarray]:
    data = file.read(_MAX_PART_BYTES + 1)
    if len(data) > _MAX_PART_BYTES:
        raise ValueError(f"it has more than {_MAX_PART_BYTES} bytes")
    return safetensors.numpy.load(data)


def _mapped(file: BinaryIO) -> Mapping[str, np.ndarray]:
    """Return the tensors of a safetensors file as they lie on disk, which the library would copy."""
    data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    begin = 8 + int.from_bytes(data[:8], "little")
    if begin > min(len(data), _MAX_JSON_BYTES):
        raise ValueError("its header is cut off or too long")
    found = {}
    for name, entry in json.loads(data[8:begin]).items():
        start, end = entry["data_offsets"]
        dtype = _DTYPES[entry["dtype"]]
        flat = np.frombuffer(data, dtype, (end - start) // dtype.itemsize, begin + start)
        found[name] = flat.reshape(entry["shape"])
    return found


def _encoded(entries: IndexEntries) -> bytes:
    lines = "".join(json.dumps(name) + "\n" for name in entries.names).encode()
    tensors = {"digests": entries.digests, "names": np.frombuffer(lines, np.uint8), "vectors": entries.vectors}
    return safetensors.numpy.save({name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()})


def _checked(tensors: Mapping[str, np.ndarray], dimension: int) -> IndexEntries:
    """Return the entries of a part. Raises ValueError or KeyError where shapes or types do not fit."""
    names = tuple(_names(tensors["names"].tobytes()))
    digests, vectors = tensors["digests"], tensors["vectors"]
    for tensor, dtype, width in ((digests, np.uint8, DIGEST_BYTES), (vectors, np.float16, dimension)):
        if tensor.dtype != dtype or tensor.shape != (len(names), width):
            raise ValueError(f"{len(names)} names, but a tensor {tensor.dtype} {list(tensor.shape)}")
    if not np.isfinite(vectors).all():
        raise ValueError("a vector that is not finite")
    return IndexEntries(names, digests, vectors)


def _names(lines: bytes) -> Iterator[str]:
    for line in lines.splitlines():
        name = json.loads(line)
        if not isinstance(name, str):
            raise ValueError("a name that is not a text")
        yield name
