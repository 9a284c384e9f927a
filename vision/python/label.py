"""Chooses the images that are worth a label in Python."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from vision.data.given_images import pool_images
from vision.files.atomic_file import check_new_folder
from vision.labeling.hand_off import HandOff, Wish, hand_off
from vision.labeling.selection import WAYS, By
from vision.progress_bar import progress_bar
from vision.python.arguments import check_choice, check_count
from vision.python.image_search import words_of
from vision.python.keywords import RunKeywords
from vision.python.model import become
from vision.python.notebook import data_frame
from vision.retrieval.embedding_model import contents_of
from vision.settings.file_names import local_path
from vision.settings.run import RunSettings

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class LabelSelection(HandOff):
    """The images that were chosen, and the files for labeling tools.

    ``problems`` has a sentence on each image that could not be read.
    """

    problems: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"<LabelSelection: {len(self.chosen)} of {self.pool_size} images>"

    def to_pandas(self) -> pd.DataFrame:
        """Return a data frame with a row for each chosen image and its first proposal. Needs pandas."""
        rows = [
            (str(one.file), one.uncertainty, *((self.class_names[best.class_id], best.score) if best else (None, None)))
            for one in self.chosen
            for best in (one.proposals[0] if one.proposals else None,)
        ]
        return data_frame(("file", "uncertainty", "label", "score"), rows)


def label_select(
    pool: str | Path | Iterable[str | Path],
    *,
    model: str | Path,
    output: str | Path,
    count: int = 200,
    by: By = "mixed",
    labeled: str | Path | None = None,
    images: Literal["copy", "link"] = "copy",
    run: RunKeywords | Mapping[str, object] | None = None,
) -> LabelSelection:
    """Choose the images of a pool that are worth a label and write them into ``output``: ``vision label select``.

    ``by``: "uncertainty" takes those on which the model is the least sure, "diverse" those that differ the most from
    each other and from those of ``labeled``, an index by the same model, "mixed" different ones among the least sure.
    The folder has label_studio.json, cvat.xml and proposed.manifest with what the model proposes, and the ``images``.

    >>> vision.label_select("pool", model="runs/flowers", output="to-label", count=50).files
    """
    check_count("count", count, 1)
    check_choice("by", by, WAYS)
    check_choice("images", images, ("copy", "link"))
    settings, folder = RunSettings.parse(run or {}), local_path(output)
    check_new_folder(folder)
    paths = pool_images(words_of(pool))
    wish = Wish(count, by, images, None if labeled is None else local_path(labeled))
    problems: list[str] = []
    with progress_bar("looking through the pool", len(paths)) as advance:
        done = hand_off(str(model), settings, contents_of(paths, advance), wish, folder, problems.append)
    return become(LabelSelection, done, problems=tuple(problems))
