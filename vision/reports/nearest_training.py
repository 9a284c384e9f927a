"""The part of a report that shows mistakes beside the training images that resemble them the most."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from vision.metrics.evaluation import Evaluation, Example, Gallery, Table
from vision.reports import page as html
from vision.reports.contact_sheet import make_thumbnail, thumbnail_side_px
from vision.reports.drawing import jpeg_bytes
from vision.retrieval.training_neighbors import TrainingImages, TrainingNeighbor
from vision.settings.counted import counted

TITLE = "Training images nearest to mistakes"
MOST_MISTAKES = 32
SHOWN_NEIGHBORS = 3
COPY = "a copy of a training image: it leaked"
OTHER_LABEL = "the nearest training image has the predicted label: one of the two labels may be wrong"


@dataclass(frozen=True)
class _Mistake:
    example: Example
    image: np.ndarray
    nearest: tuple[TrainingNeighbor, ...]
    remark: str


@dataclass(frozen=True)
class NearestTraining:
    """What a report adds: a section with pictures, the same as a table, and sentences on leaks and doubtful labels."""

    section: html.Section
    table: Table
    notes: tuple[str, ...]


def nearest_training(
    evaluation: Evaluation, image_of: Callable[[int], np.ndarray | None], training: TrainingImages
) -> NearestTraining | None:
    """Return the training images nearest to the first mistakes of an evaluation; None where nothing is to be shown.

    ``image_of`` gives the image uint8 [H, W, 3] of an example by its index, None if it cannot be read.
    """
    examples = mistakes_of(evaluation)
    read = [(one, image) for one in examples if (image := image_of(one.index)) is not None]
    found = training.nearest([image for _, image in read], SHOWN_NEIGHBORS)
    mistakes = [
        _mistake(example, image, near, training) for (example, image), near in zip(read, found, strict=True) if near
    ]
    if not mistakes:
        return None
    body = "".join(_shown(number, mistake, training) for number, mistake in enumerate(mistakes))
    rows = tuple(_row(mistake) for mistake in mistakes)
    columns = ("image", "what is wrong", "nearest training image", "its label", "similarity", "remark")
    return NearestTraining(html.Section(TITLE, body), Table(TITLE, columns, rows, is_long=True), _notes(mistakes))


def mistakes_of(evaluation: Evaluation) -> list[Example]:
    """Return the first images about which the model was wrong, each once."""
    galleries = (gallery for gallery in evaluation.galleries if gallery.of_mistakes)
    first: dict[int, Example] = {}
    for gallery in galleries:
        for example in gallery.examples:
            first.setdefault(example.index, example)
    return list(first.values())[:MOST_MISTAKES]


def _mistake(
    example: Example, image: np.ndarray, near: Sequence[TrainingNeighbor], training: TrainingImages
) -> _Mistake:
    copy = next((one for one in near if training.is_copy(image, one)), None)
    if copy is not None:
        # What was changed makes a copy less similar than another image may be.
        return _Mistake(example, image, (copy, *(one for one in near if one is not copy)), COPY)
    truth, predicted = example.truth_and_prediction or (None, None)
    has_other_label = truth != predicted and near[0].classes == {predicted}
    return _Mistake(example, image, tuple(near), OTHER_LABEL if has_other_label else "")


def _notes(mistakes: Sequence[_Mistake]) -> tuple[str, ...]:
    leaked = sum(mistake.remark == COPY for mistake in mistakes)
    doubtful = sum(mistake.remark == OTHER_LABEL for mistake in mistakes)
    shown = counted(len(mistakes), "mistake")
    notes = []
    if leaked:
        notes.append(f"Of {shown} compared with training images, {leaked} show a picture that training has, too.")
    if doubtful:
        notes.append(
            f"Of {shown} compared with training images, {doubtful} are nearest to one that has the predicted label: "
            "look whether the label is wrong."
        )
    return tuple(notes)


def _row(mistake: _Mistake) -> tuple[str | float, ...]:
    first = mistake.nearest[0]
    example = mistake.example
    return (example.key, example.caption, first.key, first.label, round(first.similarity, 4), mistake.remark)


def _shown(number: int, mistake: _Mistake, training: TrainingImages) -> str:
    """Return a mistake and beside it the training images nearest to it."""
    near = [
        Example(one.index, one.key, f"training, similarity {one.similarity:.2f}: {one.label}".removesuffix(": "))
        for one in mistake.nearest
    ]
    gallery = Gallery(f"nearest {number}", (mistake.example, *near))
    images = [mistake.image, *(training.image(one.index) for one in mistake.nearest)]
    side = thumbnail_side_px(gallery)
    thumbnails = [make_thumbnail(one, image, side) for one, image in zip(gallery.examples, images, strict=True)]
    jpegs = [None if picture is None else jpeg_bytes(picture) for picture in thumbnails]
    title = f"{mistake.example.caption}{f', {mistake.remark}' if mistake.remark else ''}"
    return html.folded_html(title, html.gallery_html(gallery, jpegs), is_open=True)
