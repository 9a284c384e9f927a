"""From channels to a reader: the one place that looks at content types."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from vision.data.class_list import find_class_list
from vision.data.convert.annotated_reader import open_annotated, training_names
from vision.data.convert.format import DatasetFormat
from vision.data.convert.formats import CHANNEL_FORMATS
from vision.data.readers.annotation_files import JSON, AnnotationFilesReader
from vision.data.readers.channel_contents import Contents, look
from vision.data.readers.file_table import walk_files
from vision.data.readers.folder import FolderReader, class_folders
from vision.data.readers.image_list import ImageListReader
from vision.data.readers.manifest import ManifestReader
from vision.data.readers.mask_files import MASK, MaskFilesReader
from vision.data.readers.recordio import RecordIOReader
from vision.data.recordio.record_kind import record_kind_problem
from vision.data.sample import Reader
from vision.settings.channels import ANNOTATION, Channel
from vision.settings.errors import DataError, UserError
from vision.settings.regular_file import open_regular

RECORDIO_TYPE = "application/x-recordio"
IMAGE_TYPES = ("application/x-image", "image/jpeg", "image/png")


def open_channel(
    channels: Mapping[str, Channel],
    name: str,
    class_names: Sequence[str] | None = None,
    label_suffixes: Sequence[str] = (),
) -> Reader:
    """Return the reader of the channel ``name`` ("train" or "validation") with its ``_lst`` or ``_annotation``.

    ``class_names`` are those of a trained model; they number class folders. Without them a validation folder
    is numbered by the class folders of ``train``. ``label_suffixes`` are those of the label files that the algorithm
    takes, as its ChannelFacts declare; without them, as for tools that serve any algorithm, all kinds are read. Raises
    UserError where content type, companions and what the path holds do not fit together.
    """
    channel = _get(channels, name)
    lst, annotation = channels.get(f"{name}_lst"), channels.get(f"{name}{ANNOTATION}")
    found = _choose(channels, name)
    if found.form == "RecordIO":
        _check_records(name, channel, found.files)
        folders = [*(file.parent for file in found.files), channel.path]
        return RecordIOReader(found.files, class_names=find_class_list(None, *folders))
    if found.form == "a manifest":
        reader = ManifestReader(_only(name, found), channel.attributes, label_format=channel.label_format)
        if reader.color_map is not None:
            if class_names is None and name != "train" and "train" in channels:
                class_names = open_channel(channels, "train", label_suffixes=label_suffixes).class_names
            if class_names and not _are_numbers(class_names):
                reader.number_classes(class_names)
        return reader
    if lst is not None:
        file = _list_file(f"{name}_lst", lst.path)
        return ImageListReader(file, channel.path, find_class_list(None, file.parent, channel.path))
    if annotation is not None:
        return _open_label_files(channel.path, annotation.path, label_suffixes or (JSON, MASK))
    data_set = _data_set(found)
    if data_set is not None:
        return _open_data_set(channels, name, data_set, class_names)
    if found.form == "an image list":
        file = _only(name, found)
        return ImageListReader(file, file.parent, find_class_list(None, file.parent))
    if label_suffixes and JSON not in label_suffixes:
        raise UserError(
            f"Channel {name}{ANNOTATION} is missing: channel {name} holds images, so give channels.{name}{ANNOTATION}="
            " the folder of their masks, a PNG file of the same name for each."
        )
    if class_names is None and name != "train" and "train" in channels:
        train = _choose(channels, "train")
        if train.form == "images" and not _companions(channels, "train"):
            class_names = _folder_classes(channels["train"].path) or class_folders(channels["train"].path)
    return FolderReader(channel.path, class_names or _folder_classes(channel.path))


def _open_label_files(images: Path, labels: Path, suffixes: Sequence[str]) -> Reader:
    """Return the reader of the first kind of label files that the folder ``labels`` holds."""
    if not labels.is_dir():
        kinds = " or ".join(suffix[1:].upper() for suffix in suffixes)
        raise DataError(str(labels), f"is no folder; one {kinds} file for each image must lie there")
    are_masks = JSON not in suffixes
    if not are_masks and len(suffixes) > 1:
        held = {os.path.splitext(path)[1].lower() for path in walk_files(labels)}
        are_masks = JSON not in held and not held.isdisjoint(suffixes)
    if are_masks:
        return MaskFilesReader(images, labels, [suffix for suffix in suffixes if suffix != JSON])
    return AnnotationFilesReader(images, labels)


def _open_data_set(
    channels: Mapping[str, Channel], name: str, form: DatasetFormat, class_names: Sequence[str] | None
) -> Reader:
    path = channels[name].path
    if form.channel is not None and form.channel.reader is not None:
        return form.channel.reader(path)
    others = [key for key in ("train", "validation") if key != name and key in channels]
    is_shared = any(channels[key].path.resolve() == path.resolve() for key in others)
    if class_names is None and name != "train" and "train" in channels:
        train = _data_set(_choose(channels, "train"))
        if train is not None and train.channel is not None and train.channel.numbered_by_train:
            class_names = training_names(channels["train"].path, train, is_shared=is_shared)
    if class_names is not None and _are_numbers(class_names):
        # A model that was trained without names takes the data's.
        class_names = None
    return open_annotated(path, form, name, class_names, is_shared=is_shared)


def _are_numbers(class_names: Sequence[str]) -> bool:
    """Return whether classes were never named: each has its id as name."""
    return list(class_names) == [str(class_id) for class_id in range(len(class_names))]


def _data_set(found: Contents) -> DatasetFormat | None:
    return CHANNEL_FORMATS.get(found.form)


def _folder_classes(path: Path) -> tuple[str, ...] | None:
    return find_class_list(None, path) if path.is_dir() else None


def _choose(channels: Mapping[str, Channel], name: str) -> Contents:
    """Return the form of data to read, of those that the channel's path holds."""
    channel, companions = channels[name], _companions(channels, name)
    if not channel.path.exists():
        raise UserError(f"Channel {name}: {channel.path} does not exist; give the path of a file or folder.")
    wanted = _forms_of(name, channel.content_type)
    if channel.attributes is not None:
        wanted &= {"a manifest"}
    if companions:
        wanted &= {"an image list", "images"}
    held = look(channel.path, below=channel.content_type == RECORDIO_TYPE)
    fitting = [contents for contents in held if contents.form in wanted]
    if not fitting:
        raise UserError(_contradiction(name, channel, companions, held[0]))
    if companions and not channel.path.is_dir():
        raise UserError(
            f"Channel {companions[0]} is given, but channel {name} is the file {channel.path}; it must be the "
            "folder of the images."
        )
    if channel.content_type is None and fitting[0].form == "RecordIO":
        # A .lst belongs to the .rec made from it; folders may hold anything.
        ignored = ("an image list", *CHANNEL_FORMATS)
        rivals = [c for c in fitting[1:] if c.form not in ignored and not c.example.endswith("/")]
        if rivals:
            raise UserError(
                f"Channel {name}: {channel.path} holds RecordIO ({fitting[0].example}) and {rivals[0].form} "
                f"({rivals[0].example}); give the path of one, or set content_type."
            )
    return fitting[0]


def _forms_of(name: str, content_type: str | None) -> set[str]:
    if content_type is None:
        return {"RecordIO", "a manifest", "an image list", "images", *CHANNEL_FORMATS}
    if content_type == RECORDIO_TYPE:
        return {"RecordIO", "a manifest"}
    if content_type in IMAGE_TYPES:
        # AWS's Kubernetes operator sends manifests under this type.
        return {"a manifest", "an image list", "images", *CHANNEL_FORMATS}
    raise UserError(
        f"Channel {name} has content_type {content_type!r} but must have {RECORDIO_TYPE} (.rec files and "
        f"manifests) or one of {', '.join(IMAGE_TYPES)} (image files)."
    )


def _contradiction(name: str, channel: Channel, companions: list[str], held: Contents) -> str:
    holds = f"{channel.path} holds {held.form} ({held.example})"
    if held.form not in _forms_of(name, channel.content_type):
        fitting = RECORDIO_TYPE if held.form == "RecordIO" else IMAGE_TYPES[0]
        return f"Channel {name} has content_type {channel.content_type}, but {holds}; set content_type={fitting}."
    if channel.attributes is not None and held.form != "a manifest":
        return (
            f"Channel {name} has attributes ({', '.join(channel.attributes)}), but {holds}, no manifest; leave "
            "them out or give a .manifest or .jsonl file."
        )
    return (
        f"Channel {companions[0]} is given, but {holds}, which has its labels in itself; leave {companions[0]} "
        f"out or give a folder of images as {name}."
    )


def _companions(channels: Mapping[str, Channel], name: str) -> list[str]:
    """Return the names of the channels that hold the labels of ``name``; at most one."""
    found = [key for key in (f"{name}_lst", f"{name}{ANNOTATION}") if key in channels]
    if len(found) > 1:
        raise UserError(f"Channels {' and '.join(found)} are both given; keep the one that holds the labels.")
    return found


def _check_records(name: str, channel: Channel, files: Sequence[Path]) -> None:
    if channel.label_format == "class-id":
        raise UserError(
            f"Channel {name} has label-format=class-id, which only manifests have; {files[0].name} holds one "
            "0/1 number for each class: leave label-format out."
        )
    for file in files:
        with open_regular(file) as stream:
            problem = record_kind_problem(stream.read(512))
        if problem:
            raise DataError(str(file), problem)


def _only(name: str, found: Contents) -> Path:
    if len(found.files) > 1:
        names = ", ".join(file.name for file in found.files[:3])
        raise UserError(
            f"Channel {name}: {found.files[0].parent} holds {found.form} more than once ({names}); give the path "
            "of the one to use."
        )
    return found.files[0]


def _list_file(name: str, path: Path) -> Path:
    if not path.is_dir():
        return path
    found = sorted(file for file in path.iterdir() if file.suffix.lower() == ".lst")
    if len(found) != 1:
        raise UserError(f"Channel {name}: {path} holds {len(found)} .lst files; it needs exactly one.")
    return found[0]


def _get(channels: Mapping[str, Channel], name: str) -> Channel:
    if name not in channels:
        raise UserError(
            f"Channel {name} is needed, but only {', '.join(channels) or 'no channel'} is given: set "
            f"channels.{name}=PATH."
        )
    return channels[name]
