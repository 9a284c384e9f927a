"""What the words of a command name: videos, those in folders, cameras by their number, and streams."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from vision.settings.errors import UserError
from vision.settings.file_names import local_path
from vision.settings.nearest import shown

SCHEMES = ("rtsp", "rtsps", "http", "https")
SUFFIXES = (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi")


@dataclass(frozen=True)
class Source:
    """What a word names: the file ``path``, the camera of a number (``device``), or the stream at ``url``."""

    path: Path | None = None
    device: int | None = None
    url: str | None = None

    @property
    def name(self) -> str:
        """What to call it, without the password that an address may hold."""
        if self.url is not None:
            parts = urlsplit(self.url)
            return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
        return f"camera {self.device}" if self.path is None else str(self.path)

    @property
    def stem(self) -> str:
        """A name for files about it."""
        return self.path.stem if self.path is not None else "stream" if self.device is None else f"camera{self.device}"


def find_sources(words: Sequence[str]) -> list[Source]:
    """Return the videos, those in folders, cameras and streams that words name. Raises UserError."""
    if not words:
        raise UserError("Videos are missing: give files, folders, the number of a camera, or a URL.")
    found: list[Source] = []
    for word in words:
        if (source := _camera_or_stream(word)) is not None:
            found.append(source)
            continue
        path = local_path(word)
        if not path.exists():
            raise UserError(
                f"Argument {shown(word)} does not exist: give a video, a folder, a camera's number or a URL."
            )
        if not path.is_dir():
            found.append(Source(path=path))
            continue
        clips = _videos_below(path)
        if not clips:
            raise UserError(f"Argument {shown(word)} holds no video ({', '.join(SUFFIXES)}).")
        found += [Source(path=clip) for clip in clips]
    return found


def _videos_below(folder: Path) -> list[Path]:
    # Imported here because it loads OpenCV.
    from vision.data.readers.file_table import walk_files

    return [folder / name for name in walk_files(folder) if name.lower().endswith(SUFFIXES)]


def _camera_or_stream(word: str) -> Source | None:
    """Return the camera or stream that a word means; None for paths. A file of that name comes first."""
    if word.isascii() and word.isdigit() and len(word) < 4 and not Path(word).exists():
        return Source(device=int(word))
    scheme, mark, rest = word.partition("://")
    if not mark or Path(word).exists():
        return None
    if scheme.lower() not in SCHEMES:
        raise UserError(f"Argument {shown(word)} has the scheme {shown(scheme)}, but must have {', '.join(SCHEMES)}.")
    if not _host(word):
        raise UserError(f"Argument {shown(word)} names no host: give for example rtsp://camera/main.")
    return Source(url=f"{scheme.lower()}://{rest}")


def _host(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None
