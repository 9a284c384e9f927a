"""The keys of a bucket in the order of S3 (by their UTF-8 bytes), page by page, without reading the whole bucket."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

IsMarker = Callable[[str], bool]


@dataclass(frozen=True)
class Listed:
    """An object. ``status`` is its file's, or its folder's if the key ends in "/"."""

    key: str
    status: os.stat_result


@dataclass
class Page:
    """Objects and common prefixes, at most as many as asked for; ``last`` is where the next page goes on, or None."""

    objects: list[Listed] = field(default_factory=list)
    prefixes: list[str] = field(default_factory=list)
    last: str | None = None


def list_page(folder: Path, prefix: str, delimiter: str, after: str, most: int, is_marker: IsMarker) -> Page:
    """Return the keys that begin with ``prefix`` and come behind ``after``, a key or a common prefix.

    Keys with ``delimiter`` behind the prefix are one common prefix each. ``is_marker`` says of a folder's key,
    ending in "/", whether a client has stored it as an object of its own.
    """
    page = Page()
    if most == 0:
        return page
    entries = islice(_entries(folder, prefix, delimiter, after, is_marker), most + 1)
    for count, entry in enumerate(entries):
        if count == most:
            page.last = max([*page.prefixes[-1:], *(one.key for one in page.objects[-1:])], key=str.encode)
        elif isinstance(entry, str):
            page.prefixes.append(entry)
        else:
            page.objects.append(entry)
    return page


def _entries(folder: Path, prefix: str, delimiter: str, after: str, is_marker: IsMarker) -> Iterator[Listed | str]:
    walk = _Walk(os.path.realpath(folder), prefix, after, is_marker)
    if delimiter == "/":
        # Then a folder behind the prefix is one entry, whatever it holds.
        yield from walk.keys(folder, "", grouped=True)
        return
    group = after if delimiter and delimiter in after[len(prefix) :] else None
    for listed in walk.keys(folder, "", grouped=False):
        assert isinstance(listed, Listed)
        head, found, _ = listed.key[len(prefix) :].partition(delimiter) if delimiter else ("", "", "")
        if not found:
            yield listed
        elif group != prefix + head + found:
            group = prefix + head + found
            yield group


@dataclass(frozen=True)
class _Walk:
    bucket: str
    prefix: str
    after: str
    is_marker: IsMarker

    def keys(self, folder: Path, start: str, *, grouped: bool) -> Iterator[Listed | str]:
        """Go through ``folder``, whose keys begin with ``start``; grouped: folders behind the prefix as one entry."""
        for name, entry in self._sorted_entries(folder):
            key = start + name
            if entry.is_dir(follow_symlinks=False):
                if self._has_some(key):
                    yield from self._folder(Path(entry.path), key, grouped)
            elif key.startswith(self.prefix) and self._is_behind(key) and entry.is_file():
                yield Listed(key, entry.stat())

    def _folder(self, folder: Path, key: str, grouped: bool) -> Iterator[Listed | str]:
        if grouped and key.startswith(self.prefix) and key != self.prefix:
            everything = _Walk(self.bucket, "", "", self.is_marker)
            if self._is_behind(key) and next(everything.all_keys(folder, key), None) is not None:
                yield key
            return
        yield from self.all_keys(folder, key, grouped=grouped)

    def all_keys(self, folder: Path, key: str, *, grouped: bool = False) -> Iterator[Listed | str]:
        """Yield the folder's own key, if a client has stored it, and the keys in it."""
        if key.startswith(self.prefix) and self._is_behind(key) and self.is_marker(key):
            yield Listed(key, folder.stat())
        yield from self.keys(folder, key, grouped=grouped)

    def _has_some(self, key: str) -> bool:
        """Return whether keys that begin with this folder's can be asked for."""
        wanted = key.startswith(self.prefix) or self.prefix.startswith(key)
        return wanted and (self._is_behind(key) or self.after.startswith(key))

    def _is_behind(self, key: str) -> bool:
        return key.encode() > self.after.encode()

    def _sorted_entries(self, folder: Path) -> list[tuple[str, os.DirEntry[str]]]:
        """Return names and entries in the order of their keys: a folder's name counts with its slash."""
        found = []
        with os.scandir(folder) as entries:
            for entry in entries:
                # A name that is not UTF-8 cannot be a key, and a linked folder could hold itself.
                if _is_text(entry.name) and (not entry.is_symlink() or self._is_own_file(entry)):
                    found.append((f"{entry.name}/" if entry.is_dir() else entry.name, entry))
        return sorted(found, key=lambda pair: pair[0].encode())

    def _is_own_file(self, link: os.DirEntry[str]) -> bool:
        return link.is_file() and os.path.realpath(link.path).startswith(f"{self.bucket}/")


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
