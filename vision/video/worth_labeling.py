"""The frames of videos that are worth a label: doubtful ones that differ from each other, for a labeling tool.

Of each batch the most doubtful frames are looked at; when there are more than enough, of the two most alike the less
doubtful one goes. So the images on disk and their vectors in memory stay few, however long the video.

Legend: N candidates, D the length of a vector.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from vision.api.model import Model
from vision.files.atomic_file import write_whole
from vision.files.write_error import make_folder
from vision.labeling.selection import SHORTLIST, select
from vision.labeling.task_files import ChosenImage, write_tasks
from vision.reports.drawing import jpeg_bytes
from vision.retrieval.embedding_model import EmbeddingModel
from vision.video.predicted_frames import PredictedFrame

# Twice those of which different ones are chosen.
_POOL_OF_WANTED = 2 * SHORTLIST
# One frame of so many is looked at, as those between are almost the same.
_OFFERED = 8
# Cosines from which frames are near-equal: those of the same tracks or the same stretch of a label, and any others.
_ALIKE, _SAME = 0.98, 0.9995
_QUALITY = 95


@dataclass(frozen=True, eq=False)
class _Candidate:
    image: ChosenImage
    scene: frozenset[int]
    vector: np.ndarray


class WorthLabeling:
    """Gathers candidates into ``folder``/images; ``write`` keeps ``count`` of them and writes the task files.

    ``model_name`` is what labeling tools show as the origin of proposals.
    """

    def __init__(self, model: Model, folder: Path, count: int, model_name: str) -> None:
        self._model = model
        self._embedding = EmbeddingModel(model.algorithm, model.network, model.transform, model.device, model_name)
        self._folder, self._count, self._model_name = folder, count, model_name
        self._candidates: list[_Candidate] = []
        make_folder(folder / "images")

    def offer(self, clip: str, frames: Sequence[PredictedFrame], scenes: Sequence[frozenset[int]]) -> None:
        """Look at the most doubtful of these frames of a ``clip``; ``scenes``: the tracks that each of them shows."""
        doubts = np.array([self._model.algorithm.uncertainty(frame.prediction) for frame in frames])
        places = np.sort(np.argsort(-doubts, kind="stable")[: -(-len(frames) // _OFFERED)]).tolist()
        vectors = self._embedding.vectors([frames[place].prepared.pixels for place in places])
        for place, vector in zip(places, vectors, strict=True):
            self._consider(clip, frames[place], float(doubts[place]), scenes[place], vector)

    def write(self) -> list[Path]:
        """Choose frames, remove the others, and return the files written."""
        if not self._candidates:
            return []
        doubts = np.array([one.image.uncertainty for one in self._candidates])
        vectors = np.stack([one.vector for one in self._candidates])
        places = select(doubts, vectors, self._count, "mixed").tolist()
        for place in set(range(len(self._candidates))).difference(places):
            self._candidates[place].image.file.unlink(missing_ok=True)
        chosen = [self._candidates[place].image for place in places]
        task = self._model.algorithm.label_task(self._model.hyperparameters)
        return write_tasks(self._folder, chosen, task, self._model.class_names, self._model_name, "keep")

    def _consider(
        self, clip: str, frame: PredictedFrame, doubt: float, scene: frozenset[int], vector: np.ndarray
    ) -> None:
        similar = self._similarities(vector)
        same_scene = np.array([one.scene == scene for one in self._candidates], bool)
        near = np.flatnonzero(similar >= np.where(same_scene, _ALIKE, _SAME)).tolist()
        if any(self._candidates[place].image.uncertainty >= doubt for place in near):
            return
        for place in reversed(near):
            self._remove(place)
        self._candidates.append(_Candidate(self._stored(clip, frame, doubt), scene, vector))
        if len(self._candidates) > _POOL_OF_WANTED * self._count:
            self._remove(self._most_expendable())

    def _similarities(self, vector: np.ndarray) -> np.ndarray:
        """Return the cosine of each candidate with a vector, float32 [N]."""
        return np.array([one.vector @ vector for one in self._candidates], np.float32)

    def _most_expendable(self) -> int:
        """Return the less doubtful of the two candidates most alike."""
        vectors = np.stack([one.vector for one in self._candidates])
        similar = vectors @ vectors.T
        np.fill_diagonal(similar, -np.inf)
        pair = np.unravel_index(int(similar.argmax()), similar.shape)
        return min((int(place) for place in pair), key=lambda place: self._candidates[place].image.uncertainty)

    def _remove(self, place: int) -> None:
        self._candidates.pop(place).image.file.unlink(missing_ok=True)

    def _stored(self, clip: str, frame: PredictedFrame, doubt: float) -> ChosenImage:
        name = f"{clip}_{frame.number:08d}.jpg"
        path = self._folder / "images" / name
        write_whole(path, jpeg_bytes(Image.fromarray(frame.rgb), quality=_QUALITY), durable=False)
        proposals = self._model.algorithm.proposed_labels(frame.prediction)
        return ChosenImage(path, f"images/{name}", frame.prepared.size_px, doubt, proposals)
