"""The formats by name; each one's file is loaded when it is used."""

from __future__ import annotations

import importlib
from pathlib import Path

from vision.data.convert.format import Sink, Source, SourceOptions

# What the path of a data set is, for messages and for output.
FORMATS: dict[str, str] = {
    "folder": "folder with one folder for each class",
    "lst": "FILE.lst, its images below its folder",
    "recordio": "FILE.rec",
    "manifest": "FILE.manifest or FILE.jsonl",
    "annotation_json": "folder with images and annotations",
    "coco": "FILE.json or its folder; images beside it or in images",
    "voc": "folder with JPEGImages (or images) and Annotations",
    "yolo": "folder with images and labels, or with both side by side",
}
SUFFIXES = {"lst": (".lst",), "recordio": (".rec",), "manifest": (".manifest", ".jsonl"), "coco": (".json",)}


def open_source(name: str, path: Path, options: SourceOptions) -> Source:
    """The data set of format ``name`` at ``path``. Raises UserError where it is none."""
    source: Source = importlib.import_module(f"vision.data.convert.{name}").SOURCE(path, options)
    return source


def sink_type(name: str) -> type[Sink]:
    """The writer of format ``name``."""
    kind: type[Sink] = importlib.import_module(f"vision.data.convert.{name}").SINK
    return kind
