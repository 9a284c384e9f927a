"""Find the channels of a job in one path: class folders, .rec files, manifests, COCO, VOC, YOLO, images with masks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from vision.data.convert.dataset_folder import PARTS, entries, part_for
from vision.data.convert.formats import CHANNEL_FORMATS, recognize
from vision.data.readers.channel_contents import SUFFIXES
from vision.data.readers.file_table import is_foreign_image_name, is_image_name
from vision.settings.channels import ANNOTATION
from vision.settings.errors import SettingsError, UserError

# Where people put images and their masks, besides a folder and its twin with the ending of the annotation channels.
_IMAGES = ("images", "imgs", "jpegimages", "img_dir")
_MASKS = ("masks", "segmentationclass", "annotations", "labels", "ann_dir")
_YOLO_FILES = (".yaml", ".yml")


@dataclass(frozen=True)
class FoundData:
    """The path of each channel, and what the channels leave alone: a ``test`` part, if there is one."""

    channels: Mapping[str, Path]
    test: Path | None = None
    notes: tuple[str, ...] = field(default=())


def find_data(path: Path) -> FoundData:
    """Return the channels that a path holds: train, and validation where the data say which images are for it."""
    if path.is_file():
        # The file that Ultralytics trains by lies in the folder of the images.
        return find_data(path.parent) if path.suffix.lower() in _YOLO_FILES else _among_files(path.parent, path)
    names, folders = entries(path)
    for suffixes in SUFFIXES.values():
        files = [name for name in names if name.lower().endswith(suffixes)]
        if files:
            # As in a channel, such a file goes before all else that its folder holds.
            train = _parts([Path(name).stem for name in files]).get("train")
            first = next((name for name in files if Path(name).stem == train), None)
            return FoundData({"train": path}) if first is None else _among_files(path, path / first)
    parts = _parts(folders)
    form = recognize(path)
    if form is not None and (_is_divided(path, form[0]) or "train" not in parts):
        return FoundData({"train": path, "validation": path} if _is_divided(path, form[0]) else {"train": path})
    if "train" in parts:
        channels = {str(name): path / parts[name] for name in ("train", "validation") if name in parts}
        return FoundData(_with_labels(channels), path / parts["test"] if "test" in parts else None)
    if len(folders) == 1 and not any(is_image_name(name) or is_foreign_image_name(name) for name in names):
        below = path / folders[0]
        if recognize(below) is not None or entries(below)[1]:
            found = find_data(below)
            return FoundData(found.channels, found.test, (f"{path} holds nothing but {below.name}/", *found.notes))
    lower = {name.lower(): name for name in folders}
    images, masks = (next((lower[name] for name in known if name in lower), None) for known in (_IMAGES, _MASKS))
    if images is not None and masks is not None and any(name.endswith(".png") for name in entries(path / masks)[0]):
        return FoundData({"train": path / images, f"train{ANNOTATION}": path / masks})
    return FoundData(_with_labels({"train": path}))


def find_channels(paths: Sequence[Path]) -> FoundData:
    """Return the channels that one path holds, or of two the first for training and the second for validation."""
    if len(paths) > 2:
        raise SettingsError([f"There are {len(paths)} paths: give that of the images, perhaps one of validation."])
    found = find_data(paths[0])
    if len(paths) == 1:
        return found
    test = None if found.test == paths[1] else found.test
    return FoundData({**found.channels, **validation_in(paths[1])}, test, found.notes)


def validation_in(path: Path) -> dict[str, Path]:
    """Return the channels to measure on: the validation part of what a path holds, or else all of it."""
    found = find_data(path).channels
    part = "validation" if "validation" in found else "train"
    return {name.replace(part, "validation", 1): place for name, place in found.items() if name.startswith(part)}


def _parts(names: list[str]) -> dict[str, str]:
    """Return which of the names of files or folders is the part for each channel, and for tests."""
    lower = {name.lower(): name for name in names}
    found = {part: part_for(part, lower) for part in PARTS}
    return {part: lower[name] for part, name in found.items() if name is not None}


def _among_files(folder: Path, file: Path) -> FoundData:
    """Return the channels of a file: what lies beside train.rec is validation.rec, perhaps."""
    beside = [name for name in entries(folder)[0] if name.lower().endswith(file.suffix.lower())]
    parts = _parts([Path(name).stem for name in beside])
    if parts.get("train") != file.stem:
        return FoundData({"train": file})
    others = {part: folder / f"{stem}{file.suffix}" for part, stem in parts.items()}
    channels = {"train": file, **({"validation": others["validation"]} if "validation" in others else {})}
    return FoundData(channels, others.get("test"))


def _is_divided(path: Path, title: str) -> bool:
    """Return whether a COCO, VOC or YOLO data set says which of its images are for validation."""
    form = CHANNEL_FORMATS[title].channel
    assert form is not None
    try:
        train, validation = (form.part(path, name, True) for name in ("train", "validation"))
    except UserError:
        # One of several files is for training, but none for validation.
        return False
    return validation not in (train, (path, None))


def _with_labels(channels: Mapping[str, Path]) -> dict[str, Path]:
    """Return the channels with those of label files that lie in folders beside them."""
    beside = {f"{name}{ANNOTATION}": path.with_name(f"{path.name}{ANNOTATION}") for name, path in channels.items()}
    return {**channels, **{name: path for name, path in beside.items() if path.is_dir()}}
