"""model.tar.gz: plain files at the root of a gzip-compressed tar."""

from __future__ import annotations

import gzip
import tarfile
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path

from vision.artifacts.model_place import GZIP_START
from vision.artifacts.tar_stream import BadArchiveError, Member, TarStream
from vision.files.atomic_file import atomic_file
from vision.settings.errors import UserError
from vision.settings.regular_file import open_regular

MAX_MEMBERS = 4096
"""An epoch kept for each of a thousand epochs, and room."""

_PICKLES = (".pth", ".pt", ".ckpt", ".pkl", ".pickle", ".joblib")
# Weights hardly shrink, so more effort only costs time.
_FAST = 1


def pack_archive(folder: Path, names: Iterable[str], target: Path) -> None:
    """Pack the named files of ``folder`` into ``target``, written whole or not at all.

    The same files give the same bytes: sorted, without times, owners and permissions of this machine.
    """
    with (
        atomic_file(target) as file,
        gzip.GzipFile("", "wb", _FAST, file, mtime=0) as compressed,
        # GNU's format, because PAX headers would hold nothing that is needed, and ustar ends at 8 GiB a file.
        tarfile.open(fileobj=compressed, mode="w", format=tarfile.GNU_FORMAT) as archive,
    ):
        for name in sorted(names):
            with (folder / name).open("rb") as content:
                entry = tarfile.TarInfo(name)
                entry.size = (folder / name).stat().st_size
                archive.addfile(entry, content)


def extract_archive(
    archive: Path, folder: Path, max_size_of: Callable[[str], int | None], max_bytes: int
) -> tuple[str, ...]:
    """Write the wanted files of an untrusted archive into ``folder`` and return the names of all its files.

    ``max_size_of(name)`` is the most bytes a file at the root may have, or None for one that stays packed.
    ``max_bytes`` bounds the unpacked stream as a whole. Refused are links, devices, names that leave the
    folder, names that come twice, more than MAX_MEMBERS entries, and pickles under any name that says so.
    """
    try:
        with open_regular(archive) as file:
            if file.read(len(GZIP_START)) != GZIP_START:
                raise BadArchiveError("is not a gzip-compressed tar archive")
            file.seek(0)
            with gzip.GzipFile(fileobj=file) as unpacked:
                return _extract(TarStream(unpacked, max_bytes), folder, max_size_of)  # type: ignore[arg-type]
    except BadArchiveError as error:
        raise UserError(f"{archive} {error}; pack the model folder again") from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UserError(f"{archive} is damaged or was cut short: {error}; copy or pack it again") from error
    except OSError as error:
        raise UserError(f"{archive} cannot be unpacked into {folder}: {error}") from error


def _extract(stream: TarStream, folder: Path, max_size_of: Callable[[str], int | None]) -> tuple[str, ...]:
    seen: set[str] = set()
    for count, member in enumerate(stream, start=1):
        if count > MAX_MEMBERS:
            raise BadArchiveError(f"holds more than {MAX_MEMBERS} files, the most that is allowed")
        name = _plain_name(member.name)
        if member.is_folder:
            continue
        if name in seen:
            raise BadArchiveError(f"holds {name[:100]!r} twice")
        seen.add(name)
        if name.lower().endswith(_PICKLES):
            raise BadArchiveError(
                f"holds {name[:100]!r}: files of this kind can run code when they are read, "
                f"so only weights in safetensors format are accepted"
            )
        max_size = None if "/" in name or "\\" in name else max_size_of(name)
        if max_size is not None:
            _write(stream, member, folder / name, max_size)
    return tuple(sorted(seen))


def _plain_name(name: str) -> str:
    """The name without ``./`` and without a slash at its end, which other programs write."""
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if name.startswith("/") or ".." in parts:
        raise BadArchiveError(f"holds {name[:100]!r}, which would leave the folder")
    return "/".join(parts)


def _write(stream: TarStream, member: Member, path: Path, max_size: int) -> None:
    if member.size > max_size:
        raise BadArchiveError(f"holds {path.name!r} of {member.size} bytes, and at most {max_size} are allowed")
    with path.open("xb") as file:
        for chunk in stream.chunks():
            file.write(chunk)
