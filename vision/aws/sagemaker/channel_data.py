"""The data of a job's channel: the files that an S3 address means, linked or fed without a copy.

Source: sagemaker-contract, section 4; aws-clients-contract, section 2.3.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vision.aws.failure import ServiceFailure
from vision.aws.s3.buckets import Buckets, split_uri
from vision.aws.s3.listing import list_page
from vision.aws.sagemaker.training_request import InputChannel, S3Source
from vision.data.readers.manifest_line import iter_lines, parse_line
from vision.files.steady_file import SteadyFile
from vision.sagemaker.pipe_feeder import Passes, file_bytes, wrap
from vision.settings.errors import UserError
from vision.settings.nearest import shown
from vision.settings.strict_json import parse_json

_PAGE = 10_000
_LARGEST_MANIFEST = 256 << 20


@dataclass(frozen=True)
class ChannelData:
    """Files by their path within the channel; ``folder`` is one that holds exactly these, if there is one."""

    files: tuple[tuple[str, Path], ...]
    folder: Path | None = None

    @property
    def named_files(self) -> Sequence[tuple[str, Path]]:
        """Return all files by their path within the channel, in order."""
        if self.folder is None:
            return self.files
        paths = sorted(path for path in self.folder.rglob("*") if path.is_file())
        return [(path.relative_to(self.folder).as_posix(), path) for path in paths]

    def link_into(self, place: Path) -> None:
        """Make the channel's folder out of links."""
        if self.folder is not None:
            place.symlink_to(self.folder)
            return
        place.mkdir()
        link_files(self.files, place)


def link_files(files: Sequence[tuple[str, Path]], folder: Path) -> None:
    """Link files into a folder by their names there."""
    for name, path in files:
        link = folder / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(path)


def find_data(buckets: Buckets, channel: InputChannel) -> ChannelData:
    """Return the files of a channel. Raises UserError if there are none."""
    try:
        return find_objects(buckets, channel.data_source.s3_data_source)
    except UserError as error:
        raise UserError(f"channel {channel.channel_name}: {error}") from error


def find_objects(buckets: Buckets, source: S3Source) -> ChannelData:
    """Return the files that an address means. Raises UserError if there are none."""
    try:
        bucket, prefix = split_uri(source.s3_uri)
        if source.s3_data_type == "S3Prefix":
            found = _of_prefix(buckets, bucket, prefix)
        elif source.s3_data_type == "ManifestFile":
            found = _of_manifest(buckets, source.s3_uri)
        else:
            found = ChannelData(((Path(prefix).name, buckets.existing(bucket, prefix)),))
    except (ServiceFailure, ValueError) as error:
        raise UserError(str(error)) from error
    if not found.files and found.folder is None:
        raise UserError(f"no object's key begins with that of {shown(source.s3_uri)}: upload the data first")
    return found


def _of_prefix(buckets: Buckets, bucket: str, prefix: str) -> ChannelData:
    """Return what lies under a prefix, the beginning of keys: ``data/train`` also means ``data/train2/``."""
    root = buckets.folder(bucket)
    page = list_page(root, prefix, "/", "", 2, lambda key: False)
    folder = prefix if prefix.endswith("/") or not prefix else f"{prefix}/"
    if not prefix or prefix.endswith("/"):
        whole = bool(page.objects or page.prefixes)
    else:
        whole = not page.objects and page.prefixes == [folder]
    if whole:
        path = buckets.path(bucket, folder) if folder else root
        return ChannelData((), path)
    return ChannelData(tuple(_keys(root, prefix, folder)))


def _keys(root: Path, prefix: str, folder: str) -> Iterator[tuple[str, Path]]:
    after: str | None = ""
    while after is not None:
        page = list_page(root, prefix, "", after, _PAGE, lambda key: False)
        for listed in page.objects:
            start = len(folder) if listed.key.startswith(folder) else prefix.rfind("/") + 1
            yield listed.key[start:], root / listed.key
        after = page.last


def _of_manifest(buckets: Buckets, uri: str) -> ChannelData:
    """Return the objects that a manifest names: ``[{"prefix": "s3://bucket/path/"}, "a", "b"]``."""
    path = buckets.existing(*split_uri(uri))
    if path.stat().st_size > _LARGEST_MANIFEST:
        raise ValueError(f"manifest {shown(uri)} is larger than {_LARGEST_MANIFEST >> 20} MiB")
    entries = parse_json(path.read_bytes())
    is_one = isinstance(entries, list) and entries and isinstance(entries[0], dict)
    if not is_one or not isinstance(entries[0].get("prefix"), str):
        raise ValueError(f'manifest {shown(uri)} must be a list like [{{"prefix": "s3://bucket/path/"}}, "a", "b"]')
    bucket, prefix = split_uri(entries[0]["prefix"])
    names = entries[1:]
    if not all(isinstance(name, str) for name in names):
        raise ValueError(f"manifest {shown(uri)} holds an entry that is not a key")
    unnamed = [name for name in names if not _inside(name) or name.endswith("/")]
    if unnamed:
        raise ValueError(f"manifest {shown(uri)} holds the entry {shown(unnamed[0])}, which names no object")
    # A name may begin anywhere within the key: "/a" after the prefix "b", even "../a", must stay in the channel.
    found = {_inside(name): buckets.existing(bucket, prefix + name) for name in names}
    return ChannelData(tuple(found.items()))


def _inside(name: str) -> str:
    return "/".join(part for part in name.split("/") if part not in ("", ".", ".."))


def pipe_passes(buckets: Buckets, channel: InputChannel, found: ChannelData) -> Passes:
    """Return what a channel in Pipe mode gives in each pass."""
    seed = None if channel.shuffle_config is None else channel.shuffle_config.seed
    source = channel.data_source.s3_data_source
    if source.s3_data_type == "AugmentedManifestFile":
        return _augmented(buckets, found.files[0][1], source.attribute_names, seed)
    paths = [path for _, path in found.named_files]
    if seed is None:
        return file_bytes(paths)

    def shuffled(number: int) -> Iterator[bytes]:
        order = random.Random(f"{seed} {number}").sample(paths, len(paths))
        yield from file_bytes(order)(number)

    return shuffled


def _augmented(buckets: Buckets, manifest: Path, attributes: Sequence[str], seed: int | None) -> Passes:
    lines = [parse_line(line.text) for line in iter_lines(SteadyFile(manifest, str(manifest)))]

    def records(number: int) -> Iterator[bytes]:
        order = list(range(len(lines)))
        if seed is not None:
            random.Random(f"{seed} {number}").shuffle(order)
        for index in order:
            for name in attributes:
                yield wrap(_attribute(buckets, lines[index], name))

    return records


def _attribute(buckets: Buckets, line: Mapping[str, Any], name: str) -> bytes:
    value = line[name]
    if name.endswith("-ref"):
        return Path(buckets.existing(*split_uri(value))).read_bytes()
    return (value if isinstance(value, str) else json.dumps(value)).encode()


def link_checkpoints(buckets: Buckets, uri: str, place: Path) -> None:
    """Let the job write its checkpoints into the bucket itself, where an earlier job's may lie."""
    bucket, key = split_uri(uri)
    folder = buckets.path(bucket, f"{key.rstrip('/')}/") if key.strip("/") else buckets.folder(bucket)
    folder.mkdir(parents=True, exist_ok=True)
    os.symlink(folder, place)
