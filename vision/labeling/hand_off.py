"""From a pool of images to the files of a labeling tool: look at all of them, choose, and write."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from vision import api
from vision.files.atomic_file import check_writable
from vision.labeling.pool import look_through
from vision.labeling.selection import By, select
from vision.labeling.task_files import LIST, ChosenImage, write_tasks
from vision.retrieval.embedding_model import Content, EmbeddingModel
from vision.retrieval.image_index import ImageIndex
from vision.settings.run import RunSettings


@dataclass(frozen=True)
class Wish:
    """How many images to choose, in which way, and how they get into the folder.

    ``labeled`` is the index of images that have labels, from which the chosen ones are to differ.
    """

    count: int
    by: By
    images: Literal["copy", "link"]
    labeled: Path | None = None


@dataclass(frozen=True)
class HandOff:
    """The images ``chosen`` of ``pool_size`` that could be read, the most useful first, and the ``files`` written."""

    chosen: tuple[ChosenImage, ...]
    pool_size: int
    files: tuple[Path, ...]
    class_names: tuple[str, ...]


def hand_off(
    model_path: str,
    settings: RunSettings,
    contents: Iterable[Content],
    wish: Wish,
    folder: Path,
    on_failure: Callable[[str], object],
) -> HandOff:
    """Choose the images that are worth a label and write them into ``folder`` with what the model proposes.

    The names of ``contents`` are paths. ``on_failure`` takes a sentence on each that cannot be read. Raises UserError.
    """
    model = api.load(model_path, settings)
    embedding = EmbeddingModel(model.algorithm, model.network, model.transform, model.device, model_path)
    labeled = None
    if wish.labeled is not None:
        index = ImageIndex.open(wish.labeled)
        index.check(embedding.sha256, model_path)
        labeled = index.entries().vectors.astype("float32")
    check_writable(folder / LIST)
    pool = look_through(model, embedding, contents, on_failure)
    places = select(pool.uncertainties, pool.vectors, wish.count, wish.by, labeled).tolist()
    root = os.path.commonpath([os.path.dirname(os.path.abspath(pool.names[place])) for place in places])
    chosen = [
        ChosenImage(
            file=Path(pool.names[place]),
            name=f"images/{Path(os.path.relpath(os.path.abspath(pool.names[place]), root)).as_posix()}",
            size_px=pool.sizes_px[place],
            uncertainty=float(pool.uncertainties[place]),
            proposals=pool.proposals[place],
        )
        for place in places
    ]
    task = model.algorithm.label_task(model.hyperparameters)
    files = write_tasks(folder, chosen, task, model.class_names, Path(model_path).name, wish.images)
    return HandOff(tuple(chosen), len(pool.names), tuple(files), tuple(model.class_names))
