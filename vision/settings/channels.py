"""Channels: where the images and labels of a job lie."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, cast

from vision.settings.errors import SettingsError
from vision.settings.file_names import local_path, name_problem, shown_name
from vision.settings.nearest import did_you_mean, shown

InputMode = Literal["File", "FastFile", "Pipe"]
LabelFormat = Literal["multi-hot", "class-id"]
# The ending of the name of a channel that holds the label files of another.
ANNOTATION = "_annotation"
# The channel of the files that say what the pixels of masks mean.
LABEL_MAP = "label_map"
_MODES = ("File", "FastFile", "Pipe")
_LABEL_FORMATS = ("multi-hot", "class-id")
_KEYS = ("path", "content_type", "input_mode", "attributes", "label_format")


@dataclass(frozen=True)
class ChannelFacts:
    """A channel that an algorithm declares: its name, what it ``holds`` for help, and whether every job needs it.

    ``label_suffixes`` are the endings, with their dot, of label files that lie beside or instead of the images, one
    for each: (".json",) for annotations, (".png",) for masks; empty where the channel holds no such files.
    """

    name: str
    holds: str
    required: bool = False
    label_suffixes: tuple[str, ...] = ()


TRAIN = ChannelFacts(
    "train", "training images: .rec files, images, class folders or an augmented manifest", required=True
)
VALIDATION = ChannelFacts("validation", "validation images, in the same forms", required=True)
MODEL = ChannelFacts("model", "a model to continue: model folder, model.tar.gz or run folder")


def needed_channels(declared: Iterable[ChannelFacts], run: Mapping[str, object]) -> tuple[ChannelFacts, ...]:
    """Return the declared channels; those of validation are optional where ``run`` validates on parts of train."""
    if not (run.get("folds") or run.get("validation_share")):
        return tuple(declared)
    return tuple(replace(one, required=one.required and not one.name.startswith("validation")) for one in declared)


@dataclass(frozen=True)
class Channel:
    """One input of a job.

    ``path`` is a file, a folder, or in Pipe mode the pipe's name without its "_<epoch>". ``content_type`` is
    a MIME type without parameters, None to find the format by looking. ``attributes`` are the augmented
    manifest's, image reference first. ``label_format`` is stated by the content type's parameter.
    """

    path: Path
    content_type: str | None = None
    input_mode: InputMode = "File"
    attributes: tuple[str, ...] | None = None
    label_format: LabelFormat | None = None

    def described(self) -> dict[str, object]:
        """Return what ``parse`` makes this channel of again, whatever the working folder, as JSON values."""
        stated = {"content_type": self.content_type, "attributes": self.attributes, "label_format": self.label_format}
        mode = {} if self.input_mode == "File" else {"input_mode": self.input_mode}
        return {"path": str(self.path.absolute()), **mode, **{key: value for key, value in stated.items() if value}}

    @classmethod
    def parse(cls, name: str, value: object) -> Channel:
        """Parse a path, or a mapping with the class's keys. Raises SettingsError with every problem."""
        given = dict(value) if isinstance(value, Mapping) else {"path": value}
        problems = [
            f"Channel {name} has the unknown key {shown(key)}: {did_you_mean(str(key), _KEYS)}"
            for key in given
            if key not in _KEYS
        ]
        content_type, label_format = _split_content_type(given.get("content_type"))
        label_format = given.get("label_format") or label_format
        mode = given.get("input_mode") or "File"
        if mode not in _MODES:
            problems.append(f"Channel {name} has input_mode {shown(mode)} but must have {', '.join(_MODES)}.")
        if label_format is not None and label_format not in _LABEL_FORMATS:
            problems.append(
                f"Channel {name} has label-format {shown(label_format)} but must have multi-hot or class-id."
            )
        problems += _path_problems(name, given.get("path"), pipe=mode == "Pipe")
        if problems:
            raise SettingsError(problems)
        return cls(
            path=local_path(str(given["path"]).removeprefix("file://")),
            content_type=content_type,
            input_mode=cast(InputMode, mode),
            attributes=_attributes(given.get("attributes")),
            label_format=cast("LabelFormat | None", label_format),
        )


def parse_channels(
    values: Mapping[str, object], required: Sequence[str] = (), known: Collection[str] | None = None
) -> dict[str, Channel]:
    """Parse all channels of a job; "" and None leave one out. Raises SettingsError with every problem of all.

    ``known`` are the names that may be given; None allows any.
    """
    problems: list[str] = []
    channels: dict[str, Channel] = {}
    given = {name: value for name, value in values.items() if value is not None and value != ""}
    for name, value in given.items():
        if known is not None and name not in known:
            problems.append(f"Channel {shown(name)} is unknown: {did_you_mean(name, known)}")
            continue
        try:
            channels[name] = Channel.parse(name, value)
        except SettingsError as error:
            problems += error.problems
    problems += [_missing(name, required) for name in required if name not in given]
    if problems:
        raise SettingsError(problems)
    return channels


def _missing(name: str, required: Sequence[str]) -> str:
    """Return a sentence on a channel that is not given. Only training requires both train and validation."""
    held_out = ", or run.validation_share=0.2 to hold a fifth of channel train out"
    instead = held_out if name == "validation" and "train" in required else ""
    return f"Channel {name} is required but missing: give channels.{name}=PATH{instead}."


def _path_problems(name: str, path: object, pipe: bool) -> list[str]:
    if isinstance(path, bool | int | float):
        return [
            f"Channel {name} is {shown(path)} but must be a path: write one that looks like a number or a truth value"
            f" in quotes, as in {name}: '2024.10'."
        ]
    if path is None or path == "" or not isinstance(path, str | Path):
        return [f"Channel {name} is {shown(path)} but must be a path: give channels.{name}=PATH."]
    scheme, separator, _ = str(path).partition("://")
    if separator and scheme != "file":
        fetch = "aws s3 cp --recursive" if scheme == "s3" else "curl or a browser"
        return [
            f"Channel {name} is {shown(str(path))} but must lie on this machine: download it first (with"
            f" {fetch}) and give the local path, channels.{name}=PATH."
        ]
    problem = name_problem(str(path))
    if problem is not None:
        return [f"Channel {name} is {shown_name(str(path))}, which {problem}."]
    local = local_path(str(path).removeprefix("file://"))
    try:
        found = local.parent.is_dir() if pipe else local.exists()
    except (OSError, ValueError):
        found = False
    if found:
        return []
    return [f"Channel {name} is {shown(str(path))}, which does not exist: give the path of a file or folder."]


def _split_content_type(value: object) -> tuple[str | None, object]:
    """ "application/x-recordio; label-format=class-id" to its type and label format."""
    if value is None or not str(value).strip():
        return None, None
    kind, *parameters = [part.strip() for part in str(value).split(";")]
    formats = [text.partition("=")[2].strip() for text in parameters if text.startswith("label-format")]
    return kind.lower(), formats[0] if formats else None


def _attributes(value: object) -> tuple[str, ...] | None:
    if value is None or value == "":
        return None
    items = value.split(",") if isinstance(value, str) else list(cast("Sequence[object]", value))
    return tuple(str(item).strip() for item in items)
