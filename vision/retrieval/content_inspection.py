"""What an inspection finds by comparing what images show: changed copies, labels that neighbors contradict, outliers.

Legend: N images that can be read, of all channels; M images or boxes with labels; D the length of a vector.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from vision.data.boxes.object_rows import ObjectRows
from vision.data.image_codec import decode_rgb
from vision.data.inspect.issues import ContentFindings, InspectedChannel, Issue, Place
from vision.data.readers.class_names import MAX_CLASS_ID
from vision.data.sample import Reader
from vision.progress_bar import progress_bar
from vision.retrieval import visual_words
from vision.retrieval.copies import find_copies
from vision.retrieval.embedding_model import Content, EmbeddingModel, Pixels, content_of
from vision.retrieval.image_index import DIGEST_BYTES, IndexEntries
from vision.retrieval.neighbor_checks import (
    LEAST_DEVIATIONS,
    LEAST_SHARE,
    NEIGHBORS,
    SuspiciousLabel,
    agreement,
    deviations,
    neighbors,
    suspicious_labels,
)
from vision.settings.counted import counted
from vision.settings.errors import DataError

# Cutting out and looking at each of more boxes would take hours on a CPU.
MOST_BOXES = 20_000
# Each image is compared as a copy with this many of the nearest. A threshold would compare most pairs of some models.
CANDIDATES = 3
# What is smaller shows nothing.
LEAST_BOX_SIDE_PX = 4
# Neighbors that are named and shown beside a finding.
SHOWN_NEIGHBORS = 3


@dataclass(frozen=True)
class _Subject:
    """An image whose content is compared, or with ``box`` one of its boxes, by their numbers."""

    channel: int
    index: int
    box: int | None = None


class ContentInspection:
    """Compares the contents of the images of channels by the vectors of a model."""

    def __init__(self, model: EmbeddingModel, readers: Mapping[str, Reader]) -> None:
        self._model = model
        self._readers = tuple(readers.values())

    def __call__(self, channels: Sequence[InspectedChannel]) -> ContentFindings:
        """Return what the contents of the channels show; they are those of the readers, in the same order."""
        readable = [
            _Subject(number, index)
            for number, channel in enumerate(channels)
            for index in np.flatnonzero(channel.sizes_px[:, 0] > 0).tolist()
        ]
        contents = (content_of(self._readers[one.channel], one.index) for one in readable)
        images, vectors = self._embed("comparing images", readable, contents)
        if len(images) < 2:
            return ContentFindings(np.zeros((0, 2), np.int64), [])
        boxes = _boxes(channels)
        issues = []
        if boxes:
            chosen = np.linspace(0, len(boxes) - 1, min(MOST_BOXES, len(boxes))).round().astype(int)
            taken = [boxes[place] for place in chosen.tolist()]
            labeled, cut_out = self._embed("comparing boxes", taken, self._cut_out(taken, channels))
            what = "boxes, by what they cut out,"
            issues += _label_issues(channels, self._readers, labeled, cut_out, what, len(boxes))
        elif channels[0].task == "classes":
            known = [place for place, one in enumerate(images) if _label_of(channels, one)]
            labeled = [images[place] for place in known]
            what = "images, by the classes that their masks show," if channels[0].pixels is not None else "images"
            issues += _label_issues(channels, self._readers, labeled, vectors[known], what, len(labeled))
        issues += _outlier_issues(channels, self._readers, images, vectors)
        return ContentFindings(self._copies(channels, images, vectors), issues)

    def _embed(
        self, title: str, subjects: Sequence[_Subject], contents: Iterable[Content | Pixels]
    ) -> tuple[list[_Subject], np.ndarray]:
        """Return the subjects that can be embedded, and their vectors float16 [M, D]."""
        places, vectors = self._model.embed_all(title, contents, len(subjects))
        return [subjects[place] for place in places], vectors

    def _cut_out(self, boxes: Sequence[_Subject], channels: Sequence[InspectedChannel]) -> Iterator[Content | Pixels]:
        """Yield what each box cuts out of its image; boxes of one image follow each other."""
        last: tuple[int, int] | None = None
        image: np.ndarray | None = None
        for one in boxes:
            if last != (one.channel, one.index):
                last, image = (one.channel, one.index), self._image(one)
            if image is None:
                yield Content("", DataError("", "cannot be read"))
                continue
            left, top, right, bottom = _box_px(channels[one.channel], one)
            yield Pixels("", image[top:bottom, left:right])

    def _image(self, one: _Subject) -> np.ndarray | None:
        try:
            return decode_rgb(self._readers[one.channel][one.index].encoded, "")
        except DataError:
            return None

    def _copies(
        self, channels: Sequence[InspectedChannel], images: Sequence[_Subject], vectors: np.ndarray
    ) -> np.ndarray:
        """Return pairs of records, counted through all channels, that show one picture or parts of one scene."""
        digests = np.zeros((len(images), DIGEST_BYTES), np.uint8)
        for place, one in enumerate(images):
            digest = channels[one.channel].digests[one.index]
            digests[place, : len(digest)] = digest
        entries = IndexEntries(tuple(map(str, range(len(images)))), digests, vectors)
        # At most: some are nearest to each other.
        with progress_bar("comparing copies", (CANDIDATES + visual_words.NEIGHBORS) * len(images)) as advance:
            found = find_copies(
                entries,
                lambda name: self._image(images[int(name)]),
                similarity=1.0,
                advance=advance,
                neighbors=CANDIDATES,
            )
        starts = np.cumsum([0, *map(len, channels)])
        counted_through = [int(starts[one.channel]) + one.index for one in images]
        pairs = [
            (counted_through[int(group[0])], counted_through[int(other)])
            for group in (*found.near, *found.scenes)
            for other in group[1:]
        ]
        return np.array(pairs, np.int64).reshape(-1, 2)


def _boxes(channels: Sequence[InspectedChannel]) -> list[_Subject]:
    """Return the boxes that cut something out of an image that can be read and have a valid class."""
    found = []
    for number, channel in enumerate(channels):
        for index, label in enumerate(channel.labels):
            if isinstance(label, ObjectRows) and channel.sizes_px[index, 0]:
                subjects = (_Subject(number, index, box) for box in range(len(label)))
                found += [one for one in subjects if _label_of(channels, one) and _has_content(channel, one)]
    return found


def _has_content(channel: InspectedChannel, box: _Subject) -> bool:
    left, top, right, bottom = _box_px(channel, box)
    return min(right - left, bottom - top) >= LEAST_BOX_SIDE_PX


def _box_px(channel: InspectedChannel, box: _Subject) -> tuple[int, int, int, int]:
    """Return left, top, right and bottom of the part of a box that lies in its image."""
    label = channel.labels[box.index]
    assert isinstance(label, ObjectRows)
    assert box.box is not None
    size = np.tile(channel.sizes_px[box.index], 2)
    left, top, right, bottom = (label.boxes_xyxy_unit[box.box].clip(0, 1) * size).round().astype(int).tolist()
    return left, top, right, bottom


def _label_of(channels: Sequence[InspectedChannel], subject: _Subject) -> frozenset[int]:
    """Return the classes that a label states; none where it is unusable."""
    label = channels[subject.channel].labels[subject.index]
    if not isinstance(label, ObjectRows):
        return frozenset(label or ())
    assert subject.box is not None
    class_id = float(label.class_ids[subject.box])
    return frozenset({int(class_id)} if class_id.is_integer() and 0 <= class_id <= MAX_CLASS_ID else ())


def _label_issues(
    channels: Sequence[InspectedChannel],
    readers: Sequence[Reader],
    subjects: Sequence[_Subject],
    vectors: np.ndarray,
    what: str,
    total: int,
) -> list[Issue]:
    """Return the issue of the subjects whose labels their neighbors contradict; ``what`` says what was compared."""
    labels = [_label_of(channels, one) for one in subjects]
    nearest = neighbors(vectors)
    found = suspicious_labels(labels, nearest.places)
    if not found:
        return []

    def names(place: int) -> str:
        channel = channels[subjects[place].channel]
        return ", ".join(map(channel.class_name, sorted(labels[place])))

    def group(one: SuspiciousLabel) -> tuple[Place, ...]:
        shown = channels[subjects[one.place].channel].class_name(one.class_id)
        detail = f"{names(one.place)}, but {100 * one.share:.0f} % of the most similar show {shown}"
        others = (_place(channels, readers, subjects[near], names(near)) for near in one.agreeing[:SHOWN_NEIGHBORS])
        return (_place(channels, readers, subjects[one.place], detail), *others)

    groups = tuple(map(group, found))
    rows: list[dict[str, str | int | float]] = []
    for one, (place, *near) in zip(found, groups, strict=True):
        subject = subjects[one.place]
        rows.append(
            {
                "image": f"{place.channel} {place.key}",
                **({} if subject.box is None else {"box": subject.box}),
                "label": names(one.place),
                "neighbors show": channels[subject.channel].class_name(one.class_id),
                "share": round(one.share, 3),
                "most similar": f"{near[0].channel} {near[0].key}",
            }
        )
    compared = f"{len(subjects):,} of {total:,}" if total > len(subjects) else f"{len(subjects):,}"
    first = groups[0][0]
    sentence = (
        f"{counted(len(found), 'label')} that at least {100 * LEAST_SHARE:.0f} % of the {NEIGHBORS} most similar "
        f"{what} contradict ({compared} compared, of whose neighbors "
        f"{100 * agreement(labels, nearest.places):.0f} % show the same class); "
        f"first: {first.channel} {first.key} [{first.detail}]"
    )
    return [Issue("suspicious_label", "warning", sentence, len(found), groups, tuple(rows))]


def _outlier_issues(
    channels: Sequence[InspectedChannel], readers: Sequence[Reader], images: Sequence[_Subject], vectors: np.ndarray
) -> list[Issue]:
    """Return the issue of the images that are far from all others."""
    nearest = neighbors(vectors)
    labels = [_label_of(channels, one) if channels[one.channel].task == "classes" else () for one in images]
    class_of = np.array([min(label) if len(label) == 1 else -1 for label in labels])
    far = deviations(nearest.similarities, class_of)
    order = np.argsort(-far, kind="stable")
    found = order[far[order] > LEAST_DEVIATIONS].tolist()
    if not found:
        return []
    similarities = nearest.similarities.mean(axis=1)
    places = [_place(channels, readers, images[place], f"mean similarity {similarities[place]:.2f}") for place in found]
    rows: tuple[dict[str, str | int | float], ...] = tuple(
        {
            "image": f"{one.channel} {one.key}",
            "similarity": round(float(similarities[place]), 4),
            "deviations": round(float(far[place]), 2),
        }
        for place, one in zip(found, places, strict=True)
    )
    sentence = (
        f"{counted(len(found), 'image')} unlike all others: the {NEIGHBORS} most similar ones are less similar than is "
        f"usual here (median {np.median(similarities):.2f}); first: {places[0].channel} {places[0].key} "
        f"[{places[0].detail}]"
    )
    return [Issue("outlier", "warning", sentence, len(found), tuple((one,) for one in places), rows)]


def _place(channels: Sequence[InspectedChannel], readers: Sequence[Reader], subject: _Subject, detail: str) -> Place:
    channel = channels[subject.channel]
    label = channel.labels[subject.index]
    boxes: tuple[tuple[float, float, float, float], ...] = ()
    if subject.box is not None and isinstance(label, ObjectRows):
        left, top, right, bottom = label.boxes_xyxy_unit[subject.box].tolist()
        boxes = ((left, top, right, bottom),)
    return Place(channel.name, subject.index, readers[subject.channel].key(subject.index), detail, boxes)
