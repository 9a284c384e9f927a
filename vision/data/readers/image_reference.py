"""Where the image lies that a manifest names by a path or an address."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from vision.data.readers.file_table import path_problem


class ImageReferences:
    """Finds the images of one manifest below ``root``.

    A relative path counts from ``root`` and stays below it. ``file://`` names any local file.
    ``s3://bucket/key`` is looked up by its key, then by the key without its first folder, and so on down to
    the bare file name, as a copy of some prefix of the bucket would hold it; two objects that end at the
    same file are an error.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._object_at: dict[str, str] = {}

    def find(self, reference: object) -> str:
        """Return the path relative to ``root``, or absolute for ``file://``. ValueError holds half a sentence."""
        if not isinstance(reference, str) or not reference:
            raise ValueError(f"names its image by {reference!r:.60}, which must be a path or an address")
        if reference.lower().endswith((".json", ".jsonl")):
            raise ValueError(
                f"refers to {reference!r}, which is no image; a Ground Truth video manifest must be turned "
                "into one line for each frame"
            )
        scheme, separator, rest = reference.partition("://")
        if not separator:
            problem = path_problem(self._root, reference)
            if problem:
                raise ValueError(problem)
            return reference
        if scheme == "s3":
            return self._find_object(reference, rest)
        if scheme == "file":
            return _local_file(reference)
        raise ValueError(f"refers to {reference!r}; download the image and give its path instead")

    def path(self, reference: object) -> Path:
        """Return the path of the image's file. ValueError holds half a sentence."""
        return self._root / self.find(reference)

    def _find_object(self, reference: str, rest: str) -> str:
        parts = [part for part in rest.partition("/")[2].split("/") if part]
        path = next(
            (
                path
                for path in ("/".join(parts[start:]) for start in range(len(parts)))
                if path_problem(self._root, path) is None
            ),
            None,
        )
        if path is None:
            raise ValueError(
                f"refers to {reference!r}, but no copy of it lies below {self._root}, neither by its key nor "
                f"by its file name; copy it there (aws s3 cp {reference} {self._root}/)"
            )
        other = self._object_at.setdefault(path, reference)
        if other != reference:
            raise ValueError(
                f"refers to {reference!r}, but {path} below {self._root} already stands for {other!r}; keep "
                "the folders of the bucket when copying"
            )
        return path


def _local_file(reference: str) -> str:
    address = urlsplit(reference)
    path = url2pathname(address.path)
    if address.netloc not in ("", "localhost") or not os.path.isabs(path):
        raise ValueError(f"refers to {reference!r}; a local file is written file:///folder/image.jpg")
    if "\0" in path or not os.path.isfile(path):
        raise ValueError(f"refers to {reference!r}, but there is no such file")
    return path
